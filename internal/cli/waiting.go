package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	watchtools "k8s.io/client-go/tools/watch"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// waiting is how a command waits for what it asked for.
type waiting struct {
	wait    bool
	timeout time.Duration
}

func (w *waiting) add(command *cobra.Command) {
	command.Flags().BoolVar(&w.wait, "wait", false, "wait for the result, and show it")
	command.Flags().DurationVar(&w.timeout, "timeout", 0, "how long to wait, such as 10m; what runs goes on after that. 0 is for ever")
}

// await waits as long as the timeout lets it. Of a wait that ends early it says that what runs does not.
func (w *waiting) await(ctx context.Context, p *progress, wait func(context.Context) error) error {
	ctx, cancel := watchtools.ContextWithOptionalTimeout(ctx, w.timeout)
	defer cancel()
	err := wait(ctx)
	last := p.last
	p.clear()
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return exitError{fmt.Errorf("it took longer than %s, and goes on: %s", w.timeout, firstOf(last, "nothing was seen of it yet")), exitTimeout}
	case errors.Is(err, context.Canceled):
		return exitError{errors.New("no longer waited for; what runs goes on"), exitInterrupted}
	}
	return err
}

// awaitStack looks at a Stack whenever it changes, until that is enough.
func (w *waiting) awaitStack(ctx context.Context, s *session, stack *pulumiv1.Stack, p *progress, look func(*pulumiv1.Stack) (bool, error)) error {
	return w.await(ctx, p, func(ctx context.Context) error { return follow(ctx, s, stack, &pulumiv1.StackList{}, look) })
}
