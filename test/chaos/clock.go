package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

const (
	// doubles is the image with the doubles, skewedManager the manager there that takes the offset of its clock from
	// clockOffset.
	doubles       = "localhost/gantry-e2e:dev"
	skewedManager = "/usr/local/bin/skewed-manager"
	clockOffset   = "CLOCK_OFFSET"
)

// moveClock has the manager's clock jump forward, and then back by twice as much. Each time an operation has failed just
// before: when it is tried again must not hang on what the clock said then.
func moveClock(ctx context.Context, s *story) error {
	right, err := s.Deployment(ctx)
	if err != nil {
		return err
	}
	s.undo = func(ctx context.Context) error { return replaceManager(ctx, s.Stage, right.Spec.Template) }
	for i := range s.times {
		offset := time.Hour
		if i%2 == 1 {
			offset = -time.Hour
		}
		if err := skewManager(ctx, s.Stage, offset); err != nil {
			return err
		}
		s.hit()
		update, pod, err := s.underway(ctx, i)
		if err != nil {
			return err
		}
		at := time.Now()
		if err := stage.Murder(pod, "pulumi"); err != nil {
			return err
		}
		s.cuts = append(s.cuts, cut{at: at, update: update.Name})
		err = s.recorder.until(ctx, "to say that the operation failed", func(states []seen, _ []autov1alpha1.Update) bool {
			last := now(states).Status.LastUpdate
			return last != nil && last.Name == update.Name
		})
		if err != nil {
			return fmt.Errorf("after pulumi was killed: %w", err)
		}
	}
	return nil
}

// skewManager puts a manager with a clock that is wrong into the place of the one that runs. Its image is the one with the
// doubles; agents are still those of the manager's own.
func skewManager(ctx context.Context, s *stage.Stage, offset time.Duration) error {
	deployment, err := s.Deployment(ctx)
	if err != nil {
		return err
	}
	template := deployment.Spec.Template.DeepCopy()
	manager := &template.Spec.Containers[0]
	if manager.Command[0] != skewedManager {
		manager.Env = append(manager.Env, corev1.EnvVar{Name: "AGENT_IMAGE", Value: manager.Image}, corev1.EnvVar{Name: "HOME", Value: "/tmp"})
		manager.Image, manager.Command = doubles, []string{skewedManager}
	}
	manager.Env = slices.DeleteFunc(manager.Env, func(v corev1.EnvVar) bool { return v.Name == clockOffset })
	manager.Env = append(manager.Env, corev1.EnvVar{Name: clockOffset, Value: offset.String()})
	return replaceManager(ctx, s, *template)
}

// replaceManager ends the manager's pods and starts others from a template.
func replaceManager(ctx context.Context, s *stage.Stage, template corev1.PodTemplateSpec) error {
	if err := scaleManager(ctx, s, 0); err != nil {
		return err
	}
	deployment, err := s.Deployment(ctx)
	if err != nil {
		return err
	}
	deployment.Spec.Template = template
	deployment.Spec.Replicas = new(int32(1))
	if err := s.Client.Update(ctx, deployment); err != nil {
		return fmt.Errorf("replacing the manager: %w", err)
	}
	if err := s.RolledOut(ctx, deployment); err != nil {
		return err
	}
	_, err = untilLed(ctx, s, "")
	return err
}
