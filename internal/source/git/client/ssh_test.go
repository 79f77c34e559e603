package client

import (
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/test/gitserver"
)

func TestSSH(t *testing.T) {
	t.Parallel()
	gitserver.Need(t, "git", "ssh", "/usr/sbin/sshd")
	server := gitserver.Start(t, gitserver.Options{Auth: gitserver.Auth{Password: "for-lfs-only"}})
	repository := server.Create("team/app")
	commit := repository.Commit("main", gitserver.Files{
		"Pulumi.yaml": gitserver.Text("name: app\n"), "big.bin": repository.LFS("big content"), ".gitattributes": gitserver.Text("*.bin filter=lfs\n"),
	})
	all := map[string]string{"Pulumi.yaml": "name: app\n", "big.bin": "big content", ".gitattributes": "*.bin filter=lfs\n"}
	daemon := server.StartSSH("127.0.0.1:0")
	url := daemon.URL("team/app")
	changed, err := daemon.OtherKnownHosts()
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		url        string
		credential Credential
		kind       Kind
		words      []string
	}{
		"Key":        {credential: Credential{SSHPrivateKey: daemon.Key, KnownHosts: daemon.KnownHosts}},
		"Passphrase": {credential: Credential{SSHPrivateKey: daemon.Encrypted, SSHPassphrase: daemon.Passphrase, KnownHosts: daemon.KnownHosts}},
		"ManyHosts":  {credential: Credential{SSHPrivateKey: daemon.Key, KnownHosts: "# mine\nother.example ssh-ed25519 AAAA\n" + daemon.KnownHosts}},
		"WindowsKey": {credential: Credential{SSHPrivateKey: strings.ReplaceAll(strings.TrimSpace(daemon.Key), "\n", "\r\n"), KnownHosts: daemon.KnownHosts}},
		"Unknown": {credential: Credential{SSHPrivateKey: daemon.Key}, kind: HostKey,
			words: []string{"Host key verification failed", "known_hosts", "gitAuth.sshAuth.knownHosts", "127.0.0.1"}},
		"Changed": {credential: Credential{SSHPrivateKey: daemon.Key, KnownHosts: changed}, kind: HostKey, words: []string{"HAS CHANGED", "known_hosts"}},
		"NoKey":   {credential: Credential{Password: "token", KnownHosts: daemon.KnownHosts}, kind: Denied, words: []string{"sshPrivateKey", "https"}},
		"OtherKey": {credential: Credential{SSHPrivateKey: otherKey(t, server), KnownHosts: daemon.KnownHosts}, kind: Denied,
			words: []string{"Permission denied (publickey)"}},
		"BrokenKey": {credential: Credential{SSHPrivateKey: "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", KnownHosts: daemon.KnownHosts}, kind: Denied,
			words: []string{"cannot be read"}},
		"NoPassphrase": {credential: Credential{SSHPrivateKey: daemon.Encrypted, KnownHosts: daemon.KnownHosts}, kind: Denied, words: []string{"no passphrase"}},
		"WrongPassphrase": {credential: Credential{SSHPrivateKey: daemon.Encrypted, SSHPassphrase: "wrong", KnownHosts: daemon.KnownHosts}, kind: Denied,
			words: []string{"does not decrypt"}},
		"NoRepository": {url: daemon.URL("team/other"), credential: Credential{SSHPrivateKey: daemon.Key, KnownHosts: daemon.KnownHosts}, kind: NotFound,
			words: []string{"team/other"}},
		"NobodyListens": {url: "ssh://git@127.0.0.1:1/app", credential: Credential{SSHPrivateKey: daemon.Key}, kind: Unreachable, words: []string{"refused"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.url == "" {
				c.url = url
			}
			client, remote := newClient(t, server), Remote{URL: c.url, Credential: c.credential}
			resolved, err := client.Resolve(t.Context(), remote, "main")
			if c.words != nil {
				want(t, err, c.kind, c.words...)
				_, _, err := checkout(t, client, remote, commit, Selection{})
				want(t, err, c.kind, c.words...)
				t.Log(err)
				return
			}
			if err != nil || resolved != commit {
				t.Fatalf("resolved to %s, %v, want %s", resolved, err, commit)
			}
			files, _, err := checkout(t, client, remote, commit, Selection{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(all, files); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

// otherKey is one that nobody takes.
func otherKey(t *testing.T, server *gitserver.Server) string {
	t.Helper()
	return server.StartSSH("127.0.0.1:0").Key
}

// user@host:path has no port: this needs the right to listen at 22.
func TestSCPStyle(t *testing.T) {
	gitserver.Need(t, "git", "ssh", "/usr/sbin/sshd")
	const address = "127.0.0.122:22"
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Skipf("SKIPPED, NOTHING IS PROVEN: %v", err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	server := gitserver.Start(t, gitserver.Options{})
	repository := server.Create("team/app")
	commit := repository.Commit("main", gitserver.Files{"a": gitserver.Text("a")})
	daemon := server.StartSSH(address)
	client := newClient(t, server)
	remote := Remote{URL: daemon.User + "@127.0.0.122:team/app.git", Credential: Credential{SSHPrivateKey: daemon.Key, KnownHosts: daemon.KnownHosts}}
	if _, _, err := checkout(t, client, remote, commit, Selection{}); err != nil {
		t.Fatal(err)
	}
	if asked := daemon.Asked(); asked[0] != "git-upload-pack 'team/app.git'" {
		t.Errorf("asked %q", asked)
	}
}
