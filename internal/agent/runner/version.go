package runner

import (
	"context"
	"debug/buildinfo"
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/gantry-operator/gantry/internal/agent/cli"
)

// Version is the CLI's, without a leading v; empty while it is not known.
func (r *Runner) Version() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.version
}

func (r *Runner) setVersion(version string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.version = strings.TrimPrefix(strings.TrimSpace(version), "v")
}

// ReadVersion reads the CLI's version from its executable, which takes no process. It says false for one that does not
// have it, such as a script or a build from somewhere between two releases.
func (r *Runner) ReadVersion() bool {
	path, err := exec.LookPath(r.CLI.Path)
	if err != nil {
		return false
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil || !strings.HasPrefix(info.Main.Path, "github.com/pulumi/pulumi/") {
		return false
	}
	version, _, _ := strings.Cut(info.Main.Version, "+")
	if !released.MatchString(version) {
		return false
	}
	r.setVersion(version)
	return true
}

// AskVersion asks the CLI for its version, at low priority: the first operation is more urgent.
func (r *Runner) AskVersion(ctx context.Context) error {
	ending, err := r.CLI.Run(ctx, cli.Command{
		Args: cli.VersionArgs(), What: "version", Env: r.Env, Private: true, Nice: true, Grace: time.Second,
	})
	if err != nil {
		return err
	}
	if !ending.Succeeded() {
		return errors.New("pulumi version: " + lastWords(ending))
	}
	r.setVersion(ending.Stdout)
	return nil
}

// released is the version of a release.
var released = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+$`)
