package node

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gantry-operator/gantry/test/cluster/cgroup"
	"github.com/gantry-operator/gantry/test/cluster/component"
	"github.com/gantry-operator/gantry/test/cluster/kubeapi"
	"github.com/gantry-operator/gantry/test/cluster/paths"
	"github.com/gantry-operator/gantry/test/cluster/volume"
)

// Descriptors that `cluster up` hands to the first process.
const (
	// ListenerDescriptor is the host's listener for the API server.
	ListenerDescriptor = 3
	// ProgressDescriptor is a pipe for lines of progress; the last is Ready.
	ProgressDescriptor = 4
)

// Ready is the last line of progress of a cluster that has started.
const Ready = "READY"

// patience is how long the whole start may take.
const patience = 3 * time.Minute

// node is the running cluster.
type node struct {
	state     paths.State // as seen inside
	programs  string      // as seen inside
	processes *processes
	keepers   []*keeper
	ready     atomic.Bool
}

// Run is the whole life of the first process. hostState and programs are the
// folders as the host sees them. It returns only when something went wrong or
// the process is asked to end; with it the cluster ends.
func Run(hostState paths.State, programs string) error {
	progress := os.NewFile(ProgressDescriptor, "progress")
	listener, err := inherited(ListenerDescriptor)
	if err != nil {
		return fmt.Errorf("take over the host's listener: %w", err)
	}
	if err := cgroup.Create(hostState.Identity()); err != nil {
		return err
	}
	if err := isolate(hostState, programs); err != nil {
		return err
	}
	n := &node{state: paths.Inside, programs: paths.Programs}
	n.processes = newProcesses(n.state)
	for _, c := range component.All(n.state, n.programs) {
		n.keepers = append(n.keepers, &keeper{component: c, processes: n.processes, journal: os.Stderr})
	}
	control, err := net.Listen("unix", n.state.Control())
	if err != nil {
		return fmt.Errorf("open the control socket: %w", err)
	}
	go n.serveControl(control)
	if err := connect(n.processes); err != nil {
		return err
	}
	go forward(listener, net.JoinHostPort(paths.NodeAddress, "6443"))

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	api, err := n.boot(ctx, progress)
	if err != nil {
		fmt.Fprintln(progress, err)
		return err
	}
	n.ready.Store(true)
	fmt.Fprintln(progress, Ready)
	_ = progress.Close()
	n.keepVolumes(ctx, &volume.Keeper{API: api, State: n.state})
	return nil
}

// boot starts everything within the time allowed.
func (n *node) boot(ctx context.Context, progress io.Writer) (*kubeapi.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	api, err := kubeapi.New(n.state, "https://"+net.JoinHostPort(paths.NodeAddress, "6443"))
	if err != nil {
		return nil, err
	}
	return api, newBoot(n, api, progress).run(ctx)
}

// keepVolumes looks after the stock of volumes once a second until the end.
func (n *node) keepVolumes(ctx context.Context, keeper *volume.Keeper) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	failed := false
	for {
		err := keeper.Keep(ctx)
		if err != nil && !failed && ctx.Err() == nil {
			fmt.Fprintf(os.Stderr, "%s volumes: %v\n", time.Now().Format(time.RFC3339), err)
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (n *node) keeper(name string) *keeper {
	for _, k := range n.keepers {
		if k.component.Name == name {
			return k
		}
	}
	return nil
}
