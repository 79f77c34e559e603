package hub

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

func named(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "team", Name: name}
}

// pumping runs a waker in the bubble's time.
func pumping(t *testing.T) (*waker[autov1alpha1.Update, *autov1alpha1.Update], func() []string) {
	t.Helper()
	w := newWaker[autov1alpha1.Update](time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go w.pump(ctx)
	// told is what a controller that looks now is told.
	told := func() []string {
		var names []string
		for {
			synctest.Wait()
			select {
			case e := <-w.out:
				if _, ok := e.Object.(*autov1alpha1.Update); !ok {
					t.Errorf("a %T was told", e.Object)
				}
				names = append(names, e.Object.GetNamespace()+"/"+e.Object.GetName())
			default:
				return names
			}
		}
	}
	return w, told
}

func TestWakeCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, told := pumping(t)
		for range 1000 {
			w.now(named("a"))
			w.now(named("b"))
		}
		count := map[string]int{}
		for _, name := range told() {
			count[name]++
		}
		// One may have been on its way when the next thousand came.
		if len(count) != 2 || count["team/a"] > 2 || count["team/b"] > 2 {
			t.Errorf("told %v", count)
		}
		w.now(named("a"))
		if got := told(); len(got) != 1 {
			t.Errorf("told %v, want a once more", got)
		}
	})
}

func TestWakeIsPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, told := pumping(t)
		expect := func(step string, want int) {
			t.Helper()
			if got := told(); len(got) != want {
				t.Errorf("%s: told %v, want %d", step, got, want)
			}
		}
		w.soon(named("a"))
		expect("the first at once", 1)
		for range 100 {
			w.soon(named("a"))
		}
		expect("not again within the second", 0)
		w.soon(named("b"))
		expect("another one has its own pace", 1)
		time.Sleep(time.Second)
		expect("the last of the hundred is not lost", 1)
		w.soon(named("a"))
		expect("still paced", 0)
		w.now(named("a"))
		expect("a result does not wait", 1)
		time.Sleep(time.Second)
		expect("the trailing one", 1)
		time.Sleep(10 * time.Second)
		expect("nothing more", 0)
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.paced) != 0 {
			t.Errorf("%d names are remembered without reason", len(w.paced))
		}
	})
}
