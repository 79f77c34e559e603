package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// idleSlack is how long after the idle time the pods may take to go.
const idleSlack = time.Minute

// runFleet applies many Stacks at once, and weighs the manager and what is left of the pods afterwards.
func (b *bench) runFleet(ctx context.Context) error {
	if err := b.ApplyProgram(ctx, "fleet", program); err != nil {
		return err
	}
	running, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	idle := fmt.Sprintf(`{spec: {workspaceTemplate: {spec: {idleTimeout: %q}}}}`, b.options.idle)
	began := time.Now()
	for i := range b.options.fleet {
		if _, err := b.CreateStack(running, fleetName(i), "fleet", small, idle); err != nil {
			return err
		}
	}
	if err := b.untilAllReady(running); err != nil {
		return err
	}
	b.raw.Fleet = time.Since(began).Seconds()
	fmt.Fprintf(os.Stderr, "fleet: %d stacks Ready after %.1fs\n", b.options.fleet, b.raw.Fleet)
	var err error
	if b.raw.ManagerMB, err = b.managerMB(ctx); err != nil {
		return err
	}
	if b.raw.BusyAgentsMB, err = b.podsMB(ctx); err != nil {
		return err
	}
	b.untilAsleep(ctx)
	b.raw.IdleAgentsMB, err = b.podsMB(ctx)
	return err
}

func fleetName(i int) string { return fmt.Sprintf("fleet-%02d", i) }

// untilAllReady watches all Stacks of the fleet at the same time.
func (b *bench) untilAllReady(ctx context.Context) error {
	errs := make([]error, b.options.fleet)
	var all sync.WaitGroup
	for i := range b.options.fleet {
		all.Go(func() {
			stack := b.Stack(fleetName(i))
			errs[i] = b.untilDone(ctx, stack, func() bool { return stage.Ready(stack) })
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// untilAsleep waits for the pods to go. If they do not, the figure of their memory tells.
func (b *bench) untilAsleep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, b.options.idle+idleSlack)
	defer cancel()
	for i := range b.options.fleet {
		if err := b.UntilGone(ctx, b.Pod(fleetName(i)), "to be asleep"); err != nil {
			fmt.Fprintln(os.Stderr, "fleet:", err)
			return
		}
	}
}

// managerMB is the memory of the leading manager's process.
func (b *bench) managerMB(ctx context.Context) (float64, error) {
	leader, err := b.Leader(ctx)
	if err != nil {
		return 0, err
	}
	pid, err := stage.HostPID(leader, "manager")
	if err != nil {
		return 0, err
	}
	return stage.ResidentMB(pid)
}

// podsMB is the memory of all processes of the fleet's pods, per stack.
func (b *bench) podsMB(ctx context.Context) (float64, error) {
	pods := &corev1.PodList{}
	if err := b.Client.List(ctx, pods, client.InNamespace(b.Name)); err != nil {
		return 0, fmt.Errorf("listing the fleet's pods: %w", err)
	}
	total := 0.0
	for i := range pods.Items {
		if !strings.HasPrefix(pods.Items[i].Name, "fleet-") {
			continue
		}
		held, err := podMB(&pods.Items[i])
		if err != nil {
			return 0, err
		}
		total += held
	}
	return total / float64(b.options.fleet), nil
}

func podMB(pod *corev1.Pod) (float64, error) {
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, fmt.Errorf("looking for processes: %w", err)
	}
	total := 0.0
	for _, folder := range folders {
		groups, err := os.ReadFile(filepath.Join(folder, "cgroup"))
		if err != nil || !strings.Contains(string(groups), string(pod.UID)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			return 0, fmt.Errorf("the process %s: %w", folder, err)
		}
		if held, err := stage.ResidentMB(pid); err == nil { // else it has just ended
			total += held
		}
	}
	return total, nil
}
