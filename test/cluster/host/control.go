package host

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gantry-operator/gantry/test/cluster/paths"
)

// ErrDown is the answer of a cluster that does not run.
var ErrDown = errors.New("the cluster does not run: start it with `make cluster-up`")

// Status prints the state of every component.
func (c Cluster) Status() error {
	r, ok := readRecord(c.State)
	if !ok || !r.alive() {
		return ErrDown
	}
	lines, err := c.command("status")
	for _, line := range lines {
		fmt.Fprintln(c.Out, line)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "process %d, KUBECONFIG=%s\n", r.PID, c.State.Kubeconfig())
	return nil
}

// Component starts, stops, kills or restarts one component.
func (c Cluster) Component(verb, name string) error {
	_, err := c.command(verb + " " + name)
	return err
}

// command sends one command to the running cluster and returns its answer.
func (c Cluster) command(line string) ([]string, error) {
	// By way of the open folder, since a socket's path may have 107 bytes only.
	folder, err := os.Open(string(c.State))
	if err != nil {
		return nil, ErrDown
	}
	defer folder.Close()
	address := fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), filepath.Base(c.State.Control()))
	connection, err := net.DialTimeout("unix", address, 5*time.Second)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrDown, err)
	}
	defer connection.Close()
	if _, err := fmt.Fprintln(connection, line); err != nil {
		return nil, fmt.Errorf("ask the cluster: %w", err)
	}
	var lines []string
	for scanner := bufio.NewScanner(connection); scanner.Scan(); {
		text := scanner.Text()
		if text == "ok" {
			return lines, nil
		}
		if message, ok := strings.CutPrefix(text, "error: "); ok {
			return lines, errors.New(message)
		}
		lines = append(lines, text)
	}
	return lines, errors.New("the cluster ended while it was asked")
}

// enter is the beginning of a command line that runs in the cluster's
// namespaces, where the state folder is paths.Inside.
func (c Cluster) enter() ([]string, error) {
	r, ok := readRecord(c.State)
	if !ok || !r.alive() {
		return nil, ErrDown
	}
	return []string{"/usr/bin/nsenter", "--target", strconv.Itoa(r.PID), "--mount", "--net", "--pid", "--"}, nil
}

// Exec replaces this process by a command in the cluster's namespaces.
func (c Cluster) Exec(command []string) error {
	prefix, err := c.enter()
	if err != nil {
		return err
	}
	if err := syscall.Exec(prefix[0], append(prefix, command...), os.Environ()); err != nil {
		return fmt.Errorf("enter the cluster: %w", err)
	}
	return nil
}

// ctr prepares containerd's own client on the cluster's containerd.
func (c Cluster) ctr(arguments ...string) (*exec.Cmd, error) {
	prefix, err := c.enter()
	if err != nil {
		return nil, err
	}
	line := append(prefix, "/usr/bin/ctr", "--address", paths.State(paths.Inside).Containerd(), "--namespace", "k8s.io")
	line = append(line, arguments...)
	return exec.Command(line[0], line[1:]...), nil
}
