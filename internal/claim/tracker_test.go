package claim

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
)

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

func holder(name string, changes ...func(*Holder)) Holder {
	h := Holder{Stack: types.NamespacedName{Namespace: "ns", Name: name}, UID: types.UID(name), Claim: Claim{Key: "k"}, Created: noon()}
	for _, change := range changes {
		change(&h)
	}
	return h
}

func older(h *Holder)   { h.Created = noon().Add(-time.Hour) }
func applied(h *Holder) { h.Standing = Applied }
func settled(h *Holder) { h.Standing = Settled }
func took(h *Holder)    { h.taken = true }
func moved(h *Holder)   { h.Key = "l" }

func TestFirst(t *testing.T) {
	cases := map[string]struct {
		reason string
		all    []Holder
		want   string
	}{
		"Alone":    {"nobody else", []Holder{holder("a")}, "a"},
		"Name":     {"of one age, the smaller UID", []Holder{holder("b"), holder("a")}, "a"},
		"Older":    {"the older", []Holder{holder("a"), holder("b", older)}, "b"},
		"Applied":  {"what applied something goes before age", []Holder{holder("a", older), holder("b", applied)}, "b"},
		"Settled":  {"what applied it as it is goes before what was changed since", []Holder{holder("a", older, applied), holder("b", settled)}, "b"},
		"Taken":    {"what runs goes before all", []Holder{holder("a", older, settled), holder("b", took)}, "b"},
		"Three":    {"among several", []Holder{holder("c"), holder("b", older), holder("a")}, "b"},
		"TwoSame":  {"both applied it: the older", []Holder{holder("a", settled), holder("b", settled, older)}, "b"},
		"TwoTaken": {"of different projects until now", []Holder{holder("b", took), holder("a", took)}, "a"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for i := range tc.all {
				others := append(append([]Holder{}, tc.all[:i]...), tc.all[i+1:]...)
				got := string(tc.all[i].UID)
				if first := First(tc.all[i], others); first != nil {
					got = string(first.UID)
				}
				if got != tc.want {
					t.Errorf("%s: asked by %s, the first is %s, want %s", tc.reason, tc.all[i].UID, got, tc.want)
				}
			}
		})
	}
}

func names(holders []Holder) []string {
	var all []string
	for _, h := range holders {
		all = append(all, h.Stack.Name)
	}
	return all
}

func TestTracker(t *testing.T) {
	tracker := &Tracker{}
	if err := tracker.Prime(func() ([]Holder, error) { return nil, errors.New("no list") }); err == nil {
		t.Error("without a list there is nothing to decide on")
	}
	primed := 0
	for range 2 {
		err := tracker.Prime(func() ([]Holder, error) {
			primed++
			return []Holder{holder("a", older), holder("elsewhere", moved)}, nil
		})
		if err != nil || primed != 1 {
			t.Fatalf("listed %d times: %v", primed, err)
		}
	}
	var woken []string
	tracker.Notify(func(stack types.NamespacedName) { woken = append(woken, stack.Name) })
	b := tracker.Set(holder("b"))
	tracker.Set(holder("c"))
	if diff := cmp.Diff([]string(nil), names(tracker.Others("nobody"))); diff != "" {
		t.Errorf("others of an unknown Stack: %s", diff)
	}
	first := First(b, tracker.Others("b"))
	if first == nil || first.UID != "a" {
		t.Fatalf("the first is %v, want a", first)
	}
	tracker.Wait("b", first)
	if _, known := tracker.Known("b", 0); !known {
		t.Error("the claim of b is not known")
	}
	if _, known := tracker.Known("b", 1); known {
		t.Error("the claim of another generation is taken for this one's")
	}

	t.Run("QuickerWins", func(t *testing.T) {
		for range 2 {
			if !tracker.Take("c", "p") {
				t.Error("nobody has taken what c takes, but c itself")
			}
		}
		if tracker.Take("a", "p") {
			t.Error("c took it, and a must not have it then")
		}
		if !tracker.Take("a", "q") || !tracker.Take("b", "") || !tracker.Take("nobody", "p") {
			t.Error("another project, an unknown one and a Stack without a claim are nobody's matter")
		}
		if c := tracker.Set(holder("c")); First(c, tracker.Others("c")) == nil {
			t.Error("a runs another project and is older")
		}
		if c := tracker.Set(holder("c", moved)); c.taken {
			t.Error("c claims something else now, which it has not taken")
		}
		if !tracker.Take("b", "p") {
			t.Error("what c has let go of is still taken")
		}
	})
	t.Run("ThoseBehindAreWoken", func(t *testing.T) {
		woken = nil
		tracker.Drop(types.NamespacedName{Namespace: "ns", Name: "a"})
		tracker.Drop(types.NamespacedName{Namespace: "ns", Name: "a"})
		if diff := cmp.Diff([]string{"b"}, woken); diff != "" {
			t.Errorf("woken (-want +got):\n%s", diff)
		}
		tracker.Wait("b", first)
		if diff := cmp.Diff([]string{"b", "b"}, woken); diff != "" {
			t.Errorf("woken when the first went in between (-want +got):\n%s", diff)
		}
	})
	t.Run("ANamesakeReplaces", func(t *testing.T) {
		tracker.Set(holder("b", func(h *Holder) { h.UID = "b-again" }))
		if diff := cmp.Diff([]string(nil), names(tracker.Others("b-again"))); diff != "" {
			t.Errorf("others (-want +got):\n%s", diff)
		}
	})
}

func TestNoTrackerKnowsNothing(t *testing.T) {
	var tracker *Tracker
	tracker.Notify(nil)
	tracker.Drop(types.NamespacedName{})
	if !tracker.Take("a", "p") {
		t.Error("nobody else is known")
	}
}
