package model

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// tellOf says in one line what an object is like, for those who read along what happens in a history.
func tellOf(object client.Object) string {
	if object == nil {
		return "gone"
	}
	words := []string{fmt.Sprintf("generation=%d version=%s", object.GetGeneration(), object.GetResourceVersion())}
	if object.GetDeletionTimestamp() != nil {
		words = append(words, "going")
	}
	words = append(words, object.GetFinalizers()...)
	switch o := object.(type) {
	case *pulumiv1.Stack:
		if last := o.Status.LastUpdate; last != nil {
			words = append(words, fmt.Sprintf("last=%s/%s/%s %s failures=%d", last.Name, last.State, last.Reason, last.Type, last.Failures))
		}
		if current := o.Status.CurrentUpdate; current != nil {
			words = append(words, "current="+current.Name)
		}
		words = append(words, short(o.Status.Conditions))
	case *autov1alpha1.Workspace:
		words = append(words, short(o.Status.Conditions))
	case *autov1alpha1.Update:
		words = append(words, string(o.Spec.Type), "pod="+o.Status.PodUID, short(o.Status.Conditions))
	case *corev1.Pod:
		words = append(words, string(o.UID), string(o.Status.Phase))
	}
	return strings.Join(words, " ")
}

func short(conditions []metav1.Condition) string {
	var words []string
	for _, c := range conditions {
		if c.Status == metav1.ConditionTrue {
			words = append(words, c.Type+"/"+c.Reason)
		}
	}
	return strings.Join(words, ",")
}
