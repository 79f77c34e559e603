package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// get lists objects.
type get struct {
	*app
	kind kind
	// names that are asked for; none for all.
	names      []string
	all, watch bool
	selector   string
	printFlags *genericclioptions.PrintFlags
	output     string
}

func (a *app) getCommand() *cobra.Command {
	g := &get{app: a, printFlags: genericclioptions.NewPrintFlags("").WithTypeSetter(newScheme())}
	command := &cobra.Command{
		Use:               "get [stacks|updates|workspaces|programs] [NAME...]",
		Short:             "Show stacks, updates, workspaces or programs at a glance",
		Example:           "  kubectl gantry get -A\n  kubectl gantry get web -o yaml\n  kubectl gantry get updates --watch",
		ValidArgsFunction: g.complete,
		RunE:              func(command *cobra.Command, args []string) error { return g.run(command.Context(), args) },
	}
	command.Flags().BoolVarP(&g.all, "all-namespaces", "A", false, "those of all namespaces")
	command.Flags().BoolVarP(&g.watch, "watch", "w", false, "go on showing what changes")
	command.Flags().StringVarP(&g.selector, "selector", "l", "", "only those with these labels")
	addOutput(command, &g.output, "json, yaml, wide, name, or what kubectl get knows of jsonpath= and go-template=")
	return command
}

// addOutput adds the flag that says how something is written.
func addOutput(command *cobra.Command, output *string, known string) {
	command.Flags().StringVarP(output, "output", "o", "", known)
}

func (g *get) run(ctx context.Context, args []string) error {
	g.kind = kinds()[0]
	if len(args) > 0 {
		if named := kindOf(args[0]); named != nil {
			g.kind, args = *named, args[1:]
		}
	}
	g.names = args
	show, err := g.printer()
	if err != nil {
		return usage(err)
	}
	session, err := g.connect()
	if err != nil {
		return err
	}
	namespace := session.namespace
	if g.all {
		namespace = ""
	}
	selector, err := labels.Parse(g.selector)
	if err != nil {
		return usage(err)
	}
	list, which := g.kind.list(), client.ListOptions{Namespace: namespace, LabelSelector: selector}
	if err := session.List(ctx, list, &which); err != nil {
		return explained(err)
	}
	objects, err := g.wanted(list, namespace)
	if err != nil {
		return err
	}
	if err := show(objects, list); err != nil || !g.watch {
		return err
	}
	return g.follow(ctx, session, which, objects, show)
}

// wanted are those of a list that were asked for.
func (g *get) wanted(list client.ObjectList, namespace string) ([]client.Object, error) {
	var objects []client.Object
	found := map[string]bool{}
	err := meta.EachListItem(list, func(item runtime.Object) error {
		object, ok := item.(client.Object)
		if ok && (len(g.names) == 0 || slices.Contains(g.names, object.GetName())) {
			object.GetObjectKind().SetGroupVersionKind(g.kind.gvk)
			found[object.GetName()] = true
			objects = append(objects, object)
		}
		return nil
	})
	where := "in the namespace " + namespace
	if namespace == "" {
		where = "in any namespace"
	}
	for _, name := range g.names {
		if !found[name] {
			return nil, fmt.Errorf("there is no %s %s %s; kubectl gantry get %s -A lists those of all namespaces", g.kind.gvk.Kind, name, where, g.kind.names[0])
		}
	}
	if len(objects) == 0 && g.output == "" && !g.watch {
		fmt.Fprintf(g.Streams.ErrOut, "There are no %s %s.\n", g.kind.names[0], where)
	}
	return objects, err
}

// follow shows what changes until it is interrupted. What it is given is shown already.
func (g *get) follow(ctx context.Context, session *session, which client.ListOptions, objects []client.Object, show printer) error {
	shown := map[types.UID]string{}
	for _, object := range objects {
		shown[object.GetUID()] = object.GetResourceVersion()
	}
	return session.followAll(ctx, g.kind.object(), g.kind.list(), which, nil, func(event watch.Event) (bool, error) {
		object, ok := event.Object.(client.Object)
		if !ok {
			return false, apierrors.FromObject(event.Object)
		}
		asked := len(g.names) == 0 || slices.Contains(g.names, object.GetName())
		if !asked || (shown[object.GetUID()] == object.GetResourceVersion() && event.Type != watch.Deleted) {
			return false, nil
		}
		shown[object.GetUID()] = object.GetResourceVersion()
		object.GetObjectKind().SetGroupVersionKind(g.kind.gvk)
		return false, show([]client.Object{object}, nil)
	})
}

// printer shows objects. The list is that which they are from, nil for what a watch tells of.
type printer func(objects []client.Object, list client.ObjectList) error

func (g *get) printer() (printer, error) {
	if g.output == "" || g.output == "wide" {
		return g.rows(), nil
	}
	return g.structured()
}

// rows shows objects as a table.
func (g *get) rows() printer {
	columns := g.kind.columns
	if g.all {
		columns = append([]column{{name: "NAMESPACE"}}, columns...)
	}
	t := &table{out: g.Streams.Out, columns: columns, wide: g.output == "wide", colour: g.Colour && g.Width > 0, width: g.Width}
	if t.wide {
		t.width = 0 // who asks for more gets all of it
	}
	return func(objects []client.Object, _ client.ObjectList) error {
		var rows []row
		for _, object := range objects {
			r := g.kind.row(object, g.Clock.Now())
			if g.all {
				r.cells = append([]string{object.GetNamespace()}, r.cells...)
			}
			rows = append(rows, r)
		}
		if len(rows) == 0 && !g.watch {
			return nil
		}
		return t.write(rows)
	}
}

// structured shows objects for programs: one as itself, more as a list.
func (g *get) structured() (printer, error) {
	g.printFlags.OutputFormat = &g.output
	to, err := g.printFlags.ToPrinter()
	if err != nil {
		return nil, fmt.Errorf("-o %s is not known: use json, yaml, wide, name, jsonpath=… or go-template=…", g.output)
	}
	to = &printers.OmitManagedFieldsPrinter{Delegate: to}
	return func(objects []client.Object, list client.ObjectList) error {
		if len(objects) == 1 && len(g.names) == 1 || list == nil || g.output == "name" {
			for _, object := range objects {
				if err := to.PrintObj(object, g.Streams.Out); err != nil {
					return err
				}
			}
			return nil
		}
		all := &metav1.List{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "List"}, Items: []runtime.RawExtension{}}
		for _, object := range objects {
			all.Items = append(all.Items, runtime.RawExtension{Object: object})
		}
		return to.PrintObj(all, g.Streams.Out)
	}, nil
}

// complete names the kinds, and the objects of a kind.
func (g *get) complete(command *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		stacks, directive := g.namesOf(command.Context(), kinds()[0])
		return append([]string{"stacks", "updates", "workspaces", "programs"}, stacks...), directive
	}
	if named := kindOf(args[0]); named != nil {
		return g.namesOf(command.Context(), *named)
	}
	return g.namesOf(command.Context(), kinds()[0])
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
