package chart

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Every value that PKO's chart 2.9 knows is taken, with what it means there.
func TestPKOsValues(t *testing.T) {
	values := filepath.Join(t.TempDir(), "values.yaml")
	text := `
deploymentStrategy: Recreate
replicaCount: 2
terminationGracePeriodSeconds: 300
image: {registry: registry.example, repository: team/gantry, pullPolicy: Always, tag: v9}
imagePullSecrets: pull
controller: {logLevel: debug, logFormat: console, metricsSecure: false, advertisedAddress: pko.example}
leaderElection: {leaseDuration: 60s, renewDeadline: 45s, retryPeriod: 10s}
kubeAPI: {timeout: 40s}
flux: {maxUntarSizeBytes: "1048576"}
extraEnv: [{name: HTTPS_PROXY, value: "http://proxy.example:3128"}]
rbac: {create: true, createClusterRole: true, createRole: false, createClusterAggregationRoles: false, extraRules: [{apiGroups: [example.com], resources: [sources], verbs: [get]}]}
nameOverride: pulumi
fullnameOverride: pulumi-operator
serviceAccount: {create: true, annotations: {role: arn}, name: runner}
podAnnotations: {pod: a}
deploymentAnnotations: {deployment: a}
serviceAnnotations: {service: a}
podSecurityContext: {runAsNonRoot: true, runAsUser: 1000}
securityContext: {allowPrivilegeEscalation: false}
resources: {limits: {cpu: 200m, memory: 128Mi}}
nodeSelector: {disk: ssd}
tolerations: [{key: infra, operator: Exists}]
affinity: {nodeAffinity: {}}
extraVolumes: [{name: extra, emptyDir: {}}]
extraVolumeMounts: [{name: extra, mountPath: /extra}]
extraPorts: [{name: debug, containerPort: 6060}]
podLabels: {team: infra}
initContainers: [{name: before, image: busybox}]
extraSidecars: [{name: beside, image: busybox}]
serviceMonitor: {enabled: true, namespace: monitoring, interval: 30s, telemetryPath: /metrics, labels: {release: prometheus}, timeout: 10s, targetLabels: [app], metricRelabelings: [{action: keep}]}
`
	if err := os.WriteFile(values, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	all := template(t, "--values", values)
	d := as[appsv1.Deployment](t, all, "Deployment pulumi-operator-manager")
	spec := d.Spec.Template.Spec
	o := options(t, d)
	facts := map[string]bool{
		"strategy":         d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType,
		"replicas":         *d.Spec.Replicas == 2,
		"grace":            *spec.TerminationGracePeriodSeconds == 300,
		"image":            spec.Containers[0].Image == "registry.example/team/gantry:v9" && spec.Containers[0].ImagePullPolicy == "Always",
		"pull Secret":      spec.ImagePullSecrets[0].Name == "pull",
		"metrics":          !o.MetricsSecure && o.MetricsAddress == ":8443",
		"election":         o.LeaseDuration.String() == "1m0s" && o.RenewDeadline.String() == "45s" && o.RetryPeriod.String() == "10s",
		"API timeout":      o.APITimeout.String() == "40s",
		"Flux":             o.FluxMaxUntarSize == 1<<20,
		"log":              slices.Contains(spec.Containers[0].Args, "--zap-log-level=debug") && slices.Contains(spec.Containers[0].Args, "--zap-encoder=console"),
		"hub":              o.HubService == "pulumi-operator-hub" && all["Service pulumi-operator-hub"].GetAnnotations()["service"] == "a",
		"environment":      slices.ContainsFunc(spec.Containers[0].Env, func(e corev1.EnvVar) bool { return e.Name == "HTTPS_PROXY" }),
		"ServiceAccount":   spec.ServiceAccountName == "runner" && all["ServiceAccount runner"].GetAnnotations()["role"] == "arn",
		"pod":              d.Spec.Template.Annotations["pod"] == "a" && d.Spec.Template.Labels["team"] == "infra" && d.Annotations["deployment"] == "a",
		"security":         *spec.SecurityContext.RunAsUser == 1000,
		"resources":        spec.Containers[0].Resources.Limits.Cpu().String() == "200m",
		"placement":        spec.NodeSelector["disk"] == "ssd" && spec.Tolerations[0].Key == "infra" && spec.Affinity != nil,
		"volumes":          spec.Volumes[2].Name == "extra" && spec.Containers[0].VolumeMounts[2].MountPath == "/extra",
		"ports":            spec.Containers[0].Ports[4].Name == "debug",
		"other containers": spec.InitContainers[0].Name == "before" && spec.Containers[1].Name == "beside",
		"user roles":       all["ClusterRole pulumi-operator-view"] == nil,
		"name":             d.Spec.Template.Labels["app.kubernetes.io/name"] == "pulumi",
		// PKO's Role for the election of a leader does not hang on createRole either.
		"Role of its own": all["Role pulumi-operator-manager"] != nil && all["RoleBinding pulumi-operator-manager"] != nil,
	}
	for what, holds := range facts {
		if !holds {
			t.Errorf("%s is not as the values say", what)
		}
	}
	rules := as[rbacv1.ClusterRole](t, all, "ClusterRole pulumi-operator-manager").Rules
	if last := rules[len(rules)-1]; !slices.Equal(last.APIGroups, []string{"example.com"}) {
		t.Errorf("the last rule is %v", last)
	}
	monitor := all["ServiceMonitor pulumi-operator-manager"]
	endpoints, _, err := unstructured.NestedSlice(monitor.Object, "spec", "endpoints")
	if err != nil {
		t.Fatal(err)
	}
	if target, _, err := unstructured.NestedStringSlice(monitor.Object, "spec", "targetLabels"); err != nil || !slices.Equal(target, []string{"app"}) {
		t.Errorf("labels of the target: %v, %v", target, err)
	}
	want := []any{map[string]any{
		"port": "metrics", "path": "/metrics", "interval": "30s", "scrapeTimeout": "10s", "metricRelabelings": []any{map[string]any{"action": "keep"}},
	}}
	if diff := cmp.Diff(want, endpoints); diff != "" || monitor.GetNamespace() != "monitoring" || monitor.GetLabels()["release"] != "prometheus" {
		t.Errorf("ServiceMonitor in %s with labels %v (-want +got):\n%s", monitor.GetNamespace(), monitor.GetLabels(), diff)
	}
}

// The manager tells Flux's notification controller of events if it is given its address, and nobody otherwise.
func TestEventsAddress(t *testing.T) {
	const address = "http://notification-controller.flux-system.svc.cluster.local./"
	if o := options(t, as[appsv1.Deployment](t, template(t, "--set", "controller.eventsAddr="+address), manager)); o.EventsAddress != address {
		t.Errorf("events are told to %q", o.EventsAddress)
	}
	for _, argument := range as[appsv1.Deployment](t, template(t), manager).Spec.Template.Spec.Containers[0].Args {
		if strings.Contains(argument, "events-addr") {
			t.Errorf("without an address there is the argument %s", argument)
		}
	}
}

// PKO's own defaults, written out as `helm show values` does, give a manager that works.
func TestPKOsDefaults(t *testing.T) {
	values := filepath.Join(t.TempDir(), "values.yaml")
	text := `
deploymentStrategy: ""
imagePullSecrets: ""
controller: {logLevel: info, logFormat: console, metricsSecure: true, advertisedAddress: null}
leaderElection: {leaseDuration: 60s, renewDeadline: 45s, retryPeriod: 10s}
flux: {maxUntarSizeBytes: ""}
rbac: {create: true, createClusterRole: true, createRole: false, createClusterAggregationRoles: true, extraRules: []}
extraVolumes: null
extraVolumeMounts: null
extraPorts: null
podSecurityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532}
serviceMonitor: {enabled: true, interval: null, telemetryPath: null, labels: null, timeout: null}
`
	if err := os.WriteFile(values, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	all := template(t, "--values", values)
	if o := options(t, as[appsv1.Deployment](t, all, manager)); o.LeaseDuration.String() != "1m0s" || !o.MetricsSecure || o.FluxMaxUntarSize != 0 {
		t.Errorf("the manager's options are %+v", o)
	}
	leases := slices.ContainsFunc(as[rbacv1.Role](t, all, "Role gantry-manager").Rules, func(rule rbacv1.PolicyRule) bool { return slices.Contains(rule.Resources, "leases") })
	if !leases {
		t.Error("the manager may not elect a leader")
	}
	endpoints, _, err := unstructured.NestedSlice(all["ServiceMonitor gantry-manager"].Object, "spec", "endpoints")
	if err != nil || endpoints[0].(map[string]any)["path"] != "/metrics" {
		t.Errorf("the ServiceMonitor reads %v, %v", endpoints, err)
	}
}

// Numbers of any size go through as they are: a large one is no power of ten to the manager.
func TestLargeNumbers(t *testing.T) {
	values := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(values, []byte("flux: {maxUntarSizeBytes: 10737418240}\nterminationGracePeriodSeconds: 3000000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := as[appsv1.Deployment](t, template(t, "--values", values), manager)
	if o := options(t, d); o.FluxMaxUntarSize != 10<<30 || *d.Spec.Template.Spec.TerminationGracePeriodSeconds != 3000000 {
		t.Errorf("the manager gets %d bytes and %d seconds", o.FluxMaxUntarSize, *d.Spec.Template.Spec.TerminationGracePeriodSeconds)
	}
}

// What is optional is made when it is asked for, and selects what it should.
func TestOptions(t *testing.T) {
	all := template(t, "--set", "replicaCount=2,podDisruptionBudget.enabled=true,webhook.enabled=true,webhook.secretName=hooks")
	d := as[appsv1.Deployment](t, all, manager)
	if o := options(t, d); o.WebhookAddress != ":9445" || o.WebhookSecret != "hooks" {
		t.Errorf("the webhook listens at %q, with Secret %q", o.WebhookAddress, o.WebhookSecret)
	}
	if all["Service gantry-webhook"] == nil {
		t.Error("there is no Service of the webhook")
	}
	budget := as[policyv1.PodDisruptionBudget](t, all, "PodDisruptionBudget gantry-manager")
	if diff := cmp.Diff(d.Spec.Selector, budget.Spec.Selector); diff != "" || budget.Spec.MaxUnavailable.IntValue() != 1 {
		t.Errorf("the disruption budget (-Deployment +budget):\n%s", diff)
	}
}

// With watchNamespaces all that the manager may do in the whole cluster is to ask who somebody is and what he may do.
func TestWatchNamespaces(t *testing.T) {
	all, everywhere := template(t, "--set", "watchNamespaces={team}"), template(t)
	if got := options(t, as[appsv1.Deployment](t, all, manager)).WatchNamespaces; !slices.Equal(got, []string{"team"}) {
		t.Errorf("the manager watches %q", got)
	}
	const name = "ClusterRole gantry-manager"
	cluster, full := as[rbacv1.ClusterRole](t, all, name).Rules, as[rbacv1.ClusterRole](t, everywhere, name).Rules
	var reviews []string
	for _, rule := range cluster {
		reviews = append(reviews, rule.Resources...)
		if !slices.Equal(rule.Verbs, []string{"create"}) {
			t.Errorf("the manager may %v %v everywhere", rule.Verbs, rule.Resources)
		}
	}
	if diff := cmp.Diff([]string{"tokenreviews", "subjectaccessreviews"}, reviews); diff != "" {
		t.Errorf("rights in the whole cluster (-want +got):\n%s", diff)
	}
	role, binding := as[rbacv1.Role](t, all, "Role gantry-manager-stacks"), as[rbacv1.RoleBinding](t, all, "RoleBinding gantry-manager-stacks")
	want := slices.DeleteFunc(slices.Clone(full), func(rule rbacv1.PolicyRule) bool { return slices.Contains(reviews, rule.Resources[0]) })
	if diff := cmp.Diff(want, role.Rules); diff != "" || role.Namespace != "team" || binding.Namespace != "team" {
		t.Errorf("rights in %s, bound in %s (-want +got):\n%s", role.Namespace, binding.Namespace, diff)
	}
	if subject := binding.Subjects[0]; subject.Name != "gantry-manager" || subject.Namespace != namespace || binding.RoleRef.Name != role.Name {
		t.Errorf("it is bound to %+v", binding)
	}
}

// Every value is described.
func TestEveryValueIsDescribed(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "charts/gantry/values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema property
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	schema.Description = "the chart's"
	for _, path := range schema.undescribed("") {
		t.Errorf("value %s is not described", path)
	}
}

// property is a part of a JSON schema.
type property struct {
	Description string              `json:"description"`
	Properties  map[string]property `json:"properties"`
}

// undescribed are the paths of the values without a description.
func (p property) undescribed(path string) []string {
	var missing []string
	if p.Description == "" {
		missing = append(missing, path)
	}
	for name, inner := range p.Properties {
		missing = append(missing, inner.undescribed(path+"."+name)...)
	}
	return missing
}
