package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
)

// GitSource is a commit of a git repository.
type GitSource struct {
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
	Auth *GitAuth `json:"auth,omitempty"`
	// shallow asks for one commit instead of the history. The history is never fetched.
	// +optional
	Shallow bool `json:"shallow,omitempty"`
	// paths are files and directories of the repository, from its root, that the program needs beside dir. When given,
	// nothing else is fetched. Default: the whole repository.
	// +listType=atomic
	// +optional
	Paths []string `json:"paths,omitempty"`
	// recurseSubmodules fetches the submodules, and theirs, too. Default: true.
	// +optional
	RecurseSubmodules *bool `json:"recurseSubmodules,omitempty"`
}

// GitAuth is how to authenticate to a git host. Every field names a key of a Secret.
type GitAuth struct {
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
	GitHubApp *GitHubAppAuth `json:"githubApp,omitempty"`
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

// GitHubAppAuth names an installation of a GitHub App and its key.
type GitHubAppAuth struct {
	// appID is the App's ID.
	// +required
	AppID *corev1.SecretKeySelector `json:"appID"`
	// installationID is the installation's ID.
	// +required
	InstallationID *corev1.SecretKeySelector `json:"installationID"`
	// privateKey is the App's private key, in PEM.
	// +required
	PrivateKey *corev1.SecretKeySelector `json:"privateKey"`
}

// FluxSource is a tar.gz archive that is named by its digest.
type FluxSource struct {
	// url of the archive.
	// +optional
	URL string `json:"url,omitempty"`
	// digest of the archive, as "sha256:<hex>".
	// +optional
	Digest string `json:"digest,omitempty"`
	// dir is the directory of the program in the archive.
	// +optional
	Dir string `json:"dir,omitempty"`
}

// LocalSource is a directory of the image.
type LocalSource struct {
	// dir is the directory of the program.
	// +optional
	Dir string `json:"dir,omitempty"`
}

// ProjectInfo is what Pulumi needs to know of a project to work on its stacks' state.
type ProjectInfo struct {
	// name of the project.
	// +required
	Name string `json:"name"`
	// runtime of the project, such as "yaml" or "nodejs".
	// +required
	Runtime string `json:"runtime"`
}
