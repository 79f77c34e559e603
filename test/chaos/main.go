// Command chaos breaks what a deployment of Gantry stands on while stacks are being updated, on the embedded cluster, and
// counts what came of it: operations lost or run twice, resources orphaned, locks left, and the time until the status was
// true again. It fails if any of these is not as it has to be.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// options are which faults are injected, and how often.
type options struct {
	only, output, program string
	short, keep           bool
	atOnce                int
}

func main() {
	var o options
	flag.BoolVar(&o.short, "short", false, "the short form: a part of the faults, each fewer times")
	flag.StringVar(&o.only, "only", "", "names of faults, with commas between: inject these alone")
	flag.StringVar(&o.output, "output", ".cluster/chaos.json", "where the table is written")
	flag.StringVar(&o.program, "cluster", "bin/cluster", "the program that steers the embedded cluster")
	flag.BoolVar(&o.keep, "keep", false, "keep the namespaces of faults that did harm")
	flag.IntVar(&o.atOnce, "at-once", 3, "how many faults of single pods run at the same time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Getenv("KUBECONFIG"), o); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kubeconfig string, o options) error {
	s, err := stage.Connect(ctx, kubeconfig)
	if err != nil {
		return err
	}
	chosen, err := choose(faults(), o)
	if err != nil {
		return err
	}
	c := &chaos{
		stage: s, options: o, cluster: cluster{program: o.program, state: filepath.Dir(kubeconfig)}, rows: make([]row, len(chosen)),
	}
	began := time.Now()
	c.injectAll(ctx, chosen)
	fmt.Print(table(c.rows))
	fmt.Printf("\n%d faults in %.0fs\n", len(chosen), time.Since(began).Seconds())
	if err := write(o.output, c.rows); err != nil {
		return err
	}
	return verdict(c.rows)
}

// choose picks the faults that are asked for.
func choose(all []fault, o options) ([]fault, error) {
	wanted := map[string]bool{}
	for name := range strings.SplitSeq(o.only, ",") {
		if name = strings.TrimSpace(name); name != "" {
			wanted[name] = true
		}
	}
	var chosen []fault
	for _, f := range all {
		named := wanted[f.name]
		delete(wanted, f.name)
		if named || (o.only == "" && (!o.short || f.short > 0)) {
			chosen = append(chosen, f)
		}
	}
	for name := range wanted {
		return nil, fmt.Errorf("there is no fault %q", name)
	}
	return chosen, nil
}

// chaos is a run.
type chaos struct {
	stage   *stage.Stage
	options options
	cluster cluster
	rows    []row
}

// injectAll injects the faults that hit single pods a few at a time, and those that hit the whole cluster one after the other.
func (c *chaos) injectAll(ctx context.Context, chosen []fault) {
	var single sync.WaitGroup
	free := make(chan struct{}, c.options.atOnce)
	for i, f := range chosen {
		if !f.shared {
			free <- struct{}{}
			single.Go(func() {
				defer func() { <-free }()
				c.rows[i] = c.inject(ctx, f)
			})
		}
	}
	single.Wait()
	for i, f := range chosen {
		if f.shared {
			c.rows[i] = c.inject(ctx, f)
		}
	}
}

// inject tells the story of one fault. Whatever goes wrong becomes part of its row.
func (c *chaos) inject(ctx context.Context, f fault) row {
	result := row{Fault: f.name}
	if ctx.Err() != nil {
		result.harm("it was not injected: %v", context.Cause(ctx))
		return result
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("it took longer than "+limit.String()))
	defer cancel()
	s, err := c.begin(ctx, f)
	if err != nil {
		result.harm("it could not begin: %v", err)
		return result
	}
	s.times, s.short = f.times, c.options.short && f.short > 0
	if s.short {
		s.times = f.short
	}
	result = s.tell(ctx)
	c.leave(ctx, s, result)
	fmt.Fprintln(os.Stderr, result.line())
	return result
}

// leave removes what a story left, and shows what there is to see where it did harm.
func (c *chaos) leave(ctx context.Context, s *story, result row) {
	s.stopRecording()
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	if len(result.harms) > 0 {
		fmt.Fprintf(os.Stderr, "namespace %s of the fault %q:\n%s\n", s.Name, s.fault.name, strings.Join(result.harms, "\n"))
		s.Dump(leaving, os.Stderr)
	}
	if s.undo != nil {
		if err := s.undo(leaving); err != nil {
			fmt.Fprintln(os.Stderr, "chaos: undoing the fault:", err)
		}
	}
	if len(result.harms) > 0 && c.options.keep {
		return
	}
	if err := s.Leave(leaving); err != nil {
		fmt.Fprintln(os.Stderr, "chaos: cleaning up:", err)
	}
}
