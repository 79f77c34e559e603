package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gantry-operator/gantry/test/e2e/stage"
)

const (
	// reign is how long a leader that is going to be killed leads at most.
	reign = 2 * time.Second
	// term is how long one leads that is going to be replaced.
	term = 5 * time.Second
)

// killManager kills the leading manager, a moment after it began to lead, and has another pod take its place at once:
// a container that ends so often is not started again for minutes.
func killManager(ctx context.Context, s *story) error {
	for range s.times {
		leader, err := untilLed(ctx, s.Stage, "")
		if err != nil {
			return err
		}
		if err := pause(ctx, rand.N(reign)); err != nil {
			return err
		}
		if err := stage.Murder(leader, "manager"); err != nil {
			return err
		}
		s.hit()
		if err := client.IgnoreNotFound(s.Kill(ctx, leader)); err != nil {
			return fmt.Errorf("replacing the manager's pod: %w", err)
		}
	}
	_, err := untilLed(ctx, s.Stage, "")
	s.mended()
	return err
}

// changeLeader has another pod lead every few seconds.
func changeLeader(ctx context.Context, s *story) error {
	if err := scaleManager(ctx, s.Stage, 2); err != nil {
		return err
	}
	former := ""
	for range s.times {
		leader, err := untilLed(ctx, s.Stage, former)
		if err != nil {
			return err
		}
		former = leader.Name
		if err := s.Client.Delete(ctx, leader); err != nil {
			return fmt.Errorf("deleting the leader: %w", err)
		}
		s.hit()
		if err := pause(ctx, term); err != nil {
			return err
		}
	}
	// Fewer pods may mean another leader once more.
	if err := scaleManager(ctx, s.Stage, 1); err != nil {
		return err
	}
	_, err := untilLed(ctx, s.Stage, "")
	s.mended()
	return err
}

// untilLed waits until a pod other than the former leader runs and has the label of the leader.
func untilLed(ctx context.Context, s *stage.Stage, former string) (*corev1.Pod, error) {
	for {
		leader, err := s.Leader(ctx)
		if err == nil && leader.Name != former && runs(leader) {
			return leader, nil
		}
		if stopped := pause(ctx, poll); stopped != nil {
			return nil, fmt.Errorf("waiting for a leader: %w (%w)", stopped, err)
		}
	}
}

// runs tells whether all containers of a pod run.
func runs(pod *corev1.Pod) bool {
	for _, status := range pod.Status.ContainerStatuses {
		if status.State.Running == nil {
			return false
		}
	}
	return len(pod.Status.ContainerStatuses) > 0
}

// scaleManager sets the number of replicas and waits for them.
func scaleManager(ctx context.Context, s *stage.Stage, replicas int32) error {
	deployment, err := s.Deployment(ctx)
	if err != nil {
		return err
	}
	if err := s.Patch(ctx, deployment, fmt.Sprintf(`{spec: {replicas: %d}}`, replicas)); err != nil {
		return err
	}
	return s.RolledOut(ctx, deployment)
}
