package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// flagPKONamespace is the flag that names PKO's namespace.
const flagPKONamespace = "pko-namespace"

// namespaceList reads a list of namespaces, each once, sorted.
func namespaceList(text string, getenv func(string) string) []string {
	if value := getenv("WATCH_NAMESPACES"); value != "" {
		text = value
	}
	var names []string
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// withoutPKO drops the default namespace of PKO where only some namespaces are watched and it is none of them: the manager has
// no rights there then.
func (o *Options) withoutPKO() {
	if len(o.WatchNamespaces) > 0 && !o.pkoNamed && !slices.Contains(o.WatchNamespaces, o.PKONamespace) {
		o.PKONamespace = ""
	}
}

// checkNamespaces refuses lists of namespaces that cannot work.
func (o *Options) checkNamespaces() (failures []error) {
	if len(o.WatchNamespaces) == 0 {
		return nil
	}
	for _, name := range o.WatchNamespaces {
		if len(validation.IsDNS1123Label(name)) > 0 {
			failures = append(failures, fmt.Errorf("--watch-namespaces: %q is not the name of a namespace", name))
		}
	}
	if o.DestroyNamespace != "" && !slices.Contains(o.WatchNamespaces, o.DestroyNamespace) {
		failures = append(failures, fmt.Errorf("--destroy-namespace %q has to be one of --watch-namespaces", o.DestroyNamespace))
	}
	return failures
}

// served are the namespaces to watch in which the manager may list Stacks; nil for all. One in which it may not, since it is
// gone or has no Role, must not keep the others waiting: whoever changes that restarts the manager.
func served(ctx context.Context, live client.Client, wanted []string, log logr.Logger) ([]string, error) {
	var may []string
	for _, namespace := range wanted {
		ok, err := allowed(ctx, live, namespace, pulumiv1.GroupVersion.WithResource("stacks"), "list")
		if err != nil {
			return nil, fmt.Errorf("ask what is granted in namespace %s: %w", namespace, err)
		}
		if !ok {
			log.Error(errors.New("listing stacks is not granted"), "A namespace of --watch-namespaces is left alone: give it the manager's Role and RoleBinding, "+
				"as the chart does for watchNamespaces, and restart the manager", "namespace", namespace)
			continue
		}
		may = append(may, namespace)
	}
	if len(may) == 0 && len(wanted) > 0 {
		return nil, fmt.Errorf("--watch-namespaces: the manager may list Stacks in none of %s: give these namespaces its Role and RoleBinding", strings.Join(wanted, ", "))
	}
	return may, nil
}

// only are the namespaces for the library's cache.
func only(namespaces []string) map[string]cache.Config {
	if len(namespaces) == 0 {
		return nil
	}
	all := map[string]cache.Config{}
	for _, namespace := range namespaces {
		all[namespace] = cache.Config{}
	}
	return all
}
