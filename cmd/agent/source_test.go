package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-operator/gantry/internal/operation"
)

func TestSourcesThatCannotBeUsed(t *testing.T) {
	p := newPod(t, cliDouble(t))
	good := p.store.put(t, yaml("outputs: {}\n"), "")
	other := strings.Repeat("0", 64)
	cases := map[string]struct {
		reason string
		source *operation.Source
		prep   func()
		want   []string
	}{
		"DigestMismatch": {
			reason: "what does not have the digest is not run",
			source: p.store.source("sha256:"+other, ""),
			prep: func() {
				p.store.mu.Lock()
				defer p.store.mu.Unlock()
				p.store.archives["sha256:"+other] = p.store.archives[good.GetArtifact().GetDigest()]
			},
			want: []string{"not sha256:" + other},
		},
		"NoProjectFile": {
			reason: "the user reads where it was looked for and what is there",
			source: p.store.put(t, map[string]string{"app/main.ts": "x", "README.md": "y"}, ""),
			want:   []string{"no Pulumi.yaml in " + filepath.Join(p.share, "workspace"), "README.md, app/"},
		},
		"NoDirectory": {
			reason: "the user reads which directory is missing and what is there",
			source: p.store.put(t, map[string]string{"app/Pulumi.yaml": "name: x\nruntime: yaml\n"}, "apps"),
			want:   []string{`no directory "apps"`, "app/"},
		},
		"BadProjectFile": {
			reason: "the user reads what is wrong with the file",
			source: p.store.put(t, map[string]string{"Pulumi.yaml": "runtime: yaml\n"}, ""),
			want:   []string{"project file cannot be used", "name"},
		},
		"NotHTTPS": {
			reason: "the token is not sent over an open link",
			source: &operation.Source{From: &operation.Source_Artifact{Artifact: &operation.Artifact{
				Digest: "sha256:" + strings.Repeat("1", 64), Url: "http://127.0.0.1:1/x",
			}}},
			want: []string{"is not https"},
		},
		"ForeignAndNotWeb": {
			reason: "a foreign archive comes over http or https, and the password does not show",
			source: foreign("sha256:"+strings.Repeat("1", 64), "ftp://me:hunter2@127.0.0.1:1/x"),
			want:   []string{"ftp://127.0.0.1:1/x is neither http nor https"},
		},
		"NoDigest": {
			reason: "nothing is fetched that cannot be checked",
			source: foreign("", "http://127.0.0.1:1/x"),
			want:   []string{`digest "" is neither a sha256`},
		},
		"ShortDigest": {
			reason: "a digest is whole",
			source: foreign("sha512:"+strings.Repeat("1", 64), "http://127.0.0.1:1/x"),
			want:   []string{"is not a sha512 digest, 128"},
		},
		"NoSource": {
			reason: "an operation names its source",
			source: &operation.Source{},
			want:   []string{"names no source"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.prep != nil {
				tc.prep()
			}
			result := p.hub.run(up(name, tc.source))
			if result.GetOutcome() != operation.Outcome_FAILED || result.GetReason() != operation.ReasonSourceFailed {
				t.Fatalf("outcome %v, reason %s: %s", result.GetOutcome(), result.GetReason(), result.GetMessage())
			}
			for _, want := range tc.want {
				if !strings.Contains(result.GetMessage(), want) || strings.Contains(result.GetMessage(), "hunter2") {
					t.Errorf("%s: the message lacks %q: %s", tc.reason, want, result.GetMessage())
				}
			}
		})
	}
	if p.ups() != 0 {
		t.Errorf("up ran %d times, want never", p.ups())
	}
}

func TestAMissingArtifactIsAskedForAgain(t *testing.T) {
	p := newPod(t, cliDouble(t))
	p.release()
	p.store.missing = 2
	wantSuccess(t, p.hub.run(up("one", p.store.put(t, yaml("outputs: {}\n"), ""))))
	if n := p.store.requests(); n != 3 {
		t.Errorf("the store was asked %d times, want 3", n)
	}
}

func TestAStoreThatRefusesIsAskedAFewTimes(t *testing.T) {
	p := newPod(t, cliDouble(t))
	p.release()
	source := p.store.put(t, yaml("outputs: {}\n"), "")
	p.store.mu.Lock()
	p.store.refusing = 2
	p.store.mu.Unlock()
	wantSuccess(t, p.hub.run(up("soon", source)))
	p.store.mu.Lock()
	p.store.refusing = 1000
	p.store.mu.Unlock()
	result := p.hub.run(up("never", p.store.put(t, yaml("description: another\n"), "")))
	if result.GetReason() != operation.ReasonSourceFailed || !strings.Contains(result.GetMessage(), "403 Forbidden (not yours)") {
		t.Errorf("reason %s: %s", result.GetReason(), result.GetMessage())
	}
}

func TestSourcesInThePod(t *testing.T) {
	p := newPod(t, cliDouble(t))
	p.release()
	local := t.TempDir()
	if err := os.WriteFile(filepath.Join(local, "Pulumi.yaml"), []byte("name: local\nruntime: yaml\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	result := p.hub.run(up("local", &operation.Source{From: &operation.Source_Local{Local: local}}))
	wantSuccess(t, result)
	if result.GetProject().GetName() != "local" {
		t.Errorf("the project is %q", result.GetProject().GetName())
	}
	result = p.hub.run(up("gone", &operation.Source{From: &operation.Source_Local{Local: local + "/gone"}}))
	if !strings.Contains(result.GetMessage(), "no directory") {
		t.Errorf("the message does not say what is missing: %s", result.GetMessage())
	}
	// What a user's own init container has filled is a directory, not the agent's link.
	workspace := filepath.Join(p.share, "workspace")
	if err := os.Remove(workspace); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(workspace, 0o755); err != nil {
		t.Fatal(err)
	}
	p.write("workspace/Pulumi.yaml", "name: prepared\nruntime: yaml\n")
	result = p.hub.run(up("prepared", &operation.Source{From: &operation.Source_Prepared{Prepared: true}}))
	wantSuccess(t, result)
	if result.GetProject().GetName() != "prepared" {
		t.Errorf("the project is %q", result.GetProject().GetName())
	}
	result = p.hub.run(up("hidden", p.store.put(t, yaml("outputs: {}\n"), "")))
	if !strings.Contains(result.GetMessage(), "is not the agent's link") {
		t.Errorf("a directory that somebody filled was replaced: %s", result.GetMessage())
	}
}

func TestOldRevisionsLeaveTheDisk(t *testing.T) {
	p := newPod(t, cliDouble(t))
	p.release()
	for _, revision := range []string{"1", "2", "3", "4"} {
		wantSuccess(t, p.hub.run(up(revision, p.store.put(t, yaml("description: r"+revision+"\n"), ""))))
	}
	kept, err := os.ReadDir(filepath.Join(p.share, "source"))
	if err != nil {
		t.Fatal(err)
	}
	if len(kept) != 2 {
		t.Errorf("%d revisions are on the disk, want the newest and the one before", len(kept))
	}
	if got := p.read("workspace/Pulumi.yaml"); !strings.Contains(got, "r4") {
		t.Errorf("the workspace has %s", got)
	}
}
