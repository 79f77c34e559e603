package stack

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/kube"
)

// Indexes of Stacks, by what they name.
const (
	indexProgram = "spec.programRef.name"
	// indexNeeded is by the other Stacks that a Stack waits for.
	indexNeeded = "needed Stacks"
	// indexWorkspace is by the name of the Workspace.
	indexWorkspace = "Workspace"
	// indexCurrent is by the Update that a Stack has under way.
	indexCurrent = "status.currentUpdate.name"
	// indexStack is of Updates, by the Stack that owns them. Their label alone would do less: it is short, and a template
	// may change it.
	indexStack = "metadata.ownerReferences.name"
)

// SetupWithManager registers the controller, its watches and its indexes.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager, workers int) error {
	for name, values := range map[string]func(*pulumiv1.Stack) []string{indexProgram: programNames, indexNeeded: neededStacks, indexCurrent: currentNames, indexWorkspace: workspaceNames} {
		extract := func(object client.Object) []string {
			stack, ok := object.(*pulumiv1.Stack)
			if !ok {
				return nil
			}
			return values(stack)
		}
		if err := mgr.GetFieldIndexer().IndexField(ctx, &pulumiv1.Stack{}, name, extract); err != nil {
			return fmt.Errorf("index Stacks by %s: %w", name, err)
		}
	}
	if err := mgr.GetFieldIndexer().IndexField(ctx, &autov1alpha1.Update{}, indexStack, stackNames); err != nil {
		return fmt.Errorf("index Updates by their Stack: %w", err)
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("stack-controller").
		For(&pulumiv1.Stack{}, builder.WithPredicates(predicate.Or(stackChanged(), kube.Changed(statusOfStack)))).
		Watches(&pulumiv1.Stack{}, handler.EnqueueRequestsFromMapFunc(r.byIndex(indexNeeded)), builder.WithPredicates(becameReady())).
		Watches(&pulumiv1.Stack{}, handler.EnqueueRequestsFromMapFunc(r.neededThatGo), builder.WithPredicates(stackChanged())).
		Watches(&pulumiv1.Program{}, handler.EnqueueRequestsFromMapFunc(r.byIndex(indexProgram)), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&autov1alpha1.Workspace{}, handler.EnqueueRequestsFromMapFunc(r.byIndex(indexWorkspace)), builder.WithPredicates(statusChanged(workspaceState))).
		Watches(&autov1alpha1.Workspace{}, handler.EnqueueRequestsFromMapFunc(r.ownerElsewhere), builder.WithPredicates(statusChanged(workspaceState))).
		Watches(&autov1alpha1.Update{}, handler.EnqueueRequestsFromMapFunc(r.ownerElsewhere), builder.WithPredicates(statusChanged(updateState))).
		Watches(&autov1alpha1.Update{}, handler.EnqueueRequestsFromMapFunc(r.stacksOf), builder.WithPredicates(statusChanged(updateState))).
		WatchesRawSource(source.Func(r.wake)).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(r)
}

// stackNames are the Stacks that own an object, or owned it: the garbage collector takes the reference to a Stack that is
// gone from an Update that has another owner yet, but not the label.
func stackNames(object client.Object) []string {
	var names []string
	for _, ref := range object.GetOwnerReferences() {
		if group, err := schema.ParseGroupVersion(ref.APIVersion); err == nil && group.Group == pulumiv1.GroupVersion.Group && ref.Kind == kindStack {
			names = append(names, ref.Name)
		}
	}
	if name := object.GetLabels()[pulumiv1.LabelStackName]; name != "" && len(names) == 0 {
		return []string{name}
	}
	return names
}

// workspaceNames is the Workspace of a Stack. It is asked by its name, not for its owner: somebody else's is waited for too,
// and a deletion of the Stack that orphans takes the owner from its own.
func workspaceNames(stack *pulumiv1.Stack) []string {
	return []string{pulumiv1.WorkspaceName(stack.Name)}
}

// currentNames is the Update that a Stack has under way.
func currentNames(stack *pulumiv1.Stack) []string {
	if current := stack.Status.CurrentUpdate; current != nil {
		return []string{current.Name}
	}
	return nil
}

// stacksOf maps an Update to its Stack: by the owner, and also by what that has on record, since a deletion that orphans
// takes the owner from an Update under way.
func (r *Reconciler) stacksOf(ctx context.Context, object client.Object) []reconcile.Request {
	requests := r.byIndex(indexCurrent)(ctx, object)
	for _, name := range stackNames(object) {
		request := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: name}}
		if !slices.Contains(requests, request) {
			requests = append(requests, request)
		}
	}
	return requests
}

