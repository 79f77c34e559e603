package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

func TestManagerVersion(t *testing.T) {
	tests := map[string]struct{ image, label, want string }{
		"Tag":               {"ghcr.io/gantry-operator/gantry:1.2.3", "1.0.0", "1.2.3"},
		"RegistryWithAPort": {"registry.example:5000/gantry", "1.0.0", "1.0.0"},
		"Digest":            {"gantry@sha256:0123", "1.0.0", "1.0.0"},
		"TagAndDigest":      {"gantry:1.2.3@sha256:0123", "", "1.2.3"},
		"Development":       {"localhost/gantry:dev", "1.0.0", "dev"},
		"Nothing":           {"gantry", "", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			d := &appsv1.Deployment{}
			d.Spec.Template.Labels = map[string]string{labelVersion: tc.label}
			d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "sidecar", Image: "sidecar:9.9.9"}, {Name: "manager", Image: tc.image}}
			if got := managerVersion(d); got != tc.want {
				t.Errorf("the version is %q, want %q", got, tc.want)
			}
		})
	}
}

func TestVersionsVerdict(t *testing.T) {
	tests := map[string]struct {
		plugin, manager string
		defined         map[string]string
		want            verdict
	}{
		"One":         {"1.2.3", "1.2.3", map[string]string{"a": "1.2.3", "b": "1.2.3"}, verdict{State: stateOK, Found: "plugin 1.2.3, manager 1.2.3, definitions 1.2.3"}},
		"Patch":       {"1.2.3", "1.2.4-rc.1", map[string]string{"a": "1.2.0"}, verdict{State: stateOK, Found: "plugin 1.2.3, manager 1.2.4-rc.1, definitions 1.2.0"}},
		"Development": {"dev", "1.2.3", map[string]string{"a": ""}, verdict{State: stateOK, Found: "plugin dev, manager 1.2.3, definitions unknown"}},
		"NotTold":     {"1.2.3", "", map[string]string{"a": "1.2.3"}, verdict{State: stateOK, Found: "plugin 1.2.3, manager unknown, definitions 1.2.3"}},
		"OldPlugin": {"1.1.9", "1.2.3", map[string]string{"a": "1.2.3"}, verdict{State: stateWarning, Found: "plugin 1.1.9, manager 1.2.3, definitions 1.2.3",
			Advice: "use the plugin of the manager's release, 1.2.3"}},
		"OldKinds": {"1.2.3", "1.2.3", map[string]string{"a": "1.1.0", "b": "1.2.3"}, verdict{State: stateWarning, Found: "plugin 1.2.3, manager 1.2.3, definitions 1.1.0 and 1.2.3",
			Advice: "install the definitions of the manager's release, 1.2.3"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.want.Subject = "versions"
			if diff := cmp.Diff(tc.want, versionsVerdict(tc.plugin, tc.manager, tc.defined)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestKindOfAnotherVersion(t *testing.T) {
	field := func(names ...string) apiextensionsv1.JSONSchemaProps {
		properties := map[string]apiextensionsv1.JSONSchemaProps{}
		for _, name := range names {
			properties[name] = apiextensionsv1.JSONSchemaProps{}
		}
		return apiextensionsv1.JSONSchemaProps{Properties: properties}
	}
	schema := &apiextensionsv1.JSONSchemaProps{Properties: map[string]apiextensionsv1.JSONSchemaProps{"spec": field("suspend"), "status": field("decision")}}
	crd := func(version string, established apiextensionsv1.ConditionStatus) *apiextensionsv1.CustomResourceDefinition {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		crd.Spec.Versions = []apiextensionsv1.CustomResourceDefinitionVersion{{Name: version, Served: true, Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: schema}}}
		crd.Status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{{Type: apiextensionsv1.Established, Status: established}}
		return crd
	}
	kind := func(reads ...string) definition { return definition{"stacks.pulumi.com", "v1", reads} }
	tests := map[string]struct {
		got         verdict
		state, says string
	}{
		"Fits":           {kind("spec.suspend", "status.decision").verdict(crd("v1", "True")), stateOK, "serves v1"},
		"Older":          {kind("spec.suspend", "status.resources").verdict(crd("v1", "True")), stateWarning, "lacks status.resources"},
		"OtherVersion":   {kind().verdict(crd("v2", "True")), stateFailed, "does not serve the version v1"},
		"NotEstablished": {kind().verdict(crd("v1", "False")), stateFailed, "does not serve it yet"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.got.State != tc.state || !strings.Contains(tc.got.Found, tc.says) {
				t.Errorf("the verdict is %+v", tc.got)
			}
		})
	}
}
