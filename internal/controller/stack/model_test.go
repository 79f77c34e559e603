package stack

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/internal/source/git"
)

// incident is something that happens to a Stack, with a number that says which of its kind.
type incident struct {
	kind string
	n    int
}

// incidents are all that may happen, some oftener than others.
func incidents() []string {
	return []string{
		"edit", "edit", "ask", "ask", "unask", "push", "push", "push", "away", "deny", "back", "back", "lose",
		"pass", "pass", "pass", "begin", "begin", "begin", "begin", "end", "end", "end", "end", "restart", "crash", "crash", "drop", "delete", "collect",
	}
}

// model is a Stack with all that is around it, and what is known of it from outside.
type model struct {
	*cluster
	// after is when the Stack is looked at again by itself.
	after time.Duration
	// begun are the Updates whose operation ever started, and names those that they had.
	begun map[types.UID]bool
	names map[string]bool
	// ended are the begun Updates that are over.
	ended map[types.UID]bool
	// applied says that an up began; destroyed, that a destroy succeeded since.
	applied, destroyed bool
	// record is the last one seen.
	record *pulumiv1.LastUpdate
	// same counts how often the same thing failed in a row, as the world saw it.
	same  map[string]int64
	wrong string
}

func newModel(t *testing.T) *model {
	t.Helper()
	m := &model{
		cluster: newCluster(t, fromGit(func(s *pulumiv1.Stack) { s.Spec.DestroyOnFinalize = true })),
		begun:   map[types.UID]bool{}, names: map[string]bool{}, ended: map[types.UID]bool{}, same: map[string]int64{},
	}
	m.has(commitA, digestA, "tree-a")
	m.settle()
	return m
}

// play lets a history happen and answers what went wrong in it, or "".
func play(t *testing.T, history []incident) string {
	t.Helper()
	m := newModel(t)
	for i, e := range history {
		m.happen(e)
		m.settle()
		m.check()
		if m.wrong != "" {
			return fmt.Sprintf("after event %d (%s %d): %s", i+1, e.kind, e.n, m.wrong)
		}
	}
	m.finale()
	return m.wrong
}

func (m *model) fail(format string, args ...any) {
	if m.wrong == "" {
		m.wrong = fmt.Sprintf(format, args...)
	}
}

// find is the Stack; nil when it is gone.
func (m *model) find() *pulumiv1.Stack {
	stack := &pulumiv1.Stack{}
	if m.client.Get(m.t.Context(), key, stack) != nil {
		return nil
	}
	return stack
}

// settle has the controller look at the Stack until there is nothing left to do. A crash ends one look.
func (m *model) settle() {
	for range 30 {
		before := m.writes
		result, err := m.r.Reconcile(m.t.Context(), ctrl.Request{NamespacedName: key})
		if err != nil && !errors.Is(err, errCrash) {
			m.fail("Reconcile: %v", err)
			return
		}
		m.serve()
		if m.after = result.RequeueAfter; err == nil && m.writes == before {
			return
		}
	}
	m.fail("the controller never comes to rest")
}

// serve does what the other controllers do: an Update that is deleted ends, gracefully if it began.
func (m *model) serve() {
	for _, update := range m.updates() {
		if update.DeletionTimestamp.IsZero() || !slices.Contains(update.Finalizers, autov1alpha1.FinalizerOperation) {
			continue
		}
		if !m.ended[update.UID] {
			m.end(&update, operation.ReasonCanceled)
		}
		m.finalize(&update)
	}
}

// finalize lets an Update go that is over.
func (m *model) finalize(update *autov1alpha1.Update) {
	now := &autov1alpha1.Update{}
	if m.client.Get(m.t.Context(), client.ObjectKeyFromObject(update), now) != nil {
		return
	}
	now.Finalizers = slices.DeleteFunc(now.Finalizers, func(f string) bool { return f == autov1alpha1.FinalizerOperation })
	m.must(m.client.Update(m.t.Context(), now))
}

func (m *model) must(err error) {
	if client.IgnoreNotFound(err) != nil && !errors.Is(err, errCrash) {
		m.fail("the world: %v", err)
	}
	m.failWrite = 0
}

