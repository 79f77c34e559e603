package client

import (
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	cases := map[string]struct {
		text, host, key string
		ssh             bool
	}{
		"https://github.com/pulumi/examples":            {"https://github.com/pulumi/examples", "github.com", "github.com/pulumi/examples", false},
		"https://GitHub.com:443/Pulumi/Examples.git/":   {"https://github.com/Pulumi/Examples.git/", "github.com", "github.com/Pulumi/Examples", false},
		"HTTPS://git.example:8443/a/b.git":              {"https://git.example:8443/a/b.git", "git.example:8443", "git.example:8443/a/b", false},
		"http://git.example/a":                          {"http://git.example/a", "git.example", "git.example/a", false},
		"https://org@dev.azure.com/org/My%20P/_git/r":   {"https://dev.azure.com/org/My%20P/_git/r", "dev.azure.com", "dev.azure.com/org/My P/_git/r", false},
		"ssh://git@github.com/pulumi/examples.git":      {"ssh://git@github.com/pulumi/examples.git", "github.com", "github.com/pulumi/examples", true},
		"ssh://git.example:2222/~/x":                    {"ssh://git@git.example:2222/~/x", "git.example:2222", "git.example/~/x", true},
		"git@github.com:pulumi/examples.git":            {"git@github.com:pulumi/examples.git", "github.com", "github.com/pulumi/examples", true},
		"github.com:pulumi/examples":                    {"git@github.com:pulumi/examples", "github.com", "github.com/pulumi/examples", true},
		"git@ssh.dev.azure.com:v3/org/project/repo":     {"git@ssh.dev.azure.com:v3/org/project/repo", "ssh.dev.azure.com", "ssh.dev.azure.com/v3/org/project/repo", true},
		"git@git.example:/srv/x.git":                    {"git@git.example:/srv/x.git", "git.example", "git.example/srv/x", true},
		"git@[::1]:x/y":                                 {"git@[::1]:x/y", "[::1]", "[::1]/x/y", true},
		"https://[2001:db8::1]:8443/a/b":                {"https://[2001:db8::1]:8443/a/b", "[2001:db8::1]:8443", "[2001:db8::1]:8443/a/b", false},
		"https://gitea.git.svc.cluster.local/a/b.c.git": {"https://gitea.git.svc.cluster.local/a/b.c.git", "gitea.git.svc.cluster.local", "gitea.git.svc.cluster.local/a/b.c", false},
	}
	for text, c := range cases {
		u, err := ParseURL(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if u.String() != c.text || u.Host() != c.host || u.Key() != c.key || u.SSH() != c.ssh {
			t.Errorf("%s: %s, %s, %s, %t", text, u, u.Host(), u.Key(), u.SSH())
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	const canary = "canary"
	for _, text := range []string{
		"", " ", "x", "/srv/x", "./x", "file:///srv/x", "FILE:///srv/x", "git://example.com/x", "ftp://example.com/x", "ext::sh -c x", "ext::true", "fd::7",
		"file::x", "-oProxyCommand=x:y", "--upload-pack=x", "git@-oProxyCommand=x:y", "ssh://-oProxyCommand=x/y", "ssh://git@-x/y", "-x@example.com:y",
		"https://user:canary@example.com/x", "ssh://git:canary@example.com/x", "https://example.com", "https://example.com/", "https:///x", "https://example.com//",
		"https://example.com/x?y=z", "https://example.com/x#y", "https://example.com/x\n", "https://example.com/x\x00", "https://exa mple.com/x", "https://example.com/%00",
		"https://example.com/../x", "https://example.com/a/%2e%2e/x", "https://example.com:0/x", "https://example.com:99999/x", "https://example.com:x/x", "https://-x.com/y",
		"git@example.com:", "git@example.com:-x", "git@example.com:../x", "@example.com:x", "a@b@example.com:x", "git@exam_ple..com:x", "https://example.com/-x",
		"https://example.com/a\\b", "ssh://g$(x)@example.com/x", "git@example.com:a\tb", "https://exämple.com/x", "https://example.com/" + strings.Repeat("x", maxURL),
	} {
		u, err := ParseURL(text)
		if err == nil {
			t.Errorf("%q is taken as %s", text, u)
			continue
		}
		if strings.Contains(err.Error(), canary) {
			t.Errorf("%q: the error has the password in it: %v", text, err)
		}
	}
}

func TestRelativeURL(t *testing.T) {
	for _, c := range [][3]string{
		{"https://example.com/a/b.git", "../c.git", "https://example.com/a/c.git"},
		{"https://example.com/a/b.git/", "../../c/d", "https://example.com/c/d"},
		{"https://example.com/a/b", "./c", "https://example.com/a/b/c"},
		{"ssh://git@example.com:2222/a/b", "../c", "ssh://git@example.com:2222/a/c"},
		{"git@example.com:a/b.git", "../c.git", "git@example.com:a/c.git"},
		{"git@example.com:b.git", "../c.git", "git@example.com:c.git"},
		{"https://example.com/a/b", "../../../c", ""},
		{"https://example.com/a/b", "../x/../../y", ""},
		{"https://example.com/a", "../", ""},
		{"https://example.com/a/b", "../-c", "https://example.com/a/-c"},
	} {
		parent, err := ParseURL(c[0])
		if err != nil {
			t.Fatal(err)
		}
		u, err := parent.relative(c[1])
		if (err == nil) != (c[2] != "") || err == nil && u.String() != c[2] {
			t.Errorf("%s of %s: %s, %v, want %q", c[1], c[0], u, err, c[2])
		}
	}
}

func TestCheckRef(t *testing.T) {
	for ref, good := range map[string]bool{
		"main": true, "refs/heads/main": true, "feature/ü-1_2.3+x#y": true, "v1.2.3-rc.1": true, "HEAD": true, "a@b": true, "0123456789abcdef": true,
		"dependabot/npm_and_yarn/x-1": true, "{curly}": true,
		"": false, "-x": false, "--upload-pack=x": false, "a b": false, "a\tb": false, "a\x00b": false, "a\nb": false, "a\x7fb": false, "a\u0085b": false,
		"a..b": false, "a~1": false, "a^": false, "a:b": false, "a?": false, "a*": false, "a[b": false, "a\\b": false, "@": false, "a@{1}": false,
		"/a": false, "a/": false, "a//b": false, ".a": false, "a/.b": false, "a.": false, "a.lock": false, "a.lock/b": false, "a\xff": false,
		strings.Repeat("x", maxRef+1): false,
	} {
		if err := CheckRef(ref); (err == nil) != good {
			t.Errorf("%q: %v", ref, err)
		}
	}
}
