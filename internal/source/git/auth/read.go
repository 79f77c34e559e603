package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	kube "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/source/git/client"
)

// userOfToken is who a token is shown as, where the host asks for a user.
const userOfToken = "git"

// Secrets gives the content of a Secret by its name; nil for one that is not there.
type Secrets func(ctx context.Context, name string) (map[string][]byte, error)

// Of reads the Secrets of a namespace.
func Of(from kube.Reader, namespace string) Secrets {
	return func(ctx context.Context, name string) (map[string][]byte, error) {
		secret := &corev1.Secret{}
		err := from.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, secret)
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return secret.Data, err
	}
}

// Reasons are those of the conditions of the object whose credentials are read.
type Reasons struct {
	// Missing is for what may come by itself, Invalid for what a person has to mend.
	Missing, Invalid string
}

// Names are the Secrets that are read, sorted.
func (a Auth) Names() []string {
	var names []string
	for _, v := range a.values() {
		if v.secret != "" {
			names = append(names, v.secret)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (a Auth) values() []*value {
	var values []*value
	for _, m := range a.methods {
		for _, v := range []*value{m.sshKey, m.passphrase, m.token, m.bearer, m.username, m.password, m.appID, m.installationID, m.appSecret} {
			values = present(values, v)
		}
	}
	return slices.Concat(values, a.knownHosts, a.caBundle)
}

// Read reads the credential that counts: the first method that fits the URL, which is of SSH or of HTTP, and whose values
// are there. What is not there is a *failure.WaitingError: a Secret may come later. What cannot be used is a
// *failure.TerminalError.
func (a Auth) Read(ctx context.Context, ssh bool, reasons Reasons, secrets Secrets) (client.Credential, error) {
	r := reader{secrets: secrets, reasons: reasons, read: map[string]map[string][]byte{}}
	var credential client.Credential
	found := ""
	for _, m := range a.methods {
		if found == "" && (m.sshKey != nil) == ssh {
			c, ok := r.method(ctx, m)
			if ok {
				credential, found = c, m.field
			}
		}
	}
	credential.KnownHosts = r.all(ctx, a.knownHosts)
	credential.CABundle = r.all(ctx, a.caBundle)
	switch {
	case r.err != nil:
		return client.Credential{}, r.err
	case found == "" && len(a.methods) > 0:
		return client.Credential{}, failure.NewTerminal(reasons.Invalid, "%s", a.unfit(ssh))
	}
	return credential, nil
}

// unfit says why none of the methods counts.
func (a Auth) unfit(ssh bool) string {
	wanted := "accessToken, bearerToken, or username and password, which an https URL needs"
	if ssh {
		wanted = "sshPrivateKey, which an SSH URL needs"
	}
	return fmt.Sprintf("%s: there is no %s", a.methods[0].field, wanted)
}

// reader reads each Secret once, and remembers the first thing that is wrong.
type reader struct {
	secrets Secrets
	reasons Reasons
	read    map[string]map[string][]byte
	err     error
}

// method is the credential of a method, if its values are there.
func (r *reader) method(ctx context.Context, m method) (client.Credential, bool) {
	var c client.Credential
	switch {
	case m.sshKey != nil:
		c.SSHPrivateKey = r.value(ctx, m.sshKey)
		if c.SSHPrivateKey != "" && m.passphrase != nil {
			c.SSHPassphrase = r.value(ctx, m.passphrase)
		}
		return c, c.SSHPrivateKey != ""
	case m.token != nil:
		c.Username, c.Password = userOfToken, r.token(ctx, m.token)
		return c, c.Password != ""
	case m.bearer != nil:
		c.BearerToken = r.token(ctx, m.bearer)
		return c, c.BearerToken != ""
	case m.appID != nil:
		c.GitHubApp = &client.GitHubApp{AppID: r.token(ctx, m.appID), InstallationID: r.token(ctx, m.installationID), PrivateKey: r.value(ctx, m.appSecret)}
		return c, c.GitHubApp.AppID != ""
	default:
		c.Username = r.value(ctx, m.username)
		if c.Username != "" && m.password != nil {
			c.Password = r.value(ctx, m.password)
		}
		if c.Username != "" && c.Password == "" {
			r.fail(failure.NewTerminal(r.reasons.Invalid, "%s: there is a user name and no password: give both", m.field))
		}
		return c, c.Username != ""
	}
}

// token is a value without the line break that an editor puts after it.
func (r *reader) token(ctx context.Context, v *value) string {
	return strings.TrimSpace(r.value(ctx, v))
}

// all are the values, each on lines of its own.
func (r *reader) all(ctx context.Context, values []*value) string {
	var texts []string
	for _, v := range values {
		if text := strings.TrimRight(r.value(ctx, v), "\n"); text != "" {
			texts = append(texts, text+"\n")
		}
	}
	return strings.Join(texts, "")
}

// value is a value; empty where it is not there.
func (r *reader) value(ctx context.Context, v *value) string {
	if v == nil || v.secret == "" {
		if v != nil && v.literal != "" {
			return v.literal
		}
		return ""
	}
	data, known := r.read[v.secret]
	if !known {
		var err error
		if data, err = r.secrets(ctx, v.secret); err != nil {
			r.fail(fmt.Errorf("read Secret %s: %w", v.secret, err))
			return ""
		}
		r.read[v.secret] = data
	}
	if data == nil && !v.absent {
		r.fail(failure.NewWaiting(r.reasons.Missing, "%s: the Secret %q is not there: create it", v.field, v.secret))
	}
	if _, ok := data[v.key]; data != nil && !ok && !v.keyless {
		r.fail(failure.NewTerminal(r.reasons.Invalid, "%s: the Secret %q has no key %q: add it", v.field, v.secret, v.key))
	}
	return string(data[v.key])
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}
