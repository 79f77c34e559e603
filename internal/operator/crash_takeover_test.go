package operator

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/kube"
	"github.com/gantry-operator/gantry/internal/kube/kubetest"
)

// leftByPKO is what PKO leaves of the Stack.
type leftByPKO struct {
	stack     *pulumiv1.Stack
	workspace *autov1alpha1.Workspace
	update    *autov1alpha1.Update
}

// running makes the last update one that PKO was running when it ended.
func running(left leftByPKO) {
	last := left.stack.Status.LastUpdate
	left.stack.Status = pulumiv1.StackStatus{ObservedGeneration: 1, CurrentUpdate: &pulumiv1.CurrentUpdate{Generation: 1, Name: last.Name, Commit: last.LastAttemptedCommit}}
	left.update.Status = autov1alpha1.UpdateStatus{ObservedGeneration: 1}
	meta.SetStatusCondition(&left.update.Status.Conditions, metav1.Condition{
		Type: autov1alpha1.UpdateConditionTypeProgressing, Status: metav1.ConditionTrue, Reason: "Progressing", ObservedGeneration: 1,
	})
}

// leave puts there what PKO leaves, as the controllers' own tests have it, changed as a story needs it.
func (s *site) leave(change func(leftByPKO)) {
	s.t.Helper()
	left := leftByPKO{&pulumiv1.Stack{}, &autov1alpha1.Workspace{}, &autov1alpha1.Update{}}
	kubetest.Read(s.t, "../controller/stack/testdata/pko.yaml", left.stack, &pulumiv1.Program{}, left.workspace, left.update)
	service, set, pod := &corev1.Service{}, &appsv1.StatefulSet{}, &corev1.Pod{}
	kubetest.Read(s.t, "../controller/workspace/testdata/pko.yaml", &autov1alpha1.Workspace{}, service, set, pod)
	left.stack.Spec.ProgramRef.Name, left.stack.Spec.RetryMaxBackoffDurationSeconds = programOf().GetName(), 1
	left.stack.Status.ObservedGeneration, left.stack.Status.LastUpdate.Generation = 1, 1
	if change != nil {
		change(left)
	}
	set.Finalizers, pod.Finalizers, pod.Status = nil, nil, corev1.PodStatus{}
	set.Spec.Template.Spec.Containers = pod.Spec.Containers
	uids := map[types.UID]types.UID{"ws-1": "ws-uid"}
	for _, object := range []client.Object{left.stack, left.workspace, left.update, service, set, pod} {
		s.restore(object, uids)
	}
	eventually(s.t, "the view has what PKO left", func() bool {
		return slices.ContainsFunc(s.all(), func(object client.Object) bool { return object.GetUID() == pod.UID })
	})
}

// restore makes an object with its status and its owners, whose UIDs are others now.
func (s *site) restore(object client.Object, uids map[types.UID]types.UID) {
	s.t.Helper()
	was, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		s.t.Fatalf("%T is no object", object)
	}
	object.SetUID("")
	object.SetGeneration(0)
	object.SetCreationTimestamp(metav1.Time{})
	owners := object.GetOwnerReferences()
	for i := range owners {
		uid := owners[i].UID
		if other := uids[uid]; uids[other] != "" {
			uid = other
		}
		owners[i].UID = uids[uid]
	}
	object.SetOwnerReferences(owners)
	s.make(object)
	uids[was.GetUID()] = object.GetUID()
	var err error
	switch o := object.(type) {
	case *pulumiv1.Stack:
		err = kube.ApplyStatus(s.t.Context(), s.c, o, kube.ManagerStackStatus, &o.Status, &was.(*pulumiv1.Stack).Status)
	case *autov1alpha1.Workspace:
		err = kube.ApplyStatus(s.t.Context(), s.c, o, kube.ManagerWorkspaceStatus, &o.Status, &was.(*autov1alpha1.Workspace).Status)
	case *autov1alpha1.Update:
		err = kube.ApplyStatus(s.t.Context(), s.c, o, kube.ManagerUpdateStatus, &o.Status, &was.(*autov1alpha1.Update).Status)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}
