package helm

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

const (
	// release and system are where the documentation installs Gantry.
	release, system = "gantry", "gantry-system"
	// chart is this tree's.
	chart = "../../charts/gantry"
	// definitions are what people without Helm apply.
	definitions = "../../config/crd"
	// patience is how long a story waits for one thing.
	patience = 2 * time.Minute
)

// story is a test that has the cluster for itself.
type story struct {
	*stage.Stage
	t *testing.T
	// ctx ends with the test; a story is told in it from its beginning to its end.
	ctx context.Context //nolint:containedctx // a story is the test's call frame
}

// begin starts a story, or skips the test if there is no cluster to tell it on. Nothing of Gantry is there but the
// namespace of the release, which enforces the restricted Pod Security Standard.
func begin(t *testing.T) *story {
	t.Helper()
	kubeconfig := os.Getenv("KUBECONFIG")
	if os.Getenv("GANTRY_HELM") != "1" || kubeconfig == "" {
		t.Skip("SKIPPED: no cluster. Set GANTRY_HELM=1 and KUBECONFIG, or run `make helm`.")
	}
	cluster, err := stage.Bare(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	cluster.Manager = client.ObjectKey{Namespace: system, Name: "gantry-manager"}
	s := &story{Stage: cluster, t: t, ctx: t.Context()}
	t.Cleanup(s.end)
	s.refuseStacks()
	s.removeDefinitions()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: system, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
	s.must(s.Client.Create(s.ctx, namespace))
	return s
}

// end takes away what the story installed, so that the next one can begin, even if this one failed.
func (s *story) end() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s.ctx = ctx
	if s.t.Failed() {
		pods, err := s.try("kubectl", "--namespace", system, "describe", "pods")
		s.t.Logf("the pods of %s when the story failed (%v):\n%s", system, err, pods)
		log, err := s.try("kubectl", "--namespace", system, "logs", "--tail=60", "--prefix", "--selector", "app.kubernetes.io/name=gantry")
		s.t.Logf("the log of the managers (%v):\n%s", err, log)
	}
	if output, err := s.try("helm", "uninstall", release, "--namespace", system, "--ignore-not-found", "--wait"); err != nil {
		s.t.Errorf("cleaning up: %v\n%s", err, output)
	}
	if output, err := s.try("kubectl", "delete", "namespace", system, "--ignore-not-found"); err != nil {
		s.t.Errorf("cleaning up: %v\n%s", err, output)
	}
}

// refuseStacks ends the story before it does harm: a Stack goes with the definition of its kind.
func (s *story) refuseStacks() {
	s.t.Helper()
	stacks, err := s.try("kubectl", "get", "stacks.pulumi.com", "--all-namespaces", "--no-headers")
	switch {
	case strings.Contains(stacks, "the server doesn't have a resource type"), strings.Contains(stacks, "No resources found"):
	case err != nil:
		s.t.Fatalf("kubectl get stacks: %v\n%s", err, stacks)
	case stacks != "":
		s.t.Fatalf("the story deletes the definitions, and every Stack would go with them; delete these first:\n%s", stacks)
	}
}

func (s *story) removeDefinitions() {
	s.t.Helper()
	s.run("kubectl", "delete", "--ignore-not-found", "--timeout="+patience.String(), "-k", definitions)
}

// try runs a user's tool and returns all that it says.
func (s *story) try(tool string, args ...string) (string, error) {
	s.t.Helper()
	home := s.t.TempDir()
	command := exec.CommandContext(s.ctx, tool, args...)
	command.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	err := command.Run()
	return said.String(), err
}

// run runs a user's tool that has to succeed.
func (s *story) run(tool string, args ...string) string {
	s.t.Helper()
	said, err := s.try(tool, args...)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", tool, strings.Join(args, " "), err, said)
	}
	return said
}

// helm is the command line of one of Helm's commands on the release, with the images made here.
func (s *story) helm(command, chart string, args ...string) []string {
	images := "image.registry=localhost,image.repository=gantry,image.tag=dev," +
		"workspaceImage.name=localhost/gantry-pulumi:dev,workspaceImage.agentPath=/usr/local/bin/gantry-agent"
	return slices.Concat([]string{command, release, chart, "--namespace", system, "--wait", "--timeout", patience.String(), "--set", images}, args)
}

// uninstall uninstalls the release, and waits for its pods too, which Helm does not. It returns what Helm says.
func (s *story) uninstall() string {
	s.t.Helper()
	said := s.run("helm", "uninstall", release, "--namespace", system, "--wait")
	s.run("kubectl", "wait", "--for=delete", "pods", "--namespace", system, "--selector", "app.kubernetes.io/instance="+release, "--timeout="+patience.String())
	return said
}

// must ends the story if there is an error.
func (s *story) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// until waits until an object is as it should be, and ends the story if it does not get there.
func (s *story) until(object client.Object, what string, done func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeoutCause(s.ctx, patience, errors.New("not in "+patience.String()))
	defer cancel()
	s.must(s.Until(ctx, object, what, done))
}

// untilGone waits until an object does not exist.
func (s *story) untilGone(object client.Object, what string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeoutCause(s.ctx, patience, errors.New("not in "+patience.String()))
	defer cancel()
	s.must(s.UntilGone(ctx, object, what))
}

// untilReady waits until a Stack is Ready at its newest generation.
func (s *story) untilReady(stack *pulumiv1.Stack) {
	s.t.Helper()
	s.must(s.Client.Get(s.ctx, client.ObjectKeyFromObject(stack), stack))
	generation := stack.Generation
	s.until(stack, "to be Ready", func() bool { return stack.Generation >= generation && stage.Ready(stack) })
}

// get reads an object again.
func (s *story) get(object client.Object) {
	s.t.Helper()
	s.must(s.Client.Get(s.ctx, client.ObjectKeyFromObject(object), object))
}
