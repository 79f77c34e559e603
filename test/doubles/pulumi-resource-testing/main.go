// Command pulumi-resource-testing is a Pulumi provider for tests: a resource that takes its time, one
// that fails, for ever or for a while, one that repeats what it is told, one that drifts, and one that exists
// whatever the state says.
package main

import (
	_ "embed"
	"fmt"
	"os"

	"github.com/gantry-operator/gantry/test/doubles/provider"
)

// version is the plugin's.
const version = "1.0.0"

//go:embed schema.json
var schema string

func main() {
	plugin := newTestProvider(schema, os.Getenv("GANTRY_TESTING_LOG"), os.Getenv("TESTING_POD"))
	if err := provider.Serve(os.Stdout, plugin); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-testing:", err)
		os.Exit(1)
	}
}
