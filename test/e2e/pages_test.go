package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
	corev1 "k8s.io/api/core/v1"

	"github.com/gantry-operator/gantry/test/docs"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// command is a shell on this machine that runs commands of a page, in a folder of its own and the story's namespace.
func (s *story) command(folder, commands string, environment ...string) *exec.Cmd {
	s.T.Helper()
	kubeconfig := filepath.Join(folder, ".kubeconfig")
	s.Must(s.WriteKubeconfig(os.Getenv("KUBECONFIG"), kubeconfig))
	ctx, cancel := context.WithTimeout(s.Ctx, s.Patience)
	s.T.Cleanup(cancel)
	command := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", commands)
	command.Dir = folder
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder, "PULUMI_HOME=" + folder + "/.pulumi", "KUBECONFIG=" + kubeconfig, "PULUMI_SKIP_UPDATE_CHECK=true"}, environment...)
	return command
}

// passphrase is that of the story's stacks.
func (s *story) passphrase() string {
	s.T.Helper()
	secret := &corev1.Secret{}
	s.Must(s.Client.Get(s.Ctx, s.Key(stage.PassphraseSecret), secret))
	return string(secret.Data["passphrase"])
}

// importsSnapshot goes back to a snapshot, as the page says, in a backend of this machine's that has the state as it is now.
func (s *story) importsSnapshot(snapshot, state string) {
	s.T.Helper()
	folder := s.T.TempDir()
	file := filepath.Join(folder, "backend", ".pulumi", "stacks", "long", "pending.json")
	s.Must(os.MkdirAll(filepath.Dir(file), 0o700))
	s.Must(os.WriteFile(file, []byte(state), 0o600))
	s.Must(os.WriteFile(filepath.Join(folder, "backend", ".pulumi", "meta.yaml"), []byte("version: 1\n"), 0o600))
	words := strings.NewReplacer("secret NAME", "secret "+snapshot, "--stack STACK", "--stack organization/long/pending")
	for _, commands := range docs.RunBy(s.T, "docs/spec/stack.md") {
		shell := s.command(folder, words.Replace(commands), "PULUMI_BACKEND_URL=file://"+filepath.Join(folder, "backend"), "PULUMI_CONFIG_PASSPHRASE="+s.passphrase())
		if said, err := shell.CombinedOutput(); err != nil {
			s.T.Fatalf("%v:\n%s\nand printed\n%s", err, commands, said)
		}
	}
	exported, err := os.ReadFile(filepath.Join(folder, "state.json"))
	s.Must(err)
	imported, err := os.ReadFile(file)
	s.Must(err)
	if !bytes.Contains(exported, []byte(interruptedURN)) || bytes.Contains(imported, []byte(interruptedURN)) || !bytes.Contains(imported, []byte("pulumi:pulumi:Stack")) {
		s.T.Errorf("the state after the import is\n%s\nmade of\n%s", imported, exported)
	}
}

// TestAShellInThePod opens one in a terminal, as the page says.
func TestAShellInThePod(t *testing.T) {
	t.Parallel()
	s := begin(t, "shell")
	s.program("greeting", greeting)
	s.AwaitReady(s.stack("web", "greeting", onImage))
	for _, commands := range docs.RunBy(t, "docs/troubleshooting.md") {
		shown := s.inTerminal(strings.ReplaceAll(commands, "NAME", "web"), "tty; ls /share/workspace; echo \"the hub is $GANTRY_HUB\"; exit\n")
		for _, want := range []string{"/dev/pts/", "Pulumi.yaml", "the hub is " + s.hub()} {
			if !strings.Contains(shown, want) {
				t.Errorf("the terminal does not show %q, but:\n%s", want, shown)
			}
		}
	}
}

// inTerminal runs commands in a terminal, in which somebody types, and returns what it shows until they end.
func (s *story) inTerminal(commands, typed string) string {
	s.T.Helper()
	terminal, err := pty.Start(s.command(s.T.TempDir(), commands))
	s.Must(err)
	defer terminal.Close()
	_, err = terminal.WriteString(typed)
	s.Must(err)
	var shown bytes.Buffer
	_, _ = shown.ReadFrom(terminal) // reading fails when the program has ended
	return shown.String()
}

// TestMovingToAnotherBackend moves a stack as the page says. Nothing is made again.
func TestMovingToAnotherBackend(t *testing.T) {
	t.Parallel()
	s := begin(t, "moving")
	s.program("moving", strings.Replace(long, "seconds: 20", "seconds: 0", 1))
	stack := s.stack("prod", "moving", onImage)
	s.AwaitReady(stack)
	prepare := fmt.Sprintf("exec 2>&1; set -eux; unset PULUMI_BACKEND_URL; mkdir -p /state/new /tmp/program; cp Pulumi.yaml /tmp/program; cd /tmp/program; export PULUMI_CONFIG_PASSPHRASE=%q\n", s.passphrase())
	words := strings.NewReplacer("s3://old", "file:///state", "s3://new", "file:///state/new")
	for _, commands := range docs.RunBy(t, "docs/guides/backends.md") {
		said, err := s.Shell(s.Ctx, "prod", prepare+words.Replace(commands)+"\ntest ! -e state.json")
		if err != nil {
			t.Fatalf("%v:\n%s", err, said)
		}
	}
	s.Must(s.Patch(s.Ctx, stack, `{spec: {backend: "file:///state/new"}}`))
	s.AwaitReady(stack)
	s.updates("prod", 2)
	if output(stack, "label") != `"slow"` {
		t.Errorf("the output is %s", output(stack, "label"))
	}
	const want = "create slow\n/state/new/.pulumi/stacks/moving/prod.json\n"
	left, err := s.Shell(s.Ctx, "prod", "cat /state/created; ls /state/new/.pulumi/stacks/moving/prod.json")
	s.Must(err)
	if left != want {
		t.Errorf("after the move there is\n%s\nwant\n%s", left, want)
	}
}
