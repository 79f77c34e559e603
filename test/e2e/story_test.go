package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

const (
	// image has the Pulumi CLI and the providers of test/doubles.
	image = "localhost/gantry-e2e:dev"
	// patience is how long a story waits for one thing.
	patience = 2 * time.Minute
)

// story is a test with a namespace of its own on the cluster.
type story struct {
	*stage.Namespace
	t *testing.T
	// ctx ends with the test; a story is told in it from its beginning to its end.
	ctx context.Context //nolint:containedctx // a story is the test's call frame
}

// begin starts a story, or skips the test if there is no cluster to tell it on. Namespaces enforce the
// restricted Pod Security Standard.
func begin(t *testing.T, name string) *story {
	t.Helper()
	s := connect(t)
	namespace, err := s.NewNamespace(t.Context(), name, "restricted")
	if err != nil {
		t.Fatal(err)
	}
	told := &story{Namespace: namespace, t: t, ctx: t.Context()}
	t.Cleanup(told.end)
	return told
}

// connect finds the cluster to tell a story on, or skips the test.
func connect(t *testing.T) *stage.Stage {
	t.Helper()
	kubeconfig := os.Getenv("KUBECONFIG")
	if os.Getenv("GANTRY_E2E") != "1" || kubeconfig == "" {
		t.Skip("SKIPPED: no cluster. Set GANTRY_E2E=1 and KUBECONFIG, or run `make e2e`.")
	}
	s, err := stage.Connect(t.Context(), kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// end shows what matters if the story failed, and removes its namespace.
func (s *story) end() {
	ctx, cancel := cleanup()
	defer cancel()
	if s.t.Failed() {
		var dump bytes.Buffer
		s.Dump(ctx, &dump)
		s.t.Logf("namespace %s when the story failed:\n%s", s.Name, dump.String())
	}
	if os.Getenv("GANTRY_E2E_KEEP") != "" {
		s.t.Logf("namespace %s is kept", s.Name)
		return
	}
	if err := s.Leave(ctx); err != nil {
		s.t.Errorf("cleaning up: %v", err)
	}
}

// must ends the story if there is an error.
func (s *story) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// until waits until an object is as it should be, and ends the story if it does not get there.
func (s *story) until(object client.Object, what string, done func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeoutCause(s.ctx, patience, errors.New("not in "+patience.String()))
	defer cancel()
	s.must(s.Until(ctx, object, what, done))
}

// untilGone waits until an object does not exist.
func (s *story) untilGone(object client.Object, what string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeoutCause(s.ctx, patience, errors.New("not in "+patience.String()))
	defer cancel()
	s.must(s.UntilGone(ctx, object, what))
}

// untilReady waits until a Stack is Ready at its newest generation.
func (s *story) untilReady(stack *pulumiv1.Stack) {
	s.t.Helper()
	s.must(s.Client.Get(s.ctx, client.ObjectKeyFromObject(stack), stack))
	generation := stack.Generation
	s.until(stack, "to be Ready", func() bool { return stack.Generation >= generation && stage.Ready(stack) })
}

// never watches an object for a while and ends the story if it is seen in a state that fails tells of.
func (s *story) never(object client.Object, during time.Duration, fails func() error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, during)
	defer cancel()
	s.must(s.Throughout(ctx, object, fails))
}

// program applies a Program.
func (s *story) program(name, text string) {
	s.t.Helper()
	s.must(s.ApplyProgram(s.ctx, name, text))
}

// stack makes a Stack.
func (s *story) stack(name, program string, overlays ...string) *pulumiv1.Stack {
	s.t.Helper()
	stack, err := s.CreateStack(s.ctx, name, program, overlays...)
	s.must(err)
	return stack
}

// updates lists the Updates of a Stack and ends the story unless there are as many as wanted.
func (s *story) updates(stack string, want int) []autov1alpha1.Update {
	s.t.Helper()
	updates, err := s.Updates(s.ctx, stack)
	s.must(err)
	if len(updates) != want {
		s.t.Fatalf("Stack %s has %d Updates, want %d", stack, len(updates), want)
	}
	return updates
}

// event waits for an event of an object.
func (s *story) event(of client.Object, reason string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeoutCause(s.ctx, 20*time.Second, errors.New("not in 20s"))
	defer cancel()
	message, err := s.Event(ctx, of, reason)
	s.must(err)
	return message
}

// output is an output on record of a Stack, as JSON.
func output(stack *pulumiv1.Stack, name string) string {
	return string(stack.Status.Outputs[name].Raw)
}

// request asks for a run of a Stack.
func (s *story) request(stack *pulumiv1.Stack, value string) {
	s.t.Helper()
	s.must(s.Annotate(s.ctx, stack, pulumiv1.AnnotationReconciliationRequest, &value))
	s.until(stack, "to have answered the request "+value, func() bool {
		return stack.Status.LastUpdate != nil && stack.Status.LastUpdate.ReconcileRequest == value && stage.Ready(stack)
	})
}

// current waits until a Stack has an Update under way and returns that.
func (s *story) current(stack *pulumiv1.Stack) *autov1alpha1.Update {
	s.t.Helper()
	s.until(stack, "to have an Update under way", func() bool { return stack.Status.CurrentUpdate != nil })
	update := &autov1alpha1.Update{}
	update.Namespace, update.Name = s.Name, stack.Status.CurrentUpdate.Name
	return update
}

// running tells whether a pod's pulumi container runs.
func running(pod *corev1.Pod) bool {
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == stage.PulumiContainer {
			return status.State.Running != nil
		}
	}
	return false
}

// onImage makes a Stack run in the image with the providers of test/doubles.
const onImage = `{spec: {workspaceTemplate: {spec: {image: "` + image + `"}}}}`

// cleanup is a context for what is done when a story is over.
func cleanup() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}
