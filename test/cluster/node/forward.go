package node

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// forward serves a listener of the host's network namespace with connections
// to an address of the cluster's. The listener was opened before this process
// began, so no network device joins the two.
func forward(listener net.Listener, address string) {
	for {
		host, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of file descriptors, say
			continue
		}
		go join(host, address)
	}
}

func join(host net.Conn, address string) {
	defer host.Close()
	cluster, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		return
	}
	defer cluster.Close()
	var both sync.WaitGroup
	both.Go(func() { relay(cluster, host) })
	both.Go(func() { relay(host, cluster) })
	both.Wait()
}

// relay copies one direction to its end and passes the end on.
func relay(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// inherited turns a descriptor that `cluster up` handed over into a listener.
func inherited(descriptor uintptr) (net.Listener, error) {
	file := os.NewFile(descriptor, "host listener")
	defer file.Close()
	return net.FileListener(file)
}
