package pulumicloud_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/test/doubles/pulumicloud"
)

// user is somebody with the real CLI and a project.
type user struct {
	t     *testing.T
	cloud *pulumicloud.Running
	dir   string
	cli   string
	env   []string
}

// newUser makes one, who is logged in by the environment.
func newUser(t *testing.T, program string) *user {
	t.Helper()
	bin, err := filepath.Abs("../../../bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(bin, "pulumi")); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the Pulumi CLI is not built: %v", err)
		}
		t.Skipf("NOT TESTED: the Pulumi CLI is not built (%v); run make tools", err)
	}
	u := &user{t: t, cloud: pulumicloud.Start(t, "acme"), dir: t.TempDir(), cli: filepath.Join(bin, "pulumi")}
	u.env = append(u.cloud.Env(), "HOME="+t.TempDir(), "PULUMI_HOME="+t.TempDir(), "PULUMI_SKIP_UPDATE_CHECK=true",
		"PATH="+bin+":"+filepath.Join(bin, "doubles")+":"+os.Getenv("PATH"))
	u.write("Pulumi.yaml", "name: demo\nruntime: yaml\n"+program)
	return u
}

func (u *user) write(name, text string) {
	u.t.Helper()
	if err := os.WriteFile(filepath.Join(u.dir, name), []byte(text), 0o600); err != nil {
		u.t.Fatal(err)
	}
}

// try runs the CLI and gives all its words.
func (u *user) try(args ...string) (string, error) {
	u.t.Helper()
	cmd := exec.CommandContext(u.t.Context(), u.cli, append(args, "--non-interactive", "--color=never")...)
	cmd.Dir, cmd.Env = u.dir, u.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// run runs the CLI, which must succeed, and gives its standard output.
func (u *user) run(args ...string) string {
	u.t.Helper()
	cmd := exec.CommandContext(u.t.Context(), u.cli, append(args, "--non-interactive", "--color=never")...)
	cmd.Dir, cmd.Env = u.dir, u.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		u.t.Fatalf("pulumi %s: %v\n%s%s", strings.Join(args, " "), err, out, &stderr)
	}
	return string(out)
}

// contains fails unless all words are in the text.
func contains(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%q is not in:\n%s", word, text)
		}
	}
}

const outputs = `config: {word: {type: string, default: none}, key: {type: string, default: none}}
outputs: {word: "${word}", key: "${key}"}
`

func TestTheLifeOfAStack(t *testing.T) {
	u := newUser(t, outputs)
	contains(t, u.run("whoami", "-v"), pulumicloud.User, "acme", "http://"+pulumicloud.Console)
	u.run("stack", "init", "acme/demo/dev")
	u.run("config", "set", "word", "hello")
	u.run("config", "set", "--secret", "key", "canary-of-the-key")
	contains(t, u.run("preview"), "View Live: http://"+pulumicloud.Console+"/acme/demo/dev/previews/")
	contains(t, u.run("up", "--yes", "--skip-preview", "-m", "the first"),
		"View Live: http://"+pulumicloud.Console+"/acme/demo/dev/updates/1", "hello", "[secret]")
	u.run("refresh", "--yes")
	var got map[string]any
	if err := json.Unmarshal([]byte(u.run("stack", "output", "--json", "--show-secrets")), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"word": "hello", "key": "canary-of-the-key"}, got); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	var history []struct {
		Kind, Message, Result string
		Version               int
	}
	if err := json.Unmarshal([]byte(u.run("stack", "history", "--json")), &history); err != nil {
		t.Fatal(err)
	}
	if len(history) != 2 || history[1].Message != "the first" || history[0].Kind != "refresh" || history[0].Result != "succeeded" {
		t.Errorf("the history is %+v", history)
	}
	exported := u.run("stack", "export")
	contains(t, exported, `"type": "service"`, "ciphertext")
	u.write("state.json", exported)
	u.run("stack", "import", "--file", "state.json")
	contains(t, u.run("stack", "output", "--show-secrets"), "canary-of-the-key")
	if strings.Contains(u.cloud.Kept(), "canary") {
		t.Error("the CLI gave a secret away in clear")
	}

	u.run("stack", "init", "acme/demo/other")
	contains(t, u.run("stack", "ls"), "acme/demo/dev", "acme/demo/other")
	u.run("stack", "select", "acme/demo/dev")
	words, err := u.try("stack", "init", "acme/demo/dev")
	if err == nil {
		t.Error("a stack was made twice")
	}
	contains(t, words, "already exists")
	words, err = u.try("stack", "rm", "--yes", "acme/demo/dev")
	if err == nil {
		t.Error("a stack with resources was removed")
	}
	contains(t, words, "still has resources")
	u.run("destroy", "--yes")
	u.run("stack", "rm", "--yes", "acme/demo/dev")
	words, err = u.try("stack", "select", "acme/demo/dev")
	if err == nil {
		t.Error("a stack that is gone was selected")
	}
	contains(t, words, "no stack named 'dev' found")
}

func TestTokens(t *testing.T) {
	u := newUser(t, outputs)
	u.run("stack", "init", "acme/demo/dev")
	u.cloud.AllowToken("pul-second", "second")
	u.cloud.RevokeToken(pulumicloud.Token)
	if words, err := u.try("stack", "ls"); err == nil {
		t.Errorf("the old token is still good:\n%s", words)
	}
	u.env = append(u.env, "PULUMI_ACCESS_TOKEN=pul-second")
	u.run("up", "--yes", "--skip-preview")
	requests := u.cloud.Requests()
	if last := requests[len(requests)-1]; last.Token != "lease" && last.Token != "second" {
		t.Errorf("the last request is %+v", last)
	}
	if text := u.cloud.Kept(); strings.Contains(text, "pul-second") {
		t.Error("a token is in what the double keeps")
	}
}

func TestALockAndItsLoss(t *testing.T) {
	u := newUser(t, "resources:\n  slow: {type: testing:Sleep, properties: {seconds: 4}}\n")
	if _, err := os.Stat("../../../bin/doubles/pulumi-resource-testing"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the provider for tests is not built: %v", err)
		}
		t.Skipf("NOT TESTED: the provider for tests is not built: %v", err)
	}
	u.run("stack", "init", "acme/demo/dev")
	type ending struct {
		words string
		err   error
	}
	ended := make(chan ending, 1)
	go func() {
		words, err := u.try("up", "--yes", "--skip-preview")
		ended <- ending{words, err}
	}()
	u.untilAsked("PATCH", "/checkpoint")
	words, err := u.try("up", "--yes", "--skip-preview")
	if err == nil {
		t.Error("two updates ran at once")
	}
	contains(t, words, "[409] Conflict: Another update is currently in progress.")
	if !u.cloud.LoseLease("acme/demo/dev") {
		t.Error("nobody held the stack")
	}
	end := <-ended
	if end.err == nil {
		t.Error("an update without its lock succeeded")
	}
	contains(t, end.words, "[403] The provided update token has expired.")
	u.run("up", "--yes", "--skip-preview")
}

// untilAsked waits for a request.
func (u *user) untilAsked(method, suffix string) {
	u.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, request := range u.cloud.Requests() {
			if request.Method == method && strings.HasSuffix(request.Path, suffix) {
				return
			}
		}
	}
	u.t.Fatalf("nobody asked for %s %s: %+v", method, suffix, u.cloud.Requests())
}
