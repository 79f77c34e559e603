package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// BenchmarkUp compares a warm up through the agent with the bare process.
func BenchmarkUp(b *testing.B) {
	dir := realCLI(b)
	b.Run("Bare", func(b *testing.B) {
		project, state := b.TempDir(), b.TempDir()
		if err := os.WriteFile(filepath.Join(project, "Pulumi.yaml"), []byte(yaml("outputs: {a: 1}\n")["Pulumi.yaml"]), 0o600); err != nil {
			b.Fatal(err)
		}
		run := func(args ...string) {
			cmd := exec.CommandContext(b.Context(), filepath.Join(dir, "pulumi"), args...)
			cmd.Dir = project
			cmd.Env = []string{
				"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + state, "PULUMI_HOME=" + filepath.Join(state, "home"),
				"PULUMI_BACKEND_URL=file://" + state, "PULUMI_CONFIG_PASSPHRASE=test", "PULUMI_SKIP_UPDATE_CHECK=true",
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
		}
		run("stack", "init", "dev")
		run("up", "--yes", "--skip-preview", "--stack=dev", "--non-interactive")
		for b.Loop() {
			run("up", "--yes", "--skip-preview", "--stack=dev", "--non-interactive")
		}
	})
	b.Run("Agent", func(b *testing.B) {
		p := newPod(b, dir)
		source := p.store.put(b, yaml("outputs: {a: 1}\n"), "")
		p.hub.run(up("first", source))
		n := 0
		for b.Loop() {
			n++
			p.hub.run(up("warm-"+strconv.Itoa(n), source))
		}
	})
}
