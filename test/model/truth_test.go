package model

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/operation"
)

// truth is what really happened, as nobody in the world knows it.
type truth struct {
	// operations are by the UIDs of their Updates, lives by those of the Stacks.
	operations map[types.UID]*deed
	lives      map[types.UID]*life
}

func newTruth() truth {
	return truth{operations: map[types.UID]*deed{}, lives: map[types.UID]*life{}}
}

// deed is an operation.
type deed struct {
	name  string
	kind  autov1alpha1.UpdateType
	stack types.UID
	pod   types.UID
	// begun and ended are of the operation itself.
	begun, ended bool
	outcome      operation.Outcome
	reason       string
}

// life is that of a Stack, from its creation until it is gone.
type life struct {
	name types.NamespacedName
	// backend is the stack of the backend that it names.
	backend string
	// over says that it is gone, released that nothing of Gantry's holds it any more.
	over, released bool
	// applied says that an up began; destroyed, that a destroy succeeded since.
	applied, destroyed bool
	// last is the operation that began last; noted are the names of those that were on record.
	last  *deed
	noted map[string]bool
	// record is the last one seen.
	record *pulumiv1.LastUpdate
	// may is the Update that may begin, or go on, while the Stack is suspended.
	may string
	// canceled is the Stack as it was when an operation of it was to be canceled; nil if nothing is held back for that.
	canceled *pulumiv1.Stack
	// lost is the operation that was canceled elsewhere, and whose end may never have been seen.
	lost *deed
	// handled is the request in Flux's annotation that was answered last.
	handled string
	// failures is how often in a row the same failed, attempts how often of these by its own fault.
	failures, attempts int64
}

// witness looks at a change of the API server's objects as it happens. The store's lock is held.
func (w *world) witness(kind string, before, after client.Object) {
	switch kind {
	case "Stack":
		w.witnessStack(before, after)
	case "Update":
		w.witnessUpdate(before, after)
	}
}

func (w *world) witnessStack(before, after client.Object) {
	if before == nil {
		w.lives[after.GetUID()] = &life{name: client.ObjectKeyFromObject(after), backend: after.(*pulumiv1.Stack).Spec.Stack, noted: map[string]bool{}}
		return
	}
	was, l := before.(*pulumiv1.Stack), w.lives[before.GetUID()]
	held := slices.Contains(was.Finalizers, pulumiv1.Finalizer) && was.DeletionTimestamp != nil
	if released := after == nil || !slices.Contains(after.GetFinalizers(), pulumiv1.Finalizer); held && released {
		l.released = true
		w.witnessRelease(was, l)
	}
	if l.over = after == nil; l.over {
		if l.applied && !slices.Contains(was.Finalizers, pulumiv1.Finalizer) && was.DeletionTimestamp == nil {
			w.fail("the Stack %s is gone, and nothing held it", l.name)
		}
		return
	}
	now := after.(*pulumiv1.Stack)
	w.witnessWill(was, now, l)
	same := l.handled == now.Status.LastHandledReconcileAt
	l.handled = now.Status.LastHandledReconcileAt
	w.witnessRecord(l, now.Status.LastUpdate, same)
}

// witnessWill: once it is on record that a Stack is suspended, no operation of it begins that was not under way by then; and
// once it is on record that one is to be canceled, the next one has a reason that came later.
func (w *world) witnessWill(was, now *pulumiv1.Stack, l *life) {
	current := now.Status.CurrentUpdate
	if rests := on(now, pulumiv1.ConditionTypeSuspended); rests && !on(was, pulumiv1.ConditionTypeSuspended) {
		l.may = ""
		if current != nil {
			l.may = current.Name
		}
	} else if rests && current != nil && current.Name != l.may {
		w.fail("%s of %s comes while that is suspended", current.Name, l.name)
	}
	canceled, before := now.Status.Canceled, was.Status.Canceled
	switch {
	case canceled != nil && (before == nil || *before != *canceled):
		l.canceled = now.DeepCopy()
	case canceled == nil && before != nil && current != nil && current.Name != before.Update:
		then := l.canceled
		last := now.Status.LastUpdate
		another := func(annotation string) bool {
			value := now.Annotations[annotation]
			return value != "" && value != then.Annotations[annotation]
		}
		if now.Generation == then.Generation && !another(pulumiv1.AnnotationReconciliationRequest) && !another(pulumiv1.AnnotationRequestedAt) &&
			(last == nil || last.LastAttemptedCommit == current.Commit) {
			w.fail("%s of %s comes after %s was canceled, and nobody asked for it", current.Name, l.name, before.Update)
		}
	}
}

// witnessRelease: a Stack is let go only when what it made is destroyed, or kept on purpose.
func (w *world) witnessRelease(stack *pulumiv1.Stack, l *life) {
	kept := !stack.Spec.DestroyOnFinalize || stack.Annotations[pulumiv1.AnnotationAbandon] == "true"
	if !kept && l.applied && !l.destroyed {
		w.fail("the Stack %s is let go and its resources are not destroyed", l.name)
	}
	for _, d := range w.operations {
		if d.stack == stack.UID && d.begun && !d.ended {
			w.fail("the Stack %s is let go while %s %s runs", l.name, d.kind, d.name)
		}
	}
}

