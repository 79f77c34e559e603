package helm

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gantry-operator/gantry/test/e2e/stage"
	"github.com/gantry-operator/gantry/test/e2e/tell"
)

const (
	// release and system are where the documentation installs Gantry.
	release, system = "gantry", tell.System
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
	*tell.Story
}

// begin starts a story, or skips the test if there is no cluster to tell it on. Nothing of Gantry is there but the
// namespace of the release, which enforces the restricted Pod Security Standard.
func begin(t *testing.T) *story {
	t.Helper()
	cluster := tell.Bare(t, "make helm")
	s := &story{Stage: cluster, Story: &tell.Story{T: t, Ctx: t.Context(), Cluster: cluster, Patience: patience}}
	t.Cleanup(s.end)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: system, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
	s.Must(s.Client.Create(s.Ctx, namespace))
	return s
}

// end takes away what the story installed, so that the next one can begin, even if this one failed.
func (s *story) end() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s.Ctx = ctx
	if s.T.Failed() {
		pods, err := s.try("kubectl", "--namespace", system, "describe", "pods")
		s.T.Logf("the pods of %s when the story failed (%v):\n%s", system, err, pods)
		log, err := s.try("kubectl", "--namespace", system, "logs", "--tail=60", "--prefix", "--selector", "app.kubernetes.io/name=gantry")
		s.T.Logf("the log of the managers (%v):\n%s", err, log)
	}
	if output, err := s.try("helm", "uninstall", release, "--namespace", system, "--ignore-not-found", "--wait"); err != nil {
		s.T.Errorf("cleaning up: %v\n%s", err, output)
	}
	if output, err := s.try("kubectl", "delete", "namespace", system, "--ignore-not-found"); err != nil {
		s.T.Errorf("cleaning up: %v\n%s", err, output)
	}
}

// try runs a user's tool and returns all that it says.
func (s *story) try(tool string, args ...string) (string, error) {
	s.T.Helper()
	home := s.T.TempDir()
	command := exec.CommandContext(s.Ctx, tool, args...)
	command.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	err := command.Run()
	return said.String(), err
}

// run runs a user's tool that has to succeed.
func (s *story) run(tool string, args ...string) string {
	s.T.Helper()
	said, err := s.try(tool, args...)
	if err != nil {
		s.T.Fatalf("%s %s: %v\n%s", tool, strings.Join(args, " "), err, said)
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
	s.T.Helper()
	said := s.run("helm", "uninstall", release, "--namespace", system, "--wait")
	s.run("kubectl", "wait", "--for=delete", "pods", "--namespace", system, "--selector", "app.kubernetes.io/instance="+release, "--timeout="+patience.String())
	return said
}

// get reads an object again.
func (s *story) get(object client.Object) {
	s.T.Helper()
	s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(object), object))
}
