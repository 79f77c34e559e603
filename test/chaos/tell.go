package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

const (
	// patience is how long a Stack may take until it is up to date again, or gone.
	patience = 3 * time.Minute
	// slack is how long Updates may take to be seen complete once the Stack says that they are.
	slack = 10 * time.Second
	// tidying is how long what belonged to a Stack may outlive it: pods have their grace, and the cluster's garbage collector,
	// which removes them, needs a minute to come back after its API server did.
	tidying = 3 * time.Minute
)

// tell injects the fault and counts what came of it.
func (s *story) tell(ctx context.Context) row {
	result := row{Fault: s.fault.name}
	if _, _, err := s.underway(ctx, 0); err != nil {
		result.harm("it did not get to the middle of its first operation: %v", err)
		return result
	}
	if err := s.fault.inject(ctx, s); err != nil {
		result.harm("the fault could not be injected %d times: %v", s.times, err)
	}
	if err := s.world.release(); err != nil {
		result.harm("the program was not let go on: %v", err)
		return result
	}
	result.Injected = s.injected
	if s.fault.removes {
		s.remove(ctx, &result)
		s.judge(&result)
		return result
	}
	s.settle(ctx, &result)
	s.judge(&result)
	s.remove(ctx, &result)
	return result
}

// settle waits until the Stack is up to date.
func (s *story) settle(ctx context.Context, result *row) {
	waiting, cancel := context.WithTimeoutCause(ctx, patience, errors.New("not in "+patience.String()))
	defer cancel()
	if err := s.recorder.until(waiting, "to be up to date", s.upToDate); err != nil {
		states, _, _ := s.recorder.look()
		result.Lost++
		result.harm("%v: %+v", err, now(states).Status.Conditions)
	}
	// The Updates are watched apart from the Stack, and may be seen a moment later.
	settling, cancelSettling := context.WithTimeout(ctx, slack)
	defer cancelSettling()
	if err := s.recorder.until(settling, "to have a result of each operation", allComplete); err != nil {
		result.harm("%v", err)
	}
}

// judge looks at what there is to see.
func (s *story) judge(result *row) {
	states, updates, _ := s.recorder.look()
	evidence := evidence{states: states, updates: updates, cuts: s.cuts, whole: s.whole, kills: s.fault.kills, wanted: s.fault.wanted, removes: s.fault.removes}
	if err := evidence.read(s.world); err != nil {
		result.harm("%v", err)
	}
	evidence.judge(result)
}

// upToDate tells whether the Stack is as it is wanted, and says so.
func (s *story) upToDate(states []seen, _ []autov1alpha1.Update) bool {
	stack := now(states)
	return settled(stack) && (s.request == "" || stack.Status.LastUpdate.ReconcileRequest == s.request)
}

func allComplete(_ []seen, updates []autov1alpha1.Update) bool {
	return !slices.ContainsFunc(updates, func(update autov1alpha1.Update) bool { return !complete(&update) })
}

// remove deletes the Stack, and counts what is left of it.
func (s *story) remove(ctx context.Context, result *row) {
	stack := s.Stack(stackName)
	if err := s.Client.Delete(ctx, stack); client.IgnoreNotFound(err) != nil {
		result.harm("the Stack could not be deleted: %v", err)
		return
	}
	waiting, cancel := context.WithTimeoutCause(ctx, patience, errors.New("not in "+patience.String()))
	defer cancel()
	if err := s.UntilGone(waiting, stack, "to be destroyed"); err != nil {
		result.Lost++
		result.harm("the Stack did not go: %v", err)
	}
	things, err := s.world.things()
	if err != nil {
		result.harm("%v", err)
	}
	for _, thing := range things {
		result.Orphaned++
		result.harm("the thing %q outlived its Stack", thing)
	}
	locks, err := s.world.locks()
	if err != nil {
		result.harm("%v", err)
	}
	result.Locks += len(locks)
	for _, left := range s.left(ctx) {
		result.Orphaned++
		result.harm("%s outlived its Stack", left)
	}
}

// left waits until nothing in the cluster is left of the Stack, and returns what is when it has waited long enough.
func (s *story) left(ctx context.Context) []string {
	deadline := time.Now().Add(tidying)
	for {
		var found []string
		for _, n := range []*stage.Namespace{s.Namespace, s.execution} {
			if n != nil {
				found = append(found, leftIn(ctx, n)...)
			}
		}
		if len(found) == 0 || time.Now().After(deadline) || pause(ctx, poll) != nil {
			return found
		}
	}
}

// leftIn names what a namespace has that belongs to Stacks.
func leftIn(ctx context.Context, n *stage.Namespace) []string {
	var names []string
	for kind, list := range map[string]client.ObjectList{
		"pod": &corev1.PodList{}, "Workspace": &autov1alpha1.WorkspaceList{}, "Update": &autov1alpha1.UpdateList{},
	} {
		err := n.Client.List(ctx, list, client.InNamespace(n.Name))
		if err == nil {
			err = meta.EachListItem(list, func(object runtime.Object) error {
				name, err := meta.Accessor(object)
				if err == nil {
					names = append(names, fmt.Sprintf("%s %s/%s", kind, n.Name, name.GetName()))
				}
				return err
			})
		}
		if err != nil {
			names = append(names, fmt.Sprintf("what cannot be listed (%v)", err))
		}
	}
	return names
}
