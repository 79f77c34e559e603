package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/source/git/auth"
	"github.com/gantry-operator/gantry/internal/source/git/client"
)

// in is the key of a Secret.
func in(name, key string) pulumiv1.ResourceRef {
	return pulumiv1.ResourceRef{SelectorType: pulumiv1.ResourceRefSecret, SecretRef: &pulumiv1.SecretSelector{Name: name, Key: key}}
}

// selector is the key of the Secret s.
func selector(key string) *corev1.SecretKeySelector {
	return &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "s"}, Key: key}
}

func optional(s *corev1.SecretKeySelector) *corev1.SecretKeySelector {
	s.Optional = new(true)
	return s
}

// content is what Secrets hold: name, then key and value.
type content map[string]map[string]string

func (c content) read(_ context.Context, name string) (map[string][]byte, error) {
	if name == "broken" {
		return nil, errors.New("the API server is down")
	}
	secret, ok := c[name]
	if !ok {
		return nil, nil
	}
	data := map[string][]byte{}
	for key, value := range secret {
		data[key] = []byte(value)
	}
	return data, nil
}

// plain shows what a credential hides.
func plain(c client.Credential) map[string]string {
	fields := map[string]string{
		"user": c.Username, "password": c.Password, "bearer": c.BearerToken, "key": c.SSHPrivateKey, "passphrase": c.SSHPassphrase,
		"hosts": c.KnownHosts, "ca": c.CABundle,
	}
	if c.GitHubApp != nil {
		fields["app"] = c.GitHubApp.AppID + "/" + c.GitHubApp.InstallationID + "/" + c.GitHubApp.PrivateKey
	}
	for name, value := range fields {
		if value == "" {
			delete(fields, name)
		}
	}
	return fields
}

func all() content {
	return content{
		"s": {"sshPrivateKey": "KEY", "password": "pw", "accessToken": "tok\n", "username": "me", "known_hosts": "h1\n", "ca.crt": "CA"},
		"t": {"k": "VALUE", "l": "OTHER", "m": "THIRD"},
	}
}

