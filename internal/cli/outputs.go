package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// values are a stack's outputs by name, as JSON.
type values map[string]json.RawMessage

func (a *app) outputsCommand() *cobra.Command {
	reveal, output := false, ""
	command := &cobra.Command{
		Use:     "outputs STACK [NAME]",
		Short:   "Show the outputs of a stack, or one of them; secret ones are masked",
		Example: "  kubectl gantry outputs web\n  kubectl gantry outputs web kubeconfig --show-secrets\n  kubectl gantry outputs web -o name=value",
		Args: func(command *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil
			}
			return exactly("the name of a Stack")(command, args)
		},
		ValidArgsFunction: a.completeOutput,
		RunE: func(command *cobra.Command, args []string) error {
			return a.outputs(command.Context(), args, reveal, output)
		},
	}
	command.Flags().BoolVar(&reveal, "show-secrets", false, "show secret outputs in clear; that takes the permission to get the Secret that has them")
	addOutput(command, &output, "json, yaml or name=value")
	return command
}

func (a *app) outputs(ctx context.Context, args []string, reveal bool, output string) error {
	session, stack, err := a.stackNamed(ctx, args[0])
	if err != nil {
		return err
	}
	all := values{}
	for name, value := range stack.Status.Outputs {
		all[name] = value.Raw
	}
	if reveal {
		if err := session.reveal(ctx, stack, all); err != nil {
			return err
		}
	}
	if len(args) == 2 {
		value, ok := all[args[1]]
		if !ok {
			return fmt.Errorf("the Stack %s has no output %s; it has: %s", stack.Name, args[1], firstOf(strings.Join(sortedKeys(all), ", "), "none"))
		}
		if output != "" {
			return a.writeOutputs(values{args[1]: value}, output)
		}
		_, err := fmt.Fprintln(a.Streams.Out, bare(value))
		return err
	}
	if len(all) == 0 {
		fmt.Fprintf(a.Streams.ErrOut, "The Stack %s has no outputs.\n", stack.Name)
	}
	return a.writeOutputs(all, output)
}

// reveal puts the values of secret outputs in.
func (s *session) reveal(ctx context.Context, stack *pulumiv1.Stack, all values) error {
	updates, err := s.updatesOf(ctx, stack)
	if err != nil {
		return err
	}
	name := outputsSecret(stack, updates)
	if name == "" {
		return fmt.Errorf("no Update of the Stack %s has its outputs any more: kubectl gantry reconcile %[1]s makes them anew", stack.Name)
	}
	secret := &corev1.Secret{}
	there, err := s.optional(ctx, name, secret)
	switch {
	case apierrors.IsForbidden(err):
		return fmt.Errorf("the values are in the Secret %s/%s, which you may not read: ask for get on secrets of that name or in that namespace (%w)", stack.Namespace, name, err)
	case err != nil:
		return err
	case !there:
		return fmt.Errorf("the values were in the Secret %s/%s, which is gone: kubectl gantry reconcile %s makes them anew", stack.Namespace, name, stack.Name)
	}
	for name := range all {
		if value, ok := secret.Data[name]; ok {
			all[name] = value
		}
	}
	return nil
}

// outputsSecret is the name of the Secret with a Stack's outputs: that of its last update, or else of the newest before
// which succeeded.
func outputsSecret(stack *pulumiv1.Stack, updates []autov1alpha1.Update) string {
	name := ""
	for _, u := range updates {
		if u.Status.Outputs == "" || failed(&u) || u.Spec.Type == autov1alpha1.PreviewUpdate {
			continue
		}
		if last := stack.Status.LastUpdate; last != nil && last.Name == u.Name {
			return u.Status.Outputs
		}
		name = firstOf(name, u.Status.Outputs)
	}
	return name
}

func (a *app) writeOutputs(all values, output string) error {
	switch output {
	case "":
		t := &table{out: a.Streams.Out, columns: []column{{name: "NAME"}, {name: "VALUE"}}}
		var rows []row
		for _, name := range sortedKeys(all) {
			rows = append(rows, row{cells: []string{name, bare(all[name])}})
		}
		if len(rows) == 0 {
			return nil
		}
		return t.write(rows)
	case "name=value":
		for _, name := range sortedKeys(all) {
			fmt.Fprintf(a.Streams.Out, "%s=%s\n", name, quoted(bare(all[name])))
		}
		return nil
	case "json", "yaml":
		return a.structured(output, all)
	default:
		return usage(fmt.Errorf("-o %s is not known: use json, yaml or name=value", output))
	}
}

// bare is a value without the quotes of JSON, if it is a text.
func bare(value json.RawMessage) string {
	var text string
	if err := json.Unmarshal(value, &text); err != nil || string(value) == "null" {
		return string(value)
	}
	return text
}

// quoted is a text as a shell reads it back.
func quoted(text string) string {
	safe := strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+,=")
	if safe == "" && text != "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// completeOutput completes the name of a Stack, and then of an output.
func (a *app) completeOutput(command *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return a.completeStack(command, args, typed)
	}
	session, err := a.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(command.Context(), completeWithin)
	defer cancel()
	stack, err := session.stack(ctx, args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return sortedKeys(stack.Status.Outputs), cobra.ShellCompDirectiveNoFileComp
}
