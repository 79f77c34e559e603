package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

const (
	// tellFirst is how long an agent that the manager never took in tries before it says why it fails, and tellLost how
	// long one does that was taken in: managers come and go.
	tellFirst = 20 * time.Second
	tellLost  = 2 * time.Minute
	// tellAgain is how soon it may say another reason. The kubelet starts a container at once that has run so long.
	tellAgain = 10 * time.Minute
)

// Teller decides when an agent that does not reach the manager ends its container with the reason as its last words, which
// is all that such an agent can tell the cluster: the kubelet writes them into the pod's status and starts the container
// again. It does so once for a reason, seldom, and never while anything would be lost.
type Teller struct {
	// File, on the pod's disk, has what was told last. It outlives the container.
	File string
	// Leave says whether the agent may end now, and has it take no more operations if so.
	Leave func() bool
	// Now is the time.
	Now func() time.Time

	opened bool
	since  time.Time
}

// told is what is in the file.
type told struct {
	Kind string
	At   time.Time
}

// Opened says that the manager took the agent in: whatever comes then is another trouble.
func (t *Teller) Opened() error {
	t.opened, t.since = true, time.Time{}
	return t.forget()
}

// Failed says whether to end now, for a trouble of that kind.
func (t *Teller) Failed(kind string) (bool, error) {
	now := t.Now()
	if t.since.IsZero() {
		t.since = now
	}
	patience := tellFirst
	if t.opened {
		patience = tellLost
	}
	if now.Sub(t.since) < patience {
		return false, nil
	}
	last, err := t.last()
	if err != nil {
		return false, err
	}
	if ago := now.Sub(last.At); last.Kind == kind || ago >= 0 && ago < tellAgain {
		return false, nil
	}
	// What cannot be kept is not told: it would be told again and again.
	if err := t.keep(told{kind, now}); err != nil {
		return false, err
	}
	if !t.Leave() {
		return false, t.forget()
	}
	return true, nil
}

func (t *Teller) keep(this told) error {
	text, err := json.Marshal(this)
	if err == nil {
		err = os.WriteFile(t.File, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep what is told: %w", err)
	}
	return nil
}

func (t *Teller) forget() error {
	if err := os.Remove(t.File); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("forget what was told: %w", err)
	}
	return nil
}

// last is what was told last; nothing if it cannot be known, so that a broken file does no harm for long.
func (t *Teller) last() (told, error) {
	text, err := os.ReadFile(t.File)
	if os.IsNotExist(err) {
		return told{}, nil
	}
	if err != nil {
		return told{}, fmt.Errorf("read what was told: %w", err)
	}
	var last told
	if json.Unmarshal(text, &last) != nil {
		return told{}, nil //nolint:nilerr // a broken file is as good as none
	}
	return last, nil
}
