package argocd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/gantry-operator/gantry/test/gitserver"
)

// finalizers of an Application, by the way in which its objects are deleted with it.
const (
	foreground = "resources-finalizer.argocd.argoproj.io"
	background = "resources-finalizer.argocd.argoproj.io/background"
)

// applicationManifest is an Application of a repository, which Argo CD keeps in line by itself.
const applicationManifest = `
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: %[1]q, namespace: %[2]q, finalizers: [%[5]q]}
spec:
  project: default
  source: {repoURL: %[3]q, path: ".", targetRevision: main}
  destination: {server: "https://kubernetes.default.svc", namespace: %[4]q}
  syncPolicy: {automated: {prune: true, selfHeal: true}}
`

// application is an Application and the repository that it is of.
type application struct {
	story      *story
	repository *gitserver.Repository
	object     *unstructured.Unstructured
}

// view is what an Application says of itself.
type view struct {
	Status struct {
		Sync struct {
			Status   string `json:"status"`
			Revision string `json:"revision"`
		} `json:"sync"`
		Health struct {
			Status string `json:"status"`
		} `json:"health"`
		OperationState struct {
			Phase      string `json:"phase"`
			Message    string `json:"message"`
			StartedAt  string `json:"startedAt"`
			SyncResult struct {
				Revision string `json:"revision"`
			} `json:"syncResult"`
		} `json:"operationState"`
		Resources []resource `json:"resources"`
	} `json:"status"`
}

// resource is an object of an Application as Argo CD sees it.
type resource struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Health struct {
		Status  string `json:"status"`
		Message string `json:"message"`
	} `json:"health"`
}

// deploy commits manifests to a new repository and makes an Application of it, named after the namespace.
func (s *story) deploy(finalizer string, files map[string]string) *application {
	s.T.Helper()
	a := &application{story: s, repository: gitserver.Start(s.T, gitserver.Options{}).Create("app"), object: &unstructured.Unstructured{}}
	a.push(files)
	manifest := fmt.Sprintf(applicationManifest, s.Name, s.argo.namespace, "file://"+a.repository.Dir, s.Name, finalizer)
	s.Must(yaml.Unmarshal([]byte(manifest), &a.object.Object))
	s.Must(s.Client.Create(s.Ctx, a.object))
	s.T.Cleanup(a.leave)
	return a
}

// leave removes the Application of a story that is over and lets its objects be.
func (a *application) leave() {
	ctx, cancel := cleanup()
	defer cancel()
	err := a.story.Patch(ctx, a.object, `{metadata: {finalizers: null}, spec: {syncPolicy: null}}`)
	if err == nil {
		err = a.story.Client.Delete(ctx, a.object)
	}
	if err != nil && !apierrors.IsNotFound(err) {
		a.story.T.Error(err)
	}
}

// push makes a commit; an empty text removes the file.
func (a *application) push(files map[string]string) string {
	a.story.T.Helper()
	changed := gitserver.Files{}
	for path, text := range files {
		changed[path] = gitserver.Text(text)
		if text == "" {
			changed[path] = gitserver.Gone()
		}
	}
	return a.repository.Commit("main", changed)
}

// commit makes a commit and has Argo CD look.
func (a *application) commit(files map[string]string) string {
	a.story.T.Helper()
	id := a.push(files)
	a.refresh("normal")
	return id
}

// refresh has Argo CD compare git with the cluster, and waits until it has: it takes the annotation away.
func (a *application) refresh(how string) {
	a.story.T.Helper()
	const annotation = "argocd.argoproj.io/refresh"
	a.story.Must(a.story.Annotate(a.story.Ctx, a.object, annotation, &how))
	a.until("to have been refreshed", func(view) bool { return a.object.GetAnnotations()[annotation] == "" })
}

