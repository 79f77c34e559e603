package model

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/internal/source/git"
)

// incident is something that happens to a Stack or to all, with a number that says to which, and which of its kind.
type incident struct {
	kind string
	n    int
	// of is the Stack that it happens to, where the number does not say.
	of string
}

func (e incident) String() string { return fmt.Sprintf("%s %d", e.kind, e.n) }

// stack is the name of the Stack that it happens to.
func (e incident) stack() types.NamespacedName {
	names := stackNames()
	return types.NamespacedName{Namespace: namespace, Name: cmp.Or(e.of, names[e.n%len(names)])}
}

// which says which of its kind it is.
func (e incident) which() int { return e.n / len(stackNames()) }

// namespace is where the Stacks are, elsewhere that in which they are destroyed when it is being deleted.
const namespace, elsewhere = "team", "destroyer"

// stackNames are the Stacks of the world. The second has the first as its prerequisite.
func stackNames() []string { return []string{"base", "app"} }

// twin names the same stack of the backend as the first Stack. It comes and goes in histories.
const twin = "twin"

// ofTwin is the incident that the number of a "twin" stands for.
func ofTwin(n int) incident {
	kinds := []string{"create", "end", "delete", "create", "end", "edit", "ask", "kill", "end", "oom", "suspend", "cancel"}
	return incident{kinds[n%len(kinds)], n / len(kinds) * len(stackNames()), twin}
}

// weights are all kinds of incidents, and how often each of them happens.
func weights() map[string]int {
	return map[string]int{
		"edit": 4, "suspend": 4, "cancel": 3, "ask": 3, "unask": 1, "abandon": 1, "doom": 1, "push": 5, "rotate": 1, "away": 1, "deny": 1, "back": 3, "lose": 1,
		"pass": 12, "end": 12, "program": 4, "drop": 2, "delete": 2, "create": 2, "undo": 1,
		"restart": 1, "crash": 3, "meanwhile": 4, "order": 1,
		"twin": 5, "kill": 2, "evict": 1, "oom": 2, "cut": 1, "mend": 2, "clear": 1,
	}
}

// happen lets an incident happen. What cannot happen now does not.
func (w *world) happen(e incident) {
	switch e.kind {
	case "push":
		w.host.say(e.n, nil)
	case "away":
		w.host.say(-1, []error{
			failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "away"), failure.NewWaiting(pulumiv1.ReasonStackProcessing, "polling"),
			git.NewStale(false, errors.New("away")), git.NewStale(true, errors.New("polling")),
			git.NewFetching(failure.NewWaiting(pulumiv1.ReasonStackProcessing, "fetching")),
		}[e.n%5])
	case "deny":
		w.host.say(-1, failure.NewTerminal(pulumiv1.ReasonSourceUnavailable, "denied"))
	case "back":
		w.host.say(-1, nil)
	case "lose":
		w.archives.lose()
	case "rotate":
		w.rotate(e)
	case "order":
		w.random = newRandom(uint64(e.n))
	case "crash":
		w.dieAt, w.dieAfter = 1+e.n/2%6, e.n%2 == 0
	case "program":
		w.programs[e.stack()] = e.which()
	case "create":
		w.createStack(e.stack())
	case "doom":
		w.doom()
	case "twin":
		w.happen(ofTwin(e.n))
	case "edit", "suspend", "cancel", "ask", "unask", "delete", "undo", "abandon":
		w.user(e)
	default:
		w.trouble(e)
	}
}

