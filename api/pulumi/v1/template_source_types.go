package v1

import (
	corev1 "k8s.io/api/core/v1"
)

// TemplateGitSource is a partial git source of a Workspace.
type TemplateGitSource struct {
	// url of the repository.
	// +optional
	URL string `json:"url,omitempty"`
	// ref is a commit, branch or tag.
	// +optional
	Ref string `json:"ref,omitempty"`
	// dir is the directory of the program in the repository.
	// +optional
	Dir string `json:"dir,omitempty"`
	// auth says how to authenticate.
	// +optional
	Auth *TemplateGitAuth `json:"auth,omitempty"`
	// shallow asks for one commit instead of the history. The history is never fetched.
	// +optional
	Shallow *bool `json:"shallow,omitempty"`
	// paths are files and directories of the repository, from its root, that the program needs beside dir. When given,
	// nothing else is fetched. Default: the whole repository.
	// +listType=atomic
	// +optional
	Paths []string `json:"paths,omitempty"`
	// recurseSubmodules fetches the submodules, and theirs, too. Default: true.
	// +optional
	RecurseSubmodules *bool `json:"recurseSubmodules,omitempty"`
}

// TemplateGitAuth is partly how to authenticate to a git host. Every field names a key of a Secret.
type TemplateGitAuth struct {
	// sshPrivateKey is a private key for SSH.
	// +optional
	SSHPrivateKey *corev1.SecretKeySelector `json:"sshPrivateKey,omitempty"`
	// username for basic authentication.
	// +optional
	Username *corev1.SecretKeySelector `json:"username,omitempty"`
	// password for basic authentication, or the passphrase of the private key.
	// +optional
	Password *corev1.SecretKeySelector `json:"password,omitempty"`
	// token for token authentication.
	// +optional
	Token *corev1.SecretKeySelector `json:"token,omitempty"`
	// githubApp authenticates as an installation of a GitHub App.
	// +optional
	GitHubApp *TemplateGitHubAppAuth `json:"githubApp,omitempty"`
	// bearerToken for hosts that take a token as "Authorization: Bearer".
	// +optional
	BearerToken *corev1.SecretKeySelector `json:"bearerToken,omitempty"`
	// knownHosts are lines of a known_hosts file that the host's key has to be among, beside those of the manager.
	// +optional
	KnownHosts *corev1.SecretKeySelector `json:"knownHosts,omitempty"`
	// caBundle are certificate authorities, in PEM, that the host is trusted by too.
	// +optional
	CABundle *corev1.SecretKeySelector `json:"caBundle,omitempty"`
}

// TemplateGitHubAppAuth names, in part, an installation of a GitHub App and its key.
type TemplateGitHubAppAuth struct {
	// appID is the App's ID.
	// +optional
	AppID *corev1.SecretKeySelector `json:"appID,omitempty"`
	// installationID is the installation's ID.
	// +optional
	InstallationID *corev1.SecretKeySelector `json:"installationID,omitempty"`
	// privateKey is the App's private key, in PEM.
	// +optional
	PrivateKey *corev1.SecretKeySelector `json:"privateKey,omitempty"`
}

// TemplateProjectInfo is, in part, what Pulumi needs to know of a project.
type TemplateProjectInfo struct {
	// name of the project.
	// +optional
	Name string `json:"name,omitempty"`
	// runtime of the project, such as "yaml" or "nodejs".
	// +optional
	Runtime string `json:"runtime,omitempty"`
}
