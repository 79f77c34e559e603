// Package lock owns what the agent knows of the locks that an operation meets: who holds them, in the words of the CLI,
// and whether it is proven that a holder is dead.
package lock

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Lock is one lock of a stack whose state is kept in files or rows.
type Lock struct {
	// User, Host and PID are those of the process that took it.
	User, Host string
	PID        int
	// Since is when it did.
	Since time.Time
}

// String is the holder for people.
func (l Lock) String() string {
	return fmt.Sprintf("%s@%s (pid %d) since %s", l.User, l.Host, l.PID, l.Since.UTC().Format(time.RFC3339))
}

// Parse finds the locks in what the CLI says of a locked stack. whole says that it understood every one of them.
func Parse(words string) (locks []Lock, whole bool) {
	locked := regexp.MustCompile(`the stack is currently locked by (\d+) lock\(s\)`).FindStringSubmatch(words)
	if locked == nil {
		return nil, false
	}
	holder := regexp.MustCompile(`(?m)^ .*: created by (.*)@([^@\s]*) \(pid (\d+)\) at (\S+)\s*$`)
	for _, found := range holder.FindAllStringSubmatch(words, -1) {
		pid, errPID := strconv.Atoi(found[3])
		since, errSince := time.Parse(time.RFC3339, found[4])
		if errPID == nil && errSince == nil {
			locks = append(locks, Lock{User: found[1], Host: found[2], PID: pid, Since: since})
		}
	}
	return locks, len(locks) > 0 && locked[1] == strconv.Itoa(len(locks))
}

// Witness knows what proves that a holder is dead.
type Witness struct {
	// Prefix is what the host names of the Workspace's pods begin with. There is one of them at a time, and this is it.
	Prefix string
	// Gone is what the host names of pods begin with that are gone for good; empty for none.
	Gone string
	// Host is the host name of this pod.
	Host string
	// Began are the processes of this pod that may have taken locks.
	Began []Process
	// Alive tells whether there is a process in this pod.
	Alive func(pid int) bool
}

// Process is one that was started in this pod.
type Process struct {
	PID int       `json:"pid"`
	At  time.Time `json:"at"`
}

// Dead tells whether it is proven that the holder of a lock is dead: it was in an earlier pod of the Workspace, which is
// gone since there is this one; or in one that is known to be gone; or it is a process that the agent of this pod started, and has ended.
func (w Witness) Dead(l Lock) bool {
	if w.Gone != "" && strings.HasPrefix(l.Host, w.Gone) {
		return true
	}
	if w.Prefix == "" || !strings.HasPrefix(l.Host, w.Prefix) {
		return false
	}
	if l.Host != w.Host {
		return true
	}
	for _, process := range w.Began {
		took := l.Since.Sub(process.At)
		if process.PID == l.PID && took > -roundedBy && took < lockWithin {
			return !w.Alive(l.PID)
		}
	}
	// Somebody else's in this pod: a person's with kubectl exec, say.
	return false
}

// AllDead tells whether all holders are proven to be dead.
func (w Witness) AllDead(locks []Lock) bool {
	for _, l := range locks {
		if !w.Dead(l) {
			return false
		}
	}
	return len(locks) > 0
}

const (
	// roundedBy is how much of a lock's time the CLI does not tell, and a little more.
	roundedBy = 2 * time.Second
	// lockWithin is how long after its start a process takes its lock, at the most.
	lockWithin = 10 * time.Minute
)
