package host

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/gantry-operator/gantry/test/cluster/cgroup"
)

// clean ends what runs of this cluster and removes what it made, but for the
// names to keep. It says whether there was anything.
func (c Cluster) clean(keep ...string) (left bool, err error) {
	if r, ok := readRecord(c.State); ok {
		left = true
		if err := r.kill(patience); err != nil {
			return left, err
		}
	}
	found, err := c.sweep()
	if err != nil {
		return left, err
	}
	return left || found, c.removeFiles(keep)
}

// sweep ends what is in the cluster's control groups, and removes them. They
// name a cluster even when its record was deleted.
func (c Cluster) sweep() (found bool, err error) {
	identity := c.State.Identity()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		pids, err := cgroup.Processes(identity)
		if err != nil {
			return found, err
		}
		if len(pids) == 0 {
			break
		}
		if time.Now().After(deadline) {
			return found, fmt.Errorf("processes %v do not end", pids)
		}
		found = true
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if err := cgroup.Remove(identity, patience); err != nil {
		return found, fmt.Errorf("remove control groups: %w", err)
	}
	return found, nil
}

func (c Cluster) removeFiles(keep []string) error {
	for i, name := range keep {
		keep[i] = c.State.Join(name)
	}
	for _, path := range c.State.Owned() {
		if slices.Contains(keep, path) {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove the cluster's files: %w", err)
		}
	}
	return nil
}
