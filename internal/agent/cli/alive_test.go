package cli

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// A thread of this process is no process, although the kernel has a directory for it.
func TestAlive(t *testing.T) {
	if !Alive(os.Getpid()) {
		t.Error("this process is not alive")
	}
	tasks, err := filepath.Glob("/proc/self/task/*")
	if err != nil || len(tasks) < 2 {
		t.Fatalf("this process has %d threads: %v", len(tasks), err)
	}
	for _, task := range tasks {
		if id, err := strconv.Atoi(filepath.Base(task)); err != nil || (id != os.Getpid() && Alive(id)) {
			t.Errorf("the thread %s counts as a process (%v)", task, err)
		}
	}
	if Alive(1 << 30) {
		t.Error("a process that cannot be is alive")
	}
}
