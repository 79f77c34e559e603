// Package auth owns how a Stack or a Workspace says who it is to a git host: which keys of which Secrets, and in what
// order of precedence.
package auth

import (
	corev1 "k8s.io/api/core/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// Keys of the Secret that gitAuthSecret names. All but the last three are PKO's.
const (
	keySSHPrivateKey = "sshPrivateKey"
	keyAccessToken   = "accessToken"
	keyUsername      = "username"
	keyPassword      = "password"
	keyBearerToken   = "bearerToken"
	keyKnownHosts    = "known_hosts"
	keyCABundle      = "ca.crt"
)

// value is a value, or where it is.
type value struct {
	// field says where in the spec it is asked for.
	field string
	// secret and key name it; without a secret the value is literal.
	secret, key, literal string
	// keyless says that the key may be missing, and absent that the Secret may be.
	keyless, absent bool
}

// method is one way to say who one is. One of its groups of fields is set.
type method struct {
	field                            string
	sshKey, passphrase               *value
	token, bearer                    *value
	username, password               *value
	appID, installationID, appSecret *value
}

// Auth is all that an object says of credentials. The zero value has none.
type Auth struct {
	// methods by precedence: the first that is there and fits the URL counts.
	methods []method
	// knownHosts and caBundle go with every method.
	knownHosts, caBundle []*value
}

// OfStack is what a Stack says. gitAuthSecret goes before gitAuth, and in each SSH before a token before a GitHub App
// before a user and a password, as in PKO.
func OfStack(git *pulumiv1.GitSource) Auth {
	var a Auth
	if name := git.GitAuthSecret; name != "" {
		of := func(key string) *value {
			return &value{field: "spec.gitAuthSecret", secret: name, key: key, keyless: true}
		}
		a.methods = append(a.methods,
			method{field: "spec.gitAuthSecret", sshKey: of(keySSHPrivateKey), passphrase: of(keyPassword)},
			method{field: "spec.gitAuthSecret", token: of(keyAccessToken)},
			method{field: "spec.gitAuthSecret", bearer: of(keyBearerToken)},
			method{field: "spec.gitAuthSecret", username: of(keyUsername), password: of(keyPassword)})
		a.knownHosts = append(a.knownHosts, of(keyKnownHosts))
		a.caBundle = append(a.caBundle, of(keyCABundle))
	}
	if git.GitAuth != nil {
		a.add(git.GitAuth)
	}
	return a
}

// add adds what gitAuth says.
func (a *Auth) add(auth *pulumiv1.GitAuthConfig) {
	const at = "spec.gitAuth."
	if ssh := auth.SSHAuth; ssh != nil {
		a.methods = append(a.methods, method{
			field:  at + "sshAuth",
			sshKey: reference(at+"sshAuth.sshPrivateKey", &ssh.SSHPrivateKey), passphrase: reference(at+"sshAuth.password", ssh.Password),
		})
		a.knownHosts = present(a.knownHosts, reference(at+"sshAuth.knownHosts", ssh.KnownHosts))
	}
	if auth.PersonalAccessToken != nil {
		a.methods = append(a.methods, method{field: at + "accessToken", token: reference(at+"accessToken", auth.PersonalAccessToken)})
	}
	if auth.BearerToken != nil {
		a.methods = append(a.methods, method{field: at + "bearerToken", bearer: reference(at+"bearerToken", auth.BearerToken)})
	}
	if app := auth.GitHubApp; app != nil {
		a.methods = append(a.methods, method{
			field: at + "githubApp", appID: reference(at+"githubApp.appID", &app.AppID),
			installationID: reference(at+"githubApp.installationID", &app.InstallationID), appSecret: reference(at+"githubApp.privateKey", &app.PrivateKey),
		})
	}
	if basic := auth.BasicAuth; basic != nil {
		a.methods = append(a.methods, method{
			field:    at + "basicAuth",
			username: reference(at+"basicAuth.userName", &basic.UserName), password: reference(at+"basicAuth.password", &basic.Password),
		})
	}
	a.caBundle = present(a.caBundle, reference(at+"caBundle", auth.CABundle))
}

// OfWorkspace is what a Workspace says: a user and a password go before a token before SSH, as in PKO.
func OfWorkspace(auth *autov1alpha1.GitAuth) Auth {
	var a Auth
	if auth == nil {
		return a
	}
	const at = "spec.git.auth."
	username, password := selector(at+"username", auth.Username), selector(at+"password", auth.Password)
	if username != nil {
		a.methods = append(a.methods, method{field: at + "username", username: username, password: password})
	}
	if auth.Token != nil {
		a.methods = append(a.methods, method{field: at + "token", token: selector(at+"token", auth.Token)})
	}
	if auth.BearerToken != nil {
		a.methods = append(a.methods, method{field: at + "bearerToken", bearer: selector(at+"bearerToken", auth.BearerToken)})
	}
	if auth.SSHPrivateKey != nil {
		a.methods = append(a.methods, method{field: at + "sshPrivateKey", sshKey: selector(at+"sshPrivateKey", auth.SSHPrivateKey), passphrase: password})
	}
	if app := auth.GitHubApp; app != nil {
		a.methods = append(a.methods, method{
			field: at + "githubApp", appID: selector(at+"githubApp.appID", app.AppID),
			installationID: selector(at+"githubApp.installationID", app.InstallationID), appSecret: selector(at+"githubApp.privateKey", app.PrivateKey),
		})
	}
	a.knownHosts = present(a.knownHosts, selector(at+"knownHosts", auth.KnownHosts))
	a.caBundle = present(a.caBundle, selector(at+"caBundle", auth.CABundle))
	return a
}

// reference is the value of a reference, nil of none.
func reference(field string, ref *pulumiv1.ResourceRef) *value {
	switch {
	case ref == nil:
		return nil
	case ref.SelectorType == pulumiv1.ResourceRefSecret && ref.SecretRef != nil:
		return &value{field: field, secret: ref.SecretRef.Name, key: ref.SecretRef.Key}
	case ref.SelectorType == pulumiv1.ResourceRefLiteral && ref.LiteralRef != nil:
		return &value{field: field, literal: ref.LiteralRef.Value}
	default:
		return &value{field: field}
	}
}

// selector is the value that a selector names, nil of none.
func selector(field string, s *corev1.SecretKeySelector) *value {
	if s == nil {
		return nil
	}
	optional := s.Optional != nil && *s.Optional
	return &value{field: field, secret: s.Name, key: s.Key, keyless: optional, absent: optional}
}

// present adds a value that is there.
func present(values []*value, v *value) []*value {
	if v == nil {
		return values
	}
	return append(values, v)
}
