package argocd

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gantry-operator/gantry/test/docs"
	"github.com/gantry-operator/gantry/test/e2e/stage"
	"github.com/gantry-operator/gantry/test/loopback"
)

const (
	// built is where `make` puts programs and manifests.
	built = "../../bin"
	// shipped is what we ship for Argo CD.
	shipped = "../../config/argocd/argocd-cm.yaml"
	// startTimeout is how long Argo CD may take to start.
	startTimeout = 2 * time.Minute
)

// installation is an Argo CD whose programs run on this machine, with a namespace of its own for its configuration.
type installation struct {
	*stage.Stage
	// namespace of the Applications.
	namespace string
	// folder holds its logs and what its programs keep.
	folder string
	// ports by what listens on them.
	ports map[string]string
}

// everyProject is the project of all Applications, which allows everything.
const everyProject = `
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: default}
spec:
  sourceRepos: ["*"]
  destinations: [{namespace: "*", server: "*"}]
  clusterResourceWhitelist: [{group: "*", kind: "*"}]
`

// install starts an Argo CD for the cluster. It ends with the test.
func install(t *testing.T, s *stage.Stage, kubeconfig string) *installation {
	t.Helper()
	argo := &installation{Stage: s, folder: t.TempDir(), ports: map[string]string{}}
	argo.configure(t, kubeconfig)
	for _, name := range []string{"redis", "repo-server", "server", "repo-server-metrics", "controller-metrics", "server-metrics"} {
		argo.ports[name] = loopback.FreePort(t)
	}
	argo.start(t, kubeconfig)
	return argo
}

// configure applies Argo CD's own manifests, and ours.
func (a *installation) configure(t *testing.T, kubeconfig string) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "argocd-"}}
	if err := a.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	a.namespace = namespace.Name
	t.Cleanup(func() {
		ctx, cancel := cleanup()
		defer cancel()
		if err := client.IgnoreNotFound(a.Client.Delete(ctx, namespace)); err != nil {
			t.Error(err)
		}
	})
	for _, pattern := range []string{"*-crd.yaml", "argocd-*.yaml"} {
		files, err := filepath.Glob(filepath.Join(built, "argocd-manifests", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no manifests of Argo CD: run `make argocd` (%v)", err)
		}
		objects, err := stage.Manifests(files...)
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range objects {
			a.apply(t, object)
		}
	}
	project := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(everyProject), &project.Object); err != nil {
		t.Fatal(err)
	}
	a.apply(t, project)
	a.applyOurs(t, kubeconfig)
}

// apply applies an object; definitions that were only just made may not be served yet.
func (a *installation) apply(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	if object.GetKind() == "Secret" {
		object.Object["stringData"] = map[string]any{"server.secretkey": rand.Text()}
	}
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(200 * time.Millisecond) {
		err := a.Apply(t.Context(), object.DeepCopy(), a.namespace)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// applyOurs puts what we ship into argocd-cm by the guide's own commands.
func (a *installation) applyOurs(t *testing.T, kubeconfig string) {
	t.Helper()
	programs, err := filepath.Abs(built)
	if err != nil {
		t.Fatal(err)
	}
	for _, commands := range docs.RunBy(t, "docs/guides/argocd.md") {
		shell := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", strings.ReplaceAll(commands, "-n argocd ", "-n "+a.namespace+" "))
		shell.Dir = filepath.Join(built, "..")
		shell.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "PATH="+programs+":"+os.Getenv("PATH"))
		if said, err := shell.CombinedOutput(); err != nil {
			t.Fatalf("%v:\n%s\nand printed\n%s", err, commands, said)
		}
	}
}

// start starts the programs, each when what it needs answers.
func (a *installation) start(t *testing.T, kubeconfig string) {
	t.Helper()
	environment := append(os.Environ(), "KUBECONFIG="+kubeconfig, "HOME="+a.path(t, "home"), "TMPDIR="+a.path(t, "tmp"),
		"ARGOCD_FAKE_IN_CLUSTER=true", "ARGOCD_TLS_DATA_PATH="+a.path(t, "tls"), "ARGOCD_SSH_DATA_PATH="+a.path(t, "ssh"),
		"ARGOCD_GPG_ENABLED=false", "ARGOCD_GNUPGHOME="+a.path(t, "gpg"))
	redis, repositories := "127.0.0.1:"+a.ports["redis"], "127.0.0.1:"+a.ports["repo-server"]
	cluster := []string{"--namespace", a.namespace, "--kubeconfig", kubeconfig, "--redis", redis, "--repo-server", repositories}

	run(t, process{program: "redis-server", folder: a.folder, environment: environment,
		arguments: []string{"--port", a.ports["redis"], "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", a.folder}})
	answers(t, redis)
	component := func(name string, arguments ...string) {
		run(t, process{program: filepath.Join(built, "argocd"), name: name, folder: a.folder, arguments: arguments,
			environment: append(environment[:len(environment):len(environment)], "ARGOCD_BINARY_NAME="+name)})
	}
	component("argocd-repo-server", "--address", "127.0.0.1", "--port", a.ports["repo-server"], "--redis", redis,
		"--metrics-address", "127.0.0.1", "--metrics-port", a.ports["repo-server-metrics"])
	answers(t, repositories)
	component("argocd-application-controller", append(cluster, "--metrics-port", a.ports["controller-metrics"], "--app-resync", "20")...)
	component("argocd-server", append(cluster, "--disable-auth", "--insecure", "--address", "127.0.0.1", "--port", a.ports["server"],
		"--metrics-address", "127.0.0.1", "--metrics-port", a.ports["server-metrics"])...)
	answers(t, "127.0.0.1:"+a.ports["server"])
}

// path is a folder for a program's things.
func (a *installation) path(t *testing.T, name string) string {
	t.Helper()
	folder := filepath.Join(a.folder, name)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	return folder
}

// answers waits until somebody listens.
func answers(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), startTimeout, fmt.Errorf("nobody listens on %s after %s", address, startTimeout))
	defer cancel()
	for ctx.Err() == nil {
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			connection.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal(context.Cause(ctx))
}
