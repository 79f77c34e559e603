package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// way is how the agent of a Stack is kept from the manager.
type way struct {
	// template is what is added to the pod's spec, and mended puts right.
	template func(*story) string
	mended   string
	// words must be on the Stack.
	words func(*story) []string
}

func ways() map[string]way {
	return map[string]way{
		"refused": {
			template: func(s *story) string { return s.hubAt("127.0.0.1") },
			mended:   `hostAliases: null`,
			words: func(s *story) []string {
				return []string{s.hub() + " refuses connections at port 9443", "no manager runs, or none leads yet"}
			},
		},
		"expired": {
			template: func(s *story) string { return s.hubAt(s.expired()) },
			mended:   `hostAliases: null`,
			words: func(s *story) []string {
				return []string{"the certificate of " + s.hub() + " is good from 2020-01-01T00:00:00Z to 2020-02-01T00:00:00Z only", "see that clock"}
			},
		},
		"audience": {
			template: func(*story) string {
				return `volumes: [{name: state, persistentVolumeClaim: {claimName: state}},
  {name: gantry-token, projected: {sources: [{serviceAccountToken: {audience: vault, path: token}}]}}]`
			},
			mended: `volumes: [{name: state, persistentVolumeClaim: {claimName: state}}]`,
			words: func(*story) []string {
				return []string{"the manager refuses the pod's token", `it is for the audience "vault", not "` + autov1alpha1.TokenAudience + `"`}
			},
		},
	}
}

// TestWhyTheAgentDoesNotReachTheManager: each cause is told apart on the Stack, which recovers when it is mended. Meanwhile
// the agent tries again ever more seldom, in its log too, and says the reason once.
func TestWhyTheAgentDoesNotReachTheManager(t *testing.T) {
	t.Parallel()
	s := begin(t, "unreached")
	s.program("greeting", greeting)
	inTemplate := func(text string) string {
		return "{spec: {workspaceTemplate: {spec: {podTemplate: {spec: {" + text + "}}}}}}"
	}
	began, stacks := time.Now(), map[string]*pulumiv1.Stack{}
	for name, way := range ways() {
		stacks[name] = s.stack(name, "greeting", inTemplate(way.template(s)))
	}
	logs := map[string]io.Reader{}
	for name := range stacks {
		logs[name] = s.agentsLog(name)
	}
	for name, way := range ways() {
		stack, words := stacks[name], way.words(s)
		s.Await(stack, "to say "+strings.Join(words, " … "), func() bool { return says(stack, words) })
		t.Logf("within %.1fs: %s", time.Since(began).Seconds(), said(stack))
		s.triesEverMoreSeldom(name, logs[name])
	}
	began = time.Now()
	for name, way := range ways() {
		s.Must(s.Patch(s.Ctx, stacks[name], inTemplate(way.mended)))
	}
	for _, stack := range stacks {
		s.AwaitReady(stack)
	}
	t.Logf("all are Ready %.1fs after they were mended", time.Since(began).Seconds())
}

// agentsLog is what the agent says until its container ends. It is read from the beginning: the kubelet need not keep what a
// container said that has ended.
func (s *story) agentsLog(workspace string) io.Reader {
	s.T.Helper()
	pod := s.Pod(workspace)
	s.Await(pod, "to run", func() bool { return running(pod) })
	stream, err := s.Kube.CoreV1().Pods(s.Name).GetLogs(pod.Name, &corev1.PodLogOptions{Container: stage.PulumiContainer, Follow: true}).Stream(s.Ctx)
	s.Must(err)
	s.T.Cleanup(func() { _ = stream.Close() })
	return stream
}

// triesEverMoreSeldom reads the log of the container that ended with the reason.
func (s *story) triesEverMoreSeldom(workspace string, said io.Reader) {
	s.T.Helper()
	pod := s.Pod(workspace)
	s.Await(pod, "to have its container started again", func() bool { return restartsOf(pod) > 0 && running(pod) })
	if restarts := restartsOf(pod); restarts != 1 {
		s.T.Errorf("the container has ended %d times to tell the reason, want once", restarts)
	}
	log, err := io.ReadAll(said)
	s.Must(err)
	message, retry := regexp.MustCompile(`msg=("[^"]*"|\S+)`), regexp.MustCompile(`retry=(\S+)`)
	times := map[string]int{}
	for line := range strings.Lines(string(log)) {
		key := message.FindString(line)
		times[key]++
		again := retry.FindStringSubmatch(line)
		switch {
		case times[key] <= 2:
		case again == nil:
			s.T.Errorf("the agent says again and again: %s", line)
		case times[key] > 8:
			if pause, err := time.ParseDuration(again[1]); err != nil || pause < 2*time.Second {
				s.T.Errorf("try %d comes after %s (%v)", times[key], again[1], err)
			}
		}
	}
	if len(times) == 0 || s.T.Failed() {
		s.T.Errorf("the log is:\n%s", log)
	}
}

// hub is the name by which agents call the manager.
func (s *story) hub() string { return s.HubService().Name + "." + s.Manager.Namespace + ".svc" }

// hubAt has that name lead to another address, as people do with hostAliases.
func (s *story) hubAt(address string) string {
	return fmt.Sprintf("hostAliases: [{ip: %s, hostnames: [%s]}]", address, s.hub())
}

// expiredHub answers at the hub's port, with a certificate of long ago.
const expiredHub = `
metadata: {name: expired}
spec:
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: hub
    image: ` + image + `
    command: [node, -e]
    args: ["const f = n => require('fs').readFileSync('/tls/' + n); require('tls').createServer({key: f('tls.key'), cert: f('tls.crt'), ALPNProtocols: ['h2']}).listen(9443)"]
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    readinessProbe: {tcpSocket: {port: 9443}, periodSeconds: 1}
    volumeMounts: [{name: tls, mountPath: /tls}]
  volumes: [{name: tls, secret: {secretName: expired}}]
`

// expired starts that, and answers its address.
func (s *story) expired() string {
	s.T.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.Must(err)
	from := time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{s.hub()}, NotBefore: from, NotAfter: from.AddDate(0, 1, 0)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	s.Must(err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	s.Must(err)
	s.Must(s.Client.Create(s.Ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "expired"}, Data: map[string][]byte{
		"tls.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		"tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	}}))
	pod := &corev1.Pod{}
	s.Must(s.Make(s.Ctx, expiredHub, pod))
	s.Await(pod, "to listen", func() bool { return stage.PodReady(pod) })
	return pod.Status.PodIP
}
