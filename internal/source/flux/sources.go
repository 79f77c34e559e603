package flux

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/kube"
	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/watch"
)

// Reference names a source of any kind.
type Reference struct {
	schema.GroupVersionKind
	types.NamespacedName
}

// Sources looks at the source objects that consumers name: each is watched by itself, from the first consumer that names
// it to the last.
type Sources struct {
	client dynamic.Interface
	// mapper finds the resource of a kind; it looks again for kinds that it does not know.
	mapper meta.RESTMapper

	mu      sync.Mutex
	objects map[Reference]*object
	// held is what each consumer named last.
	held map[source.Consumer]*object
	// wake tells consumers, by their kind.
	wake map[string]func(types.NamespacedName)
	// follow starts the watch of an object; nil while nothing is watched.
	follow func(*object)
}

// object is a source that consumers name. Its fields are guarded by the mutex of Sources.
type object struct {
	Reference
	resource  schema.GroupVersionResource
	consumers map[source.Consumer]struct{}
	// stop ends the watch.
	stop context.CancelFunc
	// watched says that state is what the watch told; otherwise it is what was read last, if told says that it was.
	watched, told bool
	// state is what matters of the object; nil if there is none.
	state *unstructured.Unstructured
	// refused is why the object cannot be watched.
	refused error
}

// NewSources makes what watches nothing yet.
func NewSources(client dynamic.Interface, mapper meta.RESTMapper) *Sources {
	return &Sources{
		client: client, mapper: mapper,
		objects: map[Reference]*object{}, held: map[source.Consumer]*object{}, wake: map[string]func(types.NamespacedName){},
	}
}

// Notify sets who is told which consumers of a kind to look at again. wake must not block.
func (s *Sources) Notify(kind string, wake func(types.NamespacedName)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wake[kind] = wake
}

// Start watches until ctx is done, and returns when all watches have ended.
func (s *Sources) Start(ctx context.Context) error {
	var watches sync.WaitGroup
	s.mu.Lock()
	s.follow = func(o *object) {
		ctx, cancel := context.WithCancel(ctx)
		o.stop = cancel
		watches.Go(func() { s.watch(ctx, o) })
	}
	for _, o := range s.objects {
		s.follow(o)
	}
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	s.follow = nil
	s.mu.Unlock()
	watches.Wait()
	return nil
}

// Get answers what matters of the object that a consumer names, and makes it the one that it follows. An object, or a
// kind, that is not there, and one that the manager may not see, is a *failure.WaitingError.
func (s *Sources) Get(ctx context.Context, consumer source.Consumer, ref Reference) (*unstructured.Unstructured, error) {
	mapping, err := s.mapper.RESTMapping(ref.GroupKind(), ref.Version)
	switch {
	case meta.IsNoMatchError(err):
		s.Forget(consumer)
		return nil, notInstalled(ref)
	case err != nil:
		return nil, fmt.Errorf("look up kind %s: %w", ref.GroupVersionKind, err)
	case mapping.Scope.Name() != meta.RESTScopeNameNamespace:
		s.Forget(consumer)
		return nil, failure.NewTerminal(pulumiv1.ReasonSpecInvalid, "spec.fluxSource.sourceRef: %s of %s belongs to no namespace, which a source has to", ref.Kind, ref.GroupVersion())
	}
	state, err := s.look(ctx, s.hold(consumer, ref, mapping.Resource))
	if err == nil && state == nil {
		err = failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "Flux source %s %q is not there: create it in namespace %q", ref.Kind, ref.Name, ref.Namespace)
	}
	return state, err
}

// look answers what the watch told of an object, or reads it where there is no watch yet.
func (s *Sources) look(ctx context.Context, o *object) (*unstructured.Unstructured, error) {
	s.mu.Lock()
	if o.watched || o.refused != nil {
		defer s.mu.Unlock()
		return o.state, o.refused
	}
	s.mu.Unlock()
	read, err := s.client.Resource(o.resource).Namespace(o.Namespace).Get(ctx, o.Name, metav1.GetOptions{})
	switch {
	case isKindMissing(err):
		return nil, notInstalled(o.Reference)
	case apierrors.IsForbidden(err):
		return nil, forbidden(err)
	case apierrors.IsNotFound(err):
		read = nil
	case err != nil:
		return nil, fmt.Errorf("get %s %s: %w", o.Kind, o.NamespacedName, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !o.watched { // otherwise the watch was quicker, and knows better
		s.tell(o, relevant(read))
	}
	return o.state, nil
}

// watch follows an object until ctx is done.
func (s *Sources) watch(ctx context.Context, o *object) {
	kind := &unstructured.Unstructured{}
	kind.SetGroupVersionKind(o.GroupVersionKind)
	objects := s.client.Resource(o.resource).Namespace(o.Namespace)
	watch.One(ctx, watch.Objects{
		List: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			list, err := objects.List(ctx, options)
			s.failed(o, err)
			return list, err
		},
		Watch: func(ctx context.Context, options metav1.ListOptions) (apiwatch.Interface, error) {
			stream, err := objects.Watch(ctx, options)
			s.failed(o, err)
			return stream, err
		},
		Kind: o.Kind, Type: kind,
	}, o.NamespacedName, func(seen any) {
		is, _ := seen.(*unstructured.Unstructured) //nolint:errcheck // nothing else is told but nil
		s.saw(o, is)
	})
}

// saw takes note of what the watch told.
func (s *Sources) saw(o *object, seen *unstructured.Unstructured) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.watched = true
	s.tell(o, relevant(seen))
}

