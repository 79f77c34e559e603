// Command skewed-manager is the manager with a clock that is wrong by what the environment variable CLOCK_OFFSET says.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

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
	log := zap.New(zap.UseFlagOptions(&options.Zap))
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	kubeconfig, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the API server: %w", err)
	}
	return operator.Run(ctrl.SetupSignalHandler(), options, kubeconfig, log)
}