// current is the Update that is not over; nil if there is none.
func (m *model) current() *autov1alpha1.Update {
	for _, update := range m.updates() {
		if len(update.Status.Conditions) == 0 && update.DeletionTimestamp.IsZero() {
			return &update
		}
	}
	return nil
}

// happen lets one thing happen. What cannot happen now does not.
func (m *model) happen(e incident) {
	stack, update := m.find(), m.current()
	switch e.kind {
	case "push":
		commits := []string{commitA, commitB, commitC}
		digests := []string{digestA, digestB, digestC}
		m.has(commits[e.n%3], digests[e.n%3], "tree-"+commits[e.n%3][:1])
	case "away":
		m.git().Err = []error{
			failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "away"), failure.NewWaiting(pulumiv1.ReasonStackProcessing, "polling"),
			git.NewStale(false, errors.New("away")), git.NewStale(true, errors.New("polling")),
		}[e.n%4]
	case "deny":
		m.git().Err = failure.NewTerminal(pulumiv1.ReasonSourceUnavailable, "denied")
	case "back":
		m.git().Err = nil
	case "lose":
		clear(m.r.Artifacts.(archives))
	case "pass":
		m.clock.Step([]time.Duration{time.Second, time.Minute, 20 * time.Minute, 25 * time.Hour}[e.n%4])
	case "restart":
		fresh := *m.r
		fresh.Inputs = &inputsDouble{reader: m.client}
		m.r = &fresh
	case "crash":
		m.failWrite = 1 + e.n%5
	case "begin", "end", "drop":
		m.work(e, update)
	default:
		if stack != nil {
			m.change(e, stack)
		}
	}
}

// change is what users and the garbage collector do to the Stack.
func (m *model) change(e incident, stack *pulumiv1.Stack) {
	foreground := slices.Contains(stack.Finalizers, metav1.FinalizerDeleteDependents)
	switch e.kind {
	case "edit":
		switch e.n % 4 {
		case 0:
			stack.Spec.Refresh = !stack.Spec.Refresh
		case 1:
			stack.Spec.Preview = !stack.Spec.Preview
		case 2:
			stack.Spec.Targets = []string{fmt.Sprint("urn:", e.n)}
		default:
			stack.Spec.ContinueResyncOnCommitMatch = !stack.Spec.ContinueResyncOnCommitMatch
		}
		stack.Generation++
	case "ask":
		stack.Annotations = map[string]string{pulumiv1.AnnotationReconciliationRequest: fmt.Sprint(e.n % 8)}
	case "unask":
		stack.Annotations = nil
	case "delete":
		if !stack.DeletionTimestamp.IsZero() {
			return
		}
		if e.n%2 == 0 {
			stack.Finalizers = append(stack.Finalizers, metav1.FinalizerDeleteDependents)
		}
		stack.Generation++
		m.must(m.client.Update(m.t.Context(), stack))
		m.must(m.client.Delete(m.t.Context(), stack))
		return
	case "collect":
		if !foreground || stack.DeletionTimestamp.IsZero() {
			return
		}
		m.collect()
		stack.Finalizers = slices.DeleteFunc(stack.Finalizers, func(f string) bool { return f == metav1.FinalizerDeleteDependents })
	}
	m.must(m.client.Update(m.t.Context(), stack))
}

// collect deletes the Stack's children, as the garbage collector does under a foreground deletion.
func (m *model) collect() {
	for _, update := range m.updates() {
		m.must(m.client.Delete(m.t.Context(), &update))
	}
	workspace := &autov1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	m.must(m.client.Delete(m.t.Context(), workspace))
}

// work is what happens to the Update under way.
func (m *model) work(e incident, update *autov1alpha1.Update) {
	switch {
	case update == nil:
	case e.kind == "drop":
		m.must(m.client.Delete(m.t.Context(), update))
		m.serve()
	case e.kind == "begin" && !m.begun[update.UID]:
		m.begin(update)
	case e.kind == "end" && m.begun[update.UID]:
		m.end(update, []string{"", "", "UpdateFailed", operation.ReasonTransient, operation.ReasonAborted}[e.n%5])
		m.finalize(update)
	}
}

