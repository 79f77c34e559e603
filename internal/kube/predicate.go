package kube

import (
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

// Changed passes an object of which something changed that what answers, and one that is new or gone. The controller that
// writes a status needs it of that status: its cache learns of its own write a little later, and a reconcile in between
// may find the older copy to be right already, and write nothing. A manager that begins with a list from before the last
// write of the one before it is in the same place.
func Changed[T client.Object](what func(T) any) predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, okWas := e.ObjectOld.(T)
		is, okIs := e.ObjectNew.(T)
		return okWas && okIs && !equality.Semantic.DeepEqual(what(was), what(is))
	}}
}
