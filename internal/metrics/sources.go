package metrics

import "github.com/prometheus/client_golang/prometheus"

// NameGitRemotes is the name of the gauge of what is followed in git.
const NameGitRemotes = "gantry_git_remotes"

// Sources tells what the manager follows. It asks when it is asked.
type Sources struct {
	count   func() (followed, failing int)
	remotes *prometheus.Desc
}

// NewSources makes a Sources. count tells how many refs of repositories are followed, and how many of them could not be
// polled the last time.
func NewSources(count func() (followed, failing int)) *Sources {
	return &Sources{
		count:   count,
		remotes: describe(NameGitRemotes, "Refs of git repositories that are polled, by how the last poll went.", labelState),
	}
}

// Describe tells what there may be.
func (s *Sources) Describe(ch chan<- *prometheus.Desc) { ch <- s.remotes }

// Collect tells what there is.
func (s *Sources) Collect(ch chan<- prometheus.Metric) {
	followed, failing := s.count()
	ch <- gauge(s.remotes, float64(followed-failing), "ok")
	ch <- gauge(s.remotes, float64(failing), "failing")
}
