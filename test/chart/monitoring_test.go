package chart

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// The PrometheusRule has the rules that promtool tests, word for word: nothing in them is taken for a template of Helm's.
func TestAlerts(t *testing.T) {
	all := template(t, "--set", "alerts.enabled=true,alerts.namespace=monitoring,alerts.labels.release=prometheus")
	rule := all["PrometheusRule gantry-manager"]
	if rule == nil {
		t.Fatal("there is no PrometheusRule")
	}
	text, err := os.ReadFile(filepath.Join(root, "config/prometheus/alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	file := map[string]any{}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if groups, _ := file["groups"].([]any); len(groups) == 0 {
		t.Fatal("the file has no groups of rules")
	}
	if diff := cmp.Diff(any(file), rule.Object["spec"]); diff != "" {
		t.Errorf("the rules (-file +chart):\n%s", diff)
	}
	if rule.GetNamespace() != "monitoring" || rule.GetLabels()["release"] != "prometheus" || rule.GetAPIVersion() != "monitoring.coreos.com/v1" {
		t.Errorf("the PrometheusRule is %s in %s with labels %v", rule.GetAPIVersion(), rule.GetNamespace(), rule.GetLabels())
	}
}

// The ConfigMap has the dashboard that is in the repository, with the label that Grafana's sidecar looks for.
func TestDashboard(t *testing.T) {
	all := template(t, "--set", "dashboard.enabled=true,dashboard.annotations.grafana_folder=Platform,dashboard.labels.team=infra")
	settings := as[corev1.ConfigMap](t, all, "ConfigMap gantry-dashboard")
	text, err := os.ReadFile(filepath.Join(root, "config/prometheus/dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file, rendered map[string]any
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(settings.Data["gantry.json"]), &rendered); err != nil {
		t.Fatalf("the ConfigMap's dashboard: %v", err)
	}
	if diff := cmp.Diff(file, rendered); diff != "" {
		t.Errorf("the dashboard (-file +chart):\n%s", diff)
	}
	if settings.Labels["grafana_dashboard"] != "1" || settings.Labels["team"] != "infra" || settings.Annotations["grafana_folder"] != "Platform" || settings.Namespace != namespace {
		t.Errorf("the ConfigMap is %+v", settings.ObjectMeta)
	}
}

// By default nothing is made whose kind a cluster may lack.
func TestMonitoringIsAnOption(t *testing.T) {
	for key, object := range template(t) {
		if object.GroupVersionKind().Group == "monitoring.coreos.com" || object.GetKind() == "ConfigMap" {
			t.Errorf("by default there is %s", key)
		}
	}
}
