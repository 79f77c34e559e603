// Command cluster is the embedded one-node Kubernetes cluster: real components
// in namespaces of their own, without Docker, a registry or a way out.
package main

import (
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
		os.Exit(2)
	}
	return command(cluster, arguments[0], arguments[1:])
}

func command(cluster host.Cluster, verb string, arguments []string) error {
	switch {
	case verb == "up" && len(arguments) == 0:
		return cluster.Up()
	case verb == "down" && len(arguments) == 0:
		return cluster.Down()
	case verb == "status" && len(arguments) == 0:
		return cluster.Status()
	case verb == "load" && len(arguments) > 0:
		return cluster.Load(arguments)
	case verb == "exec" && len(arguments) > 0:
		return cluster.Exec(arguments)
	case verb == "ctr":
		return cluster.Ctr(arguments)
	case verb == "node" && len(arguments) == 0:
		return node.Run(cluster.State, cluster.Programs)
	}
	switch verb {
	case "start", "stop", "kill", "restart":
		if len(arguments) == 1 {
			return cluster.Component(verb, arguments[0])
		}
	}
	fmt.Fprint(os.Stderr, usage)
	return fmt.Errorf("no such command: %s %q", verb, arguments)
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
