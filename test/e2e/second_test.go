package e2e

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// programsOnNode is where the embedded cluster's node has the program of the API server.
const programsOnNode = "/run/gantry-bin"

// secondCluster is another API server with an etcd of its own, in a pod: all that a stack can tell a
// cluster by.
const secondCluster = `
apiVersion: v1
kind: Pod
metadata: {name: second, labels: {app: second}}
spec:
  securityContext: {runAsUser: 0}
  terminationGracePeriodSeconds: 1
  containers:
  - name: etcd
    image: ` + image + `
    command: [/usr/local/bin/etcd, --data-dir=/data/etcd, --unsafe-no-fsync, --logger=zap]
    volumeMounts:
    - {name: etcd, mountPath: /usr/local/bin/etcd}
    - {name: data, mountPath: /data}
  - name: api
    image: ` + image + `
    command:
    - /programs/kube
    - kube-apiserver
    - --etcd-servers=http://127.0.0.1:2379
    - --secure-port=6443
    - --tls-cert-file=/pki/tls.crt
    - --tls-private-key-file=/pki/tls.key
    - --token-auth-file=/pki/tokens.csv
    - --service-account-key-file=/pki/tls.key
    - --service-account-signing-key-file=/pki/tls.key
    - --service-account-issuer=https://second.example
    - --service-cluster-ip-range=203.0.113.0/24
    - --authorization-mode=RBAC
    - --disable-admission-plugins=ServiceAccount
    - --cert-dir=/data/pki
    readinessProbe: {httpGet: {path: /readyz, port: 6443, scheme: HTTPS}, periodSeconds: 1, failureThreshold: 120}
    volumeMounts:
    - {name: programs, mountPath: /programs, readOnly: true}
    - {name: pki, mountPath: /pki, readOnly: true}
    - {name: data, mountPath: /data}
  volumes:
  - {name: etcd, hostPath: {path: /usr/bin/etcd, type: File}}
  - {name: programs, hostPath: {path: ` + programsOnNode + `, type: Directory}}
  - {name: pki, secret: {secretName: second}}
  - {name: data, emptyDir: {}}
---
apiVersion: v1
kind: Service
metadata: {name: second}
spec:
  selector: {app: second}
  ports: [{port: 443, targetPort: 6443}]
`

// startSecond starts the second API server and returns a kubeconfig for it.
func (s *story) startSecond() string {
	s.T.Helper()
	if _, err := os.Stat("/usr/bin/etcd"); err != nil {
		s.T.Skipf("SKIPPED: a second API server needs the embedded cluster: %v", err)
	}
	home, err := s.NewNamespace(s.Ctx, "second", "privileged")
	s.Must(err)
	s.T.Cleanup(func() {
		ctx, cancel := cleanup()
		defer cancel()
		if err := home.Leave(ctx); err != nil {
			s.T.Error(err)
		}
	})
	host := "second." + home.Name + ".svc"
	certificate, key, err := cert.GenerateSelfSignedCertKey(host, nil, nil)
	s.Must(err)
	token := randomHex(s.T)
	s.Must(s.Client.Create(s.Ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: home.Name, Name: "second"},
		Data:       map[string][]byte{"tls.crt": certificate, "tls.key": key, "tokens.csv": []byte(token + ",story,story,system:masters\n")},
	}))
	pod, service := &corev1.Pod{}, &corev1.Service{}
	s.Must(home.Make(s.Ctx, secondCluster, pod, service))
	s.Await(pod, "to answer", func() bool { return stage.PodReady(pod) })
	s.T.Cleanup(func() { s.showIfFailed(home) })
	kubeconfig, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "second",
		"clusters": []any{map[string]any{"name": "second", "cluster": map[string]any{"server": "https://" + host, "certificate-authority-data": certificate}}},
		"users":    []any{map[string]any{"name": "story", "user": map[string]any{"token": token}}},
		"contexts": []any{map[string]any{"name": "second", "context": map[string]any{"cluster": "second", "user": "story"}}},
	})
	s.Must(err)
	return string(kubeconfig)
}

func (s *story) showIfFailed(namespace *stage.Namespace) {
	if s.T.Failed() {
		ctx, cancel := cleanup()
		defer cancel()
		namespace.Dump(ctx, os.Stderr)
	}
}

