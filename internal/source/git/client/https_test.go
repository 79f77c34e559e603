package client

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/test/gitserver"
)

func TestHTTPS(t *testing.T) {
	t.Parallel()
	const user, password, bearer = "ada", "pass:w/rd@%41 é", "bearer-token-1234"
	server := gitserver.Start(t, gitserver.Options{})
	repository := server.Create("team/app")
	commit := repository.Commit("main", gitserver.Files{
		"Pulumi.yaml": gitserver.Text("name: app\n"), "bin/run": gitserver.Executable("#!/bin/sh\n"),
		"link": gitserver.Symlink("bin/run"), "crlf.txt": gitserver.Text("a\r\nb\n"), ".gitattributes": gitserver.Text("* text=auto eol=crlf\n*.txt ident\n"),
	})
	all := map[string]string{
		"Pulumi.yaml": "name: app\n", "bin/run": "* #!/bin/sh\n", "link": "-> bin/run", "crlf.txt": "a\r\nb\n",
		".gitattributes": "* text=auto eol=crlf\n*.txt ident\n",
	}
	cases := map[string]struct {
		auth       gitserver.Auth
		credential Credential
		denied     string
	}{
		"Open":             {},
		"OpenWithPassword": {credential: Credential{Username: user, Password: password}},
		"Basic":            {auth: gitserver.Auth{Username: user, Password: password}, credential: Credential{Username: user, Password: password}},
		"Token":            {auth: gitserver.Auth{Username: "git", Password: password}, credential: Credential{Username: "git", Password: password}},
		"Bearer":           {auth: gitserver.Auth{Bearer: bearer}, credential: Credential{BearerToken: bearer}},
		"WrongPassword": {auth: gitserver.Auth{Username: user, Password: "other"}, credential: Credential{Username: user, Password: password},
			denied: "Check what gitAuth"},
		"WrongBearer": {auth: gitserver.Auth{Bearer: "other"}, credential: Credential{BearerToken: bearer}, denied: "Check what gitAuth"},
		"None":        {auth: gitserver.Auth{Password: password}, denied: "No credentials were given"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			server.Protect("team/app", c.auth)
			server.Forget()
			client, remote := newClient(t, server), Remote{URL: repository.URL, Credential: c.credential}
			resolved, err := client.Resolve(t.Context(), remote, "main")
			if c.denied != "" {
				want(t, err, Denied, c.denied, "/team/app.git")
				_, _, err := checkout(t, client, remote, commit, Selection{})
				want(t, err, Denied, c.denied)
				return
			}
			if err != nil || resolved != commit {
				t.Fatalf("resolved to %s, %v, want %s", resolved, err, commit)
			}
			files, content, err := checkout(t, client, remote, commit, Selection{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(all, files); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if tree := repository.Git("rev-parse", commit+"^{tree}"); content != tree {
				t.Errorf("content %s, want %s", content, tree)
			}
			if _, _, err := checkout(t, client, remote, commit, Selection{}); err != nil {
				t.Error(err)
			}
			if lists, fetches := server.Count("team/app", gitserver.List), server.Count("team/app", gitserver.Fetch); lists != 1 || fetches != 1 {
				t.Errorf("%d lists and %d fetches, want one each", lists, fetches)
			}
		})
	}
}

func TestFailingHost(t *testing.T) {
	t.Parallel()
	server := gitserver.Start(t, gitserver.Options{})
	repository := server.Create("app")
	commit := repository.Commit("main", gitserver.Files{"a": gitserver.Text(strings.Repeat("0123456789", 1000))})
	impatient := func(o *Options) { o.Limits.IdleTime = 2 * time.Second }
	cases := map[string]struct {
		fault gitserver.Fault
		kind  Kind
		words string
	}{
		"401":  {gitserver.Fault{Status: 401}, Denied, "No credentials were given"},
		"403":  {gitserver.Fault{Status: 403}, Denied, "403"},
		"404":  {gitserver.Fault{Status: 404}, NotFound, "not found"},
		"429":  {gitserver.Fault{Status: 429}, Unreachable, "429"},
		"500":  {gitserver.Fault{Status: 500}, Unreachable, "500"},
		"503":  {gitserver.Fault{Kind: gitserver.Fetch, Status: 503}, Unreachable, "503"},
		"Hang": {gitserver.Fault{Hang: true}, Unreachable, ""},
		"Cut":  {gitserver.Fault{Kind: gitserver.Fetch, CutAfter: 100}, Unreachable, ""},
		"HTML": {gitserver.Fault{Status: 200}, Invalid, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			client, remote := newClient(t, server, impatient), Remote{URL: repository.URL}
			server.Break(c.fault)
			defer server.Heal()
			if c.fault.Kind == "" {
				_, err := client.Resolve(t.Context(), remote, "main")
				want(t, err, c.kind, c.words, server.URL)
				t.Log(err)
			}
			_, _, err := checkout(t, client, remote, commit, Selection{})
			want(t, err, c.kind, c.words, server.URL)
			t.Log(err)
			server.Heal()
			if _, _, err := checkout(t, client, remote, commit, Selection{}); err != nil {
				t.Errorf("after it was healed: %v", err)
			}
		})
	}
	t.Run("NobodyListens", func(t *testing.T) {
		_, err := newClient(t, server).Resolve(t.Context(), Remote{URL: "https://127.0.0.1:1/app"}, "main")
		want(t, err, Unreachable, "127.0.0.1:1")
	})
	t.Run("NoSuchHost", func(t *testing.T) {
		_, err := newClient(t, server).Resolve(t.Context(), Remote{URL: "https://nowhere.invalid/app"}, "main")
		want(t, err, Unreachable, "nowhere.invalid")
	})
	t.Run("NoSuchRepository", func(t *testing.T) {
		_, err := newClient(t, server).Resolve(t.Context(), Remote{URL: server.URL + "/other.git"}, "main")
		want(t, err, NotFound, "other.git")
	})
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	server, other := gitserver.Start(t, gitserver.Options{}), gitserver.Start(t, gitserver.Options{})
	repository := server.Create("app")
	commit := repository.Commit("main", gitserver.Files{"a": gitserver.Text("a")})
	client := newClient(t, other)
	for name, bundle := range map[string]string{"Unknown": "", "Other": other.CA} {
		t.Run(name, func(t *testing.T) {
			_, err := client.Resolve(t.Context(), Remote{URL: repository.URL, Credential: Credential{CABundle: bundle}}, "main")
			want(t, err, HostKey, "ca.crt", "gitAuth.caBundle")
		})
	}
	t.Run("Given", func(t *testing.T) {
		if _, _, err := checkout(t, client, Remote{URL: repository.URL, Credential: Credential{CABundle: server.CA}}, commit, Selection{}); err != nil {
			t.Error(err)
		}
	})
	t.Run("GivenBesideTheManagers", func(t *testing.T) {
		another := other.Create("app")
		another.Commit("main", gitserver.Files{"a": gitserver.Text("a")})
		if _, err := client.Resolve(t.Context(), Remote{URL: another.URL, Credential: Credential{CABundle: server.CA}}, "main"); err != nil {
			t.Error(err)
		}
	})
}

