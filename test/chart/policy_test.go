package chart

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

const policed = `
networkPolicy:
  enabled: true
  metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}, podSelector: {matchLabels: {app: prometheus}}}]
  webhookFrom: [{ipBlock: {cidr: 192.0.2.0/24}}]
webhook: {enabled: true}
`

// Every policy is about pods that the chart makes, and lets in at each of their ports whom it is for, and nobody else.
func TestPoliciesSelectWhatTheyShould(t *testing.T) {
	values := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(values, []byte(policed), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := peer{"tenant", agentLabels(t)}
	prometheus := peer{"monitoring", labels.Set{"app": "prometheus"}}
	strangers := []peer{{"tenant", labels.Set{"app": "web"}}, {"monitoring", labels.Set{"app": "grafana"}}, {"gantry-system", labels.Set{}}, {"tenant", labels.Set{"app": "prometheus"}}}
	for name, args := range map[string][]string{
		"default": nil,
		"renamed": {"--set", "nameOverride=pulumi,fullnameOverride=runner,podLabels.team=infra"},
	} {
		t.Run(name, func(t *testing.T) {
			all := template(t, append(args, "--values", values)...)
			pod := managerPod(t, all)
			policy := thePolicy(t, all)
			if !selects(t, &policy.Spec.PodSelector, pod.Labels) {
				t.Fatalf("the policy selects %v, and the pods have the labels %v", policy.Spec.PodSelector, pod.Labels)
			}
			for _, port := range pod.Spec.Containers[0].Ports {
				allowed := map[string]bool{}
				for who, from := range map[string]peer{"agent": agent, "prometheus": prometheus} {
					allowed[who] = lets(t, policy, from, &port)
				}
				want := map[string]map[string]bool{
					"session":   {"agent": true, "prometheus": false},
					"artifacts": {"agent": true, "prometheus": false},
					"metrics":   {"agent": false, "prometheus": true},
					"health":    {"agent": false, "prometheus": false}, // kubelet asks from the node, which policies let through
					"webhook":   {"agent": false, "prometheus": false}, // its peers are addresses
				}[port.Name]
				if want == nil || !maps.Equal(want, allowed) {
					t.Errorf("the policy lets in at port %s: %v, want %v", port.Name, allowed, want)
				}
				for _, stranger := range strangers {
					if lets(t, policy, stranger, &port) {
						t.Errorf("the policy lets in %v at port %s", stranger, port.Name)
					}
				}
			}
			blocks := slices.DeleteFunc(peersAt(policy, "webhook"), func(p networkingv1.NetworkPolicyPeer) bool {
				return p.IPBlock == nil || p.IPBlock.CIDR != "192.0.2.0/24"
			})
			if len(blocks) != 1 {
				t.Errorf("git hosts come in by %v", peersAt(policy, "webhook"))
			}
		})
	}
}

// Every Service leads to the pods and to ports that they have.
func TestServicesLeadToThePods(t *testing.T) {
	all := template(t, "--set", "webhook.enabled=true,nameOverride=pulumi,fullnameOverride=runner")
	pod := managerPod(t, all)
	pod.Labels["gantry.pulumi.com/leader"] = "true" // the leader's own doing
	for key, object := range all {
		if object.GetKind() != "Service" {
			continue
		}
		service := as[corev1.Service](t, all, key)
		if !labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(pod.Labels)) {
			t.Errorf("%s selects %v, and the pods have the labels %v", key, service.Spec.Selector, pod.Labels)
		}
		for _, port := range service.Spec.Ports {
			if !slices.ContainsFunc(pod.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool { return p.Name == port.TargetPort.StrVal }) {
				t.Errorf("port %s of %s leads to port %s, which the pods do not have", port.Name, key, port.TargetPort.String())
			}
		}
	}
}

// peer is a pod that calls.
type peer struct {
	namespace string
	labels    labels.Set
}

// agentLabels are those of the pods of Workspaces, as the manager makes them.
func agentLabels(t *testing.T) labels.Set {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "internal/pod/testdata/default.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{}
	if err := yaml.Unmarshal(text, pod); err != nil {
		t.Fatal(err)
	}
	if len(pod.Labels) == 0 {
		t.Fatal("the pods of Workspaces have no labels")
	}
	return pod.Labels
}

// managerPod is what the rendered Deployment makes.
func managerPod(t *testing.T, all objects) *corev1.Pod {
	t.Helper()
	for key, object := range all {
		if object.GetKind() == "Deployment" {
			made := as[appsv1.Deployment](t, all, key).Spec.Template
			return &corev1.Pod{ObjectMeta: made.ObjectMeta, Spec: made.Spec}
		}
	}
	t.Fatal("there is no Deployment")
	return nil
}

// thePolicy is the one policy that is rendered.
func thePolicy(t *testing.T, all objects) *networkingv1.NetworkPolicy {
	t.Helper()
	var policies []*networkingv1.NetworkPolicy
	for key, object := range all {
		if object.GetKind() == "NetworkPolicy" {
			policies = append(policies, as[networkingv1.NetworkPolicy](t, all, key))
		}
	}
	if len(policies) != 1 || !slices.Equal(policies[0].Spec.PolicyTypes, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}) {
		t.Fatalf("there are %d policies, want one, for what comes in", len(policies))
	}
	return policies[0]
}

// lets tells whether a policy lets a pod in at a port.
func lets(t *testing.T, policy *networkingv1.NetworkPolicy, from peer, port *corev1.ContainerPort) bool {
	t.Helper()
	for _, rule := range policy.Spec.Ingress {
		if !hasPort(rule.Ports, port) {
			continue
		}
		if len(rule.From) == 0 {
			return true
		}
		for _, p := range rule.From {
			here := from.namespace == policy.Namespace
			if p.NamespaceSelector != nil {
				here = selects(t, p.NamespaceSelector, labels.Set{"kubernetes.io/metadata.name": from.namespace})
			}
			if p.IPBlock == nil && here && (p.PodSelector == nil || selects(t, p.PodSelector, from.labels)) {
				return true
			}
		}
	}
	return false
}

// hasPort tells whether a rule is about a port of a container, by its name or its number.
func hasPort(ports []networkingv1.NetworkPolicyPort, port *corev1.ContainerPort) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p networkingv1.NetworkPolicyPort) bool {
		return p.Port == nil || *p.Port == intstr.FromString(port.Name) || *p.Port == intstr.FromInt32(port.ContainerPort)
	})
}

// peersAt are the peers that a policy names for a port.
func peersAt(policy *networkingv1.NetworkPolicy, port string) []networkingv1.NetworkPolicyPeer {
	var peers []networkingv1.NetworkPolicyPeer
	for _, rule := range policy.Spec.Ingress {
		if hasPort(rule.Ports, &corev1.ContainerPort{Name: port}) {
			peers = append(peers, rule.From...)
		}
	}
	return peers
}

func selects(t *testing.T, selector *metav1.LabelSelector, set labels.Set) bool {
	t.Helper()
	selected, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return selected.Matches(set)
}
