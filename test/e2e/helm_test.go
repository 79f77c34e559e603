package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions/conditionstest"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// ending is how a program ended.
type ending struct {
	output string
	err    error
}

// run starts a tool of a user's in the story's namespace. Its end comes through the channel.
func (s *story) run(tool string, args ...string) <-chan ending {
	s.T.Helper()
	home := s.T.TempDir()
	command := exec.CommandContext(s.Ctx, tool, append(args, "--namespace", s.Name)...)
	command.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	ended := make(chan ending, 1)
	go func() {
		output, err := command.CombinedOutput()
		ended <- ending{string(output), err}
	}()
	return ended
}

// install installs the chart of testdata and waits as `helm install --wait` does.
func (s *story) install(set ...string) <-chan ending {
	s.T.Helper()
	args := []string{"install", "app", "testdata/chart", "--wait", "--timeout", patience.String(), "--set", "image=" + image}
	for _, one := range set {
		args = append(args, "--set", one)
	}
	return s.run("helm", args...)
}

// succeeds waits for the end of a tool that has to succeed.
func (s *story) succeeds(tool <-chan ending) {
	s.T.Helper()
	if end := <-tool; end.err != nil {
		s.T.Fatalf("it ended with %v:\n%s", end.err, end.output)
	}
}

// TestHelmWaits installs a chart, changes the Stack under `kubectl wait`, and uninstalls the chart.
func TestHelmWaits(t *testing.T) {
	t.Parallel()
	s := begin(t, "helm")
	s.mayManageConfigMaps()
	s.succeeds(s.install("direct=true"))
	stack, update := s.Stack("app"), &autov1alpha1.Update{}
	s.Must(s.Client.Get(s.Ctx, s.Key("app"), stack))
	s.Must(s.Client.Get(s.Ctx, s.Key("direct"), update))
	if !stage.Ready(stack) || output(stack, "colour") != `"blue"` {
		t.Errorf("helm install --wait ended with the Stack at %+v, outputs %v", stack.Status.Conditions, stack.Status.Outputs)
	}
	if stage.Condition(update.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete).Status != "True" {
		t.Errorf("helm install --wait ended with the Update at %+v", update.Status.Conditions)
	}
	conditionstest.Anytime(t, stack)
	conditionstest.Anytime(t, update)

	t.Log("kubectl wait is not taken in by the Ready of the generation before")
	s.Must(s.Patch(s.Ctx, stack, `{spec: {config: {colour: green}}}`))
	s.succeeds(s.run("kubectl", "wait", "--for=condition=Ready", "stack/app", "--timeout="+patience.String()))
	s.Must(s.Client.Get(s.Ctx, s.Key("app"), stack))
	if output(stack, "colour") != `"green"` {
		t.Errorf("kubectl wait ended before the change was made: outputs %v", stack.Status.Outputs)
	}

	t.Log("helm uninstall waits for the destroy")
	made := s.configMap("settings")
	s.Must(s.Client.Get(s.Ctx, s.Key("settings"), made))
	s.Must(s.Patch(s.Ctx, made, `{metadata: {finalizers: ["`+holder+`"]}}`))
	uninstalled := s.run("helm", "uninstall", "app", "--wait", "--timeout", patience.String())
	s.Await(made, "to be on its way out", func() bool { return made.DeletionTimestamp != nil })
	select {
	case end := <-uninstalled:
		t.Fatalf("helm uninstall ended (%v) while the destroy was under way:\n%s", end.err, end.output)
	default:
	}
	s.Must(s.Patch(s.Ctx, made, `{metadata: {finalizers: null}}`))
	s.succeeds(uninstalled)
	for name, object := range map[string]client.Object{"app": stack, "settings": made} {
		if err := s.Client.Get(s.Ctx, s.Key(name), object); !apierrors.IsNotFound(err) {
			t.Errorf("%T %s is there when helm uninstall --wait has ended (%v)", object, name, err)
		}
	}
}

// TestHelmToldOfAStalledStack: what only a person can mend ends `helm install --wait` at once, with our words.
func TestHelmToldOfAStalledStack(t *testing.T) {
	t.Parallel()
	s := begin(t, "helmstall")
	end := <-s.install("spec.projectRepo=https://git.example/x.git")
	stack := s.Stack("app")
	s.Must(s.Client.Get(s.Ctx, s.Key("app"), stack))
	stalled := stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeStalled)
	if end.err == nil || stalled.Message == "" || !strings.Contains(end.output, stalled.Message) {
		t.Errorf("helm install --wait ended with %v, without the Stack's own words %q:\n%s", end.err, stalled.Message, end.output)
	}
	if strings.Contains(end.output, "deadline") {
		t.Errorf("helm waited in vain:\n%s", end.output)
	}
}

// TestHelmWaitsForALateProgram: a Program that comes a moment after its Stack is nothing to fail for.
func TestHelmWaitsForALateProgram(t *testing.T) {
	t.Parallel()
	s := begin(t, "helmlate")
	installed := s.install("program=false")
	stack := s.Stack("app")
	s.Await(stack, "to wait for its Program", func() bool {
		return stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeReconciling).Reason == pulumiv1.ReasonSourceUnavailable
	})
	s.program("app", greeting)
	s.succeeds(installed)
	s.Must(s.Client.Get(s.Ctx, s.Key("app"), stack))
	if !stage.Ready(stack) {
		t.Errorf("helm install --wait ended with the Stack at %+v", stack.Status.Conditions)
	}
}
