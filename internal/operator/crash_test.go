package operator

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestKilledAtAnyWriteOrMessage tells each story once, and then again for each write to the API server and each message
// of a session in it: the manager dies just after it, and again while the next manager's first lists are from a while
// before. At the first of each sort it also dies just before, so that what was sent is lost. Whenever that is, the story ends
// as it does without a death, with the same operations.
//
// All is real but the cluster around it: the API server, the managers as they are put together for their own process, the
// agents with their journals and sessions. Of a cluster there are the parts that stories need (crash_pod_test.go,
// crash_collector_test.go); in place of the CLI there is a script.
func TestKilledAtAnyWriteOrMessage(t *testing.T) {
	together(t, "at-any-", func(s *site, st story) {
		began, died := time.Now(), map[moment]bool{}
		want, usual := s.tell(st, moment{}, "", nil)
		for _, m := range moments(usual) {
			s.tell(st, m, want, usual)
			if s.trap.sprung {
				died[m] = true
			}
		}
		s.t.Logf("%d deaths in %s", len(died), time.Since(began).Round(time.Second))
		for _, label := range st.deaths {
			for _, f := range []fate{diesBefore, diesAfter, wakesInThePast} {
				if m := (moment{label, 1, f}); !died[m] {
					s.t.Errorf("no manager %s, so that nothing is proven of it", m)
				}
			}
		}
	})
}

// TestKilledAfterEveryWrite tells each story with managers that die after each single write, one after the other; but for
// those that fetch a commit, which starts anew with each manager, as does what the Stack says of it.
func TestKilledAfterEveryWrite(t *testing.T) {
	together(t, "after-every-", func(s *site, st story) {
		if st.fetches {
			return
		}
		want, usual := s.tell(st, moment{}, "", nil)
		before := s.lives.Load()
		s.tell(st, moment{fate: diesAfterEach}, want, usual)
		if died := s.lives.Load() - before; int(died) < len(usual)/3 {
			s.t.Errorf("only %d managers died", died)
		}
	})
}

// TestStaleCaches tells each story to managers that hear of one kind of object later than of the others, or of all of them
// late: their reads lag behind their own writes. Two things keep that harmless, each of them alone: the name of an Update is
// the same for the same reason to run, and a status is written only over the one that was read. Without both the test fails.
func TestStaleCaches(t *testing.T) {
	alone := slices.Collect(slices.Chunk(followed(), 1))
	together(t, "stale-", func(s *site, st story) {
		want, usual := s.tell(st, moment{}, "", nil)
		for _, late := range append(alone, followed()) {
			s.shut()
			s.lag = map[string]time.Duration{}
			for _, kind := range late {
				s.lag[kind] = pastFor
			}
			s.shut = s.open()
			s.t.Logf("late: %v", late)
			s.tell(st, moment{}, want, usual)
		}
	})
}

// together has all stories told at the same time, each in a namespace with a manager of its own: most of the time each of
// them waits.
func together(t *testing.T, prefix string, tell func(*site, story)) {
	t.Helper()
	c := startCluster(t)
	var all sync.WaitGroup
	for name, st := range stories() {
		all.Go(func() { t.Run(name, func(t *testing.T) { tell(newSite(t, c, prefix+strings.ToLower(name)), st) }) })
	}
	all.Wait()
}

// fates are those of a manager at a write or message that is the how manyeth of its label. To die before one is to die
// after the one before it, but for what else is under way at that time; so that is done once for each label.
func fates(number int) []fate {
	if number > 1 {
		return []fate{diesAfter, wakesInThePast}
	}
	return []fate{diesBefore, diesAfter, wakesInThePast}
}

// moments are all in a story in which that was written and said.
func moments(usual []string) []moment {
	var all []moment
	counts := map[string]int{}
	for _, label := range usual {
		counts[label]++
	}
	for _, label := range slices.Sorted(maps.Keys(counts)) {
		for number := range counts[label] {
			for _, f := range fates(number + 1) {
				all = append(all, moment{label, number + 1, f})
			}
		}
	}
	return all
}

// tell tells a story with a death, or without one, and checks its end. It answers the state in the end, and what was
// written and said.
func (s *site) tell(st story, m moment, want string, usual []string) (string, []string) {
	s.t.Helper()
	if s.shut == nil {
		s.shut = s.open()
	}
	st.before(s)
	if st.absent != nil {
		s.shut()
		st.absent(s)
	}
	s.turn()
	s.lines.clear()
	s.trap.set(m, usual)
	if st.absent != nil {
		s.shut = s.open()
	}
	st.tell(s)
	got, err := s.settles(st, want)
	seen := s.trap.clear()
	operations := s.begun()
	if err != nil || !slices.Equal(operations, st.operations) || len(s.twice()) > 0 {
		s.t.Fatalf("the manager %s: %v\noperations %q, want %q, twice: %q\nseen: %q\nstate (-want +got):\n%s\nlog:\n%s\n%s",
			m, err, operations, st.operations, s.twice(), seen, differences(want, got), s.lines.all(), s.dump())
	}
	if want == "" {
		s.t.Logf("without a death:\n%s\n%s", strings.Join(seen, "\n"), got)
	}
	return got, seen
}

func (o *output) clear() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Reset()
}

func (o *output) all() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// differences are the lines of one text that the other has not.
func differences(want, got string) string {
	var all []string
	for sign, pair := range map[string][2]string{"-": {want, got}, "+": {got, want}} {
		for line := range strings.Lines(pair[0]) {
			if !strings.Contains(pair[1], strings.TrimSpace(line)) {
				all = append(all, sign+" "+strings.TrimSpace(line))
			}
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}
