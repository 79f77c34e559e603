// Command pulumi-resource-kubernetes stands in for the released Kubernetes provider where that is not to
// be had: the same tokens for Namespace and ConfigMap, the same configuration key, the same client
// library, and the API server's own words when something is refused.
package main

import (
	_ "embed"
	"fmt"
	"os"

	"github.com/gantry-operator/gantry/test/doubles/provider"
)

// version is that of the release it stands in for.
const version = "4.32.0"

//go:embed schema.json
var packageSchema string

func main() {
	if err := provider.Serve(os.Stdout, newKubernetes(packageSchema)); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-kubernetes:", err)
		os.Exit(1)
	}
}
