package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/test/apiserver"
)

// asPlugin has the program of the tests be the plugin, so that what is tested is a process.
const asPlugin = "GANTRY_TEST_AS_PLUGIN"

func TestMain(m *testing.M) {
	if os.Getenv(asPlugin) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// world is an API server with a few Stacks, in which the test is the controller.
type world struct {
	t *testing.T
	client.Client
	// admin and viewer are kubeconfigs.
	admin, viewer string
}

const hidden = "nobody-reads-this-5c1e"

func TestPlugin(t *testing.T) {
	w := newWorld(t)
	tests := map[string]func(*world){
		"Get": get, "GetStructured": getStructured, "GetWatches": getWatches, "Why": why, "Outputs": outputs, "Reconcile": reconcile,
		"ReconcileTimesOut": reconcileTimesOut, "ReconcileFails": reconcileFails, "Preview": preview, "Cancel": cancel, "Suspend": suspend, "Resume": resume, "ResumeIdle": resumeIdle,
		"Tree": tree, "Logs": logs, "Doctor": doctor, "Completion": completion, "BadInput": badInput,
		"Terminal": terminal, "Interrupted": interrupted,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(&world{t: t, Client: w.Client, admin: w.admin, viewer: w.viewer})
		})
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	environment, config := apiserver.Start(t, "../..", "config/crd/bases")
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, pulumiv1.AddToScheme, autov1alpha1.AddToScheme, apiextensionsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, Client: c}
	user := func(name string, groups ...string) string {
		added, err := environment.AddUser(envtest.User{Name: name, Groups: groups}, nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := added.KubeConfig()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	w.admin, w.viewer = user("admin", "system:masters"), user("viewer", "viewers")
	w.make(&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "viewer"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"pulumi.com", "auto.pulumi.com"}, Resources: []string{"*"}, Verbs: []string{"get", "list", "watch"}},
	}})
	w.make(&rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "viewer"}, Subjects: []rbacv1.Subject{{Kind: "Group", Name: "viewers", APIGroup: "rbac.authorization.k8s.io"}},
		RoleRef: rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: "viewer"},
	})
	for _, namespace := range []string{"shop", "other"} {
		w.make(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	}
	w.stack("other", "blog", conditions.Stalled(pulumiv1.ReasonSpecInvalid, "spec.stack: empty"))
	w.stack("shop", "web", conditions.Ready(pulumiv1.ReasonProcessingCompleted, "the stack is up to date"))
	w.outputs("web")
	return w
}

func (w *world) make(object client.Object) {
	w.t.Helper()
	if err := w.Create(context.Background(), object); err != nil {
		w.t.Fatal(err)
	}
}

// stack makes a Stack in a state.
func (w *world) stack(namespace, name string, state conditions.State) *pulumiv1.Stack {
	w.t.Helper()
	stack := &pulumiv1.Stack{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: pulumiv1.StackSpec{Stack: "dev", ProgramRef: &pulumiv1.ProgramReference{Name: "p"}}}
	w.make(stack)
	w.status(stack, func(s *pulumiv1.StackStatus) {
		s.Conditions = conditions.Merge(nil, state.Conditions(stack.Generation), metav1.Now())
		s.Decision = "upToDate"
	})
	return stack
}

// status changes a Stack's status as its controller does.
func (w *world) status(stack *pulumiv1.Stack, change func(*pulumiv1.StackStatus)) {
	w.t.Helper()
	change(&stack.Status)
	stack.Status.ObservedGeneration = stack.Generation
	if err := w.Status().Update(context.Background(), stack); err != nil {
		w.t.Fatal(err)
	}
}

// outputs gives a Stack an Update with outputs.
func (w *world) outputs(name string) {
	w.t.Helper()
	update := &autov1alpha1.Update{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name + "-1"}, Spec: autov1alpha1.UpdateSpec{WorkspaceName: name, Type: autov1alpha1.UpUpdate}}
	w.make(update)
	w.complete(update, metav1.ConditionFalse, "UpdateSucceeded")
	w.make(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name + "-outputs"}, Data: map[string][]byte{"url": []byte(`"http://web"`), "token": []byte(`"` + hidden + `"`)}})
	stack := &pulumiv1.Stack{}
	if err := w.Get(context.Background(), client.ObjectKey{Namespace: "shop", Name: name}, stack); err != nil {
		w.t.Fatal(err)
	}
	w.status(stack, func(s *pulumiv1.StackStatus) {
		s.Outputs = map[string]apiextensionsv1.JSON{"url": {Raw: []byte(`"http://web"`)}, "token": {Raw: []byte(`"[secret]"`)}}
		s.LastUpdate = &pulumiv1.LastUpdate{Name: update.Name, Type: "up", State: "succeeded", LastResyncTime: metav1.Now()}
	})
}

