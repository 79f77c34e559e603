// Package host is the cluster as seen from the machine: start it, end it, ask
// it, enter it. The cluster itself is one process (package node) and what the
// kernel keeps alive only as long as that process.
package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/gantry-operator/gantry/test/cluster/paths"
)

// record names the cluster's first process. An id alone may be given to
// another process later; an id with its start time is not.
type record struct {
	PID     int    `json:"pid"`
	Started string `json:"started"`
}

func readRecord(state paths.State) (record, bool) {
	var r record
	content, err := os.ReadFile(state.Record())
	if err != nil || json.Unmarshal(content, &r) != nil {
		return record{}, false
	}
	return r, true
}

func (r record) write(state paths.State) error {
	content, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("record the cluster's process: %w", err)
	}
	if err := os.WriteFile(state.Record(), content, 0o644); err != nil {
		return fmt.Errorf("record the cluster's process: %w", err)
	}
	return nil
}

// alive says whether the recorded process, and no later one of its id, runs.
func (r record) alive() bool {
	started, state, err := look(r.PID)
	return err == nil && started == r.Started && state != "Z" && state != "X"
}

// look reads a process's start time and state.
func look(pid int) (started, state string, err error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", "", err
	}
	// The second field is the program's name in brackets, and may hold anything.
	_, rest, ok := strings.Cut(string(content[strings.LastIndexByte(string(content), ')'):]), " ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return "", "", fmt.Errorf("unreadable /proc/%d/stat", pid)
	}
	return fields[19], fields[0], nil
}

// kill ends the recorded process, and with it every process of its namespace.
func (r record) kill(patience time.Duration) error {
	// The handle is taken before the look, so that it is of the process looked at.
	process, err := os.FindProcess(r.PID)
	if err != nil {
		return nil // there is no such process: nothing to end
	}
	defer func() { _ = process.Release() }()
	if !r.alive() {
		return nil
	}
	if err := process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end process %d: %w", r.PID, err)
	}
	for deadline := time.Now().Add(patience); r.alive(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d does not end", r.PID)
		}
	}
	return nil
}

// lock keeps two starts or ends of the same cluster apart.
func lock(state paths.State) (release func(), err error) {
	if err := os.MkdirAll(string(state), 0o755); err != nil {
		return nil, fmt.Errorf("make the state folder: %w", err)
	}
	file, err := os.OpenFile(state.Lock(), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the state folder: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("lock the state folder: %w", err)
	}
	return func() { _ = file.Close() }, nil
}
