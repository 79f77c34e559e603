package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/gantry-operator/gantry/internal/agent"
	"github.com/gantry-operator/gantry/internal/agent/session"
)

// tell has the client say when the agent is to end so that the reason can be read in the pod's status.
func tell(client *session.Client, o options, worker *agent.Agent, log *slog.Logger) <-chan session.Trouble {
	given := make(chan session.Trouble, 1)
	teller := &agent.Teller{File: filepath.Join(o.share, ".gantry", "told"), Leave: worker.Leave, Now: time.Now}
	client.Opened = func() {
		if err := teller.Opened(); err != nil {
			log.Warn("the reason for earlier trouble is not forgotten", "error", err)
		}
	}
	client.Failed = func(trouble session.Trouble) bool {
		end, err := teller.Failed(string(trouble.Kind))
		if err != nil {
			log.Warn("the reason is not told to the cluster", "error", err)
		}
		if end {
			given <- trouble
		}
		return end
	}
	return given
}

// unreachable ends the program.
type unreachable struct{ trouble session.Trouble }

func (u unreachable) Error() string { return u.trouble.Text }

// lastWords leaves the reason where the kubelet looks for it. Where it cannot be written the kubelet takes the end of the
// log, in which it is too.
func lastWords(o options, trouble session.Trouble, log *slog.Logger) error {
	log.Info("the container ends once, so that the pod's status has the reason; it has nothing to lose, and is started again at once")
	if err := os.WriteFile(o.terminationLog, []byte(trouble.Text), 0o644); err != nil {
		log.Warn("the kubelet will take the reason from the log", "error", err)
	}
	return unreachable{trouble}
}
