package abuse

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/memory"
)

// TestBoundedUnderAbuse abuses one manager in one way after the other, while a healthy Stack is updated beside it.
func TestBoundedUnderAbuse(t *testing.T) {
	w := newWorld(t, healthy, "broken", "edited", "large", "wordy", "clients")
	w.program(healthy, healthy, "dev")
	w.wait("the healthy Stack is ready", func() bool { return isReady(w.stack(healthy, healthy)) })
	usual := w.usual(5)
	t.Run("1000 Stacks with the same broken source", func(t *testing.T) { w.brokenSource(t, usual) })
	t.Run("a Stack edited 10 times a second", func(t *testing.T) { w.edited(t, usual) })
	t.Run("hub clients that send garbage, slowly, or never", func(t *testing.T) { w.clients(t, usual) })
	t.Run("5 MB of outputs", func(t *testing.T) { w.largeOutputs(t) })
	t.Run("an error message of 10 MB", func(t *testing.T) { w.wordyError(t) })
}

// brokenSource has 1000 Stacks follow one repository that nobody may read.
func (w *world) brokenSource(t *testing.T, usual time.Duration) {
	t.Helper()
	const stacks = 1000
	var asked atomic.Int64
	host := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		http.Error(answer, "the repository is away", http.StatusInternalServerError)
	}))
	defer host.Close()
	before, begun := w.memory(memory.Now), time.Now()
	var making sync.WaitGroup
	making.Go(func() {
		// As fast as a script makes them; what they cost the API server is not the manager's.
		pace := time.NewTicker(20 * time.Millisecond)
		defer pace.Stop()
		for i := range stacks {
			stack := &pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Namespace: "broken", Name: fmt.Sprintf("broken-%d", i)}}
			stack.Spec.Stack, stack.Spec.GitSource = fmt.Sprint("dev", i), pulumiv1.GitSource{ProjectRepo: host.URL + "/app.git", Branch: "main"}
			if err := w.Create(t.Context(), stack); err != nil {
				t.Error(err)
			}
			<-pace.C
		}
	})
	during := w.usual(5)
	making.Wait()
	w.wait("all broken Stacks say so", func() bool {
		var list pulumiv1.StackList
		if err := w.List(t.Context(), &list, client.InNamespace("broken")); err != nil {
			t.Fatal(err)
		}
		said := 0
		for _, stack := range list.Items {
			for _, c := range stack.Status.Conditions {
				if c.Reason == pulumiv1.ReasonSourceUnavailable {
					said++
					break
				}
			}
		}
		return said == stacks
	})
	settled := time.Now()
	later := w.usual(5)
	end := time.Now()
	w.wantUsual(usual, during)
	w.wantUsual(usual, later)
	made, quiet := writes(w.requests(begun, settled)), writes(w.requests(settled, end))
	_, per := most(perObject(ofNamespace(made, "broken")))
	idle := len(ofNamespace(quiet, "broken"))
	t.Logf("%d Stacks took %s: %d writes, at most %d of one object; then %d writes in %s; the host was asked %d times; memory %d MiB before, %d MiB after",
		stacks, settled.Sub(begun).Round(time.Second), len(made), per, idle, end.Sub(settled).Round(time.Second), asked.Load(), before>>20, w.memory(memory.Now)>>20)
	if per > 5 {
		t.Errorf("one of the Stacks was written %d times", per)
	}
	if idle > stacks/10 {
		t.Errorf("%d writes in %s although nothing changed", idle, end.Sub(settled))
	}
	if asked.Load() > 20 {
		t.Errorf("the host was asked %d times for one ref", asked.Load())
	}
	if grown := w.memory(memory.Now) - before; grown > stacks*200<<10 {
		t.Errorf("%d Stacks take %d MiB of memory", stacks, grown>>20)
	}
}

// ofNamespace are the requests for objects of a namespace.
func ofNamespace(all []request, namespace string) []request {
	var found []request
	for _, r := range all {
		if parts := strings.Split(r.object, "/"); parts[1] == namespace {
			found = append(found, r)
		}
	}
	return found
}

