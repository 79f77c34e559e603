package stage

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// errAgain says that a watch ended and that the state is to be read again.
var errAgain = errors.New("the watch ended")

// Until waits until an object is as it should be. It watches: done is asked for each state the object is
// seen in, and object holds that state. An object that does not exist is waited for.
func (s *Stage) Until(ctx context.Context, object client.Object, what string, done func() bool) error {
	return s.observe(ctx, object, what, func(exists bool) bool { return exists && done() })
}

// UntilGone waits until an object does not exist.
func (s *Stage) UntilGone(ctx context.Context, object client.Object, what string) error {
	return s.observe(ctx, object, what, func(exists bool) bool { return !exists })
}

// Throughout returns an error as soon as an object is seen in a state that fails holds for; it watches
// until ctx ends, which is no error.
func (s *Stage) Throughout(ctx context.Context, object client.Object, fails func() error) error {
	var failure error
	err := s.observe(ctx, object, "nothing wrong", func(exists bool) bool {
		if exists {
			failure = fails()
		}
		return failure != nil
	})
	switch {
	case failure != nil:
		return failure
	case ctx.Err() != nil:
		return nil //nolint:nilerr // the end of ctx is the end of the watch
	default:
		return err
	}
}

func (s *Stage) observe(ctx context.Context, object client.Object, what string, done func(exists bool) bool) error {
	for {
		err := s.watchOnce(ctx, object, done)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("waiting for %s %s: %s: %w", kindName(object), client.ObjectKeyFromObject(object), what, context.Cause(ctx))
		}
		if !errors.Is(err, errAgain) {
			return err
		}
	}
}

func (s *Stage) watchOnce(ctx context.Context, object client.Object, done func(exists bool) bool) error {
	list, err := s.listOf(object)
	if err != nil {
		return err
	}
	key := client.ObjectKeyFromObject(object)
	options := []client.ListOption{client.InNamespace(key.Namespace), client.MatchingFields{"metadata.name": key.Name}}
	if err := s.Client.List(ctx, list, options...); err != nil {
		return fmt.Errorf("reading %s %s: %w", kindName(object), key, err)
	}
	found, err := meta.ExtractList(list)
	if err != nil {
		return fmt.Errorf("reading %s %s: %w", kindName(object), key, err)
	}
	for _, item := range found {
		if err := set(object, item); err != nil {
			return err
		}
	}
	if done(len(found) > 0) {
		return nil
	}
	options = append(options, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}})
	events, err := s.Client.Watch(ctx, list, options...)
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return errAgain
	}
	if err != nil {
		return fmt.Errorf("watching %s %s: %w", kindName(object), key, err)
	}
	defer events.Stop()
	return follow(ctx, events, object, done)
}

func follow(ctx context.Context, events watch.Interface, object client.Object, done func(exists bool) bool) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case event, open := <-events.ResultChan():
			if !open || event.Type == watch.Error {
				return errAgain
			}
			if event.Type == watch.Bookmark {
				continue
			}
			if err := set(object, event.Object); err != nil {
				return err
			}
			if done(event.Type != watch.Deleted) {
				return nil
			}
		}
	}
}

func (s *Stage) listOf(object client.Object) (client.ObjectList, error) {
	kind, err := apiutil.GVKForObject(object, s.Client.Scheme())
	if err != nil {
		return nil, fmt.Errorf("the kind of %T: %w", object, err)
	}
	if _, untyped := object.(*unstructured.Unstructured); untyped {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		return list, nil
	}
	list, err := s.Client.Scheme().New(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err != nil {
		return nil, fmt.Errorf("the list of %s: %w", kind.Kind, err)
	}
	objects, isList := list.(client.ObjectList)
	if !isList {
		return nil, fmt.Errorf("%T is no list of objects", list)
	}
	return objects, nil
}

// set copies one object over another of the same type.
func set(target client.Object, source runtime.Object) error {
	to, from := reflect.ValueOf(target), reflect.ValueOf(source)
	if to.Type() != from.Type() {
		return fmt.Errorf("seen %T, want %T", source, target)
	}
	to.Elem().Set(from.Elem())
	return nil
}

func kindName(object client.Object) string {
	return reflect.TypeOf(object).Elem().Name()
}

// Event waits for an event of an object with a reason, and returns its message.
func (s *Stage) Event(ctx context.Context, of client.Object, reason string) (string, error) {
	for {
		message, err := s.watchEvents(ctx, of, reason)
		if err == nil {
			return message, nil
		}
		if ctx.Err() != nil {
			return "", fmt.Errorf("waiting for event %s of %s: %w", reason, of.GetName(), context.Cause(ctx))
		}
		if !errors.Is(err, errAgain) {
			return "", err
		}
	}
}

func (s *Stage) watchEvents(ctx context.Context, of client.Object, reason string) (string, error) {
	options := []client.ListOption{client.InNamespace(of.GetNamespace()), client.MatchingFields{
		"involvedObject.uid": string(of.GetUID()), "reason": reason,
	}}
	list := &corev1.EventList{}
	if err := s.Client.List(ctx, list, options...); err != nil {
		return "", fmt.Errorf("listing events: %w", err)
	}
	if len(list.Items) > 0 {
		return list.Items[len(list.Items)-1].Message, nil
	}
	options = append(options, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion}})
	events, err := s.Client.Watch(ctx, list, options...)
	if err != nil {
		return "", fmt.Errorf("watching events: %w", err)
	}
	defer events.Stop()
	seen := &corev1.Event{}
	err = follow(ctx, events, seen, func(exists bool) bool { return exists })
	return seen.Message, err
}
