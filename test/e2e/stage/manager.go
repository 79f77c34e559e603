package stage

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
)

// Deployment is the manager's Deployment as it is.
func (s *Stage) Deployment(ctx context.Context) (*appsv1.Deployment, error) {
	deployment := &appsv1.Deployment{}
	if err := s.Client.Get(ctx, s.Manager, deployment); err != nil {
		return nil, fmt.Errorf("the manager's Deployment: %w", err)
	}
	return deployment, nil
}

// RolledOut waits until the pods of a Deployment, as it is here, have replaced all others, or until ctx ends.
func (s *Stage) RolledOut(ctx context.Context, deployment *appsv1.Deployment) error {
	generation := deployment.Generation
	return s.Until(ctx, deployment, "to be rolled out", func() bool {
		status := deployment.Status
		return status.ObservedGeneration >= generation && status.UpdatedReplicas == *deployment.Spec.Replicas &&
			status.ReadyReplicas == *deployment.Spec.Replicas && status.Replicas == *deployment.Spec.Replicas
	})
}
