package e2e

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// shopped is a program that takes its time, with an output that is secret.
const shopped = `
resources:
  first: {type: testing:index:Sleep, properties: {seconds: 4, label: first}}
outputs:
  label: ${first.label}
  hush: {"fn::secret": ` + hidden + `}
`

// plugin runs kubectl gantry in the story's namespace, which has to exit with a code and to say all that is wanted.
func (s *story) plugin(code int, args string, wanted ...string) string {
	s.T.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(s.Ctx, "kubectl", append([]string{"gantry", "-n", s.Name}, strings.Fields(args)...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		s.T.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		s.T.Errorf("kubectl gantry %s: exit code %d, want %d:\n%s%s", args, got, code, stdout.String(), stderr.String())
	}
	for _, want := range wanted {
		if !strings.Contains(stdout.String()+stderr.String(), want) {
			s.T.Errorf("kubectl gantry %s does not say %q, but:\n%s%s", args, want, stdout.String(), stderr.String())
		}
	}
	return stdout.String()
}

func TestPlugin(t *testing.T) {
	t.Parallel()
	s := begin(t, "plugin")
	s.program("shopped", shopped)
	stack := s.stack("web", "shopped", onImage)
	s.current(stack)
	if log := s.plugin(0, "logs web -f --timeout 3m", "Updating", "testing:index:Sleep first", "✔ up web-"); strings.Contains(log, hidden) {
		t.Error("a secret is in the log")
	}
	s.AwaitReady(stack)
	s.plugin(0, "get web", "Ready", "up succeeded")
	s.plugin(0, "why web", "upToDate: there is no reason to run now")
	if masked := s.plugin(0, "outputs web", "[secret]", "first"); strings.Contains(masked, hidden) {
		t.Error("a secret output is shown")
	}
	if shown := s.plugin(0, "outputs web hush --show-secrets"); strings.TrimSpace(shown) != hidden {
		t.Error("--show-secrets does not show the secret output")
	}
	s.plugin(0, "reconcile web --wait --timeout 3m", "✔ up web-", "of Stack web succeeded")
	s.plugin(0, "preview web --wait --timeout 3m", "Previewing update", "✔ preview web-", "2 same")
	s.plugin(0, "tree web --resources", "Workspace web", "Pod web-workspace-0  Running", "preview Succeeded", "testing:index:Sleep first")
	s.plugin(0, "refresh web --wait --timeout 3m", "✔ refresh web-")

	t.Log("it ends what runs, and nothing runs after that")
	s.program("shopped", strings.NewReplacer("seconds: 4, label: first", "seconds: 60, label: slow").Replace(shopped))
	s.Await(stack, "to run the slow program", func() bool {
		return stack.Status.CurrentUpdate != nil && strings.Contains(stack.Status.LastUpdate.Message, "testing:index:Sleep")
	})
	s.plugin(0, "cancel web --wait --timeout 1m", "is asked to end", "has ended")
	s.Await(stack, "to be stalled", func() bool {
		return stage.Condition(stack.Status.Conditions, "Stalled").Reason == pulumiv1.ReasonUpdateCanceled
	})
	s.plugin(0, "why web", "Stalled: UpdateCanceled")
	s.plugin(0, "suspend web", "is suspended")
	s.plugin(1, "reconcile web", "kubectl gantry resume web")
	s.program("shopped", shopped)
	program := &pulumiv1.Program{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "shopped"}}
	for deadline := time.Now().Add(patience); program.Generation == 0 || program.Status.ObservedGeneration != program.Generation; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the Program is not looked at: %+v", program.Status)
		}
		s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(program), program))
	}
	s.Must(s.Patch(s.Ctx, stack, "spec: {refresh: true}"))
	s.plugin(0, "resume web --wait --timeout 3m", "is resumed", "✔ up web-")
	s.plugin(0, "suspend web", "is suspended")
	s.plugin(0, "resume web --wait --timeout 1m", "is resumed", "has nothing to run: ")
}

// TestPluginDoctor: the shipped installation is found well. Stacks of other stories may be in trouble meanwhile.
func TestPluginDoctor(t *testing.T) {
	t.Parallel()
	s := begin(t, "doctor")
	out, err := exec.CommandContext(s.Ctx, "kubectl", "gantry", "-n", s.Name, "doctor").CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	for _, want := range []string{
		"✔ kind stacks.pulumi.com: serves v1", "✔ manager: Deployment " + s.Manager.String(), "✔ versions: plugin dev, manager ", "✔ leader: ", "✔ hub: ",
		"✔ certificate: ", "✔ manager's permissions: ", "✔ your permissions: ",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("doctor does not say %q, but:\n%s", want, out)
		}
	}
}
