package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// completeWithin bounds how long a shell waits for names.
const completeWithin = 3 * time.Second

// completeStack completes the name of a Stack as the first argument.
func (a *app) completeStack(command *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.namesOf(command.Context(), kinds()[0])
}

// completeNamespaces completes the name of a namespace.
func (a *app) completeNamespaces(command *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.names(command.Context(), &corev1.NamespaceList{}, false)
}

// completeContexts completes the name of a context.
func (a *app) completeContexts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	config, err := a.flags.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return sortedKeys(config.Contexts), cobra.ShellCompDirectiveNoFileComp
}

// namesOf are the names of the objects of a kind.
func (a *app) namesOf(ctx context.Context, k kind) ([]string, cobra.ShellCompDirective) {
	return a.names(ctx, k.list(), true)
}

// names are those of the objects of a list. What goes wrong is not for a person who types: there are no names then.
func (a *app) names(ctx context.Context, list client.ObjectList, namespaced bool) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(ctx, completeWithin)
	defer cancel()
	session, err := a.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	options := &client.ListOptions{}
	if namespaced {
		options.Namespace = session.namespace
	}
	if err := session.List(ctx, list, options); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	_ = meta.EachListItem(list, func(item runtime.Object) error { //nolint:errcheck // the function never fails
		if object, ok := item.(client.Object); ok {
			names = append(names, object.GetName())
		}
		return nil
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}
