// Command agent runs in every workspace pod. It gets operations from the manager, runs them with the Pulumi CLI of the
// pod's image and reports what came of them.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/gantry-operator/gantry/internal/operation"
)

// version is set when the program is linked.
var version = "dev"

const usage = `usage:
  agent run [--hub HOST:PORT] [--token-file PATH] [--share DIR]   run operations of the workspace
  agent install PATH                                              copy this program to PATH
  agent version                                                   print the version
`

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		if errors.As(err, &unreachable{}) {
			os.Exit(operation.ExitUnreachable)
		}
		os.Exit(1)
	}
}

func command(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("no command; %s", usage)
	}
	switch name, rest := args[0], args[1:]; {
	case name == "run":
		return run(rest)
	case name == "install" && len(rest) == 1:
		return install(rest[0])
	case (name == "version" || name == "--version") && len(rest) == 0:
		fmt.Println(version)
		return nil
	default:
		return fmt.Errorf("%q is not a command, or not with these arguments; %s", name, usage)
	}
}
