// Package claim owns which of several Stacks has a stack of a backend that they all name: what a Stack claims, as far as
// its spec tells (pure), and a tracker of the claims of all Stacks. A claim is only ever held against another Stack where
// both are certain to mean the same stack: where that is open, the backend's own lock has to decide.
package claim

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Variables of the environment that tell which backend is meant.
const (
	backendVariable = "PULUMI_BACKEND_URL"
	tokenVariable   = "PULUMI_ACCESS_TOKEN"
)

// Claim says which stack of which backend a Stack means.
type Claim struct {
	// Key is the same for two Stacks that mean the same backend and the same name of a stack.
	Key string
	// Project is that of the stack, where its name tells; otherwise it is that of the program.
	Project string
	// Bare says that nothing but the program may name the backend, so that its project file has to be looked at.
	Bare bool
	// Words name the stack and the backend for people. They have nothing secret.
	Words string
}

// Of reads a claim from the name of a stack and the pod that works on it. ok is false where they do not tell.
func Of(namespace, stack string, spec *corev1.PodSpec) (claim Claim, ok bool) {
	e := environmentOf(namespace, spec)
	where, ok := e.backend(spec)
	if !ok {
		return Claim{}, false
	}
	name, organization := stack, ""
	parts := strings.Split(stack, "/")
	switch len(parts) {
	case 1:
	case 2:
		organization, name = parts[0], parts[1]
	case 3:
		organization, claim.Project, name = parts[0], parts[1], parts[2]
	default:
		return Claim{}, false
	}
	if where.flat {
		organization = "" // such a backend has no organizations, whatever the name says
	} else if organization == "" {
		// The default organization is that of the token.
		token, known := e.variable(tokenVariable)
		if !known || token == "" {
			return Claim{}, false
		}
		organization = "default of " + token
	}
	claim.Key = strings.Join([]string{where.key, organization, name}, "\n")
	claim.Bare = where.bare
	claim.Words = fmt.Sprintf("stack %q in %s", stack, where.words)
	return claim, true
}

// environment is that of the container that runs pulumi.
type environment struct {
	namespace string
	named     map[string]corev1.EnvVar
	// from are whole Secrets and ConfigMaps, which may hold any variable.
	from []corev1.EnvFromSource
	// more says that init containers may have added to it.
	more bool
}

func environmentOf(namespace string, spec *corev1.PodSpec) environment {
	e := environment{namespace: namespace, named: map[string]corev1.EnvVar{}}
	container := pulumi(spec)
	if container == nil {
		return e
	}
	for _, variable := range container.Env {
		e.named[variable.Name] = variable
	}
	e.from = container.EnvFrom
	for _, init := range spec.InitContainers {
		e.more = e.more || init.Name != "bootstrap"
	}
	return e
}

// variable stands for the value of a variable: the same for two that are certain to have the same. It is empty for one
// that is not set; known is false where nothing can be said.
func (e environment) variable(name string) (value string, known bool) {
	variable, there := e.named[name]
	switch from := variable.ValueFrom; {
	case !there && len(e.from) > 0:
		return e.whole(), true
	case !there:
		return "", !e.more
	case from == nil && strings.Contains(variable.Value, "$("):
		return "", false // made of others
	case from == nil && variable.Value == "":
		return "", true
	case from == nil:
		return "=" + variable.Value, true
	case from.SecretKeyRef != nil:
		return fmt.Sprintf("Secret %s/%s %s", e.namespace, from.SecretKeyRef.Name, from.SecretKeyRef.Key), true
	case from.ConfigMapKeyRef != nil:
		return fmt.Sprintf("ConfigMap %s/%s %s", e.namespace, from.ConfigMapKeyRef.Name, from.ConfigMapKeyRef.Key), true
	default:
		return "", false
	}
}

// whole stands for all that comes from whole Secrets and ConfigMaps.
func (e environment) whole() string {
	words := []string{"of " + e.namespace}
	for _, from := range e.from {
		switch {
		case from.SecretRef != nil:
			words = append(words, from.Prefix+" Secret "+from.SecretRef.Name)
		case from.ConfigMapRef != nil:
			words = append(words, from.Prefix+" ConfigMap "+from.ConfigMapRef.Name)
		}
	}
	return strings.Join(words, ", ")
}

// literal is the value of a variable that stands in the spec itself.
func (e environment) literal(name string) (value string, ok bool) {
	variable, there := e.named[name]
	return variable.Value, there && variable.ValueFrom == nil && variable.Value != "" && !strings.Contains(variable.Value, "$(")
}

// pulumi is the container that runs it.
func pulumi(spec *corev1.PodSpec) *corev1.Container {
	for i := range spec.Containers {
		if spec.Containers[i].Name == "pulumi" {
			return &spec.Containers[i]
		}
	}
	return nil
}