// complete completes an Update as its controller does.
func (w *world) complete(update *autov1alpha1.Update, failed metav1.ConditionStatus, reason string) {
	w.t.Helper()
	now := metav1.Now()
	update.Status.Outputs, update.Status.Changes, update.Status.Message = strings.TrimSuffix(update.Name, "-1")+"-outputs", map[string]int32{"create": 2}, "it is over"
	update.Status.StartTime, update.Status.EndTime, update.Status.ObservedGeneration = &now, &now, update.Generation
	update.Status.Conditions = []metav1.Condition{
		{Type: "Complete", Status: metav1.ConditionTrue, Reason: "Updated", LastTransitionTime: now},
		{Type: "Failed", Status: failed, Reason: reason, LastTransitionTime: now},
	}
	if err := w.Status().Update(context.Background(), update); err != nil {
		w.t.Fatal(err)
	}
}

// command is the plugin as a process.
func (w *world) command(kubeconfig string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(w.t.Context(), os.Args[0], append([]string{"--kubeconfig", kubeconfig, "-n", "shop"}, args...)...)
	cmd.Env = append(os.Environ(), asPlugin+"=1", "TERM=xterm")
	return cmd
}

// run runs the plugin to its end.
func (w *world) run(kubeconfig string, args ...string) (stdout, stderr string, code int) {
	w.t.Helper()
	var out, errOut bytes.Buffer
	cmd := w.command(kubeconfig, args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		w.t.Fatal(err)
	}
	return out.String(), errOut.String(), code
}

// expect runs the plugin, which has to exit with a code and to say all of what is wanted.
func (w *world) expect(code int, kubeconfig, args string, wanted ...string) string {
	w.t.Helper()
	stdout, stderr, got := w.run(kubeconfig, strings.Fields(args)...)
	if got != code {
		w.t.Errorf("%s: exit code %d, want %d", args, got, code)
	}
	for _, want := range wanted {
		if !strings.Contains(stdout+stderr, want) {
			w.t.Errorf("%s does not say %q, but:\n%s%s", args, want, stdout, stderr)
		}
	}
	return stdout
}

