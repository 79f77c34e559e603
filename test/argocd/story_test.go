package argocd

import (
	"context"
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
	"github.com/gantry-operator/gantry/test/e2e/tell"
)

// patience is how long a story waits for one thing.
const patience = 3 * time.Minute

// story is a test with a namespace of its own on the cluster, and Argo CD.
type story struct {
	*stage.Namespace
	*tell.Story
	argo *installation
}

// TestArgoCD tells the stories, all at once, with one Argo CD.
func TestArgoCD(t *testing.T) {
	s := tell.Connect(t, "make argocd")
	argo := install(t, s, os.Getenv("KUBECONFIG"))
	stories := map[string]func(*story){
		"Waves": waves, "Requests": requests, "SelfHeal": selfHeal, "Replace": replace, "Prune": prune,
		"DeleteForeground": deleteForeground, "DeleteBackground": deleteBackground, "DeleteWithoutCascade": deleteWithoutCascade,
		"BrokenProgram": brokenProgram, "LateProgram": lateProgram, "LaterWave": laterWave,
		"ExampleOfPKO": exampleOfPKO, "Actions": actions,
	}
	for name, told := range stories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told(argo.begin(t, "argo-"+strings.ToLower(name)))
		})
	}
}

// begin starts a story.
func (a *installation) begin(t *testing.T, name string) *story {
	t.Helper()
	told := &tell.Story{T: t, Ctx: t.Context(), Cluster: a.Stage, Patience: patience}
	namespace := told.In(name, func(namespace string) string {
		return "Argo CD's controller said:\n" + saidOf(a.folder, "argocd-application-controller", namespace)
	})
	return &story{Namespace: namespace, Story: told, argo: a}
}

// untilRan waits until a Stack is Ready after a number of Updates, and checks that there are no more.
func (s *story) untilRan(stack *pulumiv1.Stack, times int) {
	s.T.Helper()
	var updates []autov1alpha1.Update
	s.Await(stack, "to be Ready after its Updates", func() bool {
		var err error
		updates, err = s.Updates(s.Ctx, stack.Name)
		s.Must(err)
		return stage.Ready(stack) && len(updates) >= times
	})
	if len(updates) != times {
		s.T.Fatalf("Stack %s has run %d times, want %d", stack.Name, len(updates), times)
	}
}

// stays checks that a Stack goes on as it is, with as many Updates as it has.
func (s *story) stays(stack *pulumiv1.Stack, times int) {
	s.T.Helper()
	s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(stack), stack))
	if !stage.Ready(stack) || stack.Status.CurrentUpdate != nil || stack.DeletionTimestamp != nil {
		s.T.Fatalf("Stack %s is not at rest: %v", stack.Name, stack.Status.Conditions)
	}
	s.untilRan(stack, times)
}

// exists tells whether an object is there, and reads it.
func (s *story) exists(object client.Object) bool {
	s.T.Helper()
	err := s.Client.Get(s.Ctx, client.ObjectKeyFromObject(object), object)
	if err != nil && !apierrors.IsNotFound(err) {
		s.T.Fatal(err)
	}
	return err == nil
}

func (s *story) configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: name}}
}

// tool runs a program of a user's and returns what it prints.
func (s *story) tool(program string, arguments ...string) string {
	s.T.Helper()
	command := exec.CommandContext(s.Ctx, program, arguments...)
	command.Env = append(os.Environ(), "HOME="+s.argo.path(s.T, "home"))
	output, err := command.CombinedOutput()
	if err != nil {
		s.T.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(arguments, " "), err, output)
	}
	return string(output)
}

// kubectl runs kubectl in the story's namespace.
func (s *story) kubectl(arguments ...string) string {
	s.T.Helper()
	return s.tool(filepath.Join(built, "kubectl"), append([]string{"--namespace", s.Name}, arguments...)...)
}

// cleanup is a context for what is done when a story is over.
func cleanup() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}
