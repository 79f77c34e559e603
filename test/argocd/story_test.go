package argocd

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// patience is how long a story waits for one thing.
const patience = 3 * time.Minute

// story is a test with a namespace of its own on the cluster, and Argo CD.
type story struct {
	*stage.Namespace
	t    *testing.T
	argo *installation
	// ctx ends with the test; a story is told in it from its beginning to its end.
	ctx context.Context //nolint:containedctx // a story is the test's call frame
}

// TestArgoCD tells the stories, all at once, with one Argo CD.
func TestArgoCD(t *testing.T) {
	kubeconfig := os.Getenv("KUBECONFIG")
	if os.Getenv("GANTRY_E2E") != "1" || kubeconfig == "" {
		t.Skip("SKIPPED: no cluster. Set GANTRY_E2E=1 and KUBECONFIG, or run `make argocd`.")
	}
	s, err := stage.Connect(t.Context(), kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	argo := install(t, s, kubeconfig)
	stories := map[string]func(*story){
		"Waves": waves, "Requests": requests, "SelfHeal": selfHeal, "Replace": replace, "Prune": prune,
		"DeleteForeground": deleteForeground, "DeleteBackground": deleteBackground, "DeleteWithoutCascade": deleteWithoutCascade,
		"BrokenProgram": brokenProgram, "LateProgram": lateProgram, "LaterWave": laterWave,
		"ExampleOfPKO": exampleOfPKO, "Actions": actions,
	}
	for name, tell := range stories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tell(argo.begin(t, "argo-"+strings.ToLower(name)))
		})
	}
}

// begin starts a story.
func (a *installation) begin(t *testing.T, name string) *story {
	t.Helper()
	namespace, err := a.NewNamespace(t.Context(), name, "restricted")
	if err != nil {
		t.Fatal(err)
	}
	told := &story{Namespace: namespace, t: t, argo: a, ctx: t.Context()}
	t.Cleanup(told.end)
	return told
}

// end shows what matters if the story failed, and removes its namespace.
func (s *story) end() {
	ctx, cancel := cleanup()
	defer cancel()
	if s.t.Failed() {
		var dump bytes.Buffer
		s.Dump(ctx, &dump)
		s.t.Logf("namespace %s when the story failed:\n%s", s.Name, dump.String())
		s.t.Logf("Argo CD's controller said:\n%s", saidOf(s.argo.folder, "argocd-application-controller", s.Name))
	}
	if err := s.Leave(ctx); err != nil {
		s.t.Errorf("cleaning up: %v", err)
	}
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

// untilRan waits until a Stack is Ready after a number of Updates, and checks that there are no more.
func (s *story) untilRan(stack *pulumiv1.Stack, times int) {
	s.t.Helper()
	var updates []autov1alpha1.Update
	s.until(stack, "to be Ready after its Updates", func() bool {
		var err error
		updates, err = s.Updates(s.ctx, stack.Name)
		s.must(err)
		return stage.Ready(stack) && len(updates) >= times
	})
	if len(updates) != times {
		s.t.Fatalf("Stack %s has run %d times, want %d", stack.Name, len(updates), times)
	}
}

// stays checks that a Stack goes on as it is, with as many Updates as it has.
func (s *story) stays(stack *pulumiv1.Stack, times int) {
	s.t.Helper()
	s.must(s.Client.Get(s.ctx, client.ObjectKeyFromObject(stack), stack))
	if !stage.Ready(stack) || stack.Status.CurrentUpdate != nil || stack.DeletionTimestamp != nil {
		s.t.Fatalf("Stack %s is not at rest: %v", stack.Name, stack.Status.Conditions)
	}
	s.untilRan(stack, times)
}

// exists tells whether an object is there, and reads it.
func (s *story) exists(object client.Object) bool {
	s.t.Helper()
	err := s.Client.Get(s.ctx, client.ObjectKeyFromObject(object), object)
	if err != nil && !apierrors.IsNotFound(err) {
		s.t.Fatal(err)
	}
	return err == nil
}

func (s *story) configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: name}}
}

// tool runs a program of a user's and returns what it prints.
func (s *story) tool(program string, arguments ...string) string {
	s.t.Helper()
	command := exec.CommandContext(s.ctx, program, arguments...)
	command.Env = append(os.Environ(), "HOME="+s.argo.path(s.t, "home"))
	output, err := command.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(arguments, " "), err, output)
	}
	return string(output)
}

// kubectl runs kubectl in the story's namespace.
func (s *story) kubectl(arguments ...string) string {
	s.t.Helper()
	return s.tool(filepath.Join(built, "kubectl"), append([]string{"--namespace", s.Name}, arguments...)...)
}

// cleanup is a context for what is done when a story is over.
func cleanup() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}