func TestKubeconfigFromASecretReachesAnotherCluster(t *testing.T) {
	t.Parallel()
	s := begin(t, "elsewhere")
	kubeconfig := s.startSecond()
	s.Must(s.Client.Create(s.Ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "elsewhere"}, StringData: map[string]string{"config": kubeconfig},
	}))
	name := s.Name + "-far"
	s.program("far", `
resources:
  far:
    type: kubernetes:core/v1:Namespace
    properties: {metadata: {name: `+name+`}}
outputs: {uid: "${far.metadata.uid}"}
`)
	stack := s.stack("elsewhere", "far", onImage, `{spec: {kubeconfig: {type: Secret, secretRef: {name: elsewhere, key: config}}}}`)
	s.AwaitReady(stack)
	if len(output(stack, "uid")) != len(`"00000000-0000-0000-0000-000000000000"`) {
		t.Errorf("the namespace's UID is %s", output(stack, "uid"))
	}
	here := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := s.Client.Get(s.Ctx, stage.ClusterKey(name), here); !apierrors.IsNotFound(err) {
		t.Errorf("the namespace was made in the pod's own cluster: %v", err)
	}
	token := kubeconfig[strings.Index(kubeconfig, `"token":"`)+len(`"token":"`):][:64]
	state, err := s.Shell(s.Ctx, "elsewhere", "pulumi stack export --stack elsewhere")
	s.Must(err)
	if strings.Contains(state, token) {
		t.Error("the state holds the token of the kubeconfig in clear")
	}
}

// TestKubeconfigFromAnotherStack has one Stack give the kubeconfig of a second cluster, plain or secret, and another one
// wait for it, work there, run again when it changes, and destroy there when the first one is gone.
func TestKubeconfigFromAnotherStack(t *testing.T) {
	t.Parallel()
	s := begin(t, "given")
	kubeconfig := s.startSecond()
	forms := map[string]string{"plain": kubeconfig, "hidden": `{"fn::secret": ` + strconv.Quote(kubeconfig) + `}`}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			s := of(t.Context(), t, s.Namespace)
			s.givenBy(name, form)
		})
	}
}

func (s *story) givenBy(name, form string) {
	// Not a namespace: the second cluster has nobody who would finish the deletion of one.
	made := s.Name + "-" + name
	s.program("on-"+name, `
resources:
  far:
    type: kubernetes:core/v1:ConfigMap
    properties: {metadata: {name: `+made+`, namespace: default}}
outputs: {uid: "${far.metadata.uid}"}
`)
	app := s.stack("on-"+name, "on-"+name, onImage,
		`{spec: {destroyOnFinalize: true, kubeconfig: {type: StackOutput, stackRef: {name: `+name+`, output: kubeconfig}}}}`)
	s.Await(app, "to wait for the other Stack", func() bool {
		return says(app, []string{pulumiv1.ReasonPrerequisiteNotSatisfied, `output "kubeconfig" of Stack "` + name + `"`})
	})
	s.program(name, "outputs: {kubeconfig: "+form+"}")
	giver := s.stack(name, name)
	s.AwaitReady(giver)
	s.AwaitReady(app)
	if len(output(app, "uid")) != len(`"00000000-0000-0000-0000-000000000000"`) {
		s.T.Errorf("the ConfigMap's UID is %s", output(app, "uid"))
	}
	here := &corev1.ConfigMap{}
	if err := s.Client.Get(s.Ctx, client.ObjectKey{Namespace: metav1.NamespaceDefault, Name: made}, here); !apierrors.IsNotFound(err) {
		s.T.Errorf("the ConfigMap was made in the pod's own cluster: %v", err)
	}
	s.updates(app.Name, 1)

	s.T.Log("the same again runs nothing, another value does")
	s.request(giver, "again")
	first := app.Status.LastUpdate.Name
	changed := strings.ReplaceAll(strings.ReplaceAll(form, `"story"`, `"teller"`), `\"story\"`, `\"teller\"`)
	s.program(name, "outputs: {kubeconfig: "+changed+"}")
	s.Await(app, "to run again", func() bool { return app.Status.LastUpdate.Name != first && stage.Ready(app) })
	updates := s.updates(app.Name, 2)
	for _, update := range updates {
		if update.Name != first && *update.Spec.Message != "Configuration changed: Secret on-"+name+"-kubeconfig" {
			s.T.Errorf("the message is %q", *update.Spec.Message)
		}
	}

	s.T.Log("it is destroyed there though the other Stack is gone")
	s.Must(s.Client.Delete(s.Ctx, giver))
	s.AwaitGone(giver, "to be gone")
	s.Must(s.Client.Delete(s.Ctx, app, client.PropagationPolicy(metav1.DeletePropagationForeground)))
	s.AwaitGone(app, "to be gone")
	s.AwaitGone(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: app.Name + "-kubeconfig"}}, "to be gone")
}

func randomHex(t *testing.T) string {
	t.Helper()
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(raw)
}