// tell keeps a state of an object, and wakes those who were told another one.
func (s *Sources) tell(o *object, state *unstructured.Unstructured) {
	news := o.told && !equality.Semantic.DeepEqual(o.state, state)
	o.state, o.told = state, true
	if news {
		s.wakeAll(o)
	}
}

// failed takes note of how a request of the watch ended. While the API server refuses it nothing is known of the object.
func (s *Sources) failed(o *object, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := o.refused
	switch {
	case err == nil:
		o.refused = nil
	case isKindMissing(err):
		o.refused = notInstalled(o.Reference)
	case apierrors.IsForbidden(err):
		o.refused = forbidden(err)
	default:
		return // it passes, and the watch goes on from where it was
	}
	if o.refused != nil {
		o.watched = false
	}
	if (was == nil) != (o.refused == nil) {
		s.wakeAll(o)
	}
}

func (s *Sources) wakeAll(o *object) {
	for consumer := range o.consumers {
		if wake := s.wake[consumer.Kind]; wake != nil {
			wake(consumer.NamespacedName)
		}
	}
}

// Forget ends what was followed for a consumer.
func (s *Sources) Forget(consumer source.Consumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release(consumer)
}

// hold makes an object all that a consumer follows.
func (s *Sources) hold(consumer source.Consumer, ref Reference, resource schema.GroupVersionResource) *object {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.held[consumer]; o != nil && o.Reference == ref {
		return o
	}
	o := s.objects[ref]
	if o == nil {
		o = &object{Reference: ref, resource: resource, consumers: map[source.Consumer]struct{}{}}
		s.objects[ref] = o
		if s.follow != nil {
			s.follow(o)
		}
	}
	s.release(consumer)
	o.consumers[consumer] = struct{}{}
	s.held[consumer] = o
	return o
}

// release takes a consumer off an object, whose watch ends with the last one.
func (s *Sources) release(consumer source.Consumer) {
	o := s.held[consumer]
	if o == nil {
		return
	}
	delete(s.held, consumer)
	delete(o.consumers, consumer)
	if len(o.consumers) > 0 {
		return
	}
	delete(s.objects, o.Reference)
	if o.stop != nil {
		o.stop()
	}
}

// relevant is what a Stack asks of a source: its artifact, or where it has none, what it says of itself. The times that a
// source writes at each of its own looks are not part of it.
func relevant(object *unstructured.Unstructured) *unstructured.Unstructured {
	if object == nil {
		return nil
	}
	kept := &unstructured.Unstructured{Object: map[string]any{}}
	kept.SetGroupVersionKind(object.GroupVersionKind())
	kept.SetName(object.GetName())
	status := map[string]any{}
	for _, field := range []string{"artifact", "conditions"} {
		value, there, err := unstructured.NestedFieldCopy(object.Object, "status", field)
		if err == nil && there && value != nil {
			status[field] = value
			break
		}
	}
	if artifact, ok := status["artifact"].(map[string]any); ok {
		maps.DeleteFunc(artifact, func(field string, _ any) bool { return field != "url" && field != "digest" && field != "revision" })
	}
	kept.Object["status"] = status
	return kept
}

func notInstalled(ref Reference) error {
	return failure.NewWaiting(pulumiv1.ReasonSourceUnavailable,
		"kind %s of %s, which spec.fluxSource.sourceRef names, is not installed: install it, with Flux or whatever brings it, or correct the reference", ref.Kind, ref.GroupVersion())
}

// forbidden names the right that the manager lacks, or repeats the API server's words where it was something else.
func forbidden(err error) error {
	if denial, denied := kube.Denied(err); denied {
		return failure.NewWaiting(pulumiv1.ReasonPermissionMissing, "Flux source: %s", denial)
	}
	return failure.NewWaiting(pulumiv1.ReasonSourceUnavailable,
		"the manager may not look at the Flux source: grant its ServiceAccount get, list and watch on the kind (%s)", text(err.Error()))
}

// isKindMissing tells an object that is not there from a kind that is not.
func isKindMissing(err error) bool {
	return meta.IsNoMatchError(err) || (apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse))
}
