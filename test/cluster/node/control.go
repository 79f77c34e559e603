package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// grace is how long a component may take to end after it was asked.
const grace = 10 * time.Second

// mendPatience is how long a running cluster may take to answer everywhere.
const mendPatience = time.Minute

var errStarting = errors.New("the cluster is still starting")

// serveControl answers one command per connection: lines, the last of which is
// "ok" or begins with "error: ".
func (n *node) serveControl(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer connection.Close()
			line, err := bufio.NewReader(connection).ReadString('\n')
			if err != nil {
				return
			}
			if err := n.command(connection, strings.Fields(line)); err != nil {
				fmt.Fprintf(connection, "error: %v\n", err)
				return
			}
			fmt.Fprintln(connection, "ok")
		}()
	}
}

// mend starts what is stopped and waits until everything answers.
func (n *node) mend() error {
	if !n.ready.Load() {
		return errStarting
	}
	ctx, cancel := context.WithTimeout(context.Background(), mendPatience)
	defer cancel()
	_, err := n.boot(ctx, io.Discard)
	return err
}

func (n *node) command(reply io.Writer, words []string) error {
	switch {
	case len(words) == 1 && words[0] == "mend":
		return n.mend()
	case len(words) == 1 && words[0] == "status":
		return n.status(reply)
	case len(words) == 2:
		return n.componentCommand(words[0], words[1])
	}
	return fmt.Errorf("no such command: %q", words)
}

func (n *node) status(reply io.Writer) error {
	for _, k := range n.keepers {
		fmt.Fprintln(reply, k.status())
	}
	if !n.ready.Load() {
		return errStarting
	}
	return nil
}

func (n *node) componentCommand(verb, name string) error {
	k := n.keeper(name)
	if k == nil {
		return fmt.Errorf("no such component: %s", name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	switch verb {
	case "start":
		return k.start()
	case "stop":
		return k.stop(ctx, syscall.SIGTERM)
	case "kill":
		return k.stop(ctx, syscall.SIGKILL)
	case "restart":
		if err := k.stop(ctx, syscall.SIGTERM); err != nil {
			return err
		}
		return k.start()
	}
	return fmt.Errorf("no such command: %s", verb)
}
