package stack

import (
	"context"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/operation"
)

func cancels(token string) func(*Observed) {
	return func(o *Observed) {
		annotated(o.Stack.Annotations[pulumiv1.AnnotationReconciliationRequest])(o)
		o.Stack.Annotations[pulumiv1.AnnotationCancelRequest] = token
	}
}

func observedCancel(token string) func(*Observed) {
	return func(o *Observed) { o.Stack.Status.ObservedCancelRequest = token }
}

// onRecord has it on record that an Update was to be canceled, when everything else was as it is by then.
func onRecord(update string) func(*Observed) {
	return func(o *Observed) {
		o.Stack.Status.Canceled = &pulumiv1.Cancellation{
			Request: "t", Update: update, SpecDigest: wanted(o.Stack),
			ReconcileRequest: o.Stack.Annotations[pulumiv1.AnnotationReconciliationRequest], RequestedAt: o.Stack.Annotations[pulumiv1.AnnotationRequestedAt],
		}
	}
}

func requestedBy(annotation, value string) func(*Observed) {
	return func(o *Observed) {
		o.Stack.Annotations = overlay(o.Stack.Annotations, map[string]string{annotation: value})
	}
}

func TestPlanCancel(t *testing.T) {
	canceled := failed(operation.ReasonCanceled, 1, 0)
	ending := func(o *Observed) { o.Update.DeletionTimestamp = new(metav1.NewTime(noon)) }
	edited := func(o *Observed) { o.Stack.Spec.Refresh = true; o.Stack.Generation++ }
	removed := func(o *Observed) { o.Stack.Annotations = nil }
	cases := map[string]struct {
		o      Observed
		act    Act
		reason string
		says   string
	}{
		"Runs":              {world(under("pod"), cancels("t")), Cancel, "StackProcessing", "up demo-2 is being canceled"},
		"Waits":             {world(under(""), cancels("t")), Cancel, "StackProcessing", "canceled"},
		"WaitsAndOutdated":  {world(under(""), generation(3), cancels("t")), Cancel, "StackProcessing", "canceled"},
		"Destroys":          {world(goes, under("pod"), func(o *Observed) { o.Update.Spec.Type = autov1alpha1.DestroyUpdate }, cancels("t")), Cancel, "StackProcessing", "destroy demo-2 is being canceled"},
		"SeenBefore":        {world(under("pod"), cancels("t"), observedCancel("t")), Nothing, "StackProcessing", ""},
		"Removed":           {world(under("pod"), observedCancel("t")), Nothing, "StackProcessing", ""},
		"Another":           {world(under("pod"), cancels("u"), observedCancel("t")), Cancel, "StackProcessing", ""},
		"DiedAfterTheWrite": {world(under("pod"), cancels("t"), observedCancel("t"), onRecord("demo-2")), Cancel, "StackProcessing", ""},
		"EndsAlready":       {world(under("pod"), cancels("t"), ending), Nothing, "StackProcessing", ""},
		"Suspended":         {world(isSuspended, under("pod"), cancels("t")), Cancel, "StackProcessing", ""},
		"Nothing":           {world(cancels("t")), Nothing, "ProcessingCompleted", ""},
		"InBackoff":         {world(failed("UpdateFailed", 1, 0), cancels("t")), Nothing, "RetryingAfterFailure", ""},

		"Held":                   {world(canceled, onRecord("demo-1")), Nothing, "UpdateCanceled", "demo-1 was canceled"},
		"HeldThoughItFailed":     {world(failed("UpdateFailed", 1, 0), onRecord("demo-1")), Nothing, "UpdateCanceled", "it failed: boom"},
		"HeldThoughItIsGone":     {world(onRecord("demo-0")), Nothing, "UpdateCanceled", "demo-0 was canceled"},
		"HeldFirst":              {world(neverRan, onRecord("demo-0")), Nothing, "UpdateCanceled", ""},
		"HeldWithAnEdit":         {world(canceled, edited, onRecord("demo-1")), Nothing, "UpdateCanceled", ""},
		"HeldWithARequest":       {world(canceled, annotated("a"), onRecord("demo-1")), Nothing, "UpdateCanceled", ""},
		"HeldWithoutARequest":    {world(canceled, annotated("a"), onRecord("demo-1"), removed), Nothing, "UpdateCanceled", ""},
		"HeldSourceAway":         {world(canceled, onRecord("demo-1"), func(o *Observed) { o.SourceErr = errCrash }), Nothing, "UpdateCanceled", ""},
		"HeldRotated":            {world(canceled, onRecord("demo-1"), rotated), Nothing, "UpdateCanceled", ""},
		"HeldSuspended":          {world(canceled, onRecord("demo-1"), isSuspended, generation(3)), Nothing, "Suspended", ""},
		"HeldResumed":            {world(canceled, onRecord("demo-1"), generation(4)), Nothing, "UpdateCanceled", ""},
		"HeldThoughItSucceeded":  {world(generation(3), onRecord("demo-1")), Nothing, "UpdateCanceled", "it succeeded"},
		"SucceededAndThatWasAll": {world(onRecord("demo-1")), Nothing, "ProcessingCompleted", ""},
		"Edited":                 {world(canceled, onRecord("demo-1"), edited), Run, "StackProcessing", "New stack generation"},
		"Requested":              {world(canceled, onRecord("demo-1"), annotated("a")), Run, "StackProcessing", "Sync request"},
		"RequestedByFlux":        {world(canceled, onRecord("demo-1"), requestedBy(pulumiv1.AnnotationRequestedAt, "now")), Run, "StackProcessing", `Sync request: "now"`},
		"Pushed":                 {world(canceled, onRecord("demo-1"), revision("8")), Run, "StackProcessing", "New commit"},
		"Deleted":                {world(canceled, onRecord("demo-1"), goes), Run, "StackProcessing", "marked for deletion"},
		"DeletedAbandoned":       {world(canceled, goes, onRecord("demo-1"), abandon(abandonValue)), Release, "ProcessingCompleted", ""},

		"DestroyHeld":      {world(goes, destroyed(3), canceled, onRecord("demo-1")), Nothing, "UpdateCanceled", "kubectl annotate stack demo -n ns pulumi.com/reconciliation-request="},
		"DestroyHeldSays":  {world(goes, destroyed(3), canceled, onRecord("demo-1")), Nothing, "UpdateCanceled", "kubectl annotate stack demo -n ns pulumi.com/abandon=true"},
		"UpOfADeletion":    {world(goes, canceled, onRecord("demo-1")), Nothing, "UpdateCanceled", ""},
		"DestroyRequested": {world(goes, destroyed(3), canceled, onRecord("demo-1"), annotated("a")), Run, "StackProcessing", "Sync request"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			step := Plan(tc.o, noon)
			said := step.State.Message()
			if step.Act == Run {
				said = step.Message
			}
			if step.Act != tc.act || step.State.Reason() != tc.reason || !strings.Contains(said, tc.says) {
				t.Errorf("the step is %+v", step)
			}
			if stalled := tc.reason == pulumiv1.ReasonUpdateCanceled; stalled != (step.State.IsStalled() && step.After == 0) {
				t.Errorf("the step is %+v", step)
			}
		})
	}
}

