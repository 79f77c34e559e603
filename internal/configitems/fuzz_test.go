package configitems_test

import (
	"encoding/json"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/configitems"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/validate"
)

// FuzzOf: whatever a Stack's configuration and environment hold, they become what a Workspace takes, or an error that
// says where the problem is and tells no value.
func FuzzOf(f *testing.F) {
	f.Add(`{"a":1,"aws:region":"x","b":{"c":[null]}}`, "key", "name", "data.key", "Secret", "hunter2")
	f.Add(`"foo"`, "a:b:c", "", "", "", "")
	f.Add(`[1]`, "", "a/b", "../x", "Literal", "v\x00")
	f.Add(`null`, "k", strings.Repeat("a", 300), strings.Repeat("k", 300), "Env", "v")
	f.Add(`{"k":`, "k", "with.dots", "k", "FS", "v")
	f.Add(`{"k":null,"":2}`, "k]\n", "ü", "=", "Vault", "v")
	f.Fuzz(func(t *testing.T, config, key, name, dataKey, kind, value string) {
		value = "value-" + value
		ref := pulumiv1.ResourceRef{SelectorType: pulumiv1.ResourceRefType(kind)}
		switch kind {
		case "Literal":
			ref.LiteralRef = &pulumiv1.LiteralRef{Value: value}
		case "Secret":
			ref.SecretRef = &pulumiv1.SecretSelector{Name: name, Key: dataKey}
		}
		spec := &pulumiv1.StackSpec{
			Stack: "dev", Backend: value, AccessTokenSecret: name, Envs: []string{name},
			Config:     &apiextensionsv1.JSON{Raw: []byte(config)},
			ConfigRef:  map[string]pulumiv1.ConfigMapRef{key: {Name: name, Key: dataKey}},
			SecretsRef: map[string]pulumiv1.ResourceRef{key + "s": ref}, Secrets: map[string]string{key + "c": value},
			EnvRefs: map[string]pulumiv1.ResourceRef{key: ref},
		}
		items, err := configitems.Of("ns", spec)
		env, errEnv := configitems.Environment("ns", spec)
		if (err == nil) != (errEnv == nil) {
			t.Fatalf("configuration: %v, environment: %v", err, errEnv)
		}
		if err != nil {
			checkProblem(t, err, value)
			return
		}
		workspace := &autov1alpha1.WorkspaceSpec{Env: env, Stacks: []autov1alpha1.WorkspaceStack{{Name: "dev", Config: items.Config}}}
		if problems := validate.Workspace(workspace); len(problems) > 0 {
			t.Errorf("they make a Workspace that does not work: %s", problems)
		}
		for _, item := range items.Config {
			if item.Value != nil && !json.Valid(item.Value.Raw) {
				t.Errorf("%q is not JSON", item.Key)
			}
		}
		for _, volume := range items.Volumes {
			if problems := validation.IsDNS1123Label(volume.Name); len(problems) > 0 {
				t.Errorf("volume %q: %v", volume.Name, problems)
			}
		}
	})
}

func checkProblem(t *testing.T, err error, value string) {
	t.Helper()
	if _, ok := failure.AsTerminal(err); !ok || !strings.HasPrefix(err.Error(), "spec.") {
		t.Errorf("the error does not say where: %v", err)
	}
	if len(value) > len("value-")+8 && strings.Contains(err.Error(), value) {
		t.Errorf("the error tells a value: %v", err)
	}
}
