package configitems

import (
	corev1 "k8s.io/api/core/v1"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// Variables that fields of their own set.
const (
	backendVariable = "PULUMI_BACKEND_URL"
	tokenVariable   = "PULUMI_ACCESS_TOKEN"
)

// Environment is the environment of a stack's pulumi container: the backend, the access token and envRefs, the latter
// sorted by name. What Check complains of is a failure.TerminalError.
func Environment(namespace string, spec *pulumiv1.StackSpec) ([]corev1.EnvVar, error) {
	if err := invalid(Check(namespace, spec)); err != nil {
		return nil, err
	}
	var env []corev1.EnvVar
	if spec.Backend != "" {
		env = append(env, corev1.EnvVar{Name: backendVariable, Value: spec.Backend})
	}
	if spec.AccessTokenSecret != "" {
		env = append(env, fromSecret(tokenVariable, spec.AccessTokenSecret, "accessToken"))
	}
	for _, name := range sorted(spec.EnvRefs) {
		ref := spec.EnvRefs[name]
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
