package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// withoutEnvironments refuses ESC environments where the backend has none. Of the backend's URL it tells only the
// scheme: the rest may hold credentials.
func withoutEnvironments(backend string, environments []string) error {
	if len(environments) == 0 || !hasOwnState(backend) {
		return nil
	}
	scheme, _, _ := strings.Cut(backend, "://")
	return fmt.Errorf("the stack imports ESC environments (%s), which only Pulumi Cloud has, and its backend is %s://: take them "+
		"out of spec.environment of the Stack and out of the program's Pulumi.<stack>.yaml, or keep the state in Pulumi Cloud",
		strings.Join(environments, ", "), scheme)
}

// errCloudConfig is a stack whose configuration Pulumi Cloud keeps, so that the operation's would be ignored.
var errCloudConfig = errors.New("the configuration of this stack is kept in Pulumi Cloud, so that what the Stack configures " +
	"(config, configRef, secrets, secretsRef, environment) would be ignored: move it into the stack's " +
	"ESC environment and take it out of the Stack, or make the stack anew without --remote-config")

// guarded runs what follows the CLI's lines, and ends the CLI at once when it says that it ignores the configuration. It
// says so before it asks for the update, which takes several calls more.
func (r *run) guarded(ctx context.Context) (context.Context, func(line string), func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	follow := func(line string) {
		if r.configured && isConfigIgnored(line) {
			cancel(errCloudConfig)
		}
		r.permalink(line)
	}
	return ctx, follow, func() { cancel(nil) }
}
