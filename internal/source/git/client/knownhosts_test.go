package client

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"github.com/gantry-operator/gantry/test/gitserver"
)

// The image's host keys are those that the hosts publish.
func TestShippedHostKeys(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "config", "manager", "ssh_known_hosts"))
	if err != nil {
		t.Fatal(err)
	}
	published := map[string][]string{
		"github.com": { // docs.github.com, "GitHub's SSH key fingerprints"
			"SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU", "SHA256:p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM",
			"SHA256:uNiVztksCsDhcc0u9e8BujQXVUpKZIDTMczCvj3tD2s",
		},
		"gitlab.com": { // docs.gitlab.com, "SSH host keys fingerprints"
			"SHA256:HbW3g8zUjNSksFbqTiUWPWg2Bq1x8xdGUrliXFzSnUw", "SHA256:ROQFvPThGrW4RuWLoL9tq9I9zJ42fK4XywyRtbOz/EQ",
			"SHA256:eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8",
		},
		"bitbucket.org": { // support.atlassian.com, "Configure SSH and two-step verification"
			"SHA256:46OSHA1Rmj8E8ERTC6xkNcmGOw9oFxYr0WF6zWW8l1E", "SHA256:FC73VB6C4OQLSCrjEayhMp9UMxS97caD/Yyi2bhW/J0",
			"SHA256:ybgmFkzwOSotHTHLJgHO0QN8L0xErw6vd0VhFA9m3SM",
		},
		"ssh.dev.azure.com": { // learn.microsoft.com, "Use SSH key authentication"
			"SHA256:ohD8VZEXGWo6Ez8GSEJQ9WpafgLFsOfLOtGGQCQo6Og",
		},
	}
	shipped := map[string][]string{}
	for rest := text; ; {
		var hosts []string
		var key ssh.PublicKey
		_, hosts, key, _, rest, err = ssh.ParseKnownHosts(rest)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || len(hosts) != 1 {
			t.Fatalf("%v: %v", hosts, err)
		}
		shipped[hosts[0]] = append(shipped[hosts[0]], ssh.FingerprintSHA256(key))
	}
	for _, fingerprints := range shipped {
		slices.Sort(fingerprints)
	}
	for _, fingerprints := range published {
		slices.Sort(fingerprints)
	}
	if diff := cmp.Diff(published, shipped); diff != "" {
		t.Errorf("(-published +shipped):\n%s", diff)
	}
}

// The manager's own host keys count beside those of a Secret.
func TestManagersHostKeys(t *testing.T) {
	gitserver.Need(t, "git", "ssh", "/usr/sbin/sshd")
	server := gitserver.Start(t, gitserver.Options{})
	repository := server.Create("app")
	commit := repository.Commit("main", gitserver.Files{"a": gitserver.Text("a")})
	daemon := server.StartSSH("127.0.0.1:0")
	known := filepath.Join(t.TempDir(), "known hosts")
	if err := os.WriteFile(known, []byte(daemon.KnownHosts), 0o600); err != nil {
		t.Fatal(err)
	}
	client := newClient(t, server, func(o *Options) { o.KnownHosts = known })
	for _, more := range []string{"", "other.example ssh-ed25519 AAAA\n"} {
		remote := Remote{URL: daemon.URL("app"), Credential: Credential{SSHPrivateKey: daemon.Key, KnownHosts: more}}
		if resolved, err := client.Resolve(t.Context(), remote, "main"); err != nil || resolved != commit {
			t.Errorf("%s, %v", resolved, err)
		}
	}
}
