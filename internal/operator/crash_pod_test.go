package operator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gantry-operator/gantry/internal/agent"
	"github.com/gantry-operator/gantry/internal/agent/journal"
	"github.com/gantry-operator/gantry/internal/agent/runner"
	"github.com/gantry-operator/gantry/internal/agent/session"
	"github.com/gantry-operator/gantry/internal/operation"
)

// podProcess is what runs in a pod: the real agent with its journal and its session, and a script in place of the CLI.
type podProcess struct {
	site  *site
	agent *agent.Agent
	stop  context.CancelFunc
	ended chan struct{}

	mu sync.Mutex
	// life is the manager of the session that is open.
	life *life
}

// startPod starts the agent of a pod.
func (s *site) startPod(pod *corev1.Pod) *podProcess {
	ctx, cancel := context.WithCancel(s.t.Context())
	p := &podProcess{site: s, stop: cancel, ended: make(chan struct{})}
	var bundle string
	for _, env := range pod.Spec.Containers[0].Env {
		if env.Name == "GANTRY_CA" {
			bundle = env.Value
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(bundle))
	entries, err := journal.Open(filepath.Join(s.dir, "pods", string(pod.UID)))
	if err == nil {
		p.agent, err = agent.New(ctx, agent.Options{
			Version: "test", Journal: entries, Runner: &script{site: s, keep: p.keep}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		})
	}
	if err != nil {
		s.t.Errorf("start the agent: %v", err)
		close(p.ended)
		return p
	}
	link := &session.Client{
		Hub: s.options.HubAddress, TLS: &tls.Config{RootCAs: roots, ServerName: "gantry-hub.gantry-system.svc", MinVersion: tls.VersionTLS13},
		Token: func() (string, error) { return s.token(pod) }, Handler: p, Log: slog.New(slog.DiscardHandler),
	}
	go func() {
		defer close(p.ended)
		link.Run(ctx)
	}()
	return p
}

// Hello opens a session with the manager that lives now. The first message does not count as one to die at if nobody is
// there to get it.
func (p *podProcess) Hello() *operation.Hello {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.life = p.site.life.Load()
	if p.life.alive() && p.life.meet("agent says hello") != goesOn {
		p.life.die()
	}
	return p.agent.Hello()
}

// Receive hands on what a living manager says.
func (p *podProcess) Receive(message *operation.HubMessage) {
	p.mu.Lock()
	life := p.life
	p.mu.Unlock()
	if !life.alive() {
		return
	}
	become := life.meet("hub says " + saying(message))
	if become == diesBefore {
		life.die()
		return
	}
	p.agent.Receive(message)
	if become != goesOn {
		life.die()
	}
}

// Outgoing sends what the agent has to say. A message at which the manager dies is lost with those after it.
func (p *podProcess) Outgoing() ([]*operation.AgentMessage, <-chan struct{}) {
	p.mu.Lock()
	life := p.life
	p.mu.Unlock()
	messages, more := p.agent.Outgoing()
	for i, message := range messages {
		if !life.alive() {
			return messages[:i], more
		}
		switch life.meet("agent says " + told(message)) {
		case goesOn:
		case diesBefore:
			life.die()
			return messages[:i], more
		case diesAfter, wakesInThePast, diesAfterEach:
			life.die()
			return messages[:i+1], more
		}
	}
	return messages, more
}

// meet is for messages what RoundTrip is for writes.
func (l *life) meet(label string) fate { return l.site.trap.meet(label, false) }

func saying(message *operation.HubMessage) string {
	switch message.GetBody().(type) {
	case *operation.HubMessage_Operation:
		return "operation"
	case *operation.HubMessage_Cancel:
		return "cancel"
	case *operation.HubMessage_Recorded:
		return "recorded"
	case *operation.HubMessage_SnapshotKept:
		return "snapshot kept"
	default:
		return "something"
	}
}

func told(message *operation.AgentMessage) string {
	switch message.GetBody().(type) {
	case *operation.AgentMessage_Hello:
		return "hello"
	case *operation.AgentMessage_Progress:
		return "progress"
	case *operation.AgentMessage_Result:
		return "result"
	case *operation.AgentMessage_Snapshot:
		return "snapshot"
	default:
		return "something"
	}
}

// keep has the manager keep a snapshot.
func (p *podProcess) keep(ctx context.Context, snapshot *operation.Snapshot) (*operation.SnapshotKept, error) {
	return p.agent.Keep(ctx, snapshot)
}

// script runs operations in place of the CLI: as the site's story has it, and each that it is given on record.
type script struct {
	site *site
	keep runner.Keep
}

func (r *script) Version() string     { return "3.200.0" }
func (r *script) Trace(string) string { return "" }

// Run is an operation. It makes a resource, and ends when it is told to.
func (r *script) Run(ctx context.Context, op *operation.Operation, report func(*operation.Progress)) *operation.Result {
	started := timestamppb.Now()
	becomes := r.site.ran(op)
	report(&operation.Progress{Uid: op.GetUid(), Name: op.GetName(), Started: started, Done: 1, Step: "creating urn:a"})
	result := &operation.Result{
		Uid: op.GetUid(), Name: op.GetName(), Started: started, Ended: timestamppb.Now(), PulumiVersion: r.Version(),
		Outcome: operation.Outcome_SUCCEEDED, Reason: operation.ReasonSucceeded, Message: "done",
		Project: &operation.ProjectInfo{Name: "demo", Runtime: "yaml"}, Changes: map[string]int32{"create": 1},
	}
	if becomes == isHeld {
		<-ctx.Done()
	}
	result.Pending = r.findPending(ctx, op)
	switch {
	case ctx.Err() != nil:
		result.Outcome, result.Reason, result.Message = operation.Outcome_CANCELED, operation.ReasonCanceled, "canceled"
	case becomes == failsSoon:
		result.Outcome, result.Reason, result.Message = operation.Outcome_FAILED, operation.ReasonFailed, "urn:a: boom"
	case becomes == isKilled:
		result.Outcome, result.Reason, result.Message = operation.Outcome_INTERRUPTED, operation.ReasonAborted, "killed"
		result.Interrupted = true
		r.site.pending.Store(true)
	case op.GetType() == operation.Type_UP:
		result.Outputs = map[string]*operation.Output{"answer": {Json: []byte("42")}, "password": {Json: []byte(`"hunter2"`), Secret: true}}
	}
	return result
}

// findPending finds an operation pending where it is to look, and goes on when the manager has kept the state.
func (r *script) findPending(ctx context.Context, op *operation.Operation) *operation.PendingOutcome {
	if op.GetPendingPolicy() == operation.PendingPolicy_PENDING_UNLOOKED {
		return nil
	}
	if !r.site.pending.Load() {
		return &operation.PendingOutcome{Outcome: operation.PendingOutcome_NONE}
	}
	left := []*operation.PendingOperation{{Urn: "urn:a", Type: "creating"}}
	kept, err := r.keep(ctx, &operation.Snapshot{Uid: op.GetUid(), Name: op.GetName(), Deployment: []byte("state"), Pending: left, Count: 1})
	if err != nil || kept.GetRefused() != "" {
		return &operation.PendingOutcome{Outcome: operation.PendingOutcome_FAILED, Message: kept.GetRefused()}
	}
	r.site.pending.Store(false)
	return &operation.PendingOutcome{Outcome: operation.PendingOutcome_CLEARED}
}

// kubelet runs the pods of a site: it puts a pod on a node, starts its agent, and when the pod goes ends it first.
type kubelet struct {
	site *site
	mu   sync.Mutex
	pods map[string]*podProcess
}

// look deals with a pod as it is now.
func (k *kubelet) look(pod *corev1.Pod) {
	k.mu.Lock()
	defer k.mu.Unlock()
	running := k.pods[string(pod.UID)]
	ours := pod.Labels["auto.pulumi.com/workspace-name"] != "" && metav1.GetControllerOf(pod) != nil && metav1.GetControllerOf(pod).Kind == "Workspace"
	switch {
	case pod.DeletionTimestamp != nil:
		go k.end(pod.DeepCopy(), running)
		delete(k.pods, string(pod.UID))
	case running == nil && ours:
		k.pods[string(pod.UID)] = k.site.startPod(pod)
		fallthrough
	case pod.Spec.NodeName == "":
		go k.bind(pod.DeepCopy())
	}
}

func (k *kubelet) bind(pod *corev1.Pod) {
	binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}, Target: corev1.ObjectReference{Kind: "Node", Name: "node"}}
	if err := k.site.c.SubResource("binding").Create(k.site.t.Context(), pod, binding); err != nil {
		k.site.complain("bind pod", err)
	}
}

// end has the agent end, which waits for its results to be recorded for a moment, and then lets the pod go.
func (k *kubelet) end(pod *corev1.Pod, running *podProcess) {
	if running != nil {
		running.agent.Stop("the pod is ending", time.Second)
		running.stop()
		<-running.ended
	}
	err := k.site.c.Delete(k.site.t.Context(), pod, client.GracePeriodSeconds(0), client.Preconditions{UID: &pod.UID})
	k.site.complain("remove pod", err)
}

// gone ends what ran in a pod that is gone.
func (k *kubelet) gone(pod *corev1.Pod) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if running := k.pods[string(pod.UID)]; running != nil {
		running.stop()
		delete(k.pods, string(pod.UID))
	}
}

// close waits until nothing runs any more.
func (k *kubelet) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, running := range k.pods {
		running.stop()
		<-running.ended
	}
}
