package update

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/git"
)

// fromGit is a Workspace with a repository of its own.
func fromGit(change func(*autov1alpha1.GitSource)) *autov1alpha1.Workspace {
	return aWorkspace(func(ws *autov1alpha1.Workspace) {
		ws.Spec.Git = &autov1alpha1.GitSource{URL: "https://git.example/x", Ref: "main", Dir: "infra"}
		change(ws.Spec.Git)
	})
}

func asIs(*autov1alpha1.GitSource) {}

// A Workspace with a repository of its own runs the commit that its ref is at when the Update starts.
func TestAWorkspaceRunsItsOwnRepository(t *testing.T) {
	w := newWorld(t, fromGit(asIs), aPod(podUID), anUpdate("u"))
	agent := w.connect(podUID)
	w.git.Err = failure.NewWaiting("StackProcessing", "polling https://git.example/x")
	w.reconcile("u")
	w.only("u", "Complete=False/Progressing", "Failed=False/Progressing", "Progressing=False/SourceUnavailable",
		"Ready=False/NotReadyInProgress", "Reconciling=True/SourceUnavailable")
	want := git.Request{Ref: "main", Every: time.Minute, Token: "uid-u"}
	want.Remote.URL, want.Selection.Submodules = "https://git.example/x", true
	if diff := cmp.Diff(want, w.git.Followed[consumer(types.NamespacedName{Namespace: namespace, Name: "u"})]); diff != "" {
		t.Errorf("what is asked for (-want +got):\n%s", diff)
	}
	w.git.Revision, w.git.Err = source.Revision{Revision: "c", Digest: sum}, git.NewStale(false, errors.New("the host went away since"))
	w.reconcile("u")
	if agent.runs["uid-u"] != 1 {
		t.Fatal("it did not run")
	}
	if got := agent.given["uid-u"].GetSource().GetArtifact(); got.GetDigest() != sum || got.GetDir() != "infra" || got.GetUrl() != "https://hub/"+sum || got.GetForeign() {
		t.Errorf("it runs %v", got)
	}
	if got := w.find("u").Status.Digest; got != sum {
		t.Errorf("the archive on record is %q", got)
	}
	w.reconcile("u")
	if len(w.git.Followed) != 0 {
		t.Errorf("the repository goes on being polled: %v", w.git.Followed)
	}
}

func TestAWorkspaceOfACommitAndPaths(t *testing.T) {
	const commit = "0123456789012345678901234567890123456789"
	w := newWorld(t, fromGit(func(g *autov1alpha1.GitSource) {
		g.Ref, g.Paths, g.RecurseSubmodules = commit, []string{"lib"}, new(false)
	}), aPod(podUID), anUpdate("u"))
	w.git.Err = failure.NewTerminal("SourceInvalid", "it is too large")
	w.reconcile("u")
	w.only("u", "Complete=False/Progressing", "Failed=False/Progressing", "Progressing=False/SourceInvalid",
		"Ready=False/NotReadyStalled", "Stalled=True/SourceInvalid")
	got := w.git.Followed[consumer(types.NamespacedName{Namespace: namespace, Name: "u"})]
	if diff := cmp.Diff([]string{"lib", "infra"}, got.Selection.Paths); diff != "" || got.Commit != commit || got.Ref != "" || got.Selection.Submodules {
		t.Errorf("asked for %+v", got)
	}
}

func TestAWorkspacesCredentials(t *testing.T) {
	selector := func(key string) *corev1.SecretKeySelector {
		return &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "host"}, Key: key}
	}
	w := newWorld(t, fromGit(func(g *autov1alpha1.GitSource) {
		g.Ref, g.Auth = "", &autov1alpha1.GitAuth{Token: selector("token"), Username: selector("user"), Password: selector("password")}
	}), aPod(podUID), anUpdate("u"))
	w.reconcile("u")
	if got := w.find("u").Status.Message; len(w.git.Followed) != 0 {
		t.Errorf("asked for %v without the Secret (%s)", w.git.Followed, got)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "host"}, Data: map[string][]byte{
		"token": []byte("t"), "user": []byte("me"), "password": []byte("p"),
	}}
	if err := w.client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	w.git.Err = failure.NewWaiting("StackProcessing", "polling")
	w.reconcile("u")
	got := w.git.Followed[consumer(types.NamespacedName{Namespace: namespace, Name: "u"})]
	if got.Remote.Credential.Username != "me" || got.Remote.Credential.Password != "p" || got.Ref != "HEAD" {
		t.Errorf("asked for ref %q, not as the user", got.Ref)
	}
	if err := w.client.Delete(t.Context(), w.find("u")); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	w.reconcile("u")
	if len(w.git.Followed) != 0 {
		t.Errorf("the repository goes on being polled for an Update that goes: %v", w.git.Followed)
	}
}
