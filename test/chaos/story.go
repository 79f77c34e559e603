package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// stackName is the Stack of every story.
const stackName = "steady"

// program makes three things, one after the other. The one in the middle takes until the file that releases it is there.
const program = `
resources:
  first:
    type: testing:index:Thing
    properties: {folder: /state, label: first}
  middle:
    type: testing:index:Thing
    properties: {folder: /state, label: middle, until: /state/go, greedy: %t}
    options: {dependsOn: ["${first}"]}
  last:
    type: testing:index:Thing
    properties: {folder: /state, label: last}
    options: {dependsOn: ["${middle}"]}
outputs:
  made: ${last.label}
`

// overlay has the log of things tell the pods apart, and failures tried again soon, so that a fault can be injected into
// each of several runs.
const overlay = `
spec:
  destroyOnFinalize: true
  retryMaxBackoffDurationSeconds: 1
  workspaceTemplate:
    spec:
      image: ` + doubles + `
      resources: {requests: {cpu: 10m, memory: 64Mi}}
      env: [{name: TESTING_POD, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}]
`

// story is that of one fault: a Stack is updated, something breaks in the middle, and all has to be as if it had not.
type story struct {
	*stage.Namespace

	fault    fault
	cluster  cluster
	world    world
	recorder *recorder
	// times is how often the fault is injected, short whether this is the short form.
	times int
	short bool
	// request is the last one that was made of the Stack; it has to be answered.
	request string

	mutex    sync.Mutex
	injected int
	// cuts are the operations that the fault ended.
	cuts []cut
	// whole is when all was whole again that the fault had broken.
	whole time.Time

	// execution is the namespace in which Stacks of namespaces are destroyed that are being deleted.
	execution *stage.Namespace

	stopRecording func()
	// undo gives the cluster back what the fault took from it beyond its own story.
	undo func(context.Context) error
}

// cut is the end of an operation by a fault.
type cut struct {
	at     time.Time
	update string
}

// begin makes the namespace of a story and everything in it, and starts the first operation.
func (c *chaos) begin(ctx context.Context, f fault) (*story, error) {
	n, err := c.stage.NewNamespace(ctx, "chaos", "restricted")
	if err != nil {
		return nil, err
	}
	recording, stop := context.WithCancel(ctx)
	s := &story{Namespace: n, fault: f, cluster: c.cluster, recorder: newRecorder(), stopRecording: stop}
	go s.recorder.record(recording, n)
	err = s.prepare(ctx)
	if err != nil {
		stop()
	}
	return s, err
}

func (s *story) prepare(ctx context.Context) error {
	folder, err := s.cluster.volume(ctx, s.Namespace)
	if err != nil {
		return err
	}
	s.world = world{folder: folder}
	if s.fault.prepare != nil {
		if err := s.fault.prepare(ctx, s); err != nil {
			return err
		}
	}
	if err := s.ApplyProgram(ctx, "things", fmt.Sprintf(program, s.fault.greedy)); err != nil {
		return err
	}
	_, err = s.CreateStack(ctx, stackName, "things", append([]string{overlay}, s.fault.overlays...)...)
	return err
}

// underway waits until the run after so many others is in the middle, and returns its Update and its pod.
func (s *story) underway(ctx context.Context, earlier int) (*autov1alpha1.Update, *corev1.Pod, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("not in "+patience.String()))
	defer cancel()
	for {
		lines, err := s.world.lines()
		if err != nil {
			return nil, nil, err
		}
		if count(lines, begun, middle) > earlier {
			break
		}
		if err := pause(ctx, poll); err != nil {
			return nil, nil, fmt.Errorf("waiting for run %d to be in the middle: %w", earlier+1, err)
		}
	}
	pod := s.Pod(stackName)
	if err := s.Client.Get(ctx, s.Key(pod.Name), pod); err != nil {
		return nil, nil, fmt.Errorf("the pod of the run: %w", err)
	}
	var current *autov1alpha1.Update
	err := s.recorder.until(ctx, "to have an operation in its pod", func(_ []seen, updates []autov1alpha1.Update) bool {
		for i, update := range updates {
			if update.Status.PodUID == string(pod.UID) && !complete(&update) {
				current = &updates[i]
				return true
			}
		}
		return false
	})
	return current, pod, err
}

// inTheMiddle injects a fault that ends operations into as many runs as are wanted, each in its middle.
func (s *story) inTheMiddle(ctx context.Context, hit func(pod *corev1.Pod) error) error {
	for i := range s.times {
		update, pod, err := s.underway(ctx, i)
		if err != nil {
			return err
		}
		at := time.Now()
		if err := hit(pod); err != nil {
			return err
		}
		s.hit()
		s.cuts = append(s.cuts, cut{at: at, update: update.Name})
	}
	return nil
}

// hit counts an injection.
func (s *story) hit() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.injected++
	s.whole = time.Now()
}

// mended says that all is whole again.
func (s *story) mended() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.whole = time.Now()
}

// complete tells whether an operation has its result on record.
func complete(update *autov1alpha1.Update) bool {
	return stage.Condition(update.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete).Status == "True"
}

// succeeded tells whether the result is a success.
func succeeded(update *autov1alpha1.Update) bool {
	return complete(update) && stage.Condition(update.Status.Conditions, autov1alpha1.UpdateConditionTypeFailed).Status == "False"
}

// settled tells whether a Stack is up to date and says so.
func settled(stack *pulumiv1.Stack) bool {
	lastUpdate := stack.Status.LastUpdate
	return stage.Ready(stack) && stack.Status.CurrentUpdate == nil && lastUpdate != nil &&
		lastUpdate.State == pulumiv1.SucceededStackState && len(stack.Status.Outputs) > 0
}

func count(lines []line, what, label string) int {
	n := 0
	for _, l := range lines {
		if l.what == what && l.label == label {
			n++
		}
	}
	return n
}
