package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	corev1 "k8s.io/api/core/v1"

	"github.com/gantry-operator/gantry/test/memory"
)

// Process is a process in a pod: a PID means little without the time of its start.
type Process struct {
	PID   int
	Start string
}

// findUp prints PID and start time of each `pulumi` process in the container that runs an operation.
const findUp = `for p in /proc/[0-9]*; do
  case "$(tr '\0' ' ' < $p/cmdline 2>/dev/null)" in
  pulumi\ up\ *|*/pulumi\ up\ *|*/pulumi\ *\ up\ *|pulumi\ *\ up\ *) echo "${p#/proc/} $(cut -d')' -f2- < $p/stat | cut -d' ' -f21)";;
  esac
done`

// Up finds the `pulumi up` that runs in a Workspace's pod.
func (n *Namespace) Up(ctx context.Context, workspace string) (Process, error) {
	out, err := n.Exec(ctx, n.Pod(workspace), PulumiContainer, "sh", "-c", findUp)
	if err != nil {
		return Process{}, err
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	words := strings.Fields(lines[0])
	if len(lines) != 1 || len(words) != 2 {
		return Process{}, fmt.Errorf("want one `pulumi up` in the pod of %s, found: %q", workspace, out)
	}
	pid, err := strconv.Atoi(words[0])
	if err != nil {
		return Process{}, fmt.Errorf("a PID in the pod of %s: %w", workspace, err)
	}
	return Process{PID: pid, Start: words[1]}, nil
}

// HostPID finds the process of a pod's container by its program's name, as this machine numbers it. That
// works where the cluster's node is this machine.
func HostPID(pod *corev1.Pod, program string) (int, error) {
	found, err := hostPIDs(pod)
	if err != nil {
		return 0, err
	}
	for _, pid := range found {
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err == nil && strings.TrimSpace(string(name)) == program {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("no process %s of pod %s runs on this machine", program, pod.Name)
}

// hostPIDs lists the processes of a pod.
func hostPIDs(pod *corev1.Pod) ([]int, error) {
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, fmt.Errorf("looking for processes: %w", err)
	}
	var found []int
	for _, folder := range folders {
		groups, err := os.ReadFile(filepath.Join(folder, "cgroup"))
		if err != nil || !strings.Contains(string(groups), string(pod.UID)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			return nil, fmt.Errorf("looking for processes: %w", err)
		}
		found = append(found, pid)
	}
	return found, nil
}

// Murder sends SIGKILL to the program of a pod's container.
func Murder(pod *corev1.Pod, program string) error {
	pid, err := HostPID(pod, program)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing %s of pod %s: %w", program, pod.Name, err)
	}
	return nil
}

// MurderAll sends SIGKILL to all processes of a pod, as a node does that loses its power.
func MurderAll(pod *corev1.Pod) error {
	found, err := hostPIDs(pod)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("no process of pod %s runs on this machine", pod.Name)
	}
	for _, pid := range found {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("killing pod %s: %w", pod.Name, err)
		}
	}
	return nil
}

// ResidentMB is the memory that a process of this machine holds, in MB.
func ResidentMB(pid int) (float64, error) {
	bytes, err := memory.Of(pid, memory.Now)
	return float64(bytes) / 1e6, err
}
