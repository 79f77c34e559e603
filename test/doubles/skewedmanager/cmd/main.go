// Command skewed-manager is the manager with a clock that is wrong by what the environment variable CLOCK_OFFSET says.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/config"

	"github.com/gantry-operator/gantry/internal/operator"
	"github.com/gantry-operator/gantry/test/doubles/skewedmanager"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "skewed-manager:", err)
		os.Exit(1)
	}
}

func run() error {
	offset, err := time.ParseDuration(os.Getenv("CLOCK_OFFSET"))
	if err != nil {
		return fmt.Errorf("CLOCK_OFFSET: %w", err)
	}
	flags := flag.NewFlagSet("skewed-manager", flag.ContinueOnError)
	config.RegisterFlags(flags)
	options, err := operator.ParseOptions(flags, os.Args[1:], os.Getenv)
	if err != nil {
		return err
	}
	options.Clock = skewedmanager.Clock{Offset: offset}
	options.Zap.DestWriter = os.Stdout
	return operator.Main(ctrl.SetupSignalHandler(), options)
}
