package operator

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// kinds are those that a site looks at.
func kinds() []client.Object {
	return []client.Object{
		&pulumiv1.Stack{}, &pulumiv1.Program{}, &autov1alpha1.Workspace{}, &autov1alpha1.Update{},
		&corev1.Pod{}, &corev1.Secret{}, &corev1.Service{}, &appsv1.StatefulSet{},
	}
}

// lists are the same.
func lists() []client.ObjectList {
	return []client.ObjectList{
		&pulumiv1.StackList{}, &pulumiv1.ProgramList{}, &autov1alpha1.WorkspaceList{}, &autov1alpha1.UpdateList{},
		&corev1.PodList{}, &corev1.SecretList{}, &corev1.ServiceList{}, &appsv1.StatefulSetList{},
	}
}

// collect does once what the garbage collector does, which a mere API server has not: what is left of all its owners
// goes, and of a deletion in the foreground the owner goes last.
func (s *site) collect() {
	all := s.all()
	there := map[types.UID]bool{}
	owned := map[types.UID][]client.Object{}
	for _, object := range all {
		there[object.GetUID()] = true
		for _, owner := range object.GetOwnerReferences() {
			owned[owner.UID] = append(owned[owner.UID], object)
		}
	}
	for _, object := range all {
		owners := object.GetOwnerReferences()
		orphan := len(owners) > 0 && !slices.ContainsFunc(owners, func(o metav1.OwnerReference) bool { return there[o.UID] })
		if orphan && object.GetDeletionTimestamp() == nil {
			s.remove(object)
		}
		if object.GetDeletionTimestamp() == nil || !slices.Contains(object.GetFinalizers(), metav1.FinalizerDeleteDependents) {
			continue
		}
		for _, dependent := range owned[object.GetUID()] {
			if dependent.GetDeletionTimestamp() == nil {
				s.remove(dependent)
			}
		}
		if len(owned[object.GetUID()]) == 0 {
			was, ok := object.DeepCopyObject().(client.Object)
			if !ok {
				continue
			}
			object.SetFinalizers(slices.DeleteFunc(object.GetFinalizers(), func(f string) bool { return f == metav1.FinalizerDeleteDependents }))
			s.complain("finish a foreground deletion", s.c.Patch(s.t.Context(), object, client.MergeFromWithOptions(was, client.MergeFromWithOptimisticLock{})))
		}
	}
}

func (s *site) remove(object client.Object) {
	uid := object.GetUID()
	s.complain("collect", s.c.Delete(s.t.Context(), object, client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground)))
}
