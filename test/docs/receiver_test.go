package docs

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	eventv1 "github.com/fluxcd/pkg/apis/event/v1beta1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"

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
    command: [node, -e, %q]
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    readinessProbe: {tcpSocket: {port: 8443}, periodSeconds: 1}
    volumeMounts: [{name: tls, mountPath: /tls, readOnly: true}]
  volumes: [{name: tls, secret: {secretName: events-host}}]
`

// receiver starts the service that the page names, with a certificate of its own.
func (s *notified) receiver() {
	s.T.Helper()
	host := "events-host." + s.n.Name + ".svc"
	certificate, key, err := cert.GenerateSelfSignedCertKey(host, nil, nil)
	s.Must(err)
	s.page.write(s.T, "events.crt", string(certificate))
	s.Must(s.Cluster.Client.Create(s.Ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.n.Name, Name: "events-host"}, Data: map[string][]byte{"tls.crt": certificate, "tls.key": key},
	}))
	pod := &corev1.Pod{}
	s.Must(s.n.Make(s.Ctx, fmt.Sprintf(eventsManifests, eventsHost), &corev1.Service{}, pod))
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