// witnessRecord: a record never goes back, tells the truth, and counts what failed.
func (w *world) witnessRecord(l *life, now *pulumiv1.LastUpdate, sameRequest bool) {
	was := l.record
	switch {
	case now == nil || now.State == "":
		if was != nil {
			w.fail("the record of %s is lost", was.Name)
		}
		return
	case was != nil && now.LastResyncTime.Before(&was.LastResyncTime):
		w.fail("the record goes back from %s to %s", was.Name, now.Name)
	case was != nil && was.Name == now.Name && was.State != now.State:
		w.fail("the record of %s changes from %s to %s", now.Name, was.State, now.State)
	case was != nil && was.Name != now.Name && l.noted[now.Name]:
		w.fail("the record goes back from %s to %s, which was on record before", was.Name, now.Name)
	}
	if was == nil || was.Name != now.Name {
		l.noted[now.Name] = true
		w.witnessEnd(now)
		w.count(l, now, sameRequest)
	}
	l.record = now.DeepCopy()
}

// witnessEnd: what is on record is what happened.
func (w *world) witnessEnd(now *pulumiv1.LastUpdate) {
	d := w.byName(now.Name)
	succeeded := now.State == pulumiv1.SucceededStackState
	switch {
	case d == nil:
		w.fail("%s is on record, and there never was such an Update", now.Name)
	case d.begun && !d.ended:
		w.fail("%s is on record as %s, and its operation runs", now.Name, now.State)
	case succeeded && (!d.begun || d.outcome != operation.Outcome_SUCCEEDED):
		w.fail("%s is on record as succeeded, and it was: begun %t, %s", now.Name, d.begun, d.outcome)
	case d.begun && d.outcome == operation.Outcome_SUCCEEDED && !succeeded && now.Reason != operation.ReasonAborted:
		w.fail("%s is on record as failed (%s), and it succeeded", now.Name, now.Reason)
	case d.begun && d.outcome == operation.Outcome_FAILED && now.Reason != d.reason && now.Reason != operation.ReasonAborted:
		w.fail("%s is on record as failed for %s, and it failed for %s", now.Name, now.Reason, d.reason)
	}
}

func (w *world) byName(name string) *deed {
	var found *deed
	for _, d := range w.operations {
		if d.name == name && (found == nil || d.begun) {
			found = d
		}
	}
	return found
}

// count: failures in a row of the same are counted one by one, and those of them that are the program's own.
func (w *world) count(l *life, now *pulumiv1.LastUpdate, sameRequest bool) {
	was := l.record
	same := sameRequest && was != nil && was.State == now.State && was.Generation == now.Generation && was.ReconcileRequest == now.ReconcileRequest &&
		was.LastAttemptedCommit == now.LastAttemptedCommit
	for name, digest := range now.Inputs {
		same = same && (was.Inputs[name] == "" || was.Inputs[name] == digest)
	}
	if !same {
		l.failures, l.attempts = 0, 0
	}
	if now.State == pulumiv1.FailedStackState {
		l.failures++
		if !passing(now.Reason) {
			l.attempts++
		}
	}
	if now.Failures != l.failures || now.Attempts != l.attempts {
		w.fail("%s: %d failures and %d attempts are counted, and there were %d and %d", now.Name, now.Failures, now.Attempts, l.failures, l.attempts)
	}
}

// passing are the reasons of failures that are no attempts.
func passing(reason string) bool {
	return slices.Contains([]string{
		operation.ReasonTransient, operation.ReasonConflict, operation.ReasonAborted, operation.ReasonCanceled, operation.ReasonSourceFailed,
	}, reason)
}

func (w *world) witnessUpdate(before, after client.Object) {
	if before == nil {
		update := after.(*autov1alpha1.Update)
		d := &deed{name: update.Name, kind: update.Spec.Type}
		for uid, l := range w.lives {
			owned := slices.ContainsFunc(update.OwnerReferences, func(owner metav1.OwnerReference) bool { return owner.UID == uid })
			if owned || (!l.over && update.Annotations[pulumiv1.AnnotationStack] == l.name.String()) {
				d.stack = uid
			}
		}
		w.operations[update.UID] = d
		return
	}
	was, d := before.(*autov1alpha1.Update), w.operations[before.GetUID()]
	complete := func(u *autov1alpha1.Update) bool {
		return meta.IsStatusConditionTrue(u.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete)
	}
	if after == nil {
		if d.begun && !d.ended {
			w.fail("the Update %s is gone while its operation runs", d.name)
		}
		if l := w.lives[d.stack]; l != nil && d.begun && was.Namespace == elsewhere && was.DeletionTimestamp != nil {
			l.lost = d // nothing keeps it there until it is on record
		}
		return
	}
	now := after.(*autov1alpha1.Update)
	failed := meta.IsStatusConditionTrue(now.Status.Conditions, autov1alpha1.UpdateConditionTypeFailed)
	switch {
	case complete(was) && !complete(now):
		w.fail("the Update %s was complete and is not any more", d.name)
	case d.begun && now.Status.PodUID != string(d.pod):
		w.fail("the Update %s began in the pod %s, and %q is on record", d.name, d.pod, now.Status.PodUID)
	case complete(now) && d.begun && !d.ended:
		w.fail("the Update %s is complete, and its operation runs", d.name)
	case complete(now) && !failed && d.outcome != operation.Outcome_SUCCEEDED:
		w.fail("the Update %s is a success on record, and it was: %s", d.name, d.outcome)
	}
}

