// Package cgroup owns the cluster's control groups: one folder of the cluster's
// name in every hierarchy, under which kubelet keeps the pods' groups. Two
// kubelets that shared a root would end each other's pods as orphans.
package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// hierarchy is one mounted tree of control groups.
type hierarchy struct {
	mount   string
	unified bool
}

// Create makes the cluster's groups and moves the calling process into them.
func Create(name string) error {
	trees, err := hierarchies()
	if err != nil {
		return err
	}
	if len(trees) == 0 {
		return errors.New("no control groups are mounted: kubelet cannot run on this machine")
	}
	for _, tree := range trees {
		if err := tree.create(name); err != nil {
			return fmt.Errorf("control group %s in %s: %w", name, tree.mount, err)
		}
	}
	return nil
}

// Processes returns the ids of all processes in the cluster's groups.
func Processes(name string) ([]int, error) {
	trees, err := hierarchies()
	if err != nil {
		return nil, err
	}
	seen := map[int]bool{}
	var found []int
	for _, tree := range trees {
		for _, group := range groups(filepath.Join(tree.mount, name)) {
			content, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
			if err != nil {
				continue // it ended between the two looks
			}
			for line := range strings.Lines(string(content)) {
				pid, err := strconv.Atoi(strings.TrimSpace(line))
				if err == nil && pid > 0 && !seen[pid] {
					seen[pid] = true
					found = append(found, pid)
				}
			}
		}
	}
	return found, nil
}

// Remove deletes the cluster's groups. The kernel empties them a moment after
// their processes end, so a busy one is tried again until the time is up.
func Remove(name string, patience time.Duration) error {
	trees, err := hierarchies()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(patience)
	for {
		var busy error
		for _, tree := range trees {
			all := groups(filepath.Join(tree.mount, name))
			for i := len(all) - 1; i >= 0; i-- {
				if err := os.Remove(all[i]); err != nil && !errors.Is(err, fs.ErrNotExist) {
					busy = err
				}
			}
		}
		if busy == nil || time.Now().After(deadline) {
			return busy
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// hierarchies lists the mounted trees, unified ones and those of version 1.
func hierarchies() ([]hierarchy, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	defer file.Close()
	var found []hierarchy
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		before, after, ok := strings.Cut(scanner.Text(), " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(kind) == 0 {
			continue
		}
		if kind[0] == "cgroup" || kind[0] == "cgroup2" {
			found = append(found, hierarchy{mount: fields[4], unified: kind[0] == "cgroup2"})
		}
	}
	return found, nil
}

func (h hierarchy) create(name string) error {
	folder := filepath.Join(h.mount, name)
	if h.unified {
		h.delegate(h.mount)
	}
	if err := h.make(folder); err != nil {
		return err
	}
	if h.unified {
		h.delegate(folder)
	}
	system := filepath.Join(folder, "system")
	if err := h.make(system); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(system, "cgroup.procs"), []byte("0"), 0)
}

func (h hierarchy) make(folder string) error {
	if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, syscall.EEXIST) {
		return err
	}
	// A new cpuset of version 1 is empty, and nothing may run in it until it is filled.
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		if h.unified {
			break
		}
		content, err := os.ReadFile(filepath.Join(filepath.Dir(folder), file))
		if errors.Is(err, fs.ErrNotExist) {
			break // another controller's tree
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, file), content, 0); err != nil {
			return err
		}
	}
	return nil
}

// delegate lets the groups below folder have every controller there is. One
// that cannot be had is left out: kubelet names those it misses.
func (h hierarchy) delegate(folder string) {
	controllers, err := os.ReadFile(filepath.Join(folder, "cgroup.controllers"))
	if err != nil {
		return
	}
	for _, controller := range strings.Fields(string(controllers)) {
		_ = os.WriteFile(filepath.Join(folder, "cgroup.subtree_control"), []byte("+"+controller), 0)
	}
}

// groups lists folder and every folder below it, parents first.
func groups(folder string) []string {
	var found []string
	_ = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			found = append(found, path)
		}
		return nil
	})
	return found
}
