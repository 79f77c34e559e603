package node

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/gantry-operator/gantry/test/cluster/paths"
)

// processes starts programs and reaps whatever ends: as process 1 it inherits
// every orphan, the pods' shims among them. Package os/exec cannot be used
// beside it, since one wait for all would take the end from its own wait.
type processes struct {
	state   paths.State
	mutex   sync.Mutex
	waiting map[int]chan syscall.WaitStatus
}

func newProcesses(state paths.State) *processes {
	p := &processes{state: state, waiting: map[int]chan syscall.WaitStatus{}}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for range ended {
			p.reap()
		}
	}()
	return p
}

func (p *processes) reap() {
	for {
		p.mutex.Lock()
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if pid > 0 {
			if waiting, ok := p.waiting[pid]; ok {
				delete(p.waiting, pid)
				waiting <- status
			}
		}
		p.mutex.Unlock()
		if pid <= 0 && !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}

// start runs a command in a session of its own, with its output in a log, and
// returns its id and a channel that gets how it ended.
func (p *processes) start(command []string, log string) (int, <-chan syscall.WaitStatus, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	defer null.Close()
	output, err := os.OpenFile(p.state.Log(log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	defer output.Close()
	attributes := &syscall.ProcAttr{
		Dir:   "/",
		Env:   []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"},
		Files: []uintptr{null.Fd(), output.Fd(), output.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	pid, err := syscall.ForkExec(command[0], command, attributes)
	if err != nil {
		return 0, nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	ended := make(chan syscall.WaitStatus, 1)
	p.waiting[pid] = ended
	return pid, ended, nil
}

// run runs a command to its end.
func (p *processes) run(command []string, log string) error {
	_, ended, err := p.start(command, log)
	if err != nil {
		return err
	}
	if status := <-ended; status != 0 {
		return fmt.Errorf("%q failed (%s): see %s", command, describe(status), p.state.Log(log))
	}
	return nil
}

func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "signal " + status.Signal().String()
	}
	return fmt.Sprintf("exit code %d", status.ExitStatus())
}