// offered: an operation is given to the one pod that is on record.
func (w *world) offered(a *agent, op *operation.Operation) {
	for _, object := range w.store.all("Update") {
		if u := object.(*autov1alpha1.Update); string(u.UID) == op.GetUid() && u.Status.PodUID != string(a.pod) {
			w.fail("%s is given to the pod %s, and %q is on record", u.Name, a.pod, u.Status.PodUID)
		}
	}
}

// begins: one operation of a Stack at a time, each of them once, and none before the last one is on record.
func (w *world) begins(a *agent, e *entry) {
	d := w.operations[types.UID(e.op.GetUid())]
	if d == nil {
		w.fail("an operation of no Update begins")
		return
	}
	l := w.lives[d.stack]
	for _, other := range w.operations {
		switch {
		case other.begun && !other.ended && w.lives[other.stack].name == l.name:
			w.fail("%s %s begins while %s %s runs", d.kind, d.name, other.kind, other.name)
		case other.begun && other.name == d.name:
			w.fail("%s %s begins a second time", d.kind, d.name)
		}
	}
	w.beginsApart(d, l)
	w.beginsWanted(d, l)
	if l.last != nil && l.last != l.lost && !l.noted[l.last.name] {
		w.fail("%s %s begins, and %s %s was never on record", d.kind, d.name, l.last.kind, l.last.name)
	}
	d.begun, d.pod, l.last = true, a.pod, d
	if d.kind == autov1alpha1.UpUpdate {
		l.applied, l.destroyed = true, false
	}
}

// beginsWanted: nothing begins for a Stack of which it is on record that it is suspended, but what was under way by then; nor after
// a cancel request that is on record and not taken back by something that came later.
func (w *world) beginsWanted(d *deed, l *life) {
	stack := &pulumiv1.Stack{}
	if w.store.get(l.name, stack) != nil || stack.UID != d.stack {
		return
	}
	if on(stack, pulumiv1.ConditionTypeSuspended) && d.name != l.may {
		w.fail("%s %s begins while %s is suspended", d.kind, d.name, l.name)
	}
	if canceled := stack.Status.Canceled; canceled != nil && canceled.Update != d.name {
		w.fail("%s %s begins after %s was canceled", d.kind, d.name, canceled.Update)
	}
}

// beginsApart: of the Stacks that name one stack of the backend, one alone changes it. Another one comes after that is gone.
func (w *world) beginsApart(d *deed, l *life) {
	if d.kind == autov1alpha1.PreviewUpdate {
		return // it changes nothing, and a Stack that only previews may look at another's
	}
	for uid, other := range w.lives {
		if other == l || other.backend != l.backend {
			continue
		}
		if has := other.applied && !other.destroyed && !other.over && !other.released; has {
			w.fail("%s of %s begins on the stack that %s has", d.kind, l.name, other.name)
		}
		for _, running := range w.operations {
			if running.stack == uid && running.begun && !running.ended && running.kind != autov1alpha1.PreviewUpdate {
				w.fail("%s of %s begins while %s %s of %s runs", d.kind, l.name, running.kind, running.name, other.name)
			}
		}
	}
}

// ends takes note of how an operation ended.
func (w *world) ends(e *entry, outcome operation.Outcome, reason string) {
	d := w.operations[types.UID(e.op.GetUid())]
	d.ended, d.outcome, d.reason = true, outcome, reason
	if d.kind == autov1alpha1.DestroyUpdate && outcome == operation.Outcome_SUCCEEDED {
		w.lives[d.stack].destroyed = true
	}
}

// recorded: an agent forgets a result only when it is on record.
func (w *world) recorded(e *entry) {
	for _, object := range w.store.all("Update") {
		u := object.(*autov1alpha1.Update)
		if string(u.UID) == e.op.GetUid() && !meta.IsStatusConditionTrue(u.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete) {
			w.fail("the agent is to forget the result of %s, which is not on record", u.Name)
		}
	}
}

// checkPodDelete: no manager takes a pod from under an operation.
func (w *world) checkPodDelete(kind string, object client.Object) {
	if a := w.agents[object.GetUID()]; kind == "Pod" && a != nil && a.running != nil {
		w.fail("the pod %s is deleted by the manager while %s runs in it", object.GetName(), a.running.op.GetName())
	}
}
