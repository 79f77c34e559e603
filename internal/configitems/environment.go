package configitems

import (
	corev1 "k8s.io/api/core/v1"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
)

// Environment is the environment of a stack's pulumi container: the backend, the access token and envRefs, the latter
// sorted by name. A reference that cannot work is a failure.TerminalError that names the field.
func Environment(namespace string, spec *pulumiv1.StackSpec) ([]corev1.EnvVar, error) {
	var env []corev1.EnvVar
	if spec.Backend != "" {
		env = append(env, corev1.EnvVar{Name: "PULUMI_BACKEND_URL", Value: spec.Backend})
	}
	if spec.AccessTokenSecret != "" {
		env = append(env, fromSecret("PULUMI_ACCESS_TOKEN", spec.AccessTokenSecret, "accessToken"))
	}
	for _, name := range sorted(spec.EnvRefs) {
		ref := spec.EnvRefs[name]
		if err := check("spec.envRefs["+name+"]", namespace, ref); err != nil {
			return nil, err
		}
		if ref.SelectorType == pulumiv1.ResourceRefLiteral {
			env = append(env, corev1.EnvVar{Name: name, Value: ref.LiteralRef.Value})
			continue
		}
		env = append(env, fromSecret(name, ref.SecretRef.Name, ref.SecretRef.Key))
	}
	return env, nil
}

// EnvironmentFrom is what the deprecated envs (ConfigMaps) and envSecrets (Secrets) add, in this order.
func EnvironmentFrom(spec *pulumiv1.StackSpec) []corev1.EnvFromSource {
	var from []corev1.EnvFromSource
	for _, name := range spec.Envs {
		from = append(from, corev1.EnvFromSource{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}})
	}
	for _, name := range spec.EnvSecrets {
		from = append(from, corev1.EnvFromSource{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}})
	}
	return from
}

func fromSecret(name, secret, key string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key,
	}}}
}

// check says whether a reference can work at all.
func check(field, namespace string, ref pulumiv1.ResourceRef) error {
	invalid := func(format string, args ...any) error {
		return failure.NewTerminal(pulumiv1.ReasonSpecInvalid, field+": "+format, args...)
	}
	switch ref.SelectorType {
	case pulumiv1.ResourceRefEnv, pulumiv1.ResourceRefFS:
		return invalid("ref type %q is deprecated and no longer works; use Secret or Literal", ref.SelectorType)
	case pulumiv1.ResourceRefLiteral:
		if ref.LiteralRef == nil {
			return invalid(`type is Literal, but "literal" is missing`)
		}
	case pulumiv1.ResourceRefSecret:
		switch {
		case ref.SecretRef == nil:
			return invalid(`type is Secret, but "secret" is missing`)
		case ref.SecretRef.Namespace != "" && ref.SecretRef.Namespace != namespace:
			return invalid("cross-namespace references are not allowed: the Secret %s is in namespace %q, the Stack in %q",
				ref.SecretRef.Name, ref.SecretRef.Namespace, namespace)
		}
	default:
		return invalid("unknown type %q; use Secret or Literal", ref.SelectorType)
	}
	return nil
}
