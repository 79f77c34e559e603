package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// poll is how often what cannot be watched is looked at.
const poll = 50 * time.Millisecond

// cluster is the embedded cluster, steered by its program.
type cluster struct {
	// program is the one that made it, state its folder.
	program, state string
}

// command gives the cluster a command.
func (c cluster) command(ctx context.Context, arguments ...string) error {
	command := exec.CommandContext(ctx, c.program, append([]string{"--state", c.state}, arguments...)...)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("cluster %s: %w: %s", strings.Join(arguments, " "), err, output)
	}
	return nil
}

// volume is the folder behind a claim, as this machine sees it.
func (c cluster) volume(ctx context.Context, n *stage.Namespace) (string, error) {
	claim := &corev1.PersistentVolumeClaim{}
	claim.Namespace, claim.Name = n.Name, stage.StateClaim
	err := n.Until(ctx, claim, "to be bound", func() bool { return claim.Status.Phase == corev1.ClaimBound })
	if err != nil {
		return "", err
	}
	volume := &corev1.PersistentVolume{}
	if err := n.Client.Get(ctx, stage.ClusterKey(claim.Spec.VolumeName), volume); err != nil {
		return "", fmt.Errorf("the volume of %s: %w", n.Name, err)
	}
	return filepath.Join(c.state, "volumes", filepath.Base(volume.Spec.HostPath.Path)), nil
}

// untilServed waits until the API server answers as one that is ready.
func untilServed(ctx context.Context, kube kubernetes.Interface) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err := kube.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if err := pause(ctx, poll); err != nil {
			return fmt.Errorf("waiting for the API server: %w", err)
		}
	}
}

// pause waits for a while, or until ctx ends.
func pause(ctx context.Context, during time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(during):
		return nil
	}
}