// until waits for the Stack to be as it is wanted.
func (w *world) until(name string, wanted func(*pulumiv1.Stack) bool) *pulumiv1.Stack {
	w.t.Helper()
	for {
		stack := &pulumiv1.Stack{}
		if err := w.Get(w.t.Context(), client.ObjectKey{Namespace: "shop", Name: name}, stack); err != nil {
			w.t.Fatal(err)
		}
		if wanted(stack) {
			return stack
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func get(w *world) {
	out := w.expect(0, w.viewer, "get web", "NAME", "web", "Ready", "up succeeded", "the stack is up to date")
	if strings.Contains(out, "\x1b") {
		w.t.Errorf("there are colours without a terminal:\n%q", out)
	}
	w.expect(0, w.viewer, "get -A", "NAMESPACE", "other", "blog", "Stalled", "SpecInvalid: spec.stack: empty")
	w.expect(0, w.viewer, "get updates web-1 -o wide", "Succeeded", "2 create")
	w.expect(0, w.viewer, "get workspaces -n other", "There are no workspaces in the namespace other")
	w.expect(0, w.viewer, "get stacks web -o name", "stack.pulumi.com/web\n")
}

func getStructured(w *world) {
	var stack pulumiv1.Stack
	if err := json.Unmarshal([]byte(w.expect(0, w.viewer, "get web -o json")), &stack); err != nil || stack.Kind != "Stack" || stack.Name != "web" || stack.ManagedFields != nil {
		w.t.Errorf("-o json: error %v, got %s %s", err, stack.Kind, stack.Name)
	}
	var list pulumiv1.StackList
	if err := yaml.Unmarshal([]byte(w.expect(0, w.viewer, "get -A -o yaml")), &list); err != nil || list.Kind != "List" || len(list.Items) < 2 {
		w.t.Errorf("-o yaml: error %v, got %s with %d items", err, list.Kind, len(list.Items))
	}
	w.expect(0, w.viewer, "get web -o jsonpath={.spec.stack}", "dev")
	w.expect(2, w.viewer, "get web -o rubbish", "use json, yaml, wide")
}

func why(w *world) {
	w.expect(0, w.viewer, "why blog -n other", "Stack other/blog is Stalled: SpecInvalid", "edit the Stack", "upToDate: there is no reason to run now")
	w.expect(0, w.viewer, "why blog -n other -o json", `"advice": "edit the Stack, or its Program"`)
	w.expect(1, w.viewer, "why blog", "there is no Stack blog in the namespace shop; kubectl gantry get -A")
}

func outputs(w *world) {
	masked := w.expect(0, w.admin, "outputs web", "http://web", "[secret]")
	if strings.Contains(masked, hidden) {
		w.t.Error("a secret output is shown")
	}
	w.expect(0, w.admin, "outputs web token --show-secrets", hidden)
	w.expect(0, w.admin, "outputs web -o name=value", "url=http://web\n")
	w.expect(1, w.viewer, "outputs web --show-secrets", "the Secret shop/web-outputs, which you may not read")
	w.expect(1, w.viewer, "outputs web no", "it has: token, url")
	var values map[string]string
	if err := json.Unmarshal([]byte(w.expect(0, w.admin, "outputs web -o json --show-secrets")), &values); err != nil {
		w.t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"url": "http://web", "token": hidden}, values); diff != "" {
		w.t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

func tree(w *world) {
	w.expect(1, w.viewer, "tree blog -n other", "cannot get resource", "ask for the ClusterRole view") // pods are not the viewer's
	w.expect(0, w.admin, "tree web", "Stack shop/web  Ready", "no pod", "Update web-1  up Succeeded", "2 create")
	w.expect(1, w.admin, "tree web --resources", "has no pod now in which its state could be read")
}

func logs(w *world) {
	w.expect(1, w.admin, "logs web", "the Stack web has no pod now", "it is over")
	w.expect(3, w.admin, "logs web -f --timeout 1s", "waiting for the next one")
}

func doctor(w *world) {
	w.expect(1, w.admin, "doctor", "✔ kind stacks.pulumi.com: serves v1", "✔ kind programs.pulumi.com: serves v1",
		"✔ kind workspaces.auto.pulumi.com: serves v1alpha1", "✔ kind updates.auto.pulumi.com: serves v1alpha1", "✗ manager: there is no Deployment of Gantry's", "✔ your permissions", "✗ Stack other/blog: Stalled: SpecInvalid")
	w.expect(1, w.viewer, "doctor", "! your permissions: in the namespace shop you may not: patch stacks (reconcile, cancel, suspend, resume)")
}

func completion(w *world) {
	if out := w.expect(0, w.viewer, "__complete why w"); !strings.HasPrefix(out, "web\n") && !strings.Contains(out, "\nweb\n") {
		w.t.Errorf("Stacks are not completed, but:\n%s", out)
	}
	w.expect(0, w.viewer, "__complete outputs web t", "token")
	link := filepath.Join(w.t.TempDir(), "kubectl_complete-gantry")
	if err := os.Symlink(os.Args[0], link); err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.CommandContext(w.t.Context(), link, "get", "-n", "shop", "--kubeconfig", w.viewer, "")
	cmd.Env = append(os.Environ(), asPlugin+"=1")
	if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), "web\n") || !strings.Contains(string(out), "updates\n") {
		w.t.Errorf("kubectl is told: %v\n%s", err, out)
	}
}

func badInput(w *world) {
	w.expect(2, w.admin, "why", "takes the name of a Stack")
	w.expect(2, w.admin, "get --nope", "unknown flag: --nope")
	w.expect(2, w.admin, "nope", "nope")
	w.expect(1, "/nowhere", "get", "/nowhere")
	w.expect(0, w.admin, "version", "dev")
}
