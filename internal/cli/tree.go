package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/xlab/treeprint"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// branch is all that a tree is made of.
type branch struct {
	stack     *pulumiv1.Stack
	workspace *autov1alpha1.Workspace
	pod       *corev1.Pod
	updates   []autov1alpha1.Update
	// resources of the state; unknown says why there are none to show.
	resources []resource
	unknown   string
}

// resource is what is read of a resource in a state: none of its values.
type resource struct {
	URN    string `json:"urn"`
	Parent string `json:"parent"`
	Type   string `json:"type"`
	Delete bool   `json:"delete"`
}

// recent is how many Updates a tree shows.
const recent = 5

func (a *app) treeCommand() *cobra.Command {
	deep := false
	command := &cobra.Command{
		Use:   "tree STACK",
		Short: "Show what belongs to a stack: its Workspace, pod and Updates, and with --resources what it made",
		Long: "Show what belongs to a stack: its Workspace, pod and last Updates.\n\n" +
			"What it made is on record only in the state. --resources reads that in the stack's pod, which takes a pod that is\n" +
			"there and the permission to exec in it. Names and types are shown, and no values.",
		Args:              exactly("the name of a Stack"),
		ValidArgsFunction: a.completeStack,
		RunE:              func(command *cobra.Command, args []string) error { return a.tree(command.Context(), args[0], deep) },
	}
	command.Flags().BoolVar(&deep, "resources", false, "read the resources from the state, in the stack's pod")
	return command
}

func (a *app) tree(ctx context.Context, name string, deep bool) error {
	session, stack, err := a.stackNamed(ctx, name)
	if err != nil {
		return err
	}
	b := branch{stack: stack}
	if b.workspace, _, err = session.underWay(ctx, b.stack); err != nil {
		return err
	}
	if b.updates, err = session.updatesOf(ctx, b.stack); err != nil {
		return err
	}
	pod := &corev1.Pod{}
	there, err := session.optional(ctx, autov1alpha1.PodName(pulumiv1.WorkspaceName(name)), pod)
	if err != nil {
		return err
	}
	if there {
		b.pod = pod
	}
	failure := error(nil)
	switch {
	case !deep:
		b.unknown = "--resources reads them from the state"
	case b.pod == nil:
		failure = fmt.Errorf("the Stack %s has no pod now in which its state could be read; kubectl gantry preview %[1]s --wait starts one", name)
		b.unknown = "there is no pod"
	default:
		if b.resources, failure = session.resources(ctx, b); failure != nil {
			b.unknown = "the state cannot be read"
		}
	}
	fmt.Fprint(a.Streams.Out, b.text(a.Clock.Now()))
	return failure
}

// text is the tree for a person.
func (b branch) text(now time.Time) string {
	s := stackState(b.stack)
	root := treeprint.NewWithRoot(shown(fmt.Sprintf("Stack %s/%s  %s", b.stack.Namespace, b.stack.Name, s.Word)))
	below := root
	if b.workspace == nil {
		root.AddNode("no Workspace")
	} else {
		below = root.AddBranch(shown(fmt.Sprintf("Workspace %s  %s", b.workspace.Name, workspaceState(b.workspace).Word)))
	}
	if b.pod == nil {
		below.AddNode("no pod")
	} else {
		below.AddNode(shown(fmt.Sprintf("Pod %s  %s, on %s", b.pod.Name, b.pod.Status.Phase, firstOf(b.pod.Spec.NodeName, "no node yet"))))
	}
	for i, u := range b.updates {
		if i == recent {
			below.AddNode(fmt.Sprintf("%d earlier Updates", len(b.updates)-recent))
			break
		}
		below.AddNode(shown(fmt.Sprintf("Update %s  %s %s, %s ago: %s", u.Name, u.Spec.Type, updateState(&u).Word,
			age(u.CreationTimestamp.Time, now), changes(u.Status.Changes))))
	}
	count := "an unknown number"
	if n := b.stack.Status.Resources; n != nil {
		count = fmt.Sprint(*n)
	}
	title := "Resources: " + count + " as of the last update"
	if b.unknown != "" {
		root.AddNode(title + " (" + b.unknown + ")")
		return root.String()
	}
	grow(root.AddBranch(fmt.Sprintf("Resources: %d in the state", len(b.resources))), b.resources)
	return root.String()
}

// grow hangs each resource below its parent, which a state has before it.
func grow(tree treeprint.Tree, resources []resource) {
	branches := map[string]treeprint.Tree{"": tree}
	for _, r := range resources {
		parent, ok := branches[r.Parent]
		if !ok {
			parent = tree
		}
		name := r.URN[strings.LastIndex(r.URN, "::")+1:]
		text := r.Type + " " + strings.TrimPrefix(name, ":")
		if r.Delete {
			text += "  (to be deleted)"
		}
		branches[r.URN] = parent.AddBranch(shown(text))
	}
}

// resources reads the state of a stack in its pod. Of what comes nothing is kept but what a resource is.
func (s *session) resources(ctx context.Context, b branch) ([]resource, error) {
	command := []string{"sh", "-c", `cd /share/workspace && exec pulumi stack export --non-interactive --stack "$0"`, b.stack.Spec.Stack}
	request := s.kube.CoreV1().RESTClient().Post().Resource("pods").Namespace(b.pod.Namespace).Name(b.pod.Name).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: pulumiContainer, Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewWebSocketExecutor(s.config, "GET", request.URL().String())
	if err != nil {
		return nil, fmt.Errorf("exec in %s: %w", b.pod.Name, err)
	}
	var stdout, stderr bytes.Buffer
	if err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr}); err != nil {
		return nil, fmt.Errorf("read the state in %s: %w: %s", b.pod.Name, explained(err), strings.TrimSpace(shown(stderr.String())))
	}
	return readState(stdout.Bytes())
}

// readState are the resources of an exported state.
func readState(text []byte) ([]resource, error) {
	var state struct {
		Deployment struct {
			Resources []resource `json:"resources"`
		} `json:"deployment"`
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return nil, errors.New("the state is no JSON") // the words of the error would show some of it
	}
	return state.Deployment.Resources, nil
}
