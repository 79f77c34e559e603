package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"github.com/gantry-operator/gantry/internal/agent/cli"
	"github.com/gantry-operator/gantry/internal/agent/cloud"
	"github.com/gantry-operator/gantry/internal/operation"
)

// healUpdate cancels the update that Pulumi Cloud takes for alive, if it is one of this Workspace's own that is over. It is
// canceled by its id, so that nothing else can be hit, whatever happens meanwhile.
func (r *Runner) healUpdate(ctx context.Context, run *run, ending cli.Ending, failed error) (bool, error) {
	client, stack, err := r.onCloud(run)
	if err != nil {
		r.Log.Info("it cannot be asked who updates the stack", "error", err)
		return false, failed
	}
	latest, err := client.Latest(ctx, stack)
	if err != nil {
		r.Log.Error("it is not known who updates the stack", "error", err)
		return false, failed
	}
	if !latest.Running {
		// It has just ended, or it is no update that keeps this one from running.
		r.Log.Info("the newest update of the stack does not run", "update", latest.String())
		return false, failed
	}
	dead := own(run.op.GetEnded(), stack, latest)
	if dead == nil || run.healed != "" {
		return false, locked(run, ending, lastWords(ending)+" It is "+latest.String())
	}
	r.forgetFailure(run, "Update "+dead.GetName())
	if err := client.Cancel(ctx, stack, latest.ID); err != nil {
		return false, notFreed(run, ending, "Update "+dead.GetName(), err)
	}
	run.healed = fmt.Sprintf("the stack was held by %s, begun by Update %s, which ended without releasing it; it was canceled",
		latest, dead.GetName())
	return true, nil
}

// own finds the operation of this Workspace whose update it is: the same version of the same stack, started at the same
// time; nil if there is none.
func own(ended []*operation.Ended, stack cloud.Stack, latest cloud.Update) *operation.Ended {
	for _, one := range ended {
		of, version, ok := cloud.Parse(one.GetPermalink())
		if ok && of == stack && version == latest.Version && latest.ID != "" &&
			latest.Since.After(one.GetStarted().AsTime().Add(-clocksDiffer)) && latest.Since.Before(one.GetEnded().AsTime().Add(clocksDiffer)) {
			return one
		}
	}
	return nil
}

// onCloud is how to ask Pulumi Cloud of the stack.
func (r *Runner) onCloud(run *run) (cloud.Client, cloud.Stack, error) {
	client := cloud.Client{HTTP: r.HTTP, URL: r.backend(run)}
	credentials := run.env.credentials()
	if client.URL == "" {
		client.URL = credentials.Current
	}
	client.URL = strings.TrimSuffix(client.URL, "/")
	if client.Token, _ = run.env.lookup("PULUMI_ACCESS_TOKEN"); client.Token == "" {
		client.Token = credentials.AccessTokens[client.URL]
	}
	if !strings.HasPrefix(client.URL, "http") || client.Token == "" {
		return client, cloud.Stack{}, errors.New("the pod is not logged in to Pulumi Cloud")
	}
	stack, ok := fullName(run)
	if !ok {
		return client, stack, errors.New("the organization of the stack is not known")
	}
	return client, stack, nil
}

// fullName is the stack's, as its name has it, or as Pulumi Cloud gave it to an operation before.
func fullName(run *run) (cloud.Stack, bool) {
	parts := strings.Split(run.op.GetStack().GetName(), "/")
	stack := cloud.Stack{Project: run.project.Settings.Name.String(), Name: parts[len(parts)-1]}
	if len(parts) > 1 {
		stack.Org = parts[0]
		return stack, true
	}
	for _, one := range run.op.GetEnded() {
		if of, _, ok := cloud.Parse(one.GetPermalink()); ok && of.Project == stack.Project && of.Name == stack.Name {
			return of, true
		}
	}
	return stack, false
}

// credentials are those that the CLI keeps in its home directory; none if there are none.
func (e environment) credentials() workspace.Credentials {
	home := e["PULUMI_HOME"]
	if home == "" {
		home = filepath.Join(e["HOME"], ".pulumi")
	}
	var credentials workspace.Credentials
	text, err := os.ReadFile(filepath.Join(home, "credentials.json"))
	if err != nil || json.Unmarshal(text, &credentials) != nil {
		return workspace.Credentials{}
	}
	return credentials
}

// clocksDiffer is how far the clocks of pods and of Pulumi Cloud may be apart.
const clocksDiffer = 5 * time.Minute