// trouble is what happens to pods, agents and children.
func (w *world) trouble(e incident) {
	stack := e.stack()
	a := w.agentOf(stack)
	switch e.kind {
	case "end":
		if a != nil && a.running != nil {
			outcome, reason := outcomeOf(e.which())
			a.end(a.running, outcome, reason)
		}
	case "drop":
		if update := w.current(stack); update != nil && update.Namespace == namespace {
			_ = w.store.remove("Update", client.ObjectKeyFromObject(update), client.DeleteOptions{})
		}
	case "clear": // who orphans the pod of a Workspace has to remove it too
		_ = w.store.remove("Workspace", stack, client.DeleteOptions{PropagationPolicy: policyOf(e.which() % 2)})
	case "kill":
		if e.which()%2 == 0 {
			_ = w.store.remove("Pod", podOf(stack), client.DeleteOptions{})
		} else {
			w.store.vanish("Pod", podOf(stack))
		}
	case "evict":
		w.evict(podOf(stack))
	case "oom":
		if a != nil {
			a.die(true)
		}
	case "cut":
		if a != nil {
			a.cut = true
			a.hangUp()
		}
	case "mend":
		if a != nil {
			a.cut = false
		}
	}
}

// outcomeOf is how an operation ends.
func outcomeOf(n int) (operation.Outcome, string) {
	reasons := []string{
		operation.ReasonSucceeded, operation.ReasonSucceeded, operation.ReasonFailed, operation.ReasonTransient,
		operation.ReasonConflict, operation.ReasonInitializationFailed, operation.ReasonFailed,
	}
	reason := reasons[n%len(reasons)]
	if reason == operation.ReasonSucceeded {
		return operation.Outcome_SUCCEEDED, reason
	}
	return operation.Outcome_FAILED, reason
}

func policyOf(n int) *metav1.DeletionPropagation {
	policies := []metav1.DeletionPropagation{
		metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan,
	}
	return &policies[n%len(policies)]
}

// user is what users do to a Stack.
func (w *world) user(e incident) {
	if e.kind == "delete" {
		_ = w.store.remove("Stack", e.stack(), client.DeleteOptions{PropagationPolicy: policyOf(e.which())})
		return
	}
	w.store.edit("Stack", e.stack(), func(object client.Object) {
		stack := object.(*pulumiv1.Stack)
		switch e.kind {
		case "edit":
			edit(stack, e.which())
		case "undo":
			stack.Spec.DestroyOnFinalize = !stack.Spec.DestroyOnFinalize
		case "suspend": // or resume
			stack.Spec.Suspend = !stack.Spec.Suspend
		case "cancel":
			annotate(stack, pulumiv1.AnnotationCancelRequest, strconv.Itoa(e.which()%8))
		case "ask":
			stack.Annotations = asks(e.which())
		case "unask":
			stack.Annotations = nil
		case "abandon":
			stack.Annotations = map[string]string{pulumiv1.AnnotationAbandon: "true"}
		}
	})
}

// asks are the annotations by which a run is asked for: ours, Flux's, or both at once.
func asks(n int) map[string]string {
	ours, flux := pulumiv1.AnnotationReconciliationRequest, pulumiv1.AnnotationRequestedAt
	value := strconv.Itoa(n / 4 % 4)
	return []map[string]string{{ours: value}, {flux: value}, {ours: value, flux: value}, {ours: value}}[n%4]
}

// annotate adds an annotation to those that there are.
func annotate(stack *pulumiv1.Stack, name, value string) {
	if stack.Annotations == nil {
		stack.Annotations = map[string]string{}
	}
	stack.Annotations[name] = value
}

// edit changes the spec of a Stack.
func edit(stack *pulumiv1.Stack, n int) {
	switch n % 5 {
	case 0:
		stack.Spec.Refresh = !stack.Spec.Refresh
	case 1:
		stack.Spec.Preview = !stack.Spec.Preview
	case 2:
		stack.Spec.Targets = []string{fmt.Sprint("urn:", n)}
	case 3:
		stack.Spec.ContinueResyncOnCommitMatch = !stack.Spec.ContinueResyncOnCommitMatch
	default:
		stack.Spec.WorkspaceReclaimPolicy = []pulumiv1.WorkspaceReclaimPolicy{pulumiv1.WorkspaceReclaimDelete, ""}[n/5%2]
	}
}

