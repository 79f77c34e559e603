package pulumicloud

import (
	"net"
	"net/http"
	"testing"
	"time"
)

// Console is the host of the console that permalinks lead to, where Env is the environment.
const Console = "console.pulumi.test"

// Running is a double that listens on this machine.
type Running struct {
	*Cloud
	// URL is what PULUMI_BACKEND_URL is to be.
	URL string
}

// Start makes a double that listens until the test ends.
func Start(tb testing.TB, orgs ...string) *Running {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	cloud := New(orgs...)
	server := &http.Server{Handler: cloud, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() //nolint:errcheck // it always ends with an error, at the latest when it is closed
	tb.Cleanup(func() { _ = server.Close() })  //nolint:errcheck // the test is over
	return &Running{Cloud: cloud, URL: "http://" + listener.Addr().String()}
}

// Env is the environment in which the CLI uses the double.
func (r *Running) Env() []string {
	return []string{"PULUMI_BACKEND_URL=" + r.URL, "PULUMI_ACCESS_TOKEN=" + Token, "PULUMI_CONSOLE_DOMAIN=" + Console}
}
