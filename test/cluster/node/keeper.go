package node

import (
	"context"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/gantry-operator/gantry/test/cluster/component"
)

// pause is how long a component that ended by itself stays down.
const pause = time.Second

// keeper runs one component and starts it again when it ends unasked.
type keeper struct {
	component component.Component
	processes *processes
	journal   io.Writer

	mutex    sync.Mutex
	pid      int // 0 while it does not run
	stopped  bool
	restarts int
	ended    chan struct{} // closed when the process of pid has ended
}

// status is one line for a person.
func (k *keeper) status() string {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	word := "running"
	switch {
	case k.stopped:
		word = "stopped"
	case k.pid == 0:
		word = "restarting"
	}
	return fmt.Sprintf("%-24s %-10s restarts %d", k.component.Name, word, k.restarts)
}

// start starts the component, unless it runs already.
func (k *keeper) start() error {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.stopped = false
	return k.launch()
}

// launch needs the mutex.
func (k *keeper) launch() error {
	if k.pid != 0 || k.stopped {
		return nil
	}
	pid, status, err := k.processes.start(k.component.Command, k.component.Name)
	if err != nil {
		return err
	}
	k.pid, k.ended = pid, make(chan struct{})
	go k.watch(status, k.ended)
	return nil
}

func (k *keeper) watch(status <-chan syscall.WaitStatus, ended chan struct{}) {
	how := <-status
	k.mutex.Lock()
	k.pid = 0
	close(ended)
	again := !k.stopped
	k.mutex.Unlock()
	fmt.Fprintf(k.journal, "%s %s ended: %s\n", time.Now().Format(time.RFC3339), k.component.Name, describe(how))
	if !again {
		return
	}
	time.Sleep(pause)
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.pid == 0 && !k.stopped {
		k.restarts++
		if err := k.launch(); err != nil {
			fmt.Fprintf(k.journal, "%s %s: %v\n", time.Now().Format(time.RFC3339), k.component.Name, err)
		}
	}
}

// stop ends the component and keeps it down.
func (k *keeper) stop(ctx context.Context, signal syscall.Signal) error {
	k.mutex.Lock()
	k.stopped = true
	pid, ended := k.pid, k.ended
	if pid == 0 {
		k.mutex.Unlock()
		return nil
	}
	// Ids are given out in turn, so one that has just become free is not in use again.
	err := syscall.Kill(pid, signal)
	k.mutex.Unlock()
	if err != nil {
		return fmt.Errorf("stop %s: %w", k.component.Name, err)
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s: %w", k.component.Name, err)
	}
	<-ended
	return nil
}
