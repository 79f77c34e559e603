// Command cmd runs the stand-in for package registries as a server of its own, for tests in a cluster.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/gantry-operator/gantry/test/doubles/packages"
)

func main() {
	var o packages.Options
	address := flag.String("address", ":8080", "where to listen")
	flag.StringVar(&o.NPM, "npm", "", "folder of npm packages' archives")
	flag.StringVar(&o.Go, "go", "", "folder of Go modules, laid out as a module proxy's")
	flag.StringVar(&o.Token, "token", "", "what npm has to show")
	flag.Parse()
	handler, err := packages.New(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server := &http.Server{Addr: *address, Handler: handler, ReadHeaderTimeout: time.Minute}
	fmt.Fprintln(os.Stderr, "a stand-in for package registries listens on", *address)
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}
