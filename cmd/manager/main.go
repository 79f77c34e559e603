// Command manager is the operator: it follows Stacks, Programs, Workspaces and Updates and works with the agents in the
// pods.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/config"

	"github.com/gantry-operator/gantry/internal/operator"
)

// version is set when the program is linked.
var version = "dev"

func main() {
	if err := run(); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println(version)
		return nil
	}
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	config.RegisterFlags(flags)
	options, err := operator.ParseOptions(flags, os.Args[1:], os.Getenv)
	if err != nil {
		return err
	}
	options.Zap.DestWriter = os.Stdout
	return operator.Main(ctrl.SetupSignalHandler(), options)
}
