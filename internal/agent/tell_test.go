package agent

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// telling is an agent's container in a pod; the pod's disk outlives it.
type telling struct {
	t      *testing.T
	now    time.Time
	quiet  bool
	teller *Teller
}

func newTelling(t *testing.T) *telling {
	t.Helper()
	w := &telling{t: t, now: time.Unix(1_000_000, 0), quiet: true}
	w.teller = &Teller{File: filepath.Join(t.TempDir(), "told"), Leave: func() bool { return w.quiet }, Now: func() time.Time { return w.now }}
	return w
}

// fails lets the agent fail for a while, every five seconds, and says how often it ended; it is started again each time.
func (w *telling) fails(kind string, long time.Duration) int {
	w.t.Helper()
	ended := 0
	for until := w.now.Add(long); w.now.Before(until); w.now = w.now.Add(5 * time.Second) {
		end, err := w.teller.Failed(kind)
		if err != nil {
			w.t.Fatal(err)
		}
		if end {
			ended++
			w.restart()
		}
	}
	return ended
}

func (w *telling) restart() {
	w.teller = &Teller{File: w.teller.File, Leave: w.teller.Leave, Now: w.teller.Now}
}

func (w *telling) opened() {
	w.t.Helper()
	if err := w.teller.Opened(); err != nil {
		w.t.Fatal(err)
	}
}

func TestTellerTellsOnceForAReason(t *testing.T) {
	w := newTelling(t)
	if n := w.fails("Refused", tellFirst); n != 0 {
		t.Errorf("it ended %d times at once", n)
	}
	if n := w.fails("Refused", 24*time.Hour); n != 1 {
		t.Errorf("it ended %d times in a day, want once", n)
	}
	if n := w.fails("Unanswered", time.Hour); n != 1 {
		t.Errorf("it ended %d times for another reason, want once", n)
	}
}

func TestTellerTellsSeldom(t *testing.T) {
	w := newTelling(t)
	ended := 0
	for range 60 {
		ended += w.fails("Refused", time.Minute) + w.fails("Unanswered", time.Minute)
	}
	if ended < 2 || ended > 13 {
		t.Errorf("it ended %d times in two hours, want no more than once in ten minutes", ended)
	}
}

func TestTellerIsPatientWithAManagerThatWasThere(t *testing.T) {
	w := newTelling(t)
	w.opened()
	if n := w.fails("Refused", tellLost); n != 0 {
		t.Errorf("it ended %d times while a manager was replaced", n)
	}
	w.opened()
	if n := w.fails("Refused", tellLost); n != 0 {
		t.Errorf("it ended %d times: the time before the manager came back was counted", n)
	}
	if n := w.fails("Refused", time.Minute); n != 1 {
		t.Errorf("it ended %d times, want once", n)
	}
	w.opened()
	if n := w.fails("Refused", time.Hour); n != 1 {
		t.Errorf("it ended %d times when the same came again later, want once", n)
	}
}

func TestTellerWaitsForWhatIsNotOver(t *testing.T) {
	w := newTelling(t)
	w.quiet = false
	if n := w.fails("Refused", time.Hour); n != 0 {
		t.Errorf("it ended %d times with something to lose", n)
	}
	w.quiet = true
	if n := w.fails("Refused", time.Hour); n != 1 {
		t.Errorf("it ended %d times, want once", n)
	}
}

func TestTellerDoesNotEndWhereItCannotRemember(t *testing.T) {
	w := newTelling(t)
	w.teller.File = filepath.Join(w.teller.File, "nowhere", "told")
	w.now = w.now.Add(time.Minute)
	for range 100 {
		w.now = w.now.Add(time.Minute)
		if end, _ := w.teller.Failed("Refused"); end {
			t.Fatal("it ended, and would again and again")
		}
	}
	broken := newTelling(t)
	if err := os.WriteFile(broken.teller.File, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := broken.fails("Refused", time.Hour); n != 1 {
		t.Errorf("it ended %d times with a broken file, want once", n)
	}
}
