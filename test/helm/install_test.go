package helm

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/gantry-operator/gantry/test/e2e/stage"
)

const (
	// owner is the annotation by which Helm knows what is a release's.
	owner = "meta.helm.sh/release-name"
	// leads is the label of the pod that leads.
	leads = "gantry.pulumi.com/leader"
)

// definition is a definition as it is on the cluster.
func (s *story) definition(name string) *unstructured.Unstructured {
	s.T.Helper()
	definition := &unstructured.Unstructured{}
	definition.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	definition.SetName(name)
	s.get(definition)
	return definition
}

// owned ends the story unless the definitions are the release's, or nobody's.
func (s *story) owned(by string) {
	s.T.Helper()
	for _, name := range stage.Definitions() {
		if found := s.definition(name).GetAnnotations()[owner]; found != by {
			s.T.Errorf("definition %s is of release %q, want %q", name, found, by)
		}
	}
}

// generations say whether somebody changed the definitions.
func (s *story) generations() map[string]int64 {
	s.T.Helper()
	all := map[string]int64{}
	for _, name := range stage.Definitions() {
		all[name] = s.definition(name).GetGeneration()
	}
	return all
}

// TestInstall installs two replicas and all else that the chart has beside them on a cluster that has nothing of Gantry.
func TestInstall(t *testing.T) {
	s := begin(t)
	s.run("helm", s.helm("install", chart, "--set", "replicaCount=2,podDisruptionBudget.enabled=true,networkPolicy.enabled=true,webhook.enabled=true")...)
	s.owned(release)
	deployment, err := s.Deployment(s.Ctx)
	s.Must(err)
	if deployment.Status.ReadyReplicas != 2 || deployment.Status.UpdatedReplicas != 2 {
		t.Errorf("helm install --wait ended with %+v", deployment.Status)
	}
	s.isConfined()
	s.survivesADrain()

	t.Log("uninstalling leaves the definitions, and nothing else of the release")
	said := s.uninstall()
	s.owned(release)
	for _, name := range stage.Definitions() {
		if !strings.Contains(said, name) {
			t.Errorf("helm uninstall does not say that it keeps %s:\n%s", name, said)
		}
	}
	left := s.run("kubectl", "get", "--ignore-not-found", "--output", "name", "--namespace", system, "--selector", "app.kubernetes.io/instance="+release,
		"deployments,pods,services,serviceaccounts,roles,rolebindings,poddisruptionbudgets,networkpolicies,clusterroles,clusterrolebindings")
	if left != "" {
		t.Errorf("uninstalling left:\n%s", left)
	}
}

// isConfined looks at what the manager's pods may do. That the namespace let them in says the rest.
func (s *story) isConfined() {
	s.T.Helper()
	pods, err := s.ManagerPods(s.Ctx)
	s.Must(err)
	for i := range pods {
		container := &pods[i].Spec.Containers[0]
		if container.Resources.Requests.Cpu().IsZero() || container.Resources.Requests.Memory().IsZero() || container.Resources.Limits.Memory().IsZero() {
			s.T.Errorf("the resources of %s are %v", pods[i].Name, container.Resources)
		}
		said, err := s.Exec(s.Ctx, &pods[i], container.Name, "sh", "-c", "touch /tmp/x /var/lib/gantry/x && ! touch /x 2>/dev/null && ! touch /home/nonroot/x 2>/dev/null && echo confined")
		if err != nil || said != "confined\n" {
			s.T.Errorf("in %s one can write where one should not, or cannot where one should: %q, %v", pods[i].Name, said, err)
		}
	}
}

// survivesADrain evicts the leader as `kubectl drain` does: the other replica takes over, and may not be evicted meanwhile.
func (s *story) survivesADrain() {
	s.T.Helper()
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: "gantry-manager"}}
	s.Await(budget, "to allow one eviction", func() bool { return budget.Status.CurrentHealthy == 2 && budget.Status.DisruptionsAllowed == 1 })
	leader, err := s.Leader(s.Ctx)
	s.Must(err)
	pods, err := s.ManagerPods(s.Ctx)
	s.Must(err)
	other := pods[slices.IndexFunc(pods, func(pod corev1.Pod) bool { return pod.Name != leader.Name })]
	s.Must(s.evict(leader.Name))
	if err := s.evict(other.Name); !apierrors.IsTooManyRequests(err) {
		s.T.Errorf("evicting both replicas at once: %v, want that the disruption budget refuses it", err)
	}
	s.untilLed(leader.Name)
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: "gantry-manager"}}
	s.Await(deployment, "to have two replicas again", func() bool { return deployment.Status.ReadyReplicas == 2 && deployment.Status.Replicas == 2 })
}

func (s *story) evict(pod string) error {
	return s.Kube.PolicyV1().Evictions(system).Evict(s.Ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: pod}})
}

// untilLed waits until another pod than the former leader has the leader's label. A watch may end before its time.
func (s *story) untilLed(former string) {
	s.T.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		events, err := s.Kube.CoreV1().Pods(system).Watch(s.Ctx, metav1.ListOptions{LabelSelector: leads + "=true", TimeoutSeconds: new(int64(10))})
		s.Must(err)
		led := leadsAnother(events, former)
		events.Stop()
		if led {
			return
		}
	}
	s.T.Fatalf("no other pod than %s leads in %s", former, patience)
}

func leadsAnother(events watch.Interface, former string) bool {
	for event := range events.ResultChan() {
		if pod, is := event.Object.(*corev1.Pod); is && pod.Name != former && pod.DeletionTimestamp == nil && event.Type != watch.Deleted {
			return true
		}
	}
	return false
}

// TestDefinitionsOfKubectl leaves the definitions to kubectl, and then has Helm take them over when they are of an older version.
func TestDefinitionsOfKubectl(t *testing.T) {
	s := begin(t)
	previous := s.previous()
	s.run("kubectl", "apply", "--server-side", "-k", definitions)
	before := s.generations()
	if said, err := s.try("helm", s.helm("install", chart)...); err == nil || !strings.Contains(said, "ownership") {
		t.Errorf("helm install over definitions that are nobody's: %v, without a word of ownership\n%s", err, said)
	}
	s.run("helm", s.helm("install", previous, "--set", "crds.install=false")...)
	s.owned("")
	if diff := cmp.Diff(before, s.generations()); diff != "" {
		t.Errorf("with crds.install=false the definitions changed (-before +after):\n%s", diff)
	}

	t.Log("Helm takes over what kubectl applied")
	if said, err := s.try("helm", s.helm("upgrade", chart, "--set", "crds.install=true")...); err == nil || !strings.Contains(said, "ownership") {
		t.Errorf("helm upgrade over definitions that are nobody's: %v, without a word of ownership\n%s", err, said)
	}
	s.run("helm", s.helm("upgrade", chart, "--set", "crds.install=true", "--take-ownership")...)
	s.owned(release)
}
