package abuse

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/agent"
	"github.com/gantry-operator/gantry/internal/agent/journal"
	"github.com/gantry-operator/gantry/internal/agent/session"
	"github.com/gantry-operator/gantry/internal/operation"
)

// operates is how long an operation takes: about as long as the CLI needs to do nothing.
const operates = time.Second

// played is the runner of the agents: it takes its time and succeeds with the outputs that its stack's name asks for.
type played struct{}

// Run plays an operation.
func (played) Run(ctx context.Context, op *operation.Operation, _ func(*operation.Progress)) *operation.Result {
	result := &operation.Result{
		Uid: op.GetUid(), Name: op.GetName(), Started: timestamppb.Now(), PulumiVersion: "3.200.0",
		Outcome: operation.Outcome_SUCCEEDED, Reason: operation.ReasonSucceeded, Message: "up succeeded",
		Outputs: map[string]*operation.Output{"greeting": {Json: []byte(`"hello"`)}},
	}
	timer := time.NewTimer(operates)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		result.Outcome, result.Reason = operation.Outcome_CANCELED, operation.ReasonCanceled
	}
	switch op.GetStack().GetName() {
	case "large":
		for i := range 5 {
			text := `"` + strings.Repeat("x", 1<<20) + `"`
			result.Outputs[fmt.Sprint("large", i)] = &operation.Output{Json: []byte(text), Secret: i == 0}
		}
	case "wordy":
		result.Outcome, result.Reason = operation.Outcome_FAILED, operation.ReasonFailed
		result.Message = strings.Repeat("é", 5<<20)
		result.Changes = map[string]int32{strings.Repeat("x", 1<<20): 1}
	}
	result.Ended = timestamppb.Now()
	return result
}

// Version is that of the CLI.
func (played) Version() string { return "3.200.0" }

// Trace knows nothing.
func (played) Trace(string) string { return "" }

// playPods gives each pod of a Workspace an agent, as long as the pod is there.
func (w *world) playPods() {
	w.t.Helper()
	pods, err := w.Watch(w.t.Context(), &corev1.PodList{}, client.HasLabels{autov1alpha1.LabelWorkspaceName})
	if err != nil {
		w.t.Fatal(err)
	}
	agents := map[types.UID]context.CancelFunc{}
	go func() {
		for event := range pods.ResultChan() {
			pod, ok := event.Object.(*corev1.Pod)
			switch {
			case !ok:
			case event.Type == watch.Deleted:
				if stop := agents[pod.UID]; stop != nil {
					stop()
				}
			case agents[pod.UID] == nil:
				ctx, stop := context.WithCancel(w.t.Context())
				agents[pod.UID] = stop
				go w.playPod(ctx, pod)
			}
		}
	}()
}

// playPod is the agent of a pod.
func (w *world) playPod(ctx context.Context, pod *corev1.Pod) {
	token, err := w.token(ctx, pod)
	if err != nil {
		return // the pod is gone already, or the test ends
	}
	dir, err := os.MkdirTemp(filepath.Dir(w.audit), "pod-")
	if err != nil {
		w.t.Error(err)
		return
	}
	entries, err := journal.Open(filepath.Join(dir, "journal"))
	if err != nil {
		w.t.Error(err)
		return
	}
	log := slog.New(slog.DiscardHandler)
	worker, err := agent.New(ctx, agent.Options{Version: "test", Journal: entries, Runner: played{}, Now: time.Now, Log: log})
	if err != nil {
		w.t.Error(err)
		return
	}
	link := &session.Client{
		Hub: w.hub, TLS: trust(pod), Token: func() (string, error) { return token, nil }, Handler: worker, Log: log,
	}
	link.Run(ctx)
}

// token is that of a pod, for the hub.
func (w *world) token(ctx context.Context, pod *corev1.Pod) (string, error) {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		Audiences:      []string{autov1alpha1.TokenAudience},
		BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID},
	}}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: "default"}}
	err := w.SubResource("token").Create(ctx, account, request)
	return request.Status.Token, err
}

// trust is how a pod's agent knows the hub.
func trust(pod *corev1.Pod) *tls.Config {
	config := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	for _, container := range pod.Spec.Containers {
		for _, variable := range container.Env {
			switch variable.Name {
			case "GANTRY_CA":
				config.RootCAs.AppendCertsFromPEM([]byte(variable.Value))
			case "GANTRY_HUB":
				if host, _, err := net.SplitHostPort(variable.Value); err == nil {
					config.ServerName = host
				}
			}
		}
	}
	return config
}
