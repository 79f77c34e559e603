package docs

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	eventv1 "github.com/fluxcd/pkg/apis/event/v1beta1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// publicEvents is the service that pages have told of events.
const publicEvents = "events.example.com"

// eventsHost keeps what it is sent in its log, a line of JSON for each.
const eventsHost = `
const {readFileSync} = require("fs");
const tls = {key: readFileSync("/tls/tls.key"), cert: readFileSync("/tls/tls.crt")};
require("https").createServer(tls, (request, response) => {
  let body = "";
  request.on("data", (part) => { body += part; });
  request.on("end", () => { console.log(JSON.stringify({signature: request.headers["x-signature"], body})); response.end(); });
}).listen(8443);`

const eventsManifests = `
apiVersion: v1
kind: Service
metadata: {name: events-host}
spec:
  selector: {app: events-host}
  ports: [{port: 443, targetPort: 8443}]
---
apiVersion: v1
kind: Pod
metadata: {name: events-host, labels: {app: events-host}}
spec:
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: events
    image: localhost/gantry-e2e:dev
    command: [node, -e]
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    readinessProbe: {tcpSocket: {port: 8443}, periodSeconds: 1}
    volumeMounts: [{name: tls, mountPath: /tls, readOnly: true}]
  volumes: [{name: tls, secret: {secretName: events-host}}]
`

// receiver starts the service that the page names, with a certificate of its own.
func (s *notified) receiver() {
	s.T.Helper()
	folder, host := s.page.folder, "events-host."+s.n.Name+".svc"
	key := filepath.Join(s.T.TempDir(), "tls.key")
	command := exec.CommandContext(s.Ctx, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
		"-days", "2", "-subj", "/CN=events", "-addext", "subjectAltName=DNS:"+host, "-keyout", key, "-out", filepath.Join(folder, "events.crt"))
	if said, err := command.CombinedOutput(); err != nil {
		s.T.Fatalf("making a certificate: %v\n%s", err, said)
	}
	private, err := os.ReadFile(key)
	s.Must(err)
	s.Must(s.Cluster.Client.Create(s.Ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.n.Name, Name: "events-host"},
		StringData: map[string]string{"tls.crt": s.page.read(s.T, "events.crt"), "tls.key": string(private)},
	}))
	service, pod := &corev1.Service{}, &corev1.Pod{}
	for i, object := range []client.Object{service, pod} {
		s.Must(yaml.UnmarshalStrict([]byte(strings.Split(eventsManifests, "---")[i]), object))
		object.SetNamespace(s.n.Name)
	}
	pod.Spec.Containers[0].Command = append(pod.Spec.Containers[0].Command, eventsHost)
	s.Must(s.Cluster.Client.Create(s.Ctx, service))
	s.Must(s.Cluster.Client.Create(s.Ctx, pod))
	s.Await(pod, "to listen", func() bool { return stage.PodReady(pod) })
	s.page.words = append(s.page.words, publicEvents, host)
}

// messages are all that that service was sent. Each is signed, and has no secret in it.
func (s *notified) messages() []eventv1.Event {
	s.T.Helper()
	log, err := s.Cluster.Kube.CoreV1().Pods(s.n.Name).GetLogs("events-host", &corev1.PodLogOptions{}).DoRaw(s.Ctx)
	s.Must(err)
	if strings.Contains(string(log), gitToken) {
		s.T.Error("a secret is among what was sent")
	}
	var all []eventv1.Event
	for line := range strings.Lines(string(log)) {
		var message struct{ Signature, Body string }
		if !strings.HasSuffix(line, "\n") {
			break
		}
		s.Must(json.Unmarshal([]byte(line), &message))
		sum := hmac.New(sha256.New, []byte(gitToken))
		_, err := sum.Write([]byte(message.Body))
		s.Must(err)
		if want := "sha256=" + hex.EncodeToString(sum.Sum(nil)); message.Signature != want {
			s.T.Errorf("the signature is %q, want %q", message.Signature, want)
		}
		var event eventv1.Event
		s.Must(json.Unmarshal([]byte(message.Body), &event))
		all = append(all, event)
	}
	return all
}
