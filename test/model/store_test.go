package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// store is the API server: what of it matters to controllers, and nothing else. Objects go through JSON when they are
// made, as they do on a wire. What is in it is never changed, only replaced.
type store struct {
	scheme *runtime.Scheme
	// changed is told of each change, with the store's lock held. before is nil for a new object, after for one that is gone.
	changed func(kind string, before, after client.Object)

	mu      sync.Mutex
	objects map[string]map[types.NamespacedName]client.Object
	version int64
	made    int
	// ending are the namespaces in which nothing can be made any more.
	ending map[string]bool
}

func newStore() *store {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, pulumiv1.AddToScheme, autov1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	return &store{scheme: scheme, objects: map[string]map[types.NamespacedName]client.Object{}, ending: map[string]bool{}}
}

func (s *store) kindOf(object runtime.Object) string {
	kind, err := apiutil.GVKForObject(object, s.scheme)
	if err != nil {
		panic(err)
	}
	return strings.TrimSuffix(kind.Kind, "List")
}

func resource(kind string) schema.GroupResource {
	return schema.GroupResource{Resource: strings.ToLower(kind)}
}

// find is the object as it is now; nil if there is none. The lock is held.
func (s *store) find(kind string, name types.NamespacedName) client.Object {
	return s.objects[kind][name]
}

// get copies an object into the given one.
func (s *store) get(name types.NamespacedName, into client.Object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := s.kindOf(into)
	found := s.find(kind, name)
	if found == nil {
		return apierrors.NewNotFound(resource(kind), name.Name)
	}
	fill(into, found)
	return nil
}

// fill makes into a copy of from.
func fill(into, from client.Object) {
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(from.DeepCopyObject()).Elem())
}

// all lists the objects of a kind, in the order of their names.
func (s *store) all(kind string) []client.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sorted(s.objects[kind])
}

func sorted(objects map[types.NamespacedName]client.Object) []client.Object {
	names := slices.SortedFunc(maps.Keys(objects), func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) })
	list := make([]client.Object, 0, len(names))
	for _, name := range names {
		list = append(list, objects[name])
	}
	return list
}

// create makes an object and puts into the given one what became of it.
func (s *store) create(object client.Object) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind, name := s.kindOf(object), client.ObjectKeyFromObject(object)
	switch {
	case s.find(kind, name) != nil:
		return apierrors.NewAlreadyExists(resource(kind), name.Name)
	case s.ending[name.Namespace]:
		return terminating(kind, name)
	}
	kept := throughJSON(object)
	s.made++
	kept.SetUID(types.UID(fmt.Sprintf("%s-%d", strings.ToLower(kind), s.made)))
	kept.SetCreationTimestamp(metav1.NewTime(time.Now().Truncate(time.Second)))
	kept.SetDeletionTimestamp(nil)
	kept.SetGeneration(1)
	withoutStatus(kept)
	s.put(kind, nil, kept)
	fill(object, kept)
	return nil
}

// terminating is the refusal of a namespace that is being deleted.
func terminating(kind string, name types.NamespacedName) error {
	err := apierrors.NewForbidden(resource(kind), name.Name, fmt.Errorf("unable to create new content in namespace %s because it is being terminated", name.Namespace))
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{Type: corev1.NamespaceTerminatingCause})
	return err
}

// withoutStatus drops the status of a new object, and sets what the definitions have as its default.
func withoutStatus(object client.Object) {
	switch o := object.(type) {
	case *pulumiv1.Stack:
		o.Status = pulumiv1.StackStatus{ObservedGeneration: -1}
	case *autov1alpha1.Workspace:
		o.Status = autov1alpha1.WorkspaceStatus{ObservedGeneration: -1}
	case *autov1alpha1.Update:
		o.Status = autov1alpha1.UpdateStatus{ObservedGeneration: -1}
	case *corev1.Pod:
		o.Status = corev1.PodStatus{Phase: corev1.PodPending}
	}
}

func throughJSON(object client.Object) client.Object {
	data, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	kept := reflect.New(reflect.TypeOf(object).Elem()).Interface().(client.Object)
	if err := json.Unmarshal(data, kept); err != nil {
		panic(err)
	}
	return kept
}

// put replaces an object and tells of it. The lock is held.
func (s *store) put(kind string, before, after client.Object) {
	s.version++
	after.SetResourceVersion(fmt.Sprint(s.version))
	after.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	if s.objects[kind] == nil {
		s.objects[kind] = map[types.NamespacedName]client.Object{}
	}
	s.objects[kind][client.ObjectKeyFromObject(after)] = after
	s.changed(kind, before, after)
}

// replace is what all changes of an object come down to. What only the server writes is kept; a new spec is a new
// generation; and what is going and that nobody holds any more is gone. The lock is held.
func (s *store) replace(kind string, before, after client.Object) client.Object {
	after.SetUID(before.GetUID())
	after.SetCreationTimestamp(before.GetCreationTimestamp())
	after.SetDeletionTimestamp(before.GetDeletionTimestamp())
	after.SetGeneration(before.GetGeneration())
	after.SetResourceVersion(before.GetResourceVersion())
	after.SetManagedFields(nil)
	after.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	if equality.Semantic.DeepEqual(before, after) {
		return before
	}
	if kind != "Pod" && !equality.Semantic.DeepEqual(specOf(before), specOf(after)) {
		after.SetGeneration(before.GetGeneration() + 1)
	}
	if after.GetDeletionTimestamp() != nil && len(after.GetFinalizers()) == 0 && kind != "Pod" {
		s.drop(kind, after)
		return after
	}
	s.put(kind, before, after)
	return after
}

func specOf(object client.Object) any {
	spec := reflect.ValueOf(object).Elem().FieldByName("Spec")
	if !spec.IsValid() {
		return nil
	}
	return spec.Interface()
}

// drop removes an object for good. The lock is held.
func (s *store) drop(kind string, object client.Object) {
	before := s.find(kind, client.ObjectKeyFromObject(object))
	if before == nil {
		return
	}
	s.version++
	delete(s.objects[kind], client.ObjectKeyFromObject(object))
	s.changed(kind, before, nil)
}
