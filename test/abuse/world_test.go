// Package abuse holds what Gantry may cost when it is abused: the real manager, as a process of its own, with a real API
// server and real sessions, but with pods that are played. What it costs is counted where it arises: requests in the API
// server's audit log, memory in /proc. Times are only compared with each other.
package abuse

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/operator"
	"github.com/gantry-operator/gantry/test/apiserver"
	"github.com/gantry-operator/gantry/test/loopback"
	"github.com/gantry-operator/gantry/test/memory"
)

const (
	repository = "../.."
	// asManager makes the test's program a manager, whose memory is nobody else's.
	asManager = "GANTRY_TEST_AS_MANAGER"
	// patience is how long a test waits for what has to come; it is only used up by a failing test.
	patience = 2 * time.Minute
	// system is the manager's namespace, and manager how it calls itself at the API server.
	system  = "gantry-system"
	manager = "gantry-manager"
)

func TestMain(m *testing.M) {
	if os.Getenv(asManager) == "" {
		os.Exit(m.Run())
	}
	if err := beManager(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// beManager does what the manager's main does.
func beManager() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	options, err := operator.ParseOptions(flag.NewFlagSet("manager", flag.ContinueOnError), os.Args[1:], os.Getenv)
	if err != nil {
		return err
	}
	return operator.Main(ctx, options)
}

// world is an API server, a manager, and the pods.
type world struct {
	client.WithWatch
	t *testing.T
	// hub and artifacts are where the manager serves.
	hub, artifacts string
	process        *exec.Cmd
	audit          string
	log            string
}

// newWorld starts all of it, with the namespaces given.
func newWorld(t *testing.T, namespaces ...string) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, audit: filepath.Join(dir, "audit.log"), log: filepath.Join(dir, "manager.log")}
	environment, config := apiserver.StartAudited(t, repository, w.audit, "config/crd/bases")
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, pulumiv1.AddToScheme, autov1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	config.QPS = -1
	var err error
	if w.WithWatch, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	for _, namespace := range append(namespaces, system) {
		w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
			&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "default"}})
	}
	w.startManager(environment)
	w.playPods()
	return w
}

// startManager starts the manager as a process of its own.
func (w *world) startManager(environment *envtest.Environment) {
	w.t.Helper()
	user, err := environment.AddUser(envtest.User{Name: "manager", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	content, err := user.KubeConfig()
	if err != nil {
		w.t.Fatal(err)
	}
	kubeconfig := filepath.Join(w.t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, content, 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.create(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: "manager", Labels: map[string]string{"app.kubernetes.io/name": "gantry"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "manager", Image: "localhost/gantry:test"}}},
	})
	w.hub, w.artifacts = loopback.FreeAddress(w.t), loopback.FreeAddress(w.t)
	output, err := os.Create(w.log)
	if err != nil {
		w.t.Fatal(err)
	}
	w.process = exec.CommandContext(context.WithoutCancel(w.t.Context()), os.Args[0],
		"--leader-elect=false", "--health-probe-bind-address=0", "--metrics-bind-address=0",
		"--hub-bind-address="+w.hub, "--artifact-bind-address="+w.artifacts, "--artifact-dir="+w.t.TempDir())
	w.process.Env = append(os.Environ(), asManager+"=1", "KUBECONFIG="+kubeconfig, "POD_NAMESPACE="+system, "POD_NAME=manager")
	w.process.Stdout, w.process.Stderr = output, output
	if err := w.process.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		defer output.Close()
		if err := w.process.Process.Kill(); err != nil {
			w.t.Errorf("the manager ended by itself: %v", err)
		}
		_ = w.process.Wait() // it was killed
		if w.t.Failed() {
			text, err := os.ReadFile(w.log)
			w.t.Logf("the end of what the manager said (%v):\n%s", err, text[max(0, len(text)-20_000):])
		}
	})
}

func (w *world) create(objects ...client.Object) {
	w.t.Helper()
	for _, object := range objects {
		if err := w.Create(w.t.Context(), object); err != nil {
			w.t.Fatal(err)
		}
	}
}

// wait waits until done says so. There is no one event to wait for: several objects and processes are looked at.
func (w *world) wait(what string, done func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// memory is what /proc says of the manager, in bytes: now or at most.
func (w *world) memory(what string) int {
	w.t.Helper()
	got, err := memory.Of(w.process.Process.Pid, what)
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// processor is how long the manager has used one.
func (w *world) processor() time.Duration {
	w.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.process.Process.Pid))
	if err != nil {
		w.t.Fatal(err)
	}
	// The name, in parentheses, may hold anything; after it come the state and 10 numbers before the two times.
	fields, ticks := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])), 0
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			w.t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}
