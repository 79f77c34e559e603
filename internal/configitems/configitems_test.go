package configitems_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/configitems"
	"github.com/gantry-operator/gantry/internal/failure"
)

func secret(namespace, name, key string) pulumiv1.ResourceRef {
	return pulumiv1.ResourceRef{SelectorType: pulumiv1.ResourceRefSecret, SecretRef: &pulumiv1.SecretSelector{Namespace: namespace, Name: name, Key: key}}
}

func literal(value string) pulumiv1.ResourceRef {
	return pulumiv1.ResourceRef{SelectorType: pulumiv1.ResourceRefLiteral, LiteralRef: &pulumiv1.LiteralRef{Value: value}}
}

// asYAML shows a value the way a user would see it.
func asYAML(t *testing.T, value any) string {
	t.Helper()
	text, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOf(t *testing.T) {
	spec := &pulumiv1.StackSpec{
		Config:     &apiextensionsv1.JSON{Raw: []byte(`{"z":"plain","a":{"x":1},"n":1.5,"b":true,"l":[1,"two"]}`)},
		ConfigRef:  map[string]pulumiv1.ConfigMapRef{"c": {Name: "cmx", Key: "f.json", JSON: new(true)}, "d": {Name: "cmx", Key: "g"}},
		Secrets:    map[string]string{"pw": `say "hi"`},
		SecretsRef: map[string]pulumiv1.ResourceRef{"t": secret("", "s2", "kk"), "u": literal("lit")},
	}
	items, err := configitems.Of("ns", spec)
	if err != nil {
		t.Fatal(err)
	}
	want := `- key: a
  secret: false
  value:
    x: 1
- key: b
  secret: false
  value: true
- key: l
  secret: false
  value:
  - 1
  - two
- key: "n"
  secret: false
  value: 1.5
- key: z
  secret: false
  value: plain
- key: c
  secret: false
  valueFrom:
    json: true
    path: /var/run/configmaps/stacks.pulumi.com/configmaps/cmx/f.json
- key: d
  secret: false
  valueFrom:
    path: /var/run/configmaps/stacks.pulumi.com/configmaps/cmx/g
- key: pw
  secret: true
  value: say "hi"
- key: t
  secret: true
  valueFrom:
    path: /var/run/secrets/stacks.pulumi.com/secrets/s2/kk
- key: u
  secret: true
  value: lit
`
	if diff := cmp.Diff(want, asYAML(t, items.Config)); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	mounts := `- mountPath: /var/run/configmaps/stacks.pulumi.com/configmaps/cmx
  name: configmap-cmx
- mountPath: /var/run/secrets/stacks.pulumi.com/secrets/s2
  name: secret-s2
`
	if diff := cmp.Diff(mounts, asYAML(t, items.Mounts)); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
	if len(items.Volumes) != 2 || items.Volumes[0].ConfigMap.Name != "cmx" || items.Volumes[1].Secret.SecretName != "s2" {
		t.Errorf("volumes: %s", asYAML(t, items.Volumes))
	}
}

func TestEnvironment(t *testing.T) {
	spec := &pulumiv1.StackSpec{
		Backend: "s3://b", AccessTokenSecret: "tok", Envs: []string{"cm1"}, EnvSecrets: []string{"sec1"},
		EnvRefs: map[string]pulumiv1.ResourceRef{"B": literal("1"), "A": secret("ns", "s1", "k")},
	}
	env, err := configitems.Environment("ns", spec)
	if err != nil {
		t.Fatal(err)
	}
	want := `- name: PULUMI_BACKEND_URL
  value: s3://b
- name: PULUMI_ACCESS_TOKEN
  valueFrom:
    secretKeyRef:
      key: accessToken
      name: tok
- name: A
  valueFrom:
    secretKeyRef:
      key: k
      name: s1
- name: B
  value: "1"
`
	if diff := cmp.Diff(want, asYAML(t, env)); diff != "" {
		t.Errorf("env (-want +got):\n%s", diff)
	}
	from := "- configMapRef:\n    name: cm1\n- secretRef:\n    name: sec1\n"
	if diff := cmp.Diff(from, asYAML(t, configitems.EnvironmentFrom(spec))); diff != "" {
		t.Errorf("envFrom (-want +got):\n%s", diff)
	}
}

func TestReferencesThatCannotWork(t *testing.T) {
	cases := map[string]struct {
		ref  pulumiv1.ResourceRef
		want string
	}{
		"Env":            {pulumiv1.ResourceRef{SelectorType: pulumiv1.ResourceRefEnv}, `ref type "Env" is deprecated`},
		"FS":             {pulumiv1.ResourceRef{SelectorType: pulumiv1.ResourceRefFS}, `ref type "FS" is deprecated`},
		"CrossNamespace": {secret("other", "s", "k"), "cross-namespace"},
		"NoSecret":       {pulumiv1.ResourceRef{SelectorType: pulumiv1.ResourceRefSecret}, `"secret" is missing`},
		"NoLiteral":      {pulumiv1.ResourceRef{SelectorType: pulumiv1.ResourceRefLiteral}, `"literal" is missing`},
		"Unknown":        {pulumiv1.ResourceRef{SelectorType: "Vault"}, `unknown type "Vault"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			refs := map[string]pulumiv1.ResourceRef{"KEY": tc.ref}
			_, envErr := configitems.Environment("ns", &pulumiv1.StackSpec{EnvRefs: refs})
			_, secretErr := configitems.Of("ns", &pulumiv1.StackSpec{SecretsRef: refs})
			for field, err := range map[string]error{"spec.envRefs[KEY]": envErr, "spec.secretsRef[KEY]": secretErr} {
				terminal, ok := failure.AsTerminal(err)
				if !ok || terminal.Reason != pulumiv1.ReasonSpecInvalid {
					t.Fatalf("%s: %v is not a terminal SpecInvalid", field, err)
				}
				if !strings.HasPrefix(err.Error(), field) || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("message %q does not name %s and say %q", err, field, tc.want)
				}
			}
		})
	}
	if _, err := configitems.Of("ns", &pulumiv1.StackSpec{Config: &apiextensionsv1.JSON{Raw: []byte(`["a"]`)}}); err == nil {
		t.Error("a list was taken for a configuration")
	}
}

// TestVolumeNames: an object's name may be longer than a volume's, and have dots.
func TestVolumeNames(t *testing.T) {
	long := strings.Repeat("a", 100)
	refs := map[string]pulumiv1.ConfigMapRef{}
	for _, name := range []string{"plain", "with.dots", "with-dots", long, long + "b", strings.Repeat("x.", 126) + "y"} {
		refs["k"+name] = pulumiv1.ConfigMapRef{Name: name, Key: "k"}
	}
	items, err := configitems.Of("ns", &pulumiv1.StackSpec{ConfigRef: refs})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, volume := range items.Volumes {
		if problems := validation.IsDNS1123Label(volume.Name); len(problems) > 0 || seen[volume.Name] {
			t.Errorf("volume %s of ConfigMap %s: %v, there twice: %t", volume.Name, volume.ConfigMap.Name, problems, seen[volume.Name])
		}
		seen[volume.Name] = true
		if mount := items.Mounts[i]; mount.Name != volume.Name || !strings.HasSuffix(mount.MountPath, "/configmaps/"+volume.ConfigMap.Name) {
			t.Errorf("ConfigMap %s is mounted as %+v", volume.ConfigMap.Name, mount)
		}
	}
	if !seen["configmap-plain"] || !seen["configmap-with-dots"] || len(seen) != len(refs) {
		t.Errorf("volumes %v", seen)
	}
}
