package e2e

import (
	"context"
	"errors"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// deployment is the manager's Deployment as it is.
func (s *story) deployment() *appsv1.Deployment {
	s.T.Helper()
	deployment, err := s.Deployment(s.Ctx)
	s.Must(err)
	return deployment
}

// restartManager does what `kubectl rollout restart` does, and waits until the new pods lead.
func (s *story) restartManager() {
	s.T.Helper()
	deployment := s.deployment()
	stamp := time.Now().Format(time.RFC3339Nano)
	s.Must(s.Patch(s.Ctx, deployment, `{spec: {template: {metadata: {annotations: {"story/restarted": "`+stamp+`"}}}}}`))
	s.untilRolledOut(deployment)
	s.untilLed(func(pod *corev1.Pod) bool { return pod.Annotations["story/restarted"] == stamp })
}

// scaleManager sets the number of replicas and waits for them.
func (s *story) scaleManager(replicas string) {
	s.T.Helper()
	deployment := s.deployment()
	s.Must(s.Patch(s.Ctx, deployment, `{spec: {replicas: `+replicas+`}}`))
	s.untilRolledOut(deployment)
}

func (s *story) untilRolledOut(deployment *appsv1.Deployment) {
	s.T.Helper()
	ctx, cancel := context.WithTimeoutCause(s.Ctx, patience, errors.New("not in "+patience.String()))
	defer cancel()
	s.Must(s.RolledOut(ctx, deployment))
}

// untilLed waits until a pod that is wanted has the label of the leader, and returns it.
func (s *story) untilLed(wanted func(*corev1.Pod) bool) *corev1.Pod {
	s.T.Helper()
	service := &corev1.Service{}
	s.Must(s.Client.Get(s.Ctx, s.HubService(), service))
	deadline := time.Now().Add(patience)
	pods := &corev1.PodList{}
	options := []client.ListOption{client.InNamespace(s.Manager.Namespace), client.MatchingLabels(service.Spec.Selector)}
	for time.Now().Before(deadline) {
		s.Must(s.Client.List(s.Ctx, pods, options...))
		for i := range pods.Items {
			if pod := &pods.Items[i]; pod.DeletionTimestamp == nil && wanted(pod) {
				return pod
			}
		}
		s.nextChange(pods.ResourceVersion)
	}
	s.T.Fatalf("no pod in %s has the labels %v", s.Manager.Namespace, service.Spec.Selector)
	return nil
}

// nextChange waits until any pod of the manager's namespace changes, for at most a few seconds.
func (s *story) nextChange(version string) {
	s.T.Helper()
	seconds := int64(5)
	options := &client.ListOptions{Namespace: s.Manager.Namespace, Raw: &metav1.ListOptions{ResourceVersion: version, TimeoutSeconds: &seconds}}
	events, err := s.Client.Watch(s.Ctx, &corev1.PodList{}, options)
	s.Must(err)
	defer events.Stop()
	select {
	case <-events.ResultChan():
	case <-s.Ctx.Done():
	}
}
