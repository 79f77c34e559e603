package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gantry-operator/gantry/test/e2e/stage"
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

// deployWith changes what is deployed by a kustomization, which may need some objects, for the time of the story.
func (s *story) deployWith(change string, made ...client.Object) {
	s.T.Helper()
	root, err := filepath.Abs("../..")
	s.Must(err)
	deployed, with := filepath.Join(root, "bin/deploy"), filepath.Join(root, "bin/deploy-story")
	if _, err := os.Stat(deployed); err != nil {
		s.T.Skipf("SKIPPED: what was deployed is not known, as `make deploy` did not do it here: %v", err)
	}
	s.Must(os.MkdirAll(with, 0o755))
	s.Must(os.WriteFile(filepath.Join(with, "kustomization.yaml"), []byte("resources: [../deploy]\n"+change), 0o600))
	for _, object := range made {
		s.Must(s.Client.Create(s.Ctx, object))
	}
	s.T.Cleanup(func() {
		ctx, cancel := cleanup()
		defer cancel()
		after := of(ctx, s.T, s.Namespace)
		for _, object := range made {
			after.Must(s.Client.Delete(ctx, object))
		}
		after.deploy(deployed)
	})
	s.deploy(with)
}

// deploy applies what is in a directory, and waits until a manager of it leads.
func (s *story) deploy(dir string) {
	s.T.Helper()
	out, err := exec.CommandContext(s.Ctx, "kubectl", "apply", "--server-side", "--force-conflicts", "-k", dir).CombinedOutput()
	if err != nil {
		s.T.Fatalf("kubectl apply: %v\n%s", err, out)
	}
	deployment := s.deployment()
	s.untilRolledOut(deployment)
	wanted := deployment.Spec.Template.Spec.Containers[0]
	s.untilLed(func(pod *corev1.Pod) bool {
		has := pod.Spec.Containers[0]
		return slices.Equal(has.Args, wanted.Args) && equality.Semantic.DeepEqual(has.Env, wanted.Env) && stage.PodReady(pod)
	})
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
