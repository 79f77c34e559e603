package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// seen is a state of the Stack, and when it was seen.
type seen struct {
	at    time.Time
	stack pulumiv1.Stack
}

// recorder keeps what was seen of a namespace: all states of its Stack, and all its Updates, also those that are gone. It
// goes on when the API server does not answer for a while.
type recorder struct {
	mutex   sync.Mutex
	states  []seen
	updates map[types.UID]autov1alpha1.Update
	// changed is closed at the next change.
	changed chan struct{}
}

func newRecorder() *recorder {
	return &recorder{updates: map[types.UID]autov1alpha1.Update{}, changed: make(chan struct{})}
}

// record follows a namespace until ctx ends.
func (r *recorder) record(ctx context.Context, n *stage.Namespace) {
	var both sync.WaitGroup
	for _, list := range []client.ObjectList{&pulumiv1.StackList{}, &autov1alpha1.UpdateList{}} {
		both.Go(func() {
			// Whatever it was, it is tried again: the API server is among what is broken here.
			for pause(ctx, poll) == nil {
				if err := r.follow(ctx, n, list); err != nil {
					continue
				}
			}
		})
	}
	both.Wait()
}

func (r *recorder) follow(ctx context.Context, n *stage.Namespace, list client.ObjectList) error {
	if err := n.Client.List(ctx, list, client.InNamespace(n.Name)); err != nil {
		return fmt.Errorf("listing what is recorded: %w", err)
	}
	if err := meta.EachListItem(list, func(object runtime.Object) error { r.keep(object); return nil }); err != nil {
		return fmt.Errorf("listing what is recorded: %w", err)
	}
	events, err := n.Client.Watch(ctx, list, client.InNamespace(n.Name), &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}})
	if err != nil {
		return fmt.Errorf("watching what is recorded: %w", err)
	}
	defer events.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case event, open := <-events.ResultChan():
			if !open || event.Type == watch.Error {
				return nil
			}
			r.keep(event.Object)
		}
	}
}

func (r *recorder) keep(object runtime.Object) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	switch o := object.(type) {
	case *pulumiv1.Stack:
		r.states = append(r.states, seen{at: time.Now(), stack: *o.DeepCopy()})
	case *autov1alpha1.Update:
		r.updates[o.UID] = *o.DeepCopy()
	default:
		return
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// until waits until what was seen is as it should be. It is asked after each change.
func (r *recorder) until(ctx context.Context, what string, done func(states []seen, updates []autov1alpha1.Update) bool) error {
	for {
		states, updates, changed := r.look()
		if done(states, updates) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the Stack %s: %w", what, context.Cause(ctx))
		}
	}
}

// look returns what was seen so far.
func (r *recorder) look() ([]seen, []autov1alpha1.Update, <-chan struct{}) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	updates := make([]autov1alpha1.Update, 0, len(r.updates))
	for _, update := range r.updates {
		updates = append(updates, update)
	}
	return r.states[:len(r.states):len(r.states)], updates, r.changed
}

// now is the Stack as it was seen last.
func now(states []seen) *pulumiv1.Stack {
	if len(states) == 0 {
		return &pulumiv1.Stack{}
	}
	return &states[len(states)-1].stack
}
