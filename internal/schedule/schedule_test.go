package schedule_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/internal/schedule"
)

func TestBackoff(t *testing.T) {
	cases := map[string]struct {
		backoff schedule.Backoff
		want    []time.Duration
	}{
		"PKODefault": {schedule.Backoff{Base: 10 * time.Second, Factor: 3, Cap: 24 * time.Hour},
			[]time.Duration{0, 10 * time.Second, 30 * time.Second, 90 * time.Second, 270 * time.Second, 810 * time.Second}},
		"Capped":       {schedule.Backoff{Base: 10 * time.Second, Factor: 3, Cap: time.Minute}, []time.Duration{0, 10 * time.Second, 30 * time.Second, time.Minute, time.Minute, time.Minute}},
		"CapBelowBase": {schedule.Backoff{Base: 10 * time.Second, Factor: 3, Cap: 5 * time.Second}, []time.Duration{0, 5 * time.Second, 5 * time.Second, 5 * time.Second, 5 * time.Second, 5 * time.Second}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got []time.Duration
			for failures := range int64(len(tc.want)) {
				got = append(got, tc.backoff.After(failures))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("waits (-want +got):\n%s", diff)
			}
		})
	}
	if got := (schedule.Backoff{Base: time.Second, Factor: 3, Cap: time.Hour}).After(1 << 40); got != time.Hour {
		t.Errorf("after very many failures: %s, want the cap", got)
	}
}

func TestJitter(t *testing.T) {
	seen := map[time.Duration]bool{}
	for _, seed := range []string{"a", "b", "c", "d"} {
		got := schedule.Jitter(time.Minute, seed)
		if got < time.Minute || got > 66*time.Second {
			t.Errorf("Jitter(1m, %q) = %s, want within a tenth above", seed, got)
		}
		if again := schedule.Jitter(time.Minute, seed); again != got {
			t.Errorf("Jitter(1m, %q) gave %s, then %s", seed, got, again)
		}
		seen[got] = true
	}
	if len(seen) < 2 {
		t.Error("all seeds gave the same jitter")
	}
}

func TestSeconds(t *testing.T) {
	for n, want := range map[int64]time.Duration{-5: -5 * time.Second, 0: 0, 90: 90 * time.Second} {
		if got := schedule.Seconds(n); got != want {
			t.Errorf("Seconds(%d) = %s, want %s", n, got, want)
		}
	}
	if got := schedule.Jitter(schedule.Seconds(math.MaxInt64), "seed"); got < 100*365*24*time.Hour {
		t.Errorf("very many seconds, jittered, are %s", got)
	}
}

func TestUntil(t *testing.T) {
	then := time.Unix(1000, 0)
	if got := schedule.Until(then, time.Minute, then.Add(20*time.Second)); got != 40*time.Second {
		t.Errorf("Until = %s, want 40s", got)
	}
	if got := schedule.Until(then, time.Minute, then.Add(time.Hour)); got != time.Second {
		t.Errorf("Until in the past = %s, want 1s", got)
	}
}

func TestDue(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		reason string
		since  time.Duration
		want   bool
	}{
		"Passed":      {"its time has come", -10 * time.Second, true},
		"NotYet":      {"it has not", -9 * time.Second, false},
		"LittleAhead": {"the clocks of two replicas differ", time.Minute, false},
		"FarAhead":    {"the clock was wrong when that was recorded", time.Minute + time.Second, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := schedule.Due(now.Add(tc.since), 10*time.Second, now); got != tc.want {
				t.Errorf("%s: %t, want %t", tc.reason, got, tc.want)
			}
		})
	}
}
