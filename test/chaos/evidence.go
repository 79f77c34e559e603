package main

import (
	"time"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// evidence is what was seen of a story by the time its Stack was up to date again.
type evidence struct {
	states  []seen
	updates []autov1alpha1.Update
	cuts    []cut
	whole   time.Time
	// kills tells that the fault ends operations, wanted how many there may be where it does not.
	kills  bool
	wanted int
	// removes tells that the fault deletes the Stack with its Updates.
	removes bool

	lines   []line
	locks   []string
	unknown []string
	pending int
}

// read looks at what the program made.
func (e *evidence) read(w world) error {
	var err error
	if e.lines, err = w.lines(); err != nil {
		return err
	}
	if e.locks, err = w.locks(); err != nil {
		return err
	}
	if e.unknown, err = w.unknown(); err != nil {
		return err
	}
	_, e.pending, err = w.known()
	return err
}

// judge counts.
func (e *evidence) judge(result *row) {
	e.judgeLost(result)
	e.judgeTwice(result)
	for _, name := range e.unknown {
		result.Orphaned++
		result.harm("the thing %q exists and the state does not know it", name)
	}
	for _, lock := range e.locks {
		result.Locks++
		result.harm("a lock is left: %s", lock)
	}
	if e.pending > 0 {
		result.harm("the state has %d pending operations", e.pending)
	}
	result.Seconds = e.seconds(result)
}

func (e *evidence) judgeLost(result *row) {
	for _, update := range e.updates {
		switch {
		case !complete(&update) && e.removes:
			// Deleted with all else, as was asked for: what counts is that what it had made is destroyed.
		case !complete(&update):
			result.Lost++
			result.harm("Update %s has no result: %+v", update.Name, update.Status)
		case !e.kills && !succeeded(&update):
			result.Lost++
			result.harm("Update %s did not succeed, although its pod lived on: %s", update.Name, update.Status.Message)
		}
	}
}

// judgeTwice compares, for each pod, how often the thing in the middle was begun there with how many operations the pod
// was given; and how many operations there were with how many were wanted.
func (e *evidence) judgeTwice(result *row) {
	given, begins := map[string]int{}, map[string]int{}
	for _, update := range e.updates {
		if update.Status.PodUID != "" {
			given[update.Status.PodUID]++
		}
	}
	for _, l := range e.lines {
		if l.what == begun && l.label == middle {
			begins[l.pod]++
		}
	}
	for pod, times := range begins {
		if extra := times - given[pod]; extra > 0 {
			result.Twice += extra
			result.harm("pod %s began %d times and was given %d operations", pod, times, given[pod])
		}
	}
	if extra := len(e.updates) - max(e.wanted, 1); !e.kills && extra > 0 {
		result.Twice += extra
		result.harm("%d operations ran, want %d", len(e.updates), max(e.wanted, 1))
	}
}

// seconds is the longest time for which the status was not true: after each operation that the fault ended, until the
// Stack did not say any more that it runs; and after the last operation had made what it makes, until the Stack was up to
// date, which is not counted for as long as the fault lasted.
func (e *evidence) seconds(result *row) float64 {
	longest := time.Duration(0)
	for _, c := range e.cuts {
		until, found := e.first(c.at, func(s seen) bool {
			current := s.stack.Status.CurrentUpdate
			return current == nil || current.Name != c.update
		})
		if !found {
			result.harm("the Stack still says that Update %s runs", c.update)
		}
		longest = max(longest, until.Sub(c.at))
	}
	var made time.Time
	for _, l := range e.lines {
		if l.what == ended && l.label == last {
			made = l.at
		}
	}
	from := made
	if e.whole.After(from) {
		from = e.whole
	}
	if until, found := e.first(made, func(s seen) bool { return settled(&s.stack) }); found {
		longest = max(longest, until.Sub(from))
	}
	return longest.Seconds()
}

// first is when the first state was seen after a time that is as wanted; and whether there is one.
func (e *evidence) first(after time.Time, wanted func(seen) bool) (time.Time, bool) {
	for _, s := range e.states {
		if s.at.After(after) && wanted(s) {
			return s.at, true
		}
	}
	return after, false
}
