// Command bench measures how fast stacks are on the cluster of KUBECONFIG, against what a bare pod and a
// bare Pulumi CLI take there in the same run, and prints and records the figures.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// options are what is measured, and how often.
type options struct {
	cold, warmPerCold, fleet, pairs int
	idle                            time.Duration
	// followers are Stacks of so many repositories.
	followers, repositories int
	output, only            string
	enforce, trace          bool
}

func main() {
	var o options
	flag.IntVar(&o.cold, "cold", 5, "how many cold runs")
	flag.IntVar(&o.warmPerCold, "warm", 3, "how many warm runs after each cold one")
	flag.IntVar(&o.pairs, "pairs", 11, "how many cold runs from git and from a Program")
	flag.IntVar(&o.fleet, "fleet", 20, "how many stacks are applied at once")
	flag.DurationVar(&o.idle, "idle", time.Minute, "the idle time of the stacks that are applied at once")
	flag.IntVar(&o.followers, "followers", 500, "how many stacks follow repositories")
	flag.IntVar(&o.repositories, "repositories", 10, "how many repositories they follow")
	flag.StringVar(&o.only, "only", "rounds,pairs,processes,fleet,git", "which parts to measure")
	flag.StringVar(&o.output, "output", ".cluster/bench.json", "where the figures are written")
	flag.BoolVar(&o.enforce, "enforce", false, "fail if a target is missed")
	flag.BoolVar(&o.trace, "trace", false, "show where the time of one cold and one warm run goes, and measure nothing else")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Getenv("KUBECONFIG"), o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kubeconfig string, o options) (err error) {
	s, err := stage.Connect(ctx, kubeconfig)
	if err != nil {
		return err
	}
	namespace, err := s.NewNamespace(ctx, "bench", "restricted")
	if err != nil {
		return err
	}
	b := &bench{Namespace: namespace, options: o}
	defer func() {
		// Also when the measurement was interrupted.
		leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
		defer cancel()
		if left := namespace.Leave(leaving); err == nil {
			err = left
		}
	}()
	if o.trace {
		return b.traceBoth(ctx, os.Stdout)
	}
	return b.measure(ctx)
}

// measure does everything in one run, and reports.
func (b *bench) measure(ctx context.Context) error {
	if err := b.startGit(ctx); err != nil {
		return err
	}
	parts := []struct {
		name    string
		measure func(context.Context) error
	}{{"rounds", b.alternate}, {"pairs", b.pair}, {"processes", b.countProcesses}, {"fleet", b.runFleet}, {"git", b.countPolls}}
	only := strings.Split(b.options.only, ",")
	for _, part := range parts {
		if !slices.Contains(only, part.name) {
			continue
		}
		if err := part.measure(ctx); err != nil {
			return err
		}
	}
	figures := b.raw.figures(b.options)
	fmt.Print(figures.table(b.raw))
	if err := figures.write(b.options.output, b.raw); err != nil {
		return err
	}
	if missed := figures.missed(); b.options.enforce && len(missed) > 0 {
		return fmt.Errorf("over the target: %v", missed)
	}
	return nil
}
