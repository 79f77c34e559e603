package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
	"github.com/gantry-operator/gantry/test/e2e/tell"
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
	*tell.Story
}

// begin starts a story, or skips the test if there is no cluster to tell it on.
func begin(t *testing.T, name string) *story {
	t.Helper()
	told := of(t.Context(), t, &stage.Namespace{Stage: connect(t)})
	told.Namespace = told.In(name, nil)
	return told
}

// of is a story in a namespace that is there.
func of(ctx context.Context, t *testing.T, namespace *stage.Namespace) *story {
	t.Helper()
	return &story{Namespace: namespace, Story: &tell.Story{T: t, Ctx: ctx, Cluster: namespace.Stage, Patience: patience}}
}

// connect finds the cluster to tell a story on, or skips the test.
func connect(t *testing.T) *stage.Stage {
	t.Helper()
	return tell.Connect(t, "make e2e")
}

// never watches an object for a while and ends the story if it is seen in a state that fails tells of.
func (s *story) never(object client.Object, during time.Duration, fails func() error) {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(s.Ctx, during)
	defer cancel()
	s.Must(s.Throughout(ctx, object, fails))
}

// program applies a Program.
func (s *story) program(name, text string) {
	s.T.Helper()
	s.Must(s.ApplyProgram(s.Ctx, name, text))
}

// stack makes a Stack.
func (s *story) stack(name, program string, overlays ...string) *pulumiv1.Stack {
	s.T.Helper()
	stack, err := s.CreateStack(s.Ctx, name, program, overlays...)
	s.Must(err)
	return stack
}

// updates lists the Updates of a Stack and ends the story unless there are as many as wanted.
func (s *story) updates(stack string, want int) []autov1alpha1.Update {
	s.T.Helper()
	updates, err := s.Updates(s.Ctx, stack)
	s.Must(err)
	if len(updates) != want {
		s.T.Fatalf("Stack %s has %d Updates, want %d", stack, len(updates), want)
	}
	return updates
}

// event waits for an event of an object.
func (s *story) event(of client.Object, reason string) string {
	s.T.Helper()
	ctx, cancel := context.WithTimeoutCause(s.Ctx, 20*time.Second, errors.New("not in 20s"))
	defer cancel()
	message, err := s.Event(ctx, of, reason)
	s.Must(err)
	return message
}

// output is an output on record of a Stack, as JSON.
func output(stack *pulumiv1.Stack, name string) string {
	return string(stack.Status.Outputs[name].Raw)
}

// request asks for a run of a Stack.
func (s *story) request(stack *pulumiv1.Stack, value string) {
	s.T.Helper()
	s.Must(s.Annotate(s.Ctx, stack, pulumiv1.AnnotationReconciliationRequest, &value))
	s.Await(stack, "to have answered the request "+value, func() bool {
		return stack.Status.LastUpdate != nil && stack.Status.LastUpdate.ReconcileRequest == value && stage.Ready(stack)
	})
}

// current waits until a Stack has an Update under way and returns that.
func (s *story) current(stack *pulumiv1.Stack) *autov1alpha1.Update {
	s.T.Helper()
	s.Await(stack, "to have an Update under way", func() bool { return stack.Status.CurrentUpdate != nil })
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
