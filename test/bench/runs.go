package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// limit is how long one run may take.
const limit = 3 * time.Minute

// program has no resources and no secret outputs: what it takes is all overhead.
const program = `
configuration:
  greeting: {type: String, default: hello}
outputs:
  greeting: ${greeting}
  length: 5
`

// small lets twenty pods be scheduled on two cores. It asks for less, and allows no more.
const small = `{spec: {workspaceTemplate: {spec: {resources: {requests: {cpu: 10m, memory: 64Mi}}}}}}`

// bench is a measurement.
type bench struct {
	*stage.Namespace
	options options
	raw     raw
	// git is the host of all repositories.
	git *stage.GitHost
}

// alternate takes the floor and the real thing in turn, so that whatever else the machine does weighs on
// both.
func (b *bench) alternate(ctx context.Context) error {
	for i := range b.options.cold {
		if err := b.round(ctx, i); err != nil {
			return fmt.Errorf("round %d: %w", i+1, err)
		}
	}
	return nil
}

func (b *bench) round(ctx context.Context, i int) (err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	floor, err := b.startFloor(ctx, fmt.Sprintf("floor-%d", i))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, floor.end(context.WithoutCancel(ctx))) }()
	name := fmt.Sprintf("cold-%d", i)
	took, err := b.cold(ctx, name)
	if err != nil {
		return err
	}
	b.raw.Cold = append(b.raw.Cold, took)
	b.raw.PodStart = append(b.raw.PodStart, floor.start)
	b.raw.BareInit = append(b.raw.BareInit, floor.init)
	b.raw.BareFirstUp = append(b.raw.BareFirstUp, floor.up)
	coldCount, err := b.logged(ctx, name)
	if err != nil {
		return err
	}
	for j := range b.options.warmPerCold {
		bare, err := floor.again(ctx)
		if err != nil {
			return err
		}
		warm, err := b.warm(ctx, name, fmt.Sprintf("warm-%d", j))
		if err != nil {
			return err
		}
		b.raw.BareUp = append(b.raw.BareUp, bare)
		b.raw.Warm = append(b.raw.Warm, warm)
	}
	allCount, err := b.logged(ctx, name)
	if err != nil {
		return err
	}
	b.raw.ColdProcesses = append(b.raw.ColdProcesses, float64(coldCount))
	b.raw.WarmProcesses = append(b.raw.WarmProcesses, float64(allCount-coldCount)/float64(b.options.warmPerCold))
	fmt.Fprintf(os.Stderr, "round %d: cold %.2fs over %.2fs, warm %.2fs over %.2fs\n", i+1,
		took, floor.start+floor.init+floor.up, last(b.raw.Warm), last(b.raw.BareUp))
	return b.remove(ctx, name)
}

// cold applies a Program and a Stack and returns the seconds until the Stack is seen Ready.
func (b *bench) cold(ctx context.Context, name string) (float64, error) {
	began := time.Now()
	if err := b.ApplyProgram(ctx, name, program); err != nil {
		return 0, err
	}
	stack, err := b.CreateStack(ctx, name, name, small)
	if err != nil {
		return 0, err
	}
	err = b.untilDone(ctx, stack, func() bool { return stage.Ready(stack) })
	return time.Since(began).Seconds(), err
}

// warm asks for a run and returns the seconds until its success is seen on record.
func (b *bench) warm(ctx context.Context, name, request string) (float64, error) {
	stack := b.Stack(name)
	began := time.Now()
	if err := b.Annotate(ctx, stack, pulumiv1.AnnotationReconciliationRequest, &request); err != nil {
		return 0, err
	}
	err := b.untilDone(ctx, stack, func() bool { return answered(stack, request) })
	return time.Since(began).Seconds(), err
}

// untilDone waits for a success, and for no more once there is a failure.
func (b *bench) untilDone(ctx context.Context, stack *pulumiv1.Stack, done func() bool) error {
	failed := func() bool {
		return stack.Status.LastUpdate != nil && stack.Status.LastUpdate.State == pulumiv1.FailedStackState
	}
	if err := b.Until(ctx, stack, "to succeed", func() bool { return done() || failed() }); err != nil {
		return err
	}
	if failed() {
		return fmt.Errorf("the update of Stack %s failed: %s", stack.Name, stack.Status.LastUpdate.Message)
	}
	return nil
}

func answered(stack *pulumiv1.Stack, request string) bool {
	last := stack.Status.LastUpdate
	return last != nil && last.ReconcileRequest == request && last.State == pulumiv1.SucceededStackState && stage.Ready(stack)
}

// remove deletes a Stack and waits until its pod is gone, so that it weighs on nothing that follows.
func (b *bench) remove(ctx context.Context, name string) error {
	if err := b.Client.Delete(ctx, b.Stack(name)); err != nil {
		return fmt.Errorf("removing Stack %s: %w", name, err)
	}
	return b.UntilGone(ctx, b.Pod(name), "to be gone")
}
