package validate

import (
	"fmt"
	"net/url"
	"path"
	"regexp"

	corev1 "k8s.io/api/core/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// Workspace checks the spec of a Workspace, but for the inside of its pod template.
func Workspace(spec *autov1alpha1.WorkspaceSpec) Problems {
	var p Problems
	if spec.Unreadable != "" {
		p.Add("spec", "cannot be read: %s", spec.Unreadable)
	}
	p.pod(spec)
	p.source(spec)
	p.environment(spec)
	if spec.IdleTimeout != "" {
		p.Duration("spec.idleTimeout", spec.IdleTimeout)
	}
	if level := spec.PulumiLogLevel; level != nil && *level < 0 {
		p.Add("spec.pulumiLogLevel", "is %d: it has to be 0 (off) or more", *level)
	}
	p.Kubeconfig("spec.kubeconfig", spec.Kubeconfig)
	names := map[string]int{}
	for i := range spec.Stacks {
		at := fmt.Sprintf("spec.stacks[%d]", i)
		p.once(names, at+".name", spec.Stacks[i].Name, "spec.stacks[%d].name", i)
		p.stack(at, &spec.Stacks[i])
	}
	return p
}

// pod checks what the pod is made of.
func (p *Problems) pod(spec *autov1alpha1.WorkspaceSpec) {
	if spec.ServiceAccountName != "" {
		p.ObjectName("spec.serviceAccountName", "ServiceAccount", spec.ServiceAccountName)
	}
	switch spec.SecurityProfile {
	case "", autov1alpha1.SecurityProfileRestricted, autov1alpha1.SecurityProfileBaseline:
	default:
		p.Add("spec.securityProfile", "%s is neither %q nor %q", Quote(string(spec.SecurityProfile)),
			autov1alpha1.SecurityProfileRestricted, autov1alpha1.SecurityProfileBaseline)
	}
	if spec.Image != "" {
		p.Image("spec.image", spec.Image)
	}
	switch spec.ImagePullPolicy {
	case "", corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever:
	default:
		p.Add("spec.imagePullPolicy", "%s is none of Always, IfNotPresent and Never", Quote(string(spec.ImagePullPolicy)))
	}
	if spec.AgentPath != "" && !path.IsAbs(spec.AgentPath) {
		p.Add("spec.agentPath", "%s is no absolute path of a file in the image", Quote(spec.AgentPath))
	}
	if template := spec.PodTemplate; template != nil {
		p.Labels("spec.podTemplate.metadata.labels", template.Metadata.Labels)
		p.Annotations("spec.podTemplate.metadata.annotations", template.Metadata.Annotations)
	}
}

// source checks what says where the program is: the first of the sources, since the others have no effect.
func (p *Problems) source(spec *autov1alpha1.WorkspaceSpec) {
	switch {
	case spec.Git != nil:
		p.Git("spec.git", spec.Git)
	case spec.Flux != nil:
		p.flux("spec.flux", spec.Flux)
	case spec.Local != nil:
	case spec.ProjectInfo != nil:
		p.ProjectName("spec.projectInfo.name", spec.ProjectInfo.Name)
		p.Text("spec.projectInfo.runtime", spec.ProjectInfo.Runtime)
	}
}

// digest is what an archive may have, in Flux's words.
var digest = regexp.MustCompile(`^(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$`)

// IsDigest tells whether a text is the digest of an archive.
func IsDigest(text string) bool { return digest.MatchString(text) }

// flux checks an archive. Its URL is not shown, since it may have a password in it.
func (p *Problems) flux(at string, flux *autov1alpha1.FluxSource) {
	switch {
	case flux.Digest == "":
		p.Add(at+".digest", "is missing: give the digest of the archive as sha256:<hex>")
	case !IsDigest(flux.Digest):
		p.Add(at+".digest", "%s is not a sha256, sha384 or sha512 digest, such as sha256:<64 hexadecimal digits>", Quote(flux.Digest))
	}
	parsed, err := url.Parse(flux.URL)
	if flux.URL != "" && (err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "") {
		p.Add(at+".url", "is not a URL that begins with http:// or https:// and names a host")
	}
}

// environment checks the variables of the pulumi container. What they refer to may come by itself.
func (p *Problems) environment(spec *autov1alpha1.WorkspaceSpec) {
	names := map[string]int{}
	for i, variable := range spec.Env {
		at := fmt.Sprintf("spec.env[%d]", i)
		p.EnvName(at+".name", variable.Name)
		p.EnvValue(at+".value", variable.Name, variable.Value)
		p.once(names, at+".name", variable.Name, "spec.env[%d].name", i)
	}
	for i, from := range spec.EnvFrom {
		at := fmt.Sprintf("spec.envFrom[%d]", i)
		if from.ConfigMapRef != nil {
			p.ObjectName(at+".configMapRef.name", "ConfigMap", from.ConfigMapRef.Name)
		}
		if from.SecretRef != nil {
			p.ObjectName(at+".secretRef.name", "Secret", from.SecretRef.Name)
		}
	}
}

// Kubeconfig checks where a kubeconfig comes from.
func (p *Problems) Kubeconfig(at string, from *autov1alpha1.KubeconfigSource) {
	if from == nil {
		return
	}
	switch from.Type {
	case "", autov1alpha1.KubeconfigInCluster, autov1alpha1.KubeconfigNone:
	case autov1alpha1.KubeconfigSecret:
		if from.SecretRef == nil {
			p.Add(at+".secretRef", "is needed with type Secret")
			return
		}
		p.ObjectName(at+".secretRef.name", "Secret", from.SecretRef.Name)
		p.DataKey(at+".secretRef.key", from.SecretRef.Key)
	default:
		p.Add(at+".type", "is %s: it has to be InCluster, None or Secret", Quote(string(from.Type)))
	}
}

// stack checks one stack and its configuration.
func (p *Problems) stack(at string, stack *autov1alpha1.WorkspaceStack) {
	p.StackName(at+".name", stack.Name)
	if stack.SecretsProvider != nil && *stack.SecretsProvider != "" {
		p.Text(at+".secretsProvider", *stack.SecretsProvider)
	}
	keys := map[string]int{}
	for i := range stack.Config {
		item := &stack.Config[i]
		place := fmt.Sprintf("%s.config[%d]", at, i)
		p.ConfigKey(place+".key", item.Key, item.Path != nil && *item.Path)
		p.once(keys, place+".key", item.Key, at+".config[%d].key", i)
		p.item(place, item)
	}
	for i, environment := range stack.Environment {
		p.Text(fmt.Sprintf("%s.environment[%d]", at, i), environment)
	}
}

// item checks where a configuration value comes from.
func (p *Problems) item(at string, item *autov1alpha1.ConfigItem) {
	from := item.ValueFrom
	switch {
	case item.Value != nil && from != nil:
		p.Add(at, "config %s has both value and valueFrom: keep one", Quote(item.Key))
	case item.Value != nil:
	case from == nil || (from.Env == "") == (from.Path == ""):
		p.Add(at, "config %s needs exactly one of value, valueFrom.env and valueFrom.path", Quote(item.Key))
	case from.Env != "":
		p.EnvName(at+".valueFrom.env", from.Env)
	default:
		p.Text(at+".valueFrom.path", from.Path)
	}
}

// once notes where a name is, and says so if it was there before. first is the format of the path of its first place.
func (p *Problems) once(seen map[string]int, at, name, first string, i int) {
	if before, again := seen[name]; again {
		p.Add(at, "%s is there already, at "+first+": keep one", Quote(name), before)
		return
	}
	seen[name] = i
}
