package client

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/gantry-operator/gantry/test/doubles/githubapp"
	"github.com/gantry-operator/gantry/test/gitserver"
)

func TestGitHubApp(t *testing.T) {
	t.Parallel()
	clock := clocktesting.NewFakePassiveClock(now())
	app, err := githubapp.New(clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	server := gitserver.Start(t, gitserver.Options{Auth: gitserver.Auth{Accept: app.Accept}})
	server.Mount(githubapp.Prefix+"/", app)
	repository := server.Create("team/app")
	commit := repository.Commit("main", gitserver.Files{"a": gitserver.Text("a")})
	client := newClient(t, server, func(o *Options) { o.Clock = clock })
	remote := func(key string) Remote {
		return Remote{URL: repository.URL, Credential: Credential{GitHubApp: &GitHubApp{AppID: app.ID, InstallationID: app.Installation, PrivateKey: key}}}
	}
	use := func(r Remote) {
		t.Helper()
		if resolved, err := client.Resolve(t.Context(), r, "main"); err != nil || resolved != commit {
			t.Errorf("resolved to %q, %v", resolved, err)
		}
	}
	asked := func(times int) {
		t.Helper()
		if app.Asked() != times {
			t.Errorf("GitHub was asked %d times for a token, want %d", app.Asked(), times)
		}
	}
	use(remote(app.PKCS1))
	use(remote(app.PKCS1))
	if _, _, err := checkout(t, client, remote(app.PKCS1), commit, Selection{}); err != nil {
		t.Error(err)
	}
	asked(1)
	use(remote(app.PKCS8))
	asked(2)
	clock.SetTime(clock.Now().Add(45 * time.Minute))
	use(remote(app.PKCS1))
	asked(2)
	clock.SetTime(clock.Now().Add(6 * time.Minute)) // less than ten minutes are left
	use(remote(app.PKCS1))
	asked(3)

	app.Revoke()
	_, err = client.Resolve(t.Context(), remote(app.PKCS1), "main")
	want(t, err, Denied)
	use(remote(app.PKCS1)) // with another token
	asked(4)
}

func TestGitHubAppWithoutAToken(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(now())
	app, err := githubapp.New(clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	other, err := githubapp.New(clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	server := gitserver.Start(t, gitserver.Options{})
	server.Mount(githubapp.Prefix+"/", app)
	ok := GitHubApp{AppID: app.ID, InstallationID: app.Installation, PrivateKey: app.PKCS1}
	cases := map[string]struct {
		change func(*GitHubApp)
		status int
		late   time.Duration
		kind   Kind
		words  string
	}{
		"OtherApp":          {change: func(a *GitHubApp) { a.AppID = "1" }, kind: Denied, words: "'Issuer' claim"},
		"OtherInstallation": {change: func(a *GitHubApp) { a.InstallationID = "1" }, kind: Denied, words: "installation 1"},
		"OtherKey":          {change: func(a *GitHubApp) { a.PrivateKey = other.PKCS1 }, kind: Denied, words: "the signature is not the App's"},
		"NoKey":             {change: func(a *GitHubApp) { a.PrivateKey = "none" }, kind: Denied, words: "cannot be read"},
		"HostileID":         {change: func(a *GitHubApp) { a.InstallationID = "../../x?" }, kind: Denied, words: "as GitHub shows them"},
		"Overloaded":        {status: 429, kind: Unreachable, words: "429"},
		"Broken":            {status: 502, kind: Unreachable, words: "502"},
		"Forbidden":         {status: 403, kind: Denied, words: "403"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			app.Break(c.status)
			mine := ok
			if c.change != nil {
				c.change(&mine)
			}
			client := newClient(t, server, func(o *Options) { o.Clock = clock })
			_, err := client.Resolve(t.Context(), Remote{URL: server.URL + "/app", Credential: Credential{GitHubApp: &mine}}, "main")
			want(t, err, c.kind, c.words)
		})
	}
	t.Run("UnknownAuthority", func(t *testing.T) {
		stranger := gitserver.Start(t, gitserver.Options{})
		_, err := newClient(t, server).Resolve(t.Context(), Remote{URL: stranger.URL + "/app", Credential: Credential{GitHubApp: &ok}}, "main")
		want(t, err, HostKey, "gitAuth.caBundle")
	})
	t.Run("OwnAuthority", func(t *testing.T) {
		app.Break(0)
		_, err := newClient(t, gitserver.Start(t, gitserver.Options{})).Resolve(t.Context(),
			Remote{URL: server.URL + "/app", Credential: Credential{GitHubApp: &ok, CABundle: server.CA}}, "main")
		want(t, err, NotFound)
	})
}

func TestAPIBase(t *testing.T) {
	for text, base := range map[string]string{
		"https://github.com/a/b":          "https://api.github.com",
		"https://GitHub.com/a/b.git":      "https://api.github.com",
		"https://github.example/a/b":      "https://github.example/api/v3",
		"https://github.example:8443/a/b": "https://github.example:8443/api/v3",
	} {
		u, err := ParseURL(text)
		if err != nil || apiBase(u) != base {
			t.Errorf("%s: %s, %v, want %s", text, apiBase(u), err, base)
		}
	}
}