func TestStack(t *testing.T) {
	every := &pulumiv1.GitAuthConfig{
		SSHAuth:             &pulumiv1.SSHAuth{SSHPrivateKey: in("t", "k"), Password: new(in("t", "l")), KnownHosts: new(in("t", "m"))},
		PersonalAccessToken: new(in("t", "k")),
		GitHubApp:           &pulumiv1.GitHubAppAuth{AppID: in("t", "k"), InstallationID: in("t", "l"), PrivateKey: in("t", "m")},
		BasicAuth:           &pulumiv1.BasicAuth{UserName: in("t", "k"), Password: in("t", "l")},
		CABundle:            new(in("t", "m")),
	}
	cases := map[string]struct {
		reason string
		git    pulumiv1.GitSource
		ssh    bool
		has    content
		want   map[string]string
	}{
		"None":       {"a public repository needs nothing", pulumiv1.GitSource{}, false, nil, map[string]string{}},
		"SecretSSH":  {"an SSH URL takes the key", pulumiv1.GitSource{GitAuthSecret: "s"}, true, all(), map[string]string{"key": "KEY", "passphrase": "pw", "hosts": "h1\n", "ca": "CA\n"}},
		"SecretHTTP": {"an https URL takes the token, before the password", pulumiv1.GitSource{GitAuthSecret: "s"}, false, all(), map[string]string{"user": "git", "password": "tok", "hosts": "h1\n", "ca": "CA\n"}},
		"SecretBasic": {"without a token it is the user", pulumiv1.GitSource{GitAuthSecret: "s"}, false,
			content{"s": {"username": "me", "password": "pw"}}, map[string]string{"user": "me", "password": "pw"}},
		"SecretBearer": {"a bearer token is one by its name", pulumiv1.GitSource{GitAuthSecret: "s"}, false,
			content{"s": {"bearerToken": "b\n", "username": "me", "password": "pw"}}, map[string]string{"bearer": "b"}},
		"SecretFirst": {"gitAuthSecret goes before gitAuth", pulumiv1.GitSource{GitAuthSecret: "s", GitAuth: every}, false, all(),
			map[string]string{"user": "git", "password": "tok", "hosts": "h1\nTHIRD\n", "ca": "CA\nTHIRD\n"}},
		"SSHFirst":   {"an SSH URL takes the key", pulumiv1.GitSource{GitAuth: every}, true, all(), map[string]string{"key": "VALUE", "passphrase": "OTHER", "hosts": "THIRD\n", "ca": "THIRD\n"}},
		"TokenFirst": {"a token goes before an App and a user", pulumiv1.GitSource{GitAuth: every}, false, all(), map[string]string{"user": "git", "password": "VALUE", "hosts": "THIRD\n", "ca": "THIRD\n"}},
		"App": {"an App goes before a user", pulumiv1.GitSource{GitAuth: &pulumiv1.GitAuthConfig{GitHubApp: every.GitHubApp, BasicAuth: every.BasicAuth}}, false, all(),
			map[string]string{"app": "VALUE/OTHER/THIRD"}},
		"Basic": {"the user of a literal", pulumiv1.GitSource{GitAuth: &pulumiv1.GitAuthConfig{BasicAuth: &pulumiv1.BasicAuth{
			UserName: pulumiv1.ResourceRef{SelectorType: pulumiv1.ResourceRefLiteral, LiteralRef: &pulumiv1.LiteralRef{Value: "me"}}, Password: in("t", "k")}}}, false, all(),
			map[string]string{"user": "me", "password": "VALUE"}},
		"OnlyCA": {"a public repository behind a CA of one's own", pulumiv1.GitSource{GitAuth: &pulumiv1.GitAuthConfig{CABundle: new(in("t", "k"))}}, false, all(), map[string]string{"ca": "VALUE\n"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := auth.OfStack(&tc.git).Read(t.Context(), tc.ssh, auth.Reasons{Missing: "M", Invalid: "I"}, tc.has.read)
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, plain(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestStackWithoutWhatItNames(t *testing.T) {
	basic := &pulumiv1.GitAuthConfig{BasicAuth: &pulumiv1.BasicAuth{UserName: in("t", "k"), Password: in("t", "none")}}
	cases := map[string]struct {
		git   pulumiv1.GitSource
		ssh   bool
		has   content
		waits bool
		want  string
	}{
		"NoSecret":   {pulumiv1.GitSource{GitAuthSecret: "s"}, false, content{}, true, `spec.gitAuthSecret: the Secret "s" is not there`},
		"NoOther":    {pulumiv1.GitSource{GitAuth: basic}, false, content{}, true, `spec.gitAuth.basicAuth.userName: the Secret "t" is not there`},
		"NoKey":      {pulumiv1.GitSource{GitAuth: basic}, false, all(), false, `spec.gitAuth.basicAuth.password: the Secret "t" has no key "none"`},
		"NoPassword": {pulumiv1.GitSource{GitAuthSecret: "s"}, false, content{"s": {"username": "hunter2"}}, false, "a user name and no password"},
		"EmptyHTTP":  {pulumiv1.GitSource{GitAuthSecret: "s"}, false, content{"s": {"sshPrivateKey": "hunter2"}}, false, "there is no accessToken"},
		"EmptySSH":   {pulumiv1.GitSource{GitAuthSecret: "s"}, true, content{"s": {"accessToken": "hunter2"}}, false, "there is no sshPrivateKey"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := auth.OfStack(&tc.git).Read(t.Context(), tc.ssh, auth.Reasons{Missing: "M", Invalid: "I"}, tc.has.read)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") || len(plain(got)) != 0 {
				t.Errorf("it says %v, want %q", err, tc.want)
			}
			waiting, waits := failure.AsWaiting(err)
			terminal, stalls := failure.AsTerminal(err)
			if waits != tc.waits || stalls == tc.waits || (waits && waiting.Reason != "M") || (stalls && terminal.Reason != "I") {
				t.Errorf("%v is waited for: %v, want %v", err, waits, tc.waits)
			}
		})
	}
	broken := pulumiv1.GitSource{GitAuthSecret: "broken"}
	if _, err := auth.OfStack(&broken).Read(t.Context(), false, auth.Reasons{}, all().read); err == nil || !strings.Contains(err.Error(), "the API server is down") {
		t.Errorf("a Secret that cannot be read: %v", err)
	}
}

func TestNames(t *testing.T) {
	got := auth.OfStack(&pulumiv1.GitSource{GitAuthSecret: "s", GitAuth: &pulumiv1.GitAuthConfig{
		BasicAuth: &pulumiv1.BasicAuth{UserName: in("t", "k"), Password: in("a", "k")},
	}}).Names()
	if diff := cmp.Diff([]string{"a", "s", "t"}, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestWorkspace(t *testing.T) {
	cases := map[string]struct {
		reason string
		auth   *autov1alpha1.GitAuth
		ssh    bool
		want   map[string]string
		fails  string
	}{
		"None":       {"nothing is asked for", nil, false, map[string]string{}, ""},
		"BasicFirst": {"a user goes before a token", &autov1alpha1.GitAuth{Username: selector("username"), Password: selector("password"), Token: selector("accessToken")}, false, map[string]string{"user": "me", "password": "pw"}, ""},
		"Token":      {"a token is the password of git", &autov1alpha1.GitAuth{Token: selector("accessToken")}, false, map[string]string{"user": "git", "password": "tok"}, ""},
		"SSH":        {"the password is the key's", &autov1alpha1.GitAuth{SSHPrivateKey: selector("sshPrivateKey"), Password: selector("password"), KnownHosts: selector("known_hosts")}, true, map[string]string{"key": "KEY", "passphrase": "pw", "hosts": "h1\n"}, ""},
		"Optional": {"what PKO makes of gitAuthSecret names keys that may be missing", &autov1alpha1.GitAuth{
			Username: optional(selector("none")), Token: optional(selector("accessToken")), SSHPrivateKey: optional(selector("nokey")), Password: optional(selector("nopw")),
		}, false, map[string]string{"user": "git", "password": "tok"}, ""},
		"NoKey": {"a key that has to be there", &autov1alpha1.GitAuth{Token: selector("none")}, false, nil, `spec.git.auth.token: the Secret "s" has no key "none"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := auth.OfWorkspace(tc.auth).Read(t.Context(), tc.ssh, auth.Reasons{Missing: "M", Invalid: "I"}, all().read)
			if (err != nil) != (tc.fails != "") || (err != nil && !strings.Contains(err.Error(), tc.fails)) {
				t.Fatalf("%s: %v, want %q", tc.reason, err, tc.fails)
			}
			if diff := cmp.Diff(tc.want, plain(got)); err == nil && diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