// begin has a pod start the operation.
func (m *model) begin(update *autov1alpha1.Update) {
	for uid := range m.begun {
		if !m.ended[uid] {
			m.fail("%s %s begins while another operation runs", update.Spec.Type, update.Name)
		}
	}
	if m.names[update.Name] {
		m.fail("%s %s begins a second time", update.Spec.Type, update.Name)
	}
	m.begun[update.UID], m.names[update.Name] = true, true
	if update.Spec.Type == autov1alpha1.UpUpdate {
		m.applied, m.destroyed = true, false
	}
	update.Status.PodUID = "pod"
	m.must(m.client.Status().Update(m.t.Context(), update))
}

// end puts the end of an Update on record, as the update controller does. No reason is a success.
func (m *model) end(update *autov1alpha1.Update, reason string) {
	now := &autov1alpha1.Update{}
	if m.client.Get(m.t.Context(), client.ObjectKeyFromObject(update), now) != nil {
		return
	}
	at := metav1.NewTime(m.clock.Now())
	failed := metav1.Condition{Type: autov1alpha1.UpdateConditionTypeFailed, Status: metav1.ConditionFalse, Reason: "UpdateSucceeded", LastTransitionTime: at}
	if reason != "" {
		failed.Status, failed.Reason = metav1.ConditionTrue, reason
	}
	complete := metav1.Condition{Type: autov1alpha1.UpdateConditionTypeComplete, Status: metav1.ConditionTrue, Reason: "Updated", LastTransitionTime: at}
	now.Status.Conditions = []metav1.Condition{complete, failed}
	if m.begun[now.UID] {
		m.ended[now.UID] = true
		now.Status.ProjectInfo = &autov1alpha1.ProjectInfo{Name: "p", Runtime: "yaml"}
		m.destroyed = m.destroyed || (now.Spec.Type == autov1alpha1.DestroyUpdate && reason == "")
	}
	m.must(m.client.Status().Update(m.t.Context(), now))
}

// check looks whether what must always hold does.
func (m *model) check() {
	stack := m.find()
	if stack == nil {
		if m.applied && !m.destroyed {
			m.fail("the Stack is gone and its resources are not")
		}
		return
	}
	m.checkRecord(stack.Status.LastUpdate)
	m.checkFuture(stack)
}

// checkRecord: a record never goes back, and what succeeded has not failed.
func (m *model) checkRecord(now *pulumiv1.LastUpdate) {
	was := m.record
	switch {
	case now == nil || now.State == "":
		if was != nil {
			m.fail("the record of %s is lost", was.Name)
		}
		return
	case was != nil && now.LastResyncTime.Before(&was.LastResyncTime):
		m.fail("the record goes back from %s to %s", was.Name, now.Name)
	case now.State == pulumiv1.SucceededStackState && (now.Failures != 0 || now.Attempts != 0):
		m.fail("a success has %d failures", now.Failures)
	case now.Attempts > now.Failures:
		m.fail("%d attempts of %d failures", now.Attempts, now.Failures)
	}
	if was == nil || was.Name != now.Name {
		m.count(now)
	}
	m.record = now.DeepCopy()
}

// count: failures are counted one by one, and a change of what is tried begins anew.
func (m *model) count(now *pulumiv1.LastUpdate) {
	tried := fmt.Sprint(now.Generation, " ", now.ReconcileRequest, " ", now.LastAttemptedCommit)
	times := m.same[tried] + 1
	clear(m.same)
	if now.State == pulumiv1.FailedStackState {
		m.same[tried] = times
		if now.Failures != times {
			m.fail("%s failed %d times in a row, and %d are counted", now.Type, times, now.Failures)
		}
	}
}

