// Package project owns the program's directory in the pod: it fetches and unpacks what the operation names, once per
// digest, points the fixed path of the workspace at it and reads the project file.
package project

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"github.com/gantry-operator/gantry/internal/operation"
)

// Project is a program that is ready to be installed and run.
type Project struct {
	// Dir is the fixed path of the program's directory, the same for every revision of it: paths end in a stack's state.
	Dir string
	// Source names what is in Dir; what was done once for a Source need not be done again.
	Source string
	// File is the path of Pulumi.yaml and Settings what it says.
	File     string
	Settings *workspace.Project
	// Program says that there is a program, and not only a project file made up for a stack that has lost its source.
	Program bool
}

// Info is what a result says about the project.
func (p *Project) Info() *operation.ProjectInfo {
	return &operation.ProjectInfo{Name: p.Settings.Name.String(), Runtime: p.Settings.Runtime.Name()}
}

// Workspace is the pod's place for programs.
type Workspace struct {
	// Fetcher gets artifacts.
	Fetcher *Fetcher
	// Link is the fixed path of the program's directory.
	Link string
	// Made is where project files are made up.
	Made string
	// Writable tells whether files can be made in a directory.
	Writable func(dir string) bool
}

// Prepare brings the source into place and reads its project file.
func (w *Workspace) Prepare(ctx context.Context, source *operation.Source) (*Project, error) {
	project := &Project{Dir: w.Link, Program: source.GetProject() == nil}
	target, err := w.find(ctx, source, project)
	if err != nil {
		return nil, err
	}
	if target != "" {
		if err := w.switchTo(target); err != nil {
			return nil, err
		}
	}
	return project, w.read(project, target)
}

// find gets the source and gives the directory of its program; empty for one that is in its place already.
func (w *Workspace) find(ctx context.Context, source *operation.Source, project *Project) (target string, err error) {
	switch from := source.GetFrom().(type) {
	case *operation.Source_Artifact:
		dir, err := w.Fetcher.Fetch(ctx, from.Artifact)
		if err != nil {
			return "", err
		}
		project.Source = from.Artifact.GetDigest() + "/" + from.Artifact.GetDir()
		return within(dir, from.Artifact.GetDir())
	case *operation.Source_Local:
		target, project.Source, err = w.local(from.Local)
		return target, err
	case *operation.Source_Project:
		project.Source = "project:" + from.Project.GetName()
		return w.make(from.Project)
	case *operation.Source_Prepared:
		project.Source = "prepared"
		return "", nil
	default:
		return "", errors.New("the operation names no source; set git, flux or local on the workspace, or fill " + w.Link)
	}
}

// switchTo makes the target the workspace, and lets go of revisions that are older than the one before.
func (w *Workspace) switchTo(target string) error {
	before, err := filepath.EvalSymlinks(w.Link)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("find the revision before: %w", err)
	}
	if err := link(w.Link, target); err != nil {
		return err
	}
	return prune(w.Fetcher.Dir, before, target)
}

// read finds the project file and reads it.
func (w *Workspace) read(project *Project, target string) error {
	for _, ext := range []string{".yaml", ".yml", ".json"} {
		file := filepath.Join(project.Dir, "Pulumi"+ext)
		settings, err := workspace.LoadProject(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("the project file cannot be used: %w", err)
		}
		project.File, project.Settings = file, settings
		return nil
	}
	where := project.Dir
	if target != "" {
		where += " (" + target + ")"
	}
	return fmt.Errorf("there is no Pulumi.yaml in %s, which has %s; name the program's directory with repoDir or dir",
		where, contents(project.Dir))
}