// edited edits the spec of a Stack 10 times a second.
func (w *world) edited(t *testing.T, usual time.Duration) {
	t.Helper()
	w.program("edited", "edited", "dev")
	w.wait("the Stack is ready", func() bool { return isReady(w.stack("edited", "edited")) })
	stop, stopped := make(chan struct{}), make(chan int)
	go func() {
		ticker, edits := time.NewTicker(100*time.Millisecond), 0
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				stopped <- edits
				return
			case <-ticker.C:
			}
			edits++
			patch, err := json.Marshal(map[string]any{"spec": map[string]any{"config": map[string]string{"demo:edit": fmt.Sprint(edits)}}})
			if err != nil {
				t.Error(err)
			}
			stack := &pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Namespace: "edited", Name: "edited"}}
			if err := w.Patch(t.Context(), stack, client.RawPatch("application/merge-patch+json", patch)); err != nil {
				t.Error(err)
			}
		}
	}()
	w.usual(3) // the first edits may cost more: few edits are handled at once
	begun, before := time.Now(), len(w.updates("edited"))
	during := w.usual(9)
	end := time.Now()
	close(stop)
	edits := <-stopped
	w.wantUsual(usual, during)
	all := ofNamespace(writes(w.requests(begun, end)), "edited")
	seconds := end.Sub(begun).Seconds()
	object, per := most(perObject(all))
	updates := len(w.updates("edited")) - before
	t.Logf("%d edits in %.0f s: %d Updates; %.1f writes a second, at most %.1f of one object (%s)",
		edits, seconds, updates, float64(len(all))/seconds, float64(per)/seconds, object)
	// Unbounded it is 10: one for each edit. Bounded it is about 4, or 5 where the cache lags behind.
	if rate := float64(per) / seconds; rate > 7 {
		t.Errorf("%.1f writes a second of one object of a Stack that is edited 10 times a second", rate)
	}
	if float64(updates) > seconds/operates.Seconds()+2 {
		t.Errorf("%d Updates in %.0f s", updates, seconds)
	}
	w.wait("the last edit is deployed", func() bool {
		stack := w.stack("edited", "edited")
		return isReady(stack) && stack.Status.LastUpdate.Generation == stack.Generation
	})
}

// largeOutputs has a program export 5 outputs of 1 MB beside a small one.
func (w *world) largeOutputs(t *testing.T) {
	t.Helper()
	w.program("large", "large", "large")
	w.wait("the Stack is ready", func() bool { return isReady(w.stack("large", "large")) })
	stack, secrets, updates := w.stack("large", "large"), w.secrets("large"), w.updates("large")
	if len(secrets) != 1 || len(updates) != 1 {
		t.Fatalf("%d Secrets and %d Updates", len(secrets), len(updates))
	}
	if got := string(secrets[0].Data["greeting"]); got != `"hello"` {
		t.Errorf("of the small output %q is kept", got)
	}
	if got := string(stack.Status.Outputs["large4"].Raw); got != `"[too large: not kept]"` {
		t.Errorf("the Stack says %.100s of a large output", got)
	}
	if message := updates[0].Status.Message; !strings.Contains(message, "of the 6 outputs are not kept") {
		t.Errorf("the Update says %q", message)
	}
	sizes := map[string]int{"Stack": w.size(stack), "Update": w.size(updates[0]), "Secret": w.size(secrets[0])}
	t.Logf("sizes in bytes: %v", sizes)
	for kind, most := range map[string]int{"Stack": 64 << 10, "Update": 64 << 10, "Secret": 3 << 19} {
		if sizes[kind] > most {
			t.Errorf("the %s has %d bytes", kind, sizes[kind])
		}
	}
}

// wordyError has an operation fail with a message of 10 MB, and other words of that size.
func (w *world) wordyError(t *testing.T) {
	t.Helper()
	w.program("wordy", "wordy", "wordy")
	w.wait("the Stack says that it failed", func() bool {
		last := w.stack("wordy", "wordy").Status.LastUpdate
		return last != nil && last.State == pulumiv1.FailedStackState
	})
	stack := w.stack("wordy", "wordy")
	size := w.size(stack)
	for _, update := range w.updates("wordy") {
		size = max(size, w.size(update))
	}
	t.Logf("the largest object has %d bytes", size)
	if size > 64<<10 {
		t.Errorf("an object has %d bytes", size)
	}
}
