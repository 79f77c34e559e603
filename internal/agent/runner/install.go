package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gantry-operator/gantry/internal/agent/cli"
	"github.com/gantry-operator/gantry/internal/agent/dependencies"
	"github.com/gantry-operator/gantry/internal/operation"
)

// install installs what the program needs: once per source that is put in its place, and not for one whose dependencies
// another source has installed in this pod. A YAML program needs nothing but the packages that it names.
func (r *Runner) install(ctx context.Context, run *run) error {
	project := run.project
	if !project.Program || (project.Settings.Runtime.Name() == "yaml" && len(project.Settings.Packages) == 0) {
		return nil
	}
	// A revision that left the disk and comes back has a new project file, and nothing installed.
	info, err := os.Stat(project.File)
	if err != nil {
		return fmt.Errorf("look at the project file: %w", err)
	}
	dir, err := filepath.EvalSymlinks(project.Dir)
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	mark := r.mark("installed", fmt.Sprintf("%s@%d", project.Source, info.ModTime().UnixNano()))
	set, done, err := r.needed(run, dir, mark)
	if done || err != nil {
		return err
	}
	if err := r.installAnew(ctx, run, dir); err != nil {
		return run.without(ctx, err)
	}
	kept, err := r.installed().Keep(set, dir, project.Settings)
	if err != nil {
		return err
	}
	if !kept {
		set = dependencies.Set{}
	}
	return markAs(mark, set.Key)
}

// without goes on without what could not be installed where the program is not run: only resources that are made of the
// program's own code need it then, and a stack that cannot be installed has to be destroyed one day.
func (r *run) without(ctx context.Context, err error) error {
	kind := r.op.GetType()
	unused := kind == operation.Type_DESTROY || kind == operation.Type_REFRESH
	if !unused || r.op.GetOptions().GetRunProgram() || context.Cause(ctx) != nil {
		return err
	}
	r.notes = append(r.notes, "what the program needs is not installed: "+err.Error())
	return nil
}

// installAnew runs the installation.
func (r *Runner) installAnew(ctx context.Context, run *run, dir string) error {
	half, err := r.begin(dir, dependencies.Target(run.project.Settings))
	if err != nil {
		return err
	}
	if err := r.process(ctx, run, cli.Command{Args: cli.InstallArgs(), What: installing}); err != nil {
		return err
	}
	if err := os.Remove(half); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("mark what was done: %w", err)
	}
	return nil
}

// needed finds what the program needs, and whether it has that. The mark of a source names its dependencies as they were
// before they were installed, which changes files of the source.
func (r *Runner) needed(run *run, dir, mark string) (set dependencies.Set, done bool, err error) {
	set, err = dependencies.Of(dir, run.project.Settings)
	if err != nil {
		return set, false, err
	}
	key, err := os.ReadFile(mark)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return set, false, fmt.Errorf("read what was installed: %w", err)
	case len(key) == 0:
		return set, true, nil
	default:
		set.Key = string(key)
	}
	done, err = r.installed().Serve(set, dir)
	if !done || err != nil {
		return set, false, err
	}
	r.Log.Debug("the dependencies are installed already", "source", run.project.Source)
	return set, true, markAs(mark, set.Key)
}

// begin removes what an installation left that did not come to its end, over which npm would fall, and leaves a mark until
// this one has. A directory that the source brings is never removed.
func (r *Runner) begin(dir, target string) (half string, err error) {
	half, made := r.mark("installing", dir), filepath.Join(dir, target)
	switch {
	case target == "":
		return half, nil
	case exists(half):
		if err := os.RemoveAll(made); err != nil {
			return "", fmt.Errorf("remove a half installation: %w", err)
		}
	case exists(made):
		return half, nil
	}
	return half, markAs(half, "")
}

func (r *Runner) installed() dependencies.Installed {
	return dependencies.Installed{Dir: filepath.Join(r.State, "dependencies")}
}

// markAs writes a mark.
func markAs(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("mark what was done: %w", err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("mark what was done: %w", err)
	}
	return nil
}

// installWords are what pulumi says of an installation that failed, and then what the language's own tool said of it. Pulumi
// only names the tool, in its last lines on standard error. What the tool says comes before these, or on standard output.
func installWords(ending cli.Ending) string {
	stderr := strings.Split(ending.Stderr, "\n")
	end := slices.IndexFunc(stderr, isError)
	if end < 0 {
		end = len(stderr)
	}
	var words []string
	for _, said := range []string{lastWords(ending), lastLines(strings.Join(stderr[:end], "\n")), lastLines(ending.Stdout)} {
		for _, line := range strings.Split(cut(said, maxOne), "\n") {
			told := slices.ContainsFunc(words, func(before string) bool { return strings.Contains(before, line) })
			if !told && !strings.HasPrefix(line, "Installing dependencies") {
				words = append(words, line)
			}
		}
	}
	return strings.Join(words, "\n")
}
