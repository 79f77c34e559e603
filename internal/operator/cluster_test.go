package operator

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/gantry-operator/gantry/test/apiserver"
)

const (
	repository = "../.."
	// asManager makes the test's program a manager: a process of its own, as users run it, which can be killed.
	asManager = "GANTRY_TEST_AS_MANAGER"
	// patience is how long a test waits for what has to come; it is only used up by a failing test.
	patience = 60 * time.Second
)

func TestMain(m *testing.M) {
	if os.Getenv(asManager) == "" {
		ctrl.SetLogger(logr.Discard())
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
	options, err := ParseOptions(flag.NewFlagSet("manager", flag.ContinueOnError), os.Args[1:], os.Getenv)
	if err != nil {
		return err
	}
	return Main(ctx, options)
}

// cluster is an API server with Gantry's definitions and roles, and nothing that runs pods.
type cluster struct {
	client.WithWatch
	t *testing.T
	// admin may do everything.
	admin *rest.Config
	// kubeconfig is the file of a user who may do what the manager's roles say, and nothing else.
	kubeconfig string
}

// startCluster starts one, or skips the test where there is no API server to start.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	environment, config := apiserver.Start(t, repository, "config/crd/bases")
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	user, err := environment.AddUser(envtest.User{Name: "system:serviceaccount:gantry-system:gantry-manager"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	content, err := user.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{WithWatch: admin, t: t, admin: config, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	if err := os.WriteFile(c.kubeconfig, content, 0o600); err != nil {
		t.Fatal(err)
	}
	c.install()
	return c
}

// create creates objects.
func (c *cluster) create(objects ...client.Object) {
	c.t.Helper()
	for _, object := range objects {
		if err := c.Create(c.t.Context(), object); err != nil {
			c.t.Fatal(err)
		}
	}
}

// install makes the namespace, the Service and the roles, as users get them.
func (c *cluster) install() {
	c.t.Helper()
	for _, name := range []string{"manager/namespace.yaml", "manager/service.yaml", "rbac/service_account.yaml", "rbac/role.yaml", "rbac/role_binding.yaml", "rbac/metrics_reader.yaml"} {
		file, err := os.Open(filepath.Join(repository, "config", name))
		if err != nil {
			c.t.Fatal(err)
		}
		decoder := yaml.NewYAMLOrJSONDecoder(file, 4096)
		for {
			object := &unstructured.Unstructured{}
			if decoder.Decode(object) != nil {
				break
			}
			c.create(object)
		}
		file.Close()
	}
	var bindings rbacv1.ClusterRoleBindingList
	if err := c.List(c.t.Context(), &bindings, client.MatchingLabels{labelName: labelNameValue}); err != nil || len(bindings.Items) != 1 {
		c.t.Fatalf("%d cluster role bindings, error %v", len(bindings.Items), err)
	}
}

// replica is a manager that runs as a process of its own, beside the Pod object it says it is.
type replica struct {
	name, hub, artifacts, metrics string
	process                       *exec.Cmd
	ended                         chan error
	output                        *output
}

// output is what a process writes, readable meanwhile.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write adds to the output.
func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(text)
}

// said is what the manager has written so far.
func (r *replica) said() string {
	r.output.mu.Lock()
	defer r.output.mu.Unlock()
	return r.output.text.String()
}

// start starts a manager and makes the Pod that it takes itself for.
func (c *cluster) start(name string, more ...string) *replica {
	c.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "gantry-system", Name: name, Labels: map[string]string{labelName: labelNameValue}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "manager", Image: "localhost/gantry:test",
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false), RunAsNonRoot: new(true),
				Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
		}}},
	}
	c.create(pod)
	return c.startIn(pod, more...)
}

// startIn starts a manager in a pod, which may have had one before.
func (c *cluster) startIn(pod *corev1.Pod, more ...string) *replica {
	c.t.Helper()
	name := pod.Name
	r := &replica{name: name, hub: freeAddress(c.t), artifacts: freeAddress(c.t), metrics: freeAddress(c.t), ended: make(chan error, 1), output: &output{}}
	args := append([]string{
		"--leader-elect", "--leader-election-lease-duration=3s", "--leader-election-renew-deadline=2s", "--leader-election-retry-period=200ms",
		"--health-probe-bind-address=0", "--hub-bind-address=" + r.hub, "--artifact-bind-address=" + r.artifacts, "--metrics-bind-address=" + r.metrics,
		"--artifact-dir=" + c.t.TempDir(), "--zap-log-level=debug",
	}, more...)
	r.process = exec.CommandContext(context.WithoutCancel(c.t.Context()), os.Args[0], args...)
	r.process.Env = append(os.Environ(), asManager+"=1", "KUBECONFIG="+c.kubeconfig, "POD_NAMESPACE=gantry-system", "POD_NAME="+name, "POD_UID="+string(pod.UID))
	r.process.Stdout, r.process.Stderr = r.output, r.output
	if err := r.process.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() { r.ended <- r.process.Wait() }()
	c.t.Cleanup(func() {
		if r.process.ProcessState == nil {
			r.end(c.t, syscall.SIGKILL)
		}
		if c.t.Failed() {
			c.t.Logf("what manager %s said:\n%s", name, r.said())
		}
		if strings.Contains(r.said(), "is forbidden: User") { // and not by admission, such as in a namespace that is being deleted
			c.t.Errorf("manager %s lacks a right", name)
		}
	})
	return r
}

// end sends a signal and waits for the end of the process.
func (r *replica) end(t *testing.T, sent os.Signal) error {
	t.Helper()
	if err := r.process.Process.Signal(sent); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	select {
	case err := <-r.ended:
		return err
	case <-time.After(patience):
		t.Fatalf("manager %s did not end", r.name)
		return nil
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	//nolint:gosec // not a secret: all that listens and calls meanwhile is at 127.0.0.1
	host := net.IPv4(127, byte(1+rand.IntN(250)), byte(rand.IntN(256)), byte(1+rand.IntN(250)))
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(host.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// eventually waits until done says so. There is no one event to wait for: several objects and processes are looked at.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// get reads an object; it tells whether it is there.
func (c *cluster) get(object client.Object, namespace, name string) bool {
	c.t.Helper()
	err := c.Get(c.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object)
	if client.IgnoreNotFound(err) != nil {
		c.t.Fatal(err)
	}
	return err == nil
}

// leader is the pod that has the label of the leader; "" if none or several have it.
func (c *cluster) leader() string {
	c.t.Helper()
	labelled := leaders(c.t, c)
	if len(labelled) != 1 {
		return ""
	}
	for name := range labelled {
		return strings.TrimPrefix(name, "gantry-system/")
	}
	return ""
}

// token is a token of the ServiceAccount default, for that audience, else the API server's, and bound to that pod, if one
// is given.
func (c *cluster) token(namespace, audience string, pod *corev1.Pod) string {
	c.t.Helper()
	request := &authenticationv1.TokenRequest{}
	if audience != "" {
		request.Spec.Audiences = []string{audience}
	}
	if pod != nil {
		request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID}
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "default"}}
	if err := c.SubResource("token").Create(c.t.Context(), account, request); err != nil {
		c.t.Fatal(err)
	}
	return request.Status.Token
}
