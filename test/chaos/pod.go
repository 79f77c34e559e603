package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// deletePod deletes the pod as `kubectl delete pod` does.
func deletePod(ctx context.Context, s *story) error {
	return s.inTheMiddle(ctx, func(pod *corev1.Pod) error {
		if err := s.Client.Delete(ctx, pod); err != nil {
			return fmt.Errorf("deleting the pod: %w", err)
		}
		return nil
	})
}

// evictPod evicts the pod as `kubectl drain` does.
func evictPod(ctx context.Context, s *story) error {
	return s.inTheMiddle(ctx, func(pod *corev1.Pod) error {
		eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}}
		if err := s.Kube.PolicyV1().Evictions(pod.Namespace).Evict(ctx, eviction); err != nil {
			return fmt.Errorf("evicting the pod: %w", err)
		}
		return nil
	})
}

// killPod ends all of the pod at once, without any grace, and removes what is left of it.
func killPod(ctx context.Context, s *story) error {
	return s.inTheMiddle(ctx, func(pod *corev1.Pod) error {
		if err := stage.MurderAll(pod); err != nil {
			return err
		}
		return client.IgnoreNotFound(s.Kill(ctx, pod))
	})
}

// killProgram sends SIGKILL to a program in the pod.
func killProgram(name string) func(context.Context, *story) error {
	return func(ctx context.Context, s *story) error {
		return s.inTheMiddle(ctx, func(pod *corev1.Pod) error { return stage.Murder(pod, name) })
	}
}

// outOfMemory has the kernel end the provider, which takes memory for as long as the thing in the middle is made.
func outOfMemory(ctx context.Context, s *story) error {
	for i := range s.times {
		update, pod, err := s.underway(ctx, i)
		if err != nil {
			return err
		}
		for {
			if _, err := stage.HostPID(pod, "pulumi-resource"); err != nil {
				break
			}
			if err := pause(ctx, poll); err != nil {
				return fmt.Errorf("waiting for the memory to be used up: %w", err)
			}
		}
		s.hit()
		s.cuts = append(s.cuts, cut{at: time.Now(), update: update.Name})
	}
	return nil
}
