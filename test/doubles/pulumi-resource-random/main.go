// Command pulumi-resource-random stands in for the released random provider, which cannot be had from the module proxy. It
// knows RandomPassword.
package main

import (
	_ "embed"
	"fmt"
	"os"

	"github.com/gantry-operator/gantry/test/doubles/provider"
)

// version is the plugin's.
const version = "4.18.0"

//go:embed schema.json
var schema string

func main() {
	plugin := &random{Base: provider.Base{Schema: schema, Version: version}}
	if err := provider.Serve(os.Stdout, plugin); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-random:", err)
		os.Exit(1)
	}
}
