// Package client owns how the manager talks to git hosts: with the system's git, within limits, and without a credential
// ever reaching a URL, an argument, a log or an error. It knows neither schedules nor Kubernetes.
package client

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
)

// Remote is a repository as somebody may read it.
type Remote struct {
	URL        string
	Credential Credential
}

// Selection is what of a commit is wanted.
type Selection struct {
	// Paths are the files and directories; none means the whole tree.
	Paths []string
	// Submodules says whether those are wanted too.
	Submodules bool
}

// Credential is what a git host is shown. The zero value shows it nothing. It never shows its content to a person.
type Credential struct {
	// Username and Password are for HTTP basic authentication. The user of a token is "git".
	Username, Password string
	// BearerToken is for hosts that take one.
	BearerToken string
	// SSHPrivateKey is in PEM, and SSHPassphrase is what it is encrypted with.
	SSHPrivateKey, SSHPassphrase string
	// KnownHosts and CABundle are trusted in addition to what the manager trusts.
	KnownHosts, CABundle string
	GitHubApp            *GitHubApp
}

// GitHubApp is an installation of a GitHub App, whose tokens last an hour.
type GitHubApp struct {
	AppID, InstallationID, PrivateKey string
}

// hidden stands in the place of a credential.
const hidden = "(credential)"

// Format hides the content, whatever the verb.
func (c Credential) Format(f fmt.State, _ rune) { fmt.Fprint(f, hidden) }

// String hides the content.
func (c Credential) String() string { return hidden }

// GoString hides the content.
func (c Credential) GoString() string { return hidden }

// MarshalJSON hides the content.
func (c Credential) MarshalJSON() ([]byte, error) { return json.Marshal(hidden) }

// LogValue hides the content.
func (c Credential) LogValue() slog.Value { return slog.StringValue(hidden) }

// Format hides the content, whatever the verb.
func (a GitHubApp) Format(f fmt.State, _ rune) { fmt.Fprint(f, hidden) }

// String hides the content.
func (a GitHubApp) String() string { return hidden }

// GoString hides the content.
func (a GitHubApp) GoString() string { return hidden }

// MarshalJSON hides the content.
func (a GitHubApp) MarshalJSON() ([]byte, error) { return json.Marshal(hidden) }

// LogValue hides the content.
func (a GitHubApp) LogValue() slog.Value { return slog.StringValue(hidden) }

// Fingerprint tells credentials apart without telling anything of them to those who do not have the key. That of the
// zero value is empty.
func (c Credential) Fingerprint(key []byte) string {
	if c == (Credential{}) {
		return ""
	}
	fields := []string{
		c.Username, c.Password, c.BearerToken, c.SSHPrivateKey, c.SSHPassphrase, c.KnownHosts, c.CABundle,
	}
	if app := c.GitHubApp; app != nil {
		fields = append(fields, app.AppID, app.InstallationID, app.PrivateKey)
	}
	mac := hmac.New(sha256.New, key)
	for _, field := range fields {
		fmt.Fprintf(mac, "%d:%s", len(field), field)
	}
	return hex.EncodeToString(mac.Sum(nil)[:16])
}
