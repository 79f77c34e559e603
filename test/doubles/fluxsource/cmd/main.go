// Command cmd runs the double of Flux's source-controller as a server of its own, for tests in a cluster.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/gantry-operator/gantry/test/doubles/fluxsource"
)

func main() {
	address := flag.String("address", ":8080", "where to listen")
	base := flag.String("base", "http://localhost:8080", "what the URLs of artifacts begin with")
	flag.Parse()
	server := &http.Server{Addr: *address, Handler: fluxsource.New(*base), ReadHeaderTimeout: time.Minute}
	fmt.Fprintln(os.Stderr, "a double of source-controller listens on", *address)
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}
