package operator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/operation"
)

// caller is a stand-in for an agent: what it needs to call a manager.
type caller struct {
	t   *testing.T
	tls *tls.Config
}

// caller trusts what the pod is told to trust.
func newCaller(t *testing.T, bundle string) *caller {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(bundle)) {
		t.Fatalf("no bundle: %q", bundle)
	}
	return &caller{t, &tls.Config{RootCAs: roots, ServerName: "gantry-hub.gantry-system.svc"}}
}

// session opens a session with a replica and says Hello.
func (a *caller) session(r *replica, token string, hello *operation.Hello) operation.Hub_SessionClient {
	a.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+r.hub, grpc.WithTransportCredentials(credentials.NewTLS(a.tls)))
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+token), patience)
	a.t.Cleanup(cancel)
	stream, err := operation.NewHubClient(conn).Session(ctx, grpc.WaitForReady(true))
	if err != nil {
		a.t.Fatal(err)
	}
	hello.Protocol = operation.Protocol
	// A hub that has refused already ends the stream: Send says no more than EOF, and Recv says why.
	err = stream.Send(&operation.AgentMessage{Body: &operation.AgentMessage_Hello{Hello: hello}})
	if err != nil && !errors.Is(err, io.EOF) {
		a.t.Fatal(err)
	}
	return stream
}

// receive is the next message.
func (a *caller) receive(stream operation.Hub_SessionClient) *operation.HubMessage {
	a.t.Helper()
	message, err := stream.Recv()
	if err != nil {
		a.t.Fatal(err)
	}
	return message
}

// fetch asks a replica for an artifact.
func (a *caller) fetch(r *replica, url, token string) (int, string) {
	a.t.Helper()
	return a.get(r.artifacts, url, token)
}

// get gets a page from whoever listens at the address.
func (a *caller) get(address, url, token string) (int, string) {
	a.t.Helper()
	transport := &http.Transport{TLSClientConfig: a.tls, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		a.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

// only is the one Update of a namespace, or nil.
func (c *cluster) only(namespace string) *autov1alpha1.Update {
	c.t.Helper()
	var updates autov1alpha1.UpdateList
	if err := c.List(c.t.Context(), &updates); err != nil {
		c.t.Fatal(err)
	}
	if len(updates.Items) != 1 || updates.Items[0].Namespace != namespace {
		return nil
	}
	return &updates.Items[0]
}

// TestManagers runs two managers with the rights that the shipped roles give, against a real API server. An agent's
// operation goes on while the leader is ended in good order, and while the next one is killed.
func TestManagers(t *testing.T) {
	c := startCluster(t)
	c.lookOn()
	traces := startCollector(t)
	first := c.start("first")
	eventually(t, "the first manager leads", func() bool { return c.leader() == "first" })
	second := c.start("second")

	c.create(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "default"}},
		&pulumiv1.Program{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "demo"}, Program: pulumiv1.ProgramSpec{
			JSON: apiextensionsv1.JSON{Raw: []byte(`{"outputs":{"answer":42}}`)},
		}},
		&pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "demo"}, Spec: pulumiv1.StackSpec{
			Stack: "dev", ProgramRef: &pulumiv1.ProgramReference{Name: "demo"},
		}},
	)
	pod := &corev1.Pod{}
	eventually(t, "the pod is made", func() bool { return c.get(pod, "team", "demo-workspace-0") })
	var bundle string
	for _, env := range pod.Spec.Containers[0].Env {
		if env.Name == "GANTRY_CA" {
			bundle = env.Value
		}
	}
	agent := newCaller(t, bundle)
	token := c.token("team", "gantry", pod)

	c.refuses(t, agent, first, pod)

	stream := agent.session(first, token, &operation.Hello{AgentVersion: "test", PulumiVersion: "3.200.0"})
	if agent.receive(stream).GetWelcome() == nil {
		t.Fatal("the agent is not welcome")
	}
	op := agent.receive(stream).GetOperation()
	update := c.only("team")
	if update == nil || op.GetUid() != string(update.UID) || op.GetType() != operation.Type_UP || op.GetStack().GetName() != "dev" {
		t.Fatalf("offered %v for Update %v", op, update)
	}
	first.logged(t, "Operation offered", map[string]any{
		"level": "info", "controller": "update-controller", "controllerKind": "Update", "namespace": "team", "name": update.Name, "uid": op.GetUid(),
		"type": "up", "workspace": map[string]any{"namespace": "team", "name": "demo"},
	})
	source := op.GetSource().GetArtifact()
	if code, content := agent.fetch(first, source.GetUrl(), token); code != 200 || !strings.HasPrefix(content, "\x1f\x8b") {
		t.Errorf("artifact: code %d, %d bytes", code, len(content))
	}

	reader := c.metricsReader()
	c.refusesMetrics(agent, first, token)
	agent.metrics(first, reader, "stacks_active 1", "programs_active 1", `stacks_failing{name="demo",namespace="team"} 0`,
		`stacks_reconciling{name="demo",namespace="team"} 1`, `gantry_update_queue_duration_seconds_count{type="up"} 1`,
		"gantry_pod_start_duration_seconds_count 1", `resource_created_at_seconds{group="pulumi.com",kind="Stack",name="demo",namespace="team",version="v1"} `)
	if _, page := agent.get(second.metrics, metricsURL, reader); !strings.Contains(page, "go_goroutines") || strings.Contains(page, "stacks_active") {
		t.Errorf("a manager that does not lead tells of objects:\n%s", page)
	}

	running := &operation.Progress{Uid: op.GetUid(), Name: op.GetName(), Done: 1, Step: "creating"}
	if err := first.end(t, syscall.SIGTERM); err != nil {
		t.Errorf("a manager that is asked to end ended with %v", err)
	}
	if _, err := stream.Recv(); err == nil {
		t.Error("the session outlived the manager")
	}
	// The third starts when the second leads: a lease that was given up goes to who asks first.
	eventually(t, "the second manager has the label", func() bool { return c.leader() == "second" })
	third := c.start("third")
	stream = agent.session(second, token, &operation.Hello{Running: []*operation.Progress{running}})
	if agent.receive(stream).GetWelcome() == nil {
		t.Fatal("the agent is not welcome at the second manager")
	}
	eventually(t, "progress is told", func() bool { return c.only("team").Status.Progress != nil })
	eventually(t, "the artifact is there again", func() bool { code, _ := agent.fetch(second, source.GetUrl(), token); return code == 200 })

	if second.end(t, syscall.SIGKILL) == nil {
		t.Error("a killed manager ended well")
	}
	stream = agent.session(third, token, &operation.Hello{Finished: []*operation.Result{{
		Uid: op.GetUid(), Name: op.GetName(), Outcome: operation.Outcome_SUCCEEDED, Reason: operation.ReasonSucceeded,
		Outputs: map[string]*operation.Output{"answer": {Json: []byte("42")}},
		Phases:  []*operation.Phase{{Name: operation.PhaseFetch, Duration: durationpb.New(time.Millisecond)}},
	}}})
	if agent.receive(stream).GetWelcome() == nil {
		t.Fatal("the agent is not welcome at the third manager")
	}
	if got := agent.receive(stream); got.GetRecorded().GetUid() != op.GetUid() {
		t.Errorf("got %v; the operation must not be offered again", got)
	}
	c.succeeded(t, op.GetUid())
	agent.metrics(third, reader, "stacks_active 1", `stacks_reconciling{name="demo",namespace="team"} 0`,
		`gantry_update_phase_duration_seconds_count{outcome="succeeded",phase="fetch",type="up"} 1`,
		`gantry_operations_total{outcome="succeeded",type="up"} 1`, `gantry_stacks{state="ready"} 1`, `gantry_updates{state="running",type="up"} 0`,
		`gantry_certificate_expiry_timestamp_seconds{certificate="serving"} `)
	traces.traced(op.GetUid())
	if _, page := agent.get(third.metrics, metricsURL, reader); strings.Contains(page, "gantry_pod_start_duration_seconds_count 1") {
		t.Error("an agent that came back counts as the start of a pod")
	}
}