// programNames are the Programs that a Stack names, one of which as PKO lets a Flux source be named.
func programNames(stack *pulumiv1.Stack) []string {
	var names []string
	if stack.Spec.ProgramRef != nil {
		names = append(names, stack.Spec.ProgramRef.Name)
	}
	if from := stack.Spec.FluxSource; from != nil && isProgram(schema.FromAPIVersionAndKind(from.SourceRef.APIVersion, from.SourceRef.Kind)) {
		names = append(names, from.SourceRef.Name)
	}
	return names
}

// neededStacks are the other Stacks that a Stack waits for.
func neededStacks(stack *pulumiv1.Stack) []string {
	var names []string
	if of := outputOf(stack); of != nil {
		names = append(names, of.Name)
	}
	for _, p := range stack.Spec.Prerequisites {
		names = append(names, p.Name)
	}
	return names
}

// wake has the Stacks looked at that name a Secret or ConfigMap which changed, whose source did, and whose stack another
// Stack has let go of. A source may be that of very many: they come after the Stacks that have news of their own.
func (r *Reconciler) wake(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	add := func(stack types.NamespacedName) { queue.Add(reconcile.Request{NamespacedName: stack}) }
	later := func(stack types.NamespacedName) { addLater(queue, reconcile.Request{NamespacedName: stack}) }
	r.Inputs.Notify(add)
	r.Git.Notify(kindStack, later)
	r.Flux.Notify(kindStack, later)
	r.Claims.Notify(add)
	return nil
}

// addLater puts a request behind those that are in the queue, and that come meanwhile.
func addLater(queue workqueue.TypedRateLimitingInterface[reconcile.Request], request reconcile.Request) {
	if ordered, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		ordered.AddWithOpts(priorityqueue.AddOpts{Priority: new(handler.LowPriority)}, request)
		return
	}
	queue.Add(request)
}

// byIndex maps an object to the Stacks of its namespace that name it.
func (r *Reconciler) byIndex(index string) handler.MapFunc {
	return func(ctx context.Context, object client.Object) []reconcile.Request {
		var stacks pulumiv1.StackList
		if err := r.Client.List(ctx, &stacks, client.InNamespace(object.GetNamespace()), client.MatchingFields{index: object.GetName()}); err != nil {
			return nil // only a missing index can make a list of the cache fail
		}
		var requests []reconcile.Request
		for _, stack := range stacks.Items {
			requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: stack.Namespace, Name: stack.Name}})
		}
		return requests
	}
}

// stackChanged passes what a Stack's user changed: the spec, the request, a deletion, and finalizers, which tools that
// replace an object remove without a new generation.
func stackChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, is := e.ObjectOld, e.ObjectNew
		annotated := func(key string) bool { return was.GetAnnotations()[key] != is.GetAnnotations()[key] }
		return was.GetGeneration() != is.GetGeneration() ||
			slices.ContainsFunc(requestAnnotations(), annotated) ||
			!equality.Semantic.DeepEqual(was.GetFinalizers(), is.GetFinalizers())
	}}
}

// requestAnnotations are those by which a Stack's user asks for something.
func requestAnnotations() []string {
	return []string{pulumiv1.AnnotationReconciliationRequest, pulumiv1.AnnotationRequestedAt, pulumiv1.AnnotationCancelRequest, pulumiv1.AnnotationAbandon}
}

// becameReady passes a Stack whose record changed, so that those that wait for it look again.
func becameReady() predicate.Predicate {
	return statusChanged(func(stack *pulumiv1.Stack) any {
		return []any{stack.Status.LastUpdate, stack.Status.ObservedGeneration, stack.Status.ObservedReconcileRequest}
	})
}

// statusChanged passes an object for which what state answers changed, or that is new, going or gone.
func statusChanged[T client.Object](state func(T) any) predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, okWas := e.ObjectOld.(T)
		is, okIs := e.ObjectNew.(T)
		return okWas && okIs && (was.GetDeletionTimestamp().IsZero() != is.GetDeletionTimestamp().IsZero() ||
			!equality.Semantic.DeepEqual(state(was), state(is)))
	}}
}

func workspaceState(workspace *autov1alpha1.Workspace) any {
	return conditionStates(workspace.Status.Conditions)
}

func updateState(update *autov1alpha1.Update) any {
	return []any{conditionStates(update.Status.Conditions), update.Status.Progress, update.Status.PodUID}
}

// conditionStates is what of conditions matters here: not when they changed.
func conditionStates(list []metav1.Condition) []metav1.Condition {
	var states []metav1.Condition
	for _, c := range list {
		states = append(states, metav1.Condition{Type: c.Type, Status: c.Status, Reason: c.Reason, Message: c.Message})
	}
	return states
}

// statusOfStack is what the controller itself writes.
func statusOfStack(stack *pulumiv1.Stack) any { return stack.Status }