// A password must not follow a redirect to another host.
func TestRedirect(t *testing.T) {
	t.Parallel()
	server := gitserver.Start(t, gitserver.Options{Auth: gitserver.Auth{Password: "secret-password", Bearer: "secret-bearer"}})
	elsewhere := gitserver.Start(t, gitserver.Options{Auth: gitserver.Auth{Password: "secret-password", Bearer: "secret-bearer"}})
	repository, there := server.Create("app"), elsewhere.Create("app")
	repository.Commit("main", gitserver.Files{"a": gitserver.Text("a")})
	commit := there.Commit("main", gitserver.Files{"a": gitserver.Text("b")})
	for name, credential := range map[string]Credential{
		"Basic": {Password: "secret-password", CABundle: elsewhere.CA}, "Bearer": {BearerToken: "secret-bearer", CABundle: elsewhere.CA},
	} {
		for _, kind := range []gitserver.Kind{gitserver.Greeting, gitserver.List, gitserver.Fetch} {
			t.Run(name+" "+string(kind), func(t *testing.T) {
				suffix := map[gitserver.Kind]string{gitserver.Greeting: "/info/refs?service=git-upload-pack"}[kind]
				if suffix == "" {
					suffix = "/git-upload-pack"
				}
				server.Break(gitserver.Fault{Kind: kind, Status: 307, Location: there.URL + suffix})
				defer server.Heal()
				client := newClient(t, server)
				if _, err := client.Resolve(t.Context(), Remote{URL: repository.URL, Credential: credential}, "main"); err == nil && kind != gitserver.Fetch {
					t.Error("there is no error")
				}
				if _, _, err := checkout(t, client, Remote{URL: repository.URL, Credential: credential}, commit, Selection{}); err == nil {
					t.Error("there is no error")
				}
				for _, request := range elsewhere.Requests() {
					if request.Authorization != "" {
						t.Errorf("the other host was shown %q", request.Authorization)
					}
				}
			})
		}
	}
}
