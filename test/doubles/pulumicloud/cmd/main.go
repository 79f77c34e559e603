// Command cmd runs the double of Pulumi Cloud as a server of its own, for tests in a cluster.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gantry-operator/gantry/test/doubles/pulumicloud"
)

func main() {
	address := flag.String("address", ":8080", "where to listen")
	orgs := flag.String("orgs", "acme", "organizations of the user, separated by commas")
	flag.Parse()
	server := &http.Server{
		Addr: *address, Handler: pulumicloud.New(strings.Split(*orgs, ",")...), ReadHeaderTimeout: time.Minute,
	}
	fmt.Fprintln(os.Stderr, "a double of Pulumi Cloud listens on", *address)
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}
