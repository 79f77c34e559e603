package guard

import (
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

func TestAllowanceOfEachKey(t *testing.T) {
	now := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	a := NewAllowance[string](now, 3, 0.5)
	take := func(key string, times int) (taken int) {
		for range times {
			if a.Take(key) {
				taken++
			}
		}
		return taken
	}
	if got := take("loud", 100); got != 3 {
		t.Errorf("%d at once, want 3", got)
	}
	if take("quiet", 1) != 1 {
		t.Error("one key takes from another")
	}
	now.SetTime(now.Now().Add(4 * time.Second))
	if got := take("loud", 100); got != 2 {
		t.Errorf("%d after 4 s, want 2", got)
	}
	a.GiveBack("loud")
	if got := take("loud", 100); got != 1 {
		t.Errorf("%d after one was given back", got)
	}
	for range 10 {
		a.GiveBack("quiet")
	}
	if got := take("quiet", 100); got != 3 {
		t.Errorf("%d after more was given back than was taken, want 3", got)
	}
}

func TestKeysAreForgotten(t *testing.T) {
	now := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	a := NewAllowance[string](now, 1, 1)
	for i := range 20 * mostKeys {
		a.Take(fmt.Sprint(i))
		now.SetTime(now.Now().Add(time.Millisecond))
	}
	if got := len(a.keys); got > 2*mostKeys {
		t.Errorf("%d keys are remembered", got)
	}
}

func TestConnectionsOfOneAddressAreBounded(t *testing.T) {
	plain, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	now := clocktesting.NewFakePassiveClock(time.Now())
	listener := Listen(plain, now)
	defer listener.Close()
	accepted := make(chan net.Conn, 2*mostOpen)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	dial := func(from string) net.Conn {
		t.Helper()
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext(t.Context(), "tcp", plain.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	// closed waits for the end of a connection; nothing but a failing test uses up the time.
	closed := func(conn net.Conn) bool {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, err := conn.Read(make([]byte, 1))
		return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
	}
	var held []net.Conn
	for range mostOpen {
		dial("127.0.0.1")
		held = append(held, <-accepted)
	}
	if !closed(dial("127.0.0.1")) {
		t.Error("one connection too many is not closed")
	}
	dial("127.0.0.2")
	<-accepted
	held[0].Close()
	held[0].Close()
	dial("127.0.0.1")
	<-accepted
	if !closed(dial("127.0.0.1")) {
		t.Error("a connection that is closed twice counts twice")
	}
}
