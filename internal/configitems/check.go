package configitems

import (
	"encoding/json"
	"fmt"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/validate"
)

// Check says all that is wrong with the environment and the configuration of a Stack of the given namespace.
func Check(namespace string, spec *pulumiv1.StackSpec) validate.Problems {
	var p validate.Problems
	checkEnvironment(&p, namespace, spec)
	seen := map[string]string{}
	key := func(field, name string) {
		at := validate.At(field, name)
		p.ConfigKey(at, name, false)
		if before, again := seen[name]; again {
			p.Add(at, "the key %s is in %s too: keep one", validate.Quote(name), before)
		}
		seen[name] = field
	}
	if values, ok := readConfig(spec.Config); ok {
		for _, name := range sorted(values) {
			key("spec.config", name)
		}
	} else {
		p.Add("spec.config", "must be an object of keys and values")
	}
	for _, name := range sorted(spec.ConfigRef) {
		key("spec.configRef", name)
		at := validate.At("spec.configRef", name)
		p.ObjectName(at+".name", "ConfigMap", spec.ConfigRef[name].Name)
		p.DataKey(at+".key", spec.ConfigRef[name].Key)
	}
	for _, name := range sorted(spec.Secrets) {
		key("spec.secrets", name)
	}
	for _, name := range sorted(spec.SecretsRef) {
		key("spec.secretsRef", name)
		CheckReference(&p, validate.At("spec.secretsRef", name), namespace, spec.SecretsRef[name])
	}
	return p
}

func checkEnvironment(p *validate.Problems, namespace string, spec *pulumiv1.StackSpec) {
	if spec.Backend != "" {
		p.EnvValue("spec.backend", backendVariable, spec.Backend)
		// Kubernetes puts other variables in for $(NAME), so that what it comes to is not known.
		if !strings.Contains(spec.Backend, "$(") {
			p.URL("spec.backend", spec.Backend)
		}
	}
	if spec.AccessTokenSecret != "" {
		p.ObjectName("spec.accessTokenSecret", "Secret", spec.AccessTokenSecret)
	}
	for i, name := range spec.Envs {
		p.ObjectName(fmt.Sprintf("spec.envs[%d]", i), "ConfigMap", name)
	}
	for i, name := range spec.EnvSecrets {
		p.ObjectName(fmt.Sprintf("spec.envSecrets[%d]", i), "Secret", name)
	}
	for _, name := range sorted(spec.EnvRefs) {
		checkVariable(p, namespace, spec, name)
	}
}

// checkVariable checks one of envRefs.
func checkVariable(p *validate.Problems, namespace string, spec *pulumiv1.StackSpec, name string) {
	at, ref := validate.At("spec.envRefs", name), spec.EnvRefs[name]
	p.EnvName(at, name)
	switch {
	case name == backendVariable && spec.Backend != "":
		p.Add(at, "spec.backend says the same variable: keep one")
	case name == tokenVariable && spec.AccessTokenSecret != "":
		p.Add(at, "spec.accessTokenSecret says the same variable: keep one")
	}
	CheckReference(p, at, namespace, ref)
	if ref.SelectorType == pulumiv1.ResourceRefLiteral && ref.LiteralRef != nil {
		p.EnvValue(at+".literal.value", name, ref.LiteralRef.Value)
	}
}

// CheckReference says whether a reference can work at all.
func CheckReference(p *validate.Problems, at, namespace string, ref pulumiv1.ResourceRef) {
	switch ref.SelectorType {
	case pulumiv1.ResourceRefEnv, pulumiv1.ResourceRefFS:
		p.Add(at, "ref type %q is deprecated and no longer works; use Secret or Literal", ref.SelectorType)
	case pulumiv1.ResourceRefLiteral:
		if ref.LiteralRef == nil {
			p.Add(at, `type is Literal, but "literal" is missing`)
		}
	case pulumiv1.ResourceRefSecret:
		switch {
		case ref.SecretRef == nil:
			p.Add(at, `type is Secret, but "secret" is missing`)
		case ref.SecretRef.Namespace != "" && ref.SecretRef.Namespace != namespace:
			p.Add(at, "cross-namespace references are not allowed: the Secret %s is in namespace %s, the Stack in %q",
				validate.Quote(ref.SecretRef.Name), validate.Quote(ref.SecretRef.Namespace), namespace)
		default:
			p.ObjectName(at+".secret.name", "Secret", ref.SecretRef.Name)
			p.DataKey(at+".secret.key", ref.SecretRef.Key)
		}
	default:
		p.Add(at, "unknown type %s; use Secret or Literal", validate.Quote(string(ref.SelectorType)))
	}
}

// readConfig gives the values of spec.config by their keys; none where there is nothing. It says false for what is no
// object.
func readConfig(config *apiextensionsv1.JSON) (map[string]json.RawMessage, bool) {
	if config == nil || len(config.Raw) == 0 || string(config.Raw) == "null" {
		return nil, true
	}
	var values map[string]json.RawMessage
	return values, json.Unmarshal(config.Raw, &values) == nil
}
