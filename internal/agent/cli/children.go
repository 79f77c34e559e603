package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Children knows the processes that the agent started, and so which of its child processes are strays: what Pulumi or a
// program left behind, which the kernel gives to the agent as the first process of the container. Somebody has to wait
// for them, or they stay as zombies.
type Children struct {
	mu  sync.Mutex
	own map[int]struct{}
}

// NewChildren makes the agent the parent of orphaned processes even where it is not the first process.
func NewChildren() (*Children, error) {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		return nil, fmt.Errorf("become the parent of orphaned processes: %w", errno)
	}
	return &Children{own: map[int]struct{}{}}, nil
}

// Watch waits for strays as they end, until the context does.
func (c *Children) Watch(ctx context.Context) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ended:
		}
		// A family ends together: look once for all of them.
		timer := time.NewTimer(reapDelay)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		c.reap()
	}
}

// KillStrays kills what is left of a process that was killed: its plugins have process groups of their own. What these
// started becomes a stray in its turn when they end.
func (c *Children) KillStrays() {
	for range killRounds {
		alive := 0
		for _, stray := range c.strays() {
			if !stray.zombie {
				alive++
				_ = syscall.Kill(stray.pid, syscall.SIGKILL)
			}
		}
		c.reap()
		if alive == 0 {
			return
		}
		time.Sleep(killPause)
	}
}

// start starts a process of the agent. A stray looked for meanwhile is not mistaken for it.
func (c *Children) start(cmd *exec.Cmd) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	c.own[cmd.Process.Pid] = struct{}{}
	return nil
}

// done says that a process was waited for.
func (c *Children) done(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.own, pid)
}

// reap waits for the strays that have ended.
func (c *Children) reap() {
	for _, stray := range c.strays() {
		if stray.zombie {
			if _, err := syscall.Wait4(stray.pid, nil, syscall.WNOHANG, nil); err != nil {
				// Somebody else was quicker.
				continue
			}
		}
	}
}

type stray struct {
	pid    int
	zombie bool
}

// strays are the child processes that the agent did not start.
func (c *Children) strays() []stray {
	c.mu.Lock()
	defer c.mu.Unlock()
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var found []stray
	for _, process := range processes {
		pid, err := strconv.Atoi(process.Name())
		if err != nil {
			continue
		}
		if _, own := c.own[pid]; own {
			continue
		}
		if state, parent := look(pid); parent == os.Getpid() {
			found = append(found, stray{pid: pid, zombie: state == "Z"})
		}
	}
	return found
}

// Alive tells whether there is a process that has not ended.
func Alive(pid int) bool {
	state, _ := look(pid)
	return state != "" && state != "Z" && leads(pid)
}

// leads tells whether a number is that of a process, and not that of a thread of one: the kernel answers for both. In a
// container that was restarted, the agent's own threads have the numbers that its processes had before.
func leads(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	return err == nil && bytes.Contains(text, []byte("\nTgid:\t"+strconv.Itoa(pid)+"\n"))
}

// look reads a process's state and parent; 0 when it is gone.
func look(pid int) (state string, parent int) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", 0
	}
	// The name, in parentheses, may hold anything.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return "", 0
	}
	parent, err = strconv.Atoi(string(fields[1]))
	if err != nil {
		return "", 0
	}
	return string(fields[0]), parent
}

const (
	// setChildSubreaper is PR_SET_CHILD_SUBREAPER of prctl(2).
	setChildSubreaper = 36
	reapDelay         = 200 * time.Millisecond
	// killRounds is how often strays are looked for that are to be killed, killPause the time that they have to end.
	killRounds, killPause = 50, 20 * time.Millisecond
)