// checkFuture: a Stack that waits for no person has an event to come, or a time.
func (m *model) checkFuture(stack *pulumiv1.Stack) {
	condition := func(kind string) bool {
		return slices.ContainsFunc(stack.Status.Conditions, func(c metav1.Condition) bool { return c.Type == kind && c.Status == metav1.ConditionTrue })
	}
	states := 0
	for _, kind := range []string{autov1alpha1.ConditionTypeReady, autov1alpha1.ConditionTypeReconciling, autov1alpha1.ConditionTypeStalled} {
		if condition(kind) {
			states++
		}
	}
	collecting := slices.Contains(stack.Finalizers, metav1.FinalizerDeleteDependents) && !stack.DeletionTimestamp.IsZero()
	waits := m.current() != nil || m.after > 0 || collecting
	switch {
	case states != 1:
		m.fail("the Stack is in %d states: %s", states, m.state())
	case condition(autov1alpha1.ConditionTypeReconciling) && !waits:
		m.fail("the Stack waits for nothing: %s", m.says(autov1alpha1.ConditionTypeReconciling))
	case !stack.DeletionTimestamp.IsZero() && strings.HasPrefix(m.says(autov1alpha1.ConditionTypeStalled), pulumiv1.ReasonUpdateFailed):
		m.fail("the destroy is given up: %s", m.says(autov1alpha1.ConditionTypeStalled))
	case !stack.DeletionTimestamp.IsZero() && m.begunNow() == autov1alpha1.UpUpdate:
		m.fail("an up runs on although the Stack goes")
	case m.after < 0 || (m.after > 0 && m.after < time.Second):
		m.fail("it is looked at again after %s", m.after)
	}
}

// begunNow is the type of the operation that runs and is not being canceled; "" if there is none.
func (m *model) begunNow() autov1alpha1.UpdateType {
	if update := m.current(); update != nil && m.begun[update.UID] {
		return update.Spec.Type
	}
	return ""
}

// finale: whatever happened, once the world is well again the Stack is deleted, and destroyed first.
func (m *model) finale() {
	m.failWrite = 0
	m.happen(incident{"back", 0})
	m.has(commitA, digestA, "tree-a")
	m.happen(incident{"delete", 1})
	for range 40 {
		m.happen(incident{"collect", 0})
		m.settle()
		m.happen(incident{"begin", 0})
		m.happen(incident{"end", 0})
		m.settle()
		m.check()
		if m.wrong != "" || m.find() == nil {
			return
		}
		m.clock.Step(time.Hour)
	}
	m.fail("the Stack cannot be deleted: %s", m.state())
}

// shrink leaves out of a history what it fails without.
func shrink(history []incident, fails func([]incident) bool) []incident {
	for size := len(history) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(history); {
			if less := slices.Delete(slices.Clone(history), i, i+size); fails(less) {
				history = less
				continue
			}
			i += size
		}
	}
	return history
}

func (e incident) String() string { return fmt.Sprintf("%s %d", e.kind, e.n) }

// TestHistories plays histories that nobody thought of. One that fails is shrunk, and is to be kept in testdata/histories.
func TestHistories(t *testing.T) {
	const histories, length = 60, 40
	seed := uint64(time.Now().UnixNano())
	for i := range histories {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		history := make([]incident, length)
		for j := range history {
			kinds := incidents()
			history[j] = incident{kinds[random.IntN(len(kinds))], random.IntN(40)}
		}
		if wrong := play(t, history); wrong != "" {
			short := shrink(history, func(h []incident) bool { return play(t, h) != "" })
			var lines []string
			for _, e := range short {
				lines = append(lines, e.String())
			}
			t.Fatalf("seed %d, history %d: %s\nshrunk: %s\n%s", seed, i, wrong, play(t, short), strings.Join(lines, "\n"))
		}
	}
}

// TestKeptHistories plays those that failed once.
func TestKeptHistories(t *testing.T) {
	files, err := filepath.Glob("testdata/histories/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no histories (%v)", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var history []incident
			for line := range strings.Lines(string(text)) {
				var e incident
				if _, err := fmt.Sscanf(line, "%s %d", &e.kind, &e.n); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				history = append(history, e)
			}
			if wrong := play(t, history); wrong != "" {
				t.Error(wrong)
			}
		})
	}
}