// createStack makes a Stack, if there is none of the name.
func (w *world) createStack(name types.NamespacedName) {
	stack := &pulumiv1.Stack{
		ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name},
		Spec: pulumiv1.StackSpec{
			Stack: "org/demo/" + name.Name, Backend: "https://api.example.com", DestroyOnFinalize: true, EnvSecrets: []string{"credentials"},
			GitSource: pulumiv1.GitSource{ProjectRepo: "https://git.example/x.git", Branch: "main", RepoDir: "infra"},
		},
	}
	switch names := stackNames(); name.Name {
	case names[1]:
		stack.Spec.Prerequisites = []pulumiv1.PrerequisiteRef{{Name: names[0]}}
	case twin:
		stack.Spec.Stack = "org/demo/" + names[0]
	}
	_ = w.store.create(stack)
}

// doom deletes the namespace, in which from now on nothing can be made. Its content goes a little later.
func (w *world) doom() {
	w.store.mu.Lock()
	w.store.ending[namespace] = true
	w.store.mu.Unlock()
	_ = w.store.remove("Namespace", types.NamespacedName{Name: namespace}, client.DeleteOptions{})
	w.after(time.Second, func() {
		for _, kind := range []string{"Pod", "Secret", "Update", "Workspace", "Stack"} {
			for _, object := range w.store.all(kind) {
				if object.GetNamespace() == namespace {
					_ = w.store.remove(kind, client.ObjectKeyFromObject(object), client.DeleteOptions{})
				}
			}
		}
	})
}

// rotate changes the Secret that all Stacks take values from.
func (w *world) rotate(e incident) {
	for _, space := range []string{namespace, elsewhere} {
		w.rotateIn(space, e)
	}
	w.inputs.changed()
}

func (w *world) rotateIn(space string, e incident) {
	name := types.NamespacedName{Namespace: space, Name: "credentials"}
	set := func(object client.Object) {
		object.(*corev1.Secret).Data = map[string][]byte{"TOKEN": []byte(strconv.Itoa(e.n))}
	}
	if !w.store.edit("Secret", name, set) {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}}
		set(secret)
		_ = w.store.create(secret)
	}
}

// agentOf is the agent in the pod of a Stack, wherever it has something to do; nil if there is none.
func (w *world) agentOf(stack types.NamespacedName) *agent {
	for _, uid := range slices.Sorted(maps.Keys(w.agents)) {
		if e := w.agents[uid].running; e != nil && w.lives[w.operations[types.UID(e.op.GetUid())].stack].name == stack {
			return w.agents[uid]
		}
	}
	for _, p := range w.pods() {
		if client.ObjectKeyFromObject(p) == podOf(stack) {
			return w.agents[p.UID]
		}
	}
	return nil
}

// current is the Update that a Stack has on record as under way; nil if it is over.
func (w *world) current(name types.NamespacedName) *autov1alpha1.Update {
	stack, update := &pulumiv1.Stack{}, &autov1alpha1.Update{}
	if w.store.get(name, stack) != nil || stack.Status.CurrentUpdate == nil ||
		w.store.get(types.NamespacedName{Namespace: cmp.Or(stack.Status.CurrentUpdate.Namespace, name.Namespace), Name: stack.Status.CurrentUpdate.Name}, update) != nil {
		return nil
	}
	return update
}

// times are those that pass.
func times() []time.Duration {
	return []time.Duration{100 * time.Millisecond, time.Second, 5 * time.Second, 30 * time.Second, 3 * time.Second,
		time.Minute, 2 * time.Minute, 6 * time.Minute, 11 * time.Minute, 11 * time.Minute, 25 * time.Minute, 2 * time.Hour}
}

// puttable are incidents that may happen in the middle of a reconcile.
func (e incident) puttable() bool {
	return !slices.Contains([]string{"pass", "restart", "crash", "meanwhile", "order"}, e.kind)
}
