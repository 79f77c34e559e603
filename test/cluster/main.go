// Command cluster is the embedded one-node Kubernetes cluster: real components
// in namespaces of their own, without Docker, a registry or a way out.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gantry-operator/gantry/test/cluster/host"
	"github.com/gantry-operator/gantry/test/cluster/node"
	"github.com/gantry-operator/gantry/test/cluster/paths"
)

const usage = `usage: cluster [--state FOLDER] [--programs FOLDER] COMMAND

  up                          start the cluster, unless it runs
  down                        end it and remove everything it made
  status                      say what runs
  load IMAGE...               load images: folders (OCI layout) or archives
  ctr ARGUMENT...             containerd's client on the cluster's images
  exec COMMAND...             run a command in the cluster's namespaces
  start|stop|kill|restart COMPONENT
                              for tests of failure
`

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run() error {
	programs, err := folderOfThisProgram()
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("cluster", flag.ExitOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	state := flags.String("state", filepath.Join(programs, "..", ".cluster"), "the state folder")
	flags.StringVar(&programs, "programs", programs, "the folder of built programs")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	folder, err := filepath.Abs(*state)
	if err != nil {
		return fmt.Errorf("find the state folder: %w", err)
	}
	cluster := host.Cluster{State: paths.State(folder), Programs: programs, Out: os.Stdout}
	arguments := flags.Args()
	if len(arguments) == 0 {
		flags.Usage()
		return errors.New("name a command")
	}
	return command(cluster, arguments[0], arguments[1:])
}

// verb is a command: how many arguments it takes, and what it does.
type verb struct {
	least, most int
	run         func(cluster host.Cluster, arguments []string) error
}

// many is no limit to the number of arguments.
const many = 1 << 20

func verbs() map[string]verb {
	found := map[string]verb{
		"up":     {0, 0, func(c host.Cluster, _ []string) error { return c.Up() }},
		"down":   {0, 0, func(c host.Cluster, _ []string) error { return c.Down() }},
		"status": {0, 0, func(c host.Cluster, _ []string) error { return c.Status() }},
		"load":   {1, many, host.Cluster.Load},
		"exec":   {1, many, host.Cluster.Exec},
		"ctr":    {0, many, host.Cluster.Ctr},
		// What `up` starts in namespaces of its own.
		"node": {0, 0, func(c host.Cluster, _ []string) error { return node.Run(c.State, c.Programs) }},
	}
	for _, name := range []string{"start", "stop", "kill", "restart"} {
		found[name] = verb{1, 1, func(c host.Cluster, arguments []string) error { return c.Component(name, arguments[0]) }}
	}
	return found
}

func command(cluster host.Cluster, name string, arguments []string) error {
	v, ok := verbs()[name]
	if !ok || len(arguments) < v.least || len(arguments) > v.most {
		fmt.Fprint(os.Stderr, usage)
		return fmt.Errorf("no such command: %s %q", name, arguments)
	}
	return v.run(cluster, arguments)
}

func folderOfThisProgram() (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	if program, err = filepath.EvalSymlinks(program); err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return filepath.Dir(program), nil
}
