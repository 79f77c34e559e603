// Command cmd runs the git servers of tests as a program of its own, for tests in a cluster.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/gantry-operator/gantry/test/gitserver"
	"github.com/gantry-operator/gantry/test/gitserver/remote"
)

func main() {
	host := flag.String("host", "localhost", "the name by which clients call")
	https := flag.String("https", ":8443", "where git listens over HTTPS")
	ssh := flag.String("ssh", "127.0.0.1:2222", "where git listens over SSH: one address")
	calls := flag.String("calls", ":8080", "where whoever steers the servers calls")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	program := gitserver.NewProgram(ctx)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *calls)
	if err != nil {
		program.Fatalf("listen for calls: %v", err)
	}
	server := gitserver.Start(program, gitserver.Options{Address: *https, Hosts: []string{*host}})
	daemon := server.StartSSH(*ssh)
	context.AfterFunc(ctx, func() {
		if err := listener.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	})
	fmt.Fprintln(os.Stderr, "git servers listen on", *https, "and", *ssh)
	err = remote.Serve(func() (io.ReadWriteCloser, error) { return listener.Accept() }, server, daemon, *host)
	fmt.Fprintln(os.Stderr, err)
	if err := program.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
