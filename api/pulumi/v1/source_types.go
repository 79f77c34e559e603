package v1

// GitSource is a git repository, selected when any of its fields is given.
type GitSource struct {
	// projectRepo is the URL of the repository.
	// +optional
	ProjectRepo string `json:"projectRepo,omitempty"`
	// gitAuthSecret names a Secret with sshPrivateKey (and password), accessToken, bearerToken, or username and password;
	// and, beside any of them, known_hosts and ca.crt.
	// Deprecated: use gitAuth.
	// +optional
	GitAuthSecret string `json:"gitAuthSecret,omitempty"`
	// gitAuth says how to authenticate.
	// +optional
	GitAuth *GitAuthConfig `json:"gitAuth,omitempty"`
	// repoDir is the directory of the program in the repository.
	// +optional
	RepoDir string `json:"repoDir,omitempty"`
	// commit is the commit to run. Exactly one of commit and branch is needed.
	// +optional
	Commit string `json:"commit,omitempty"`
	// branch is the branch, tag or other ref to follow.
	// +optional
	Branch string `json:"branch,omitempty"`
	// shallow asks for one commit instead of the history. The history is never fetched.
	// +optional
	Shallow bool `json:"shallow,omitempty"`
	// repoPaths are files and directories of the repository, from its root, that the program needs beside repoDir. When
	// given, nothing else is fetched, and a commit that changes none of them runs nothing. Default: the whole repository.
	// +listType=atomic
	// +optional
	RepoPaths []string `json:"repoPaths,omitempty"`
	// recurseSubmodules fetches the submodules, and theirs, too. Default: true.
	// +optional
	RecurseSubmodules *bool `json:"recurseSubmodules,omitempty"`
}

// GitAuthConfig is how to authenticate to a git host.
type GitAuthConfig struct {
	// accessToken for token authentication.
	// +optional
	PersonalAccessToken *ResourceRef `json:"accessToken,omitempty"`
	// sshAuth for SSH.
	// +optional
	SSHAuth *SSHAuth `json:"sshAuth,omitempty"`
	// basicAuth for basic authentication.
	// +optional
	BasicAuth *BasicAuth `json:"basicAuth,omitempty"`
	// githubApp authenticates as an installation of a GitHub App.
	// +optional
	GitHubApp *GitHubAppAuth `json:"githubApp,omitempty"`
	// bearerToken for hosts that take a token as "Authorization: Bearer".
	// +optional
	BearerToken *ResourceRef `json:"bearerToken,omitempty"`
	// caBundle are certificate authorities, in PEM, that the host is trusted by too.
	// +optional
	CABundle *ResourceRef `json:"caBundle,omitempty"`
}

// SSHAuth is a private key and its passphrase.
type SSHAuth struct {
	// sshPrivateKey in PEM.
	// +required
	SSHPrivateKey ResourceRef `json:"sshPrivateKey"`
	// password is the key's passphrase.
	// +optional
	Password *ResourceRef `json:"password,omitempty"`
	// knownHosts are lines of a known_hosts file that the host's key has to be among, beside those of the manager.
	// +optional
	KnownHosts *ResourceRef `json:"knownHosts,omitempty"`
}

// BasicAuth is a user name and a password.
type BasicAuth struct {
	// userName to authenticate as.
	// +required
	UserName ResourceRef `json:"userName"`
	// password of the user.
	// +required
	Password ResourceRef `json:"password"`
}

// GitHubAppAuth is an installation of a GitHub App and its key.
type GitHubAppAuth struct {
	// appID is the App's ID.
	// +required
	AppID ResourceRef `json:"appID"`
	// installationID is the installation's ID.
	// +required
	InstallationID ResourceRef `json:"installationID"`
	// privateKey is the App's private key, in PEM.
	// +required
	PrivateKey ResourceRef `json:"privateKey"`
}

// ResourceRefType says where a ResourceRef takes its value from.
type ResourceRefType string

const (
	// ResourceRefEnv is an environment variable; no longer supported.
	ResourceRefEnv ResourceRefType = "Env"
	// ResourceRefFS is a file; no longer supported.
	ResourceRefFS ResourceRefType = "FS"
	// ResourceRefSecret is a key of a Secret.
	ResourceRefSecret ResourceRefType = "Secret"
	// ResourceRefLiteral is the value itself.
	ResourceRefLiteral ResourceRefType = "Literal"
)

// ResourceRef is a value, or where to find it.
type ResourceRef struct {
	// type is Secret or Literal; Env and FS are no longer supported.
	// +required
	SelectorType ResourceRefType `json:"type"`

	// filesystem of type FS.
	// +optional
	FileSystem *FSSelector `json:"filesystem,omitempty"`
	// env of type Env.
	// +optional
	Env *EnvSelector `json:"env,omitempty"`
	// secret of type Secret.
	// +optional
	SecretRef *SecretSelector `json:"secret,omitempty"`
	// literal of type Literal.
	// +optional
	LiteralRef *LiteralRef `json:"literal,omitempty"`
}

// FSSelector is a file.
type FSSelector struct {
	// path of the file.
	// +required
	Path string `json:"path"`
}

// EnvSelector is an environment variable.
type EnvSelector struct {
	// name of the variable.
	// +required
	Name string `json:"name"`
}

// SecretSelector is a key of a Secret.
type SecretSelector struct {
	// namespace of the Secret: the Stack's own, or empty.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// name of the Secret.
	// +required
	Name string `json:"name"`
	// key in the Secret.
	// +required
	Key string `json:"key"`
}

// LiteralRef is a value in clear.
type LiteralRef struct {
	// value in clear.
	// +required
	Value string `json:"value"`
}
