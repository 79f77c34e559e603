// Package node is the cluster's first process: process 1 of a process, mount
// and network namespace of their own. It prepares the namespaces, starts the
// components and keeps them running. When it ends, however it ends, the kernel
// ends every process of the cluster and takes down its mounts and networks.
package node

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/gantry-operator/gantry/test/cluster/paths"
)

// isolate gives the namespaces file systems of their own: an empty /run with
// the state folder at its constant place, and the /proc of this namespace.
func isolate(state paths.State, programs string) error {
	const none, private, shared = "", syscall.MS_REC | syscall.MS_PRIVATE, syscall.MS_REC | syscall.MS_SHARED
	// Held open, since the new /run may hide them.
	stateFolder, err := os.Open(string(state))
	if err != nil {
		return fmt.Errorf("open the state folder: %w", err)
	}
	defer stateFolder.Close()
	programFolder, err := os.Open(programs)
	if err != nil {
		return fmt.Errorf("open the folder of programs: %w", err)
	}
	defer programFolder.Close()

	mounts := []struct {
		source, target, kind string
		flags                uintptr
	}{
		{none, "/", none, private},
		{"tmpfs", "/run", "tmpfs", 0},
		{fmt.Sprintf("/proc/self/fd/%d", stateFolder.Fd()), paths.Inside, none, syscall.MS_BIND},
		{fmt.Sprintf("/proc/self/fd/%d", programFolder.Fd()), paths.Programs, none, syscall.MS_BIND},
		{"proc", "/proc", "proc", 0},
		// Fixed places of kubelet and of the network plugins' library.
		{"tmpfs", "/var/lib/kubelet", "tmpfs", 0},
		{"tmpfs", "/var/lib/cni", "tmpfs", 0},
		{"tmpfs", "/var/log/containers", "tmpfs", 0},
	}
	for _, m := range mounts {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return fmt.Errorf("make %s: %w", m.target, err)
		}
		if err := syscall.Mount(m.source, m.target, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	if err := shieldTunables(); err != nil {
		return err
	}
	// Pods may ask for mounts that propagate: they do, within this namespace.
	if err := syscall.Mount(none, "/", none, shared, ""); err != nil {
		return fmt.Errorf("share mounts within the cluster: %w", err)
	}
	return nil
}

// shieldTunables shows kubelet the kernel settings it wants, so that it does
// not change those of the whole machine.
func shieldTunables() error {
	wanted := map[string]string{
		"vm/overcommit_memory":      "1\n",
		"vm/panic_on_oom":           "0\n",
		"kernel/panic":              "10\n",
		"kernel/panic_on_oops":      "1\n",
		"kernel/keys/root_maxkeys":  "1000000\n",
		"kernel/keys/root_maxbytes": "25000000\n",
	}
	for name, value := range wanted {
		shield := filepath.Join("/run/tunables", name)
		target := filepath.Join("/proc/sys", name)
		if _, err := os.Stat(target); err != nil {
			continue // a kernel without this setting
		}
		if err := os.MkdirAll(filepath.Dir(shield), 0o755); err != nil {
			return fmt.Errorf("shield %s: %w", target, err)
		}
		if err := os.WriteFile(shield, []byte(value), 0o644); err != nil {
			return fmt.Errorf("shield %s: %w", target, err)
		}
		if err := syscall.Mount(shield, target, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("shield %s: %w", target, err)
		}
	}
	return nil
}
