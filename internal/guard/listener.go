package guard

import (
	"net"
	"sync"

	"k8s.io/utils/clock"
)

const (
	// mostOpen is how many connections of one address are open at once. The pods of a whole node may share one.
	mostOpen = 256
	// mostComing and comingPerSecond are how many may come: all of a node at once, as after a failover, and some.
	mostComing      = 2 * mostOpen
	comingPerSecond = 10
)

// Listen bounds the connections of each address that come through the listener. What is too much is closed at once, before
// anything is read or answered.
func Listen(listener net.Listener, now clock.PassiveClock) net.Listener {
	return &guarded{Listener: listener, open: map[string]int{}, coming: NewAllowance[string](now, mostComing, comingPerSecond)}
}

type guarded struct {
	net.Listener
	coming *Allowance[string]

	mu   sync.Mutex
	open map[string]int
}

// Accept waits for the next connection that is not too much.
func (g *guarded) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := Address(conn.RemoteAddr())
		if g.admit(address) {
			return &counted{Conn: conn, leave: sync.OnceFunc(func() { g.leave(address) })}, nil
		}
		if err := conn.Close(); err != nil {
			continue // its other end was quicker
		}
	}
}

func (g *guarded) admit(address string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open[address] >= mostOpen || !g.coming.Take(address) {
		return false
	}
	g.open[address]++
	return true
}

func (g *guarded) leave(address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open[address]--; g.open[address] <= 0 {
		delete(g.open, address)
	}
}

// counted is a connection that counts until it is closed.
type counted struct {
	net.Conn
	leave func()
}

// Close closes the connection.
func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}

// Address is where a connection comes from, without the port.
func Address(from net.Addr) string {
	if from == nil {
		return ""
	}
	return Host(from.String())
}

// Host is the same of an address as text.
func Host(from string) string {
	if host, _, err := net.SplitHostPort(from); err == nil {
		return host
	}
	return from
}