// refuses checks who gets nothing.
func (c *cluster) refuses(t *testing.T, agent *caller, r *replica, pod *corev1.Pod) {
	t.Helper()
	stray := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "stray", Labels: pod.Labels},
		Spec:       corev1.PodSpec{ServiceAccountName: "default", Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}
	c.create(stray)
	workspace := &autov1alpha1.Workspace{}
	eventually(t, "the Workspace has its artifact", func() bool {
		return c.get(workspace, "team", "demo") && workspace.Spec.Flux != nil
	})
	cases := map[string]struct {
		token string
		grpc  codes.Code
		http  int
	}{
		"NoToken":       {"", codes.Unauthenticated, 401},
		"Garbage":       {"garbage", codes.Unauthenticated, 401},
		"OtherAudience": {c.token("team", "vault", pod), codes.Unauthenticated, 401},
		"NotOfAPod":     {c.token("team", "gantry", nil), codes.PermissionDenied, 403},
		"OfAStrayPod":   {c.token("team", "gantry", stray), codes.PermissionDenied, 403},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := agent.session(r, tc.token, &operation.Hello{}).Recv()
			if got := status.Code(err); got != tc.grpc {
				t.Errorf("session: %v, want %v", err, tc.grpc)
			}
			if got, _ := agent.fetch(r, workspace.Spec.Flux.URL, tc.token); got != tc.http {
				t.Errorf("artifact: code %d, want %d", got, tc.http)
			}
		})
	}
}

// succeeded checks what is on record.
func (c *cluster) succeeded(t *testing.T, uid string) {
	t.Helper()
	update := c.only("team")
	if update == nil || string(update.UID) != uid || !meta.IsStatusConditionTrue(update.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete) ||
		meta.IsStatusConditionTrue(update.Status.Conditions, autov1alpha1.UpdateConditionTypeFailed) {
		t.Fatalf("Update %v", update)
	}
	stack := &pulumiv1.Stack{}
	eventually(t, "the Stack is ready", func() bool {
		return c.get(stack, "team", "demo") && meta.IsStatusConditionTrue(stack.Status.Conditions, "Ready")
	})
	outputs, err := json.Marshal(stack.Status.Outputs)
	if err != nil || string(outputs) != `{"answer":42}` {
		t.Errorf("outputs %s, error %v", outputs, err)
	}
}
