package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestCredentialHidesItself(t *testing.T) {
	const secret = "hunter2"
	app := &GitHubApp{AppID: secret, InstallationID: secret, PrivateKey: secret}
	credential := Credential{
		Username: secret, Password: secret, BearerToken: secret, SSHPrivateKey: secret, SSHPassphrase: secret,
		KnownHosts: secret, CABundle: secret, GitHubApp: app,
	}
	remote := Remote{URL: "https://git.example/a", Credential: credential}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("remote", "remote", remote, "credential", credential, "app", app)
	marshaled, err := json.Marshal(remote)
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{log.String(), string(marshaled), credential.String(), credential.GoString(), app.String(), app.GoString()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown = append(shown, fmt.Sprintf(verb+verb+verb+verb, remote, credential, &credential, app))
	}
	for _, text := range shown {
		if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			t.Errorf("the credential is shown: %s", text)
		}
	}
}

func TestFingerprint(t *testing.T) {
	key := []byte("key")
	seen := map[string]Credential{}
	for _, credential := range []Credential{
		{}, {Username: "ab"}, {Username: "a", Password: "b"}, {Password: "ab"}, {BearerToken: "ab"}, {SSHPrivateKey: "ab"}, {SSHPassphrase: "ab"},
		{KnownHosts: "ab"}, {CABundle: "ab"}, {GitHubApp: &GitHubApp{}}, {GitHubApp: &GitHubApp{AppID: "a", InstallationID: "b"}},
		{GitHubApp: &GitHubApp{AppID: "ab"}}, {GitHubApp: &GitHubApp{PrivateKey: "ab"}},
	} {
		fingerprint := credential.Fingerprint(key)
		if _, twice := seen[fingerprint]; twice {
			t.Errorf("two credentials have the fingerprint %q", fingerprint)
		}
		seen[fingerprint] = credential
	}
	one, same := Credential{GitHubApp: &GitHubApp{AppID: "a"}}, Credential{GitHubApp: &GitHubApp{AppID: "a"}}
	if one.Fingerprint(key) != same.Fingerprint(key) {
		t.Error("equal credentials have two fingerprints")
	}
	if one.Fingerprint(key) == one.Fingerprint([]byte("other")) {
		t.Error("the key does not matter")
	}
	if fingerprint := (Credential{}).Fingerprint(key); fingerprint != "" {
		t.Errorf("no credential has the fingerprint %q", fingerprint)
	}
}
