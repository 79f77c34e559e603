package model

import (
	"errors"
	"reflect"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var errConflict = errors.New("the object has been modified")

// edit changes an object in place, as users and nodes do; it tells whether there was one.
func (s *store) edit(kind string, name types.NamespacedName, change func(client.Object)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.find(kind, name)
	if before == nil {
		return false
	}
	after := before.DeepCopyObject().(client.Object)
	change(after)
	s.replace(kind, before, throughJSON(after))
	return true
}

// remove deletes an object as the API server does: what has a finalizer, and a pod, is only marked.
func (s *store) remove(kind string, name types.NamespacedName, options client.DeleteOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.find(kind, name)
	if before == nil {
		return apierrors.NewNotFound(resource(kind), name.Name)
	}
	if p := options.Preconditions; p != nil {
		if (p.UID != nil && *p.UID != before.GetUID()) || (p.ResourceVersion != nil && *p.ResourceVersion != before.GetResourceVersion()) {
			return apierrors.NewConflict(resource(kind), name.Name, errConflict)
		}
	}
	if before.GetDeletionTimestamp() != nil {
		return nil
	}
	after := before.DeepCopyObject().(client.Object)
	if policy := options.PropagationPolicy; policy != nil {
		switch *policy {
		case metav1.DeletePropagationForeground:
			after.SetFinalizers(append(slices.Clone(after.GetFinalizers()), metav1.FinalizerDeleteDependents))
		case metav1.DeletePropagationOrphan:
			after.SetFinalizers(append(slices.Clone(after.GetFinalizers()), metav1.FinalizerOrphanDependents))
		case metav1.DeletePropagationBackground:
		}
	}
	if len(after.GetFinalizers()) == 0 && kind != "Pod" {
		s.drop(kind, before)
		return nil
	}
	at := metav1.NewTime(time.Now().Truncate(time.Second))
	if grace := options.GracePeriodSeconds; grace != nil {
		at = metav1.NewTime(at.Add(time.Duration(*grace) * time.Second))
	}
	after.SetDeletionTimestamp(&at)
	if kind != "Pod" {
		after.SetGeneration(after.GetGeneration() + 1)
	}
	s.put(kind, before, after)
	return nil
}

// vanish removes an object whatever holds it, as the node does with a pod that has ended.
func (s *store) vanish(kind string, name types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.find(kind, name); found != nil {
		s.drop(kind, found)
	}
}

// patch does a merge patch or an apply and puts into object what became of it. status says that it is of the status, which
// nothing else changes.
func (s *store) patch(object client.Object, by client.Patch, status bool) error {
	data, err := by.Data(object)
	if err != nil {
		return err
	}
	var change map[string]any
	if err := json.Unmarshal(data, &change); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kind, name := s.kindOf(object), client.ObjectKeyFromObject(object)
	before := s.find(kind, name)
	if before == nil {
		return s.applyNew(kind, name, object, change, by.Type() == types.ApplyPatchType && !status)
	}
	if err := s.agrees(kind, before, change); err != nil {
		return err
	}
	now, err := runtime.DefaultUnstructuredConverter.ToUnstructured(before)
	if err != nil {
		return err
	}
	switch {
	case status:
		now["status"] = change["status"]
	case by.Type() == types.ApplyPatchType:
		applied(now, change)
	default:
		merge(now, change)
	}
	after, err := s.typed(kind, before, now)
	if err != nil {
		return err
	}
	if controllers(after) > 1 {
		return apierrors.NewInvalid(schema.GroupKind{Kind: kind}, name.Name, nil)
	}
	return answer(object, s.replace(kind, before, after))
}

// agrees checks what a patch says of the object that it is for.
func (s *store) agrees(kind string, before client.Object, change map[string]any) error {
	meta, _ := change["metadata"].(map[string]any)
	version, _ := meta["resourceVersion"].(string)
	uid, _ := meta["uid"].(string)
	if (version != "" && version != before.GetResourceVersion()) || (uid != "" && uid != string(before.GetUID())) {
		return apierrors.NewConflict(resource(kind), before.GetName(), errConflict)
	}
	return nil
}

// applyNew makes what an apply is of and is not there. The lock is held.
func (s *store) applyNew(kind string, name types.NamespacedName, object client.Object, change map[string]any, apply bool) error {
	meta, _ := change["metadata"].(map[string]any)
	if uid, _ := meta["uid"].(string); uid != "" && apply {
		return apierrors.NewConflict(resource(kind), name.Name, errConflict)
	}
	if !apply {
		return apierrors.NewNotFound(resource(kind), name.Name)
	}
	made, err := s.typed(kind, nil, change)
	if err != nil {
		return err
	}
	s.mu.Unlock()
	err = s.create(made)
	s.mu.Lock()
	if err != nil {
		return err
	}
	return answer(object, made)
}

// typed is an object of a kind made from its fields.
func (s *store) typed(kind string, like client.Object, fields map[string]any) (client.Object, error) {
	if like == nil {
		for known := range s.scheme.AllKnownTypes() {
			if known.Kind == kind && known.Version != runtime.APIVersionInternal {
				made, err := s.scheme.New(known)
				if err != nil {
					return nil, err
				}
				like = made.(client.Object)
			}
		}
	}
	object := reflect.New(reflect.TypeOf(like).Elem()).Interface().(client.Object)
	return object, runtime.DefaultUnstructuredConverter.FromUnstructured(fields, object)
}

// answer puts into object what became of it.
func answer(object, kept client.Object) error {
	into, ok := object.(*unstructured.Unstructured)
	if !ok {
		fill(object, kept)
		return nil
	}
	kind := into.GroupVersionKind()
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(kept)
	into.Object = fields
	into.SetGroupVersionKind(kind)
	return err
}

// merge is a JSON merge patch.
func merge(into, change map[string]any) {
	for key, value := range change {
		switch value := value.(type) {
		case nil:
			delete(into, key)
		case map[string]any:
			inner, ok := into[key].(map[string]any)
			if !ok {
				inner = map[string]any{}
			}
			merge(inner, value)
			into[key] = inner
		default:
			into[key] = value
		}
	}
}

// applied is what an apply of the one manager that applies such objects leaves: its spec, its labels, its annotations, and
// its owners beside others.
func applied(now, change map[string]any) {
	now["spec"] = change["spec"]
	meta, _ := now["metadata"].(map[string]any)
	wanted, _ := change["metadata"].(map[string]any)
	for _, field := range []string{"labels", "annotations"} {
		delete(meta, field)
		if values, ok := wanted[field]; ok {
			meta[field] = values
		}
	}
	owners, _ := meta["ownerReferences"].([]any)
	for _, owner := range asList(wanted["ownerReferences"]) {
		owners = slices.DeleteFunc(owners, func(o any) bool { return uidOf(o) == uidOf(owner) })
		owners = append(owners, owner)
	}
	if len(owners) > 0 {
		meta["ownerReferences"] = owners
	}
}

func asList(value any) []any {
	list, _ := value.([]any)
	return list
}

func uidOf(owner any) string {
	fields, _ := owner.(map[string]any)
	uid, _ := fields["uid"].(string)
	return uid
}

// controllers counts the owners that call themselves the controller.
func controllers(object client.Object) int {
	count := 0
	for _, owner := range object.GetOwnerReferences() {
		if owner.Controller != nil && *owner.Controller {
			count++
		}
	}
	return count
}