// rotated has a Secret that the last update used have another value.
func rotated(o *Observed) {
	o.Stack.Status.LastUpdate.Inputs = map[string]string{"Secret/s": "a"}
	o.Inputs.Digests = map[string]string{"Secret/s": "b"}
}

func TestCancellation(t *testing.T) {
	seen := world(under("pod"), annotated("a"), cancels("t"), requestedBy(pulumiv1.AnnotationRequestedAt, "now"))
	s := status(seen, Plan(seen, noon), noon)
	want := pulumiv1.Cancellation{Request: "t", Update: "demo-2", SpecDigest: wanted(seen.Stack), ReconcileRequest: "a", RequestedAt: "now"}
	if s.Canceled == nil || *s.Canceled != want || s.ObservedCancelRequest != "t" {
		t.Errorf("on record is %+v, want %+v", s.Canceled, want)
	}
	none := world(cancels("t"), revision("8"))
	if s := status(none, Plan(none, noon), noon); s.Canceled != nil || s.ObservedCancelRequest != "t" {
		t.Errorf("of a request that met nothing is on record: %+v, %q", s.Canceled, s.ObservedCancelRequest)
	}
	again := world(failed(operation.ReasonCanceled, 1, 0), onRecord("demo-1"), annotated("b"))
	if s := status(again, Plan(again, noon), noon); s.Canceled != nil {
		t.Errorf("after the next run was planned, on record is %+v", s.Canceled)
	}
}

