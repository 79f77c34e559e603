package update

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/operation"
)

func TestWhatAPersonHasToMendIsStalledAndGoesOnWhenMended(t *testing.T) {
	w := newWorld(t, aWorkspace(func(ws *autov1alpha1.Workspace) { ws.Spec.Git = &autov1alpha1.GitSource{URL: "ext::sh"} }), aPod(podUID), anUpdate("u"))
	agent := w.connect(podUID)
	w.reconcile("u")
	w.only("u", "Complete=False/Progressing", "Failed=False/Progressing", "Progressing=False/WorkspaceInvalid",
		"Ready=False/NotReadyStalled", "Stalled=True/WorkspaceInvalid")
	if agent.runs["uid-u"] != 0 {
		t.Fatal("it ran")
	}
	ws := &autov1alpha1.Workspace{}
	if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: workspace}, ws); err != nil {
		t.Fatal(err)
	}
	ws.Spec.Git = nil
	if err := w.client.Update(t.Context(), ws); err != nil {
		t.Fatal(err)
	}
	w.reconcile("u")
	if agent.runs["uid-u"] != 1 {
		t.Error("it did not run when the Workspace was mended")
	}
}

func TestInvalidUpdateEnds(t *testing.T) {
	tests := map[string]func(*autov1alpha1.Update){
		"Type":      func(u *autov1alpha1.Update) { u.Spec.Type = "" },
		"Workspace": func(u *autov1alpha1.Update) { u.Spec.WorkspaceName = "" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, anUpdate("u", change))
			w.reconcile("u")
			w.only("u", "Complete=True/Failed", "Failed=True/InvalidSpec", "Progressing=False/Failed",
				"Ready=False/NotReadyStalled", "Stalled=True/InvalidSpec")
		})
	}
}

// lagging answers with an older copy of the Workspace, as a cache may.
type lagging struct {
	client.Client
	old *autov1alpha1.Workspace
}

func (l lagging) Get(ctx context.Context, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
	if ws, ok := object.(*autov1alpha1.Workspace); ok {
		l.old.DeepCopyInto(ws)
		return nil
	}
	return l.Client.Get(ctx, key, object, opts...)
}

func TestOutdatedPodIsNotUsedBecauseTheCacheLags(t *testing.T) {
	w := newWorld(t, aWorkspace(func(ws *autov1alpha1.Workspace) { ws.Generation = 2 }), aPod(podUID), anUpdate("u"))
	w.Client = lagging{w.client, aWorkspace()} // its controller has seen generation 1, which was then the latest
	agent := w.connect(podUID)
	w.reconcile("u")
	if got := w.get("u").Status; agent.runs["uid-u"] != 0 || !strings.Contains(got.Message, "new spec") {
		t.Errorf("the operation ran %d times in a pod of the old spec; message %q", agent.runs["uid-u"], got.Message)
	}
}

func TestSecretThatTheServerRefusesIsDroppedWithoutItsWords(t *testing.T) {
	w := started(t)
	refused := apierrors.NewInvalid(schema.GroupKind{Kind: "Secret"}, "u-stack-outputs",
		field.ErrorList{field.Invalid(field.NewPath("data"), "hunter2", "is bad")})
	w.Client = interceptor.NewClient(w.client, interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return refused },
	})
	w.finish("u", success(map[string]*operation.Output{"a": {Json: []byte(`"hunter2"`), Secret: true}}))
	w.reconcile("u")
	w.only("u", "Complete=True/Updated", "Failed=False/UpdateSucceeded", "Progressing=False/Complete", "Ready=True/UpdateSucceeded")
	if got := w.get("u").Status.Message; !strings.Contains(got, "refused the Secret") {
		t.Errorf("message %q does not say so", got)
	}
	if where := w.leaks("hunter2"); where != "" {
		t.Errorf("the secret is in %s", where)
	}
}

func TestAgentThatComesBackAfterTheOfferGetsItAgain(t *testing.T) {
	w := started(t)
	agent := w.hub.agent
	agent.runs, agent.progress = map[types.UID]int{}, map[types.UID]*operation.Progress{} // the offer was lost on the way
	w.restart()
	w.reconcile("u")
	if agent.runs["uid-u"] != 1 {
		t.Errorf("the operation ran %d times, want once", agent.runs["uid-u"])
	}
	if pods := w.hub.offered["uid-u"]; len(pods) != 1 || pods[0] != podUID {
		t.Errorf("it was offered to %v", pods)
	}
}

func TestOnlyWorkspacePodsAreWatched(t *testing.T) {
	stranger := aPod("x", func(pod *corev1.Pod) { pod.Labels = nil })
	if p := isWorkspacePod(); !p.Generic(event.GenericEvent{Object: aPod(podUID)}) || p.Generic(event.GenericEvent{Object: stranger}) {
		t.Error("the wrong pods are watched")
	}
}