// until waits until the Application is as it should be.
func (a *application) until(what string, done func(view) bool) view {
	a.story.T.Helper()
	var last view
	defer func() {
		if a.story.T.Failed() {
			a.story.T.Logf("Application %s: %+v", a.object.GetName(), last.Status)
		}
	}()
	a.story.Await(a.object, what, func() bool {
		last = a.look()
		return done(last)
	})
	return last
}

// look reads what the object that was seen last says.
func (a *application) look() view {
	a.story.T.Helper()
	var v view
	a.story.Must(runtime.DefaultUnstructuredConverter.FromUnstructured(a.object.Object, &v))
	return v
}

// tells waits until Argo CD's server, which knows more than the Application says, tells of an object's health as wanted.
func (a *application) tells(kind, name, status, message string) {
	a.story.T.Helper()
	var told []resource
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Second) {
		var v view
		a.story.Must(json.Unmarshal([]byte(a.cli("app", "get", a.object.GetName(), "-o", "json")), &v))
		told = v.Status.Resources
		if slices.ContainsFunc(told, func(r resource) bool {
			return r.Kind == kind && r.Name == name && r.Health.Status == status && strings.Contains(r.Health.Message, message)
		}) {
			return
		}
	}
	a.story.T.Fatalf("%s %s is not %s with %q: %+v", kind, name, status, message, told)
}

// cli asks Argo CD's server by its command.
func (a *application) cli(arguments ...string) string {
	a.story.T.Helper()
	server := []string{"--server", "127.0.0.1:" + a.story.argo.ports["server"], "--plaintext", "--auth-token", "none"}
	return a.story.tool(filepath.Join(built, "argocd"), append(server, arguments...)...)
}

// done tells whether a commit is synced and everything in it is healthy.
func (v view) done(commit string) bool {
	s := v.Status
	return s.Sync.Status == "Synced" && s.Sync.Revision == commit && s.Health.Status == "Healthy" &&
		s.OperationState.Phase == "Succeeded" && s.OperationState.SyncResult.Revision == commit
}

// untilDone waits until a commit is synced and healthy.
func (a *application) untilDone(commit string) view {
	a.story.T.Helper()
	return a.until("to be Synced and Healthy at "+commit, func(v view) bool { return v.done(commit) })
}

// quiet refreshes the Application in both ways, and checks that nothing comes of it.
func (a *application) quiet(commit string) {
	a.story.T.Helper()
	before := a.look()
	for _, how := range []string{"normal", "hard"} {
		a.refresh(how)
	}
	after := a.untilDone(commit)
	if was, is := before.Status.OperationState.StartedAt, after.Status.OperationState.StartedAt; was != is {
		a.story.T.Errorf("a refresh had Argo CD sync again: at %s, after %s", is, was)
	}
}

// throughout ends the story if the Application is seen to be wrong while something goes on.
func (a *application) throughout(wrong func(view) error, meanwhile func()) {
	a.story.T.Helper()
	ctx, over := context.WithCancel(a.story.Ctx)
	defer over()
	watched := &application{story: a.story, object: a.object.DeepCopy()}
	seen := make(chan error, 1)
	go func() {
		seen <- a.story.Throughout(ctx, watched.object, func() error {
			var v view
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(watched.object.Object, &v); err != nil {
				return err
			}
			if err := wrong(v); err != nil {
				return fmt.Errorf("Application %s: %w: %+v", watched.object.GetName(), err, v.Status)
			}
			return nil
		})
	}()
	meanwhile()
	over()
	a.story.Must(<-seen)
}

// drifted: the Application is not what is in git.
func drifted(v view) error {
	if v.Status.Sync.Status != "Synced" {
		return errors.New("it has drifted")
	}
	return nil
}

// failed: a sync failed, or something is Degraded.
func failed(v view) error {
	switch operation := v.Status.OperationState; {
	case operation.Phase == "Failed", operation.Phase == "Error", strings.Contains(operation.Message, "etrying"):
		return errors.New("a sync failed")
	case v.Status.Health.Status == "Degraded":
		return errors.New("it is Degraded")
	default:
		return nil
	}
}
