package operator

import (
	"path/filepath"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/gantry-operator/gantry/internal/artifact"
	"github.com/gantry-operator/gantry/internal/metrics"
	"github.com/gantry-operator/gantry/internal/source/git"
	"github.com/gantry-operator/gantry/internal/source/git/client"
)

// gitPolls is how many git hosts are asked for a commit at the same time.
const gitPolls = 8

// gitEnvironment are the variables that git may see of the manager's environment.
func gitEnvironment() []string {
	return []string{"PATH", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"}
}

// environmentOf is what there is of some variables.
func environmentOf(names []string, getenv func(string) string) []string {
	var found []string
	for _, name := range names {
		if value := getenv(name); value != "" {
			found = append(found, name+"="+value)
		}
	}
	return found
}

// newGit makes what follows git repositories. A checkout may be as large as an archive.
func newGit(o Options, store *artifact.Store, recorder *metrics.Recorder, now clock.WithTicker, log logr.Logger) (*git.Tracker, error) {
	limits := client.DefaultLimits()
	limits.RepositoryBytes, limits.MemoryBytes = o.GitRepositorySize.Value(), o.GitMemory.Value()
	limits.CheckoutBytes, limits.Files = o.ArtifactMaxSize.Value(), o.ArtifactMaxFiles
	dir := filepath.Join(o.ArtifactDir, "git")
	hosts, err := client.NewClient(client.Options{
		Dir: dir, KnownHosts: o.GitKnownHosts, Authorities: o.GitAuthorities, Environment: o.gitEnvironment, Limits: limits, Clock: now,
	})
	if err != nil {
		return nil, err
	}
	return git.New(git.Options{
		Client: hosts, Store: store, Recorder: recorder, Clock: now, Log: log, Dir: filepath.Join(dir, "checkouts"),
		Polls: gitPolls, Fetches: o.GitFetches,
	}), nil
}
