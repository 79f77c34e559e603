package host

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gantry-operator/gantry/test/cluster/component"
	"github.com/gantry-operator/gantry/test/cluster/node"
	"github.com/gantry-operator/gantry/test/cluster/paths"
	"github.com/gantry-operator/gantry/test/cluster/pki"
)

// patience is how long the kernel may take to end the cluster's processes.
const patience = 20 * time.Second

// Cluster is the cluster of one state folder.
type Cluster struct {
	State    paths.State
	Programs string // folder of bin/cluster, bin/kube, bin/coredns and bin/pause.tar
	Out      io.Writer
}

// Up starts the cluster, unless it runs. What an earlier start left behind is
// cleaned up first.
func (c Cluster) Up() error {
	if os.Geteuid() != 0 {
		return errors.New("the cluster needs root: namespaces, mounts and control groups are made")
	}
	release, err := lock(c.State)
	if err != nil {
		return err
	}
	defer release()
	if c.runs() {
		fmt.Fprintf(c.Out, "the cluster runs already: KUBECONFIG=%s\n", c.State.Kubeconfig())
		return nil
	}
	if err := c.checkPrograms(); err != nil {
		return err
	}
	began := time.Now()
	left, err := c.clean()
	if err != nil {
		return fmt.Errorf("clean up after an earlier cluster: %w", err)
	}
	if left {
		fmt.Fprintln(c.Out, "cleaned up what an earlier cluster left")
	}
	if err := c.start(); err != nil {
		_, cleaning := c.clean("logs")
		return errors.Join(err, cleaning)
	}
	fmt.Fprintf(c.Out, "the cluster is up after %.1fs: KUBECONFIG=%s\n", time.Since(began).Seconds(), c.State.Kubeconfig())
	return nil
}

// Down ends the cluster and removes what it made.
func (c Cluster) Down() error {
	release, err := lock(c.State)
	if err != nil {
		return err
	}
	defer release()
	left, err := c.clean()
	if err != nil {
		return err
	}
	if left {
		fmt.Fprintln(c.Out, "the cluster is gone")
	} else {
		fmt.Fprintln(c.Out, "there was no cluster")
	}
	return nil
}

// runs says whether the cluster runs, after it has started what is stopped and
// waited for everything to answer.
func (c Cluster) runs() bool {
	r, ok := readRecord(c.State)
	if !ok || !r.alive() {
		return false
	}
	_, err := c.command("mend")
	if err != nil {
		fmt.Fprintf(c.Out, "the cluster runs, but not well: %v\n", err)
	}
	return err == nil
}

func (c Cluster) checkPrograms() error {
	for _, name := range []string{"cluster", "kube", "coredns", "pause.tar"} {
		if _, err := os.Stat(filepath.Join(c.Programs, name)); err != nil {
			return fmt.Errorf("%w: build it with `make tools`", err)
		}
	}
	for _, program := range []string{"/usr/bin/etcd", "/usr/bin/containerd", "/usr/bin/ctr", "/usr/sbin/runc", "/usr/lib/cni/ptp", "/sbin/ip"} {
		if _, err := os.Stat(program); err != nil {
			return fmt.Errorf("%w: install it with `make packages`", err)
		}
	}
	return nil
}

// start prepares the state folder, starts the first process in namespaces of
// its own and passes its progress on until the cluster is ready.
func (c Cluster) start() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("open a port for the API server: %w", err)
	}
	defer listener.Close()
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return fmt.Errorf("unexpected listener %T", listener)
	}
	handed, err := tcp.File()
	if err != nil {
		return fmt.Errorf("hand the port over: %w", err)
	}
	defer handed.Close()
	if err := c.prepare(tcp.Addr().(*net.TCPAddr).Port); err != nil {
		return err
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("open a pipe for progress: %w", err)
	}
	defer reader.Close()
	err = c.spawn(handed, writer)
	_ = writer.Close()
	if err != nil {
		return err
	}
	for scanner := bufio.NewScanner(reader); scanner.Scan(); {
		if scanner.Text() == node.Ready {
			return nil
		}
		fmt.Fprintln(c.Out, scanner.Text())
	}
	return fmt.Errorf("the cluster did not start; its logs are in %s", c.State.Join("logs"))
}

func (c Cluster) prepare(port int) error {
	for _, folder := range []string{"logs", "volumes", "pod-logs"} {
		if err := os.MkdirAll(c.State.Join(folder), 0o755); err != nil {
			return fmt.Errorf("make the state folder: %w", err)
		}
	}
	if err := pki.Write(c.State, port, time.Now()); err != nil {
		return err
	}
	// The users' kubeconfigs and the certificates are found under the inner path.
	return component.WriteConfig(c.State, paths.Inside, c.State.Identity())
}

func (c Cluster) spawn(listener, progress *os.File) error {
	log, err := os.OpenFile(c.State.Log("cluster"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the cluster's log: %w", err)
	}
	defer log.Close()
	command := exec.Command(filepath.Join(c.Programs, "cluster"), "--state", string(c.State), "--programs", c.Programs, "node")
	command.Dir = "/"
	command.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	command.Stdout, command.Stderr = log, log
	command.ExtraFiles = []*os.File{listener, progress} // node.ListenerDescriptor, node.ProgressDescriptor
	command.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("start the cluster's first process: %w", err)
	}
	pid := command.Process.Pid
	go func() { _ = command.Wait() }() // so that it is reaped when it ends early
	started, _, err := look(pid)
	if err != nil {
		return fmt.Errorf("look at the cluster's first process: %w", err)
	}
	return record{PID: pid, Started: started}.write(c.State)
}