// TestCancelRequest plays it through: a run is canceled, is held, and goes on when somebody asks for it.
func TestCancelRequest(t *testing.T) {
	c := newCluster(t, demo(), programOf(greeting))
	c.reconcile()
	update := c.updates()[0]
	update.Status.PodUID = "pod"
	if err := c.client.Status().Update(t.Context(), &update); err != nil {
		t.Fatal(err)
	}
	c.edit(func(s *pulumiv1.Stack) { s.Annotations = map[string]string{pulumiv1.AnnotationCancelRequest: "stop"} })
	c.reconcile()
	if update = c.updates()[0]; update.DeletionTimestamp.IsZero() {
		t.Fatal("the Update is not canceled")
	}
	if told := c.told(pulumiv1.EventCancelRequested); len(told) != 1 || !strings.Contains(told[0], `"stop" cancels up `+update.Name) {
		t.Errorf("the events are %q", told)
	}
	c.finish("canceled", nil)
	c.reconcile()
	if got := c.state(); got != "Ready=False/NotReadyStalled Stalled=True/UpdateCanceled " {
		t.Errorf("the state is %s", got)
	}
	c.edit(func(s *pulumiv1.Stack) { s.Annotations[pulumiv1.AnnotationReconciliationRequest] = "go" })
	c.reconcile()
	if stack := c.stack(); stack.Status.CurrentUpdate == nil || stack.Status.Canceled != nil || !meta.IsStatusConditionTrue(stack.Status.Conditions, "Reconciling") {
		t.Errorf("the status is %+v", stack.Status)
	}
	c.finish("", nil)
	c.reconcile()
	if got := c.state(); got != "Ready=True/ProcessingCompleted " {
		t.Errorf("the state is %s", got)
	}
}

// TestCancelSurvivesADeath: however the manager dies while it cancels, the update ends, and none follows.
func TestCancelSurvivesADeath(t *testing.T) {
	for at := 1; at <= 4; at++ {
		c := newCluster(t, demo(), programOf(greeting))
		c.reconcile()
		c.edit(func(s *pulumiv1.Stack) { s.Annotations = map[string]string{pulumiv1.AnnotationCancelRequest: "stop"} })
		c.failWrite = at
		c.reconcile()
		c.failWrite = 0
		c.finish("canceled", nil)
		c.failWrite = at
		c.reconcile()
		if got := c.state(); got != "Ready=False/NotReadyStalled Stalled=True/UpdateCanceled " {
			t.Errorf("after a death at write %d, the state is %s", at, got)
		}
	}
}

// TestTooLateToCancel: an update that succeeded before it could be canceled is a success.
func TestTooLateToCancel(t *testing.T) {
	c := newCluster(t, demo(), programOf(greeting))
	c.reconcile()
	c.edit(func(s *pulumiv1.Stack) { s.Annotations = map[string]string{pulumiv1.AnnotationCancelRequest: "stop"} })
	c.reconcile()
	c.finish("", nil)
	c.reconcile()
	if stack := c.stack(); c.state() != "Ready=True/ProcessingCompleted " || stack.Status.Canceled != nil {
		t.Errorf("the state is %s, canceled is %+v", c.state(), stack.Status.Canceled)
	}
}

// TestWhoCanceled: the name by which the annotation was set is told.
func TestWhoCanceled(t *testing.T) {
	stack := demo(func(s *pulumiv1.Stack) {
		s.Annotations = map[string]string{pulumiv1.AnnotationCancelRequest: "stop"}
		s.ManagedFields = []metav1.ManagedFieldsEntry{
			{Manager: "kubectl-create", Operation: metav1.ManagedFieldsOperationUpdate, FieldsType: "FieldsV1", APIVersion: "pulumi.com/v1", FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:spec":{}}`)}},
			{Manager: "argocd-server", Operation: metav1.ManagedFieldsOperationUpdate, FieldsType: "FieldsV1", APIVersion: "pulumi.com/v1", FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:metadata":{"f:annotations":{"f:pulumi.com/cancel-request":{}}}}`)}},
		}
	})
	c := newCluster(t, stack)
	c.r.Reader = managed{c.client, stack.ManagedFields}
	o := Observed{Stack: stack}
	c.r.observeCancel(t.Context(), &o)
	told := cancelNoticed(o, Step{})
	if len(told) != 1 || told[0].note != `pulumi.com/cancel-request "stop", set with "argocd-server", has nothing to cancel` {
		t.Errorf("told is %+v", told)
	}
}

// managed answers who manages the fields of any object, which the double of the API server does not.
type managed struct {
	client.Reader
	fields []metav1.ManagedFieldsEntry
}

func (m managed) Get(_ context.Context, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	into.SetManagedFields(m.fields)
	return nil
}
