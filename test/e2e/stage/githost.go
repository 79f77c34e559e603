package stage

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/gantry-operator/gantry/test/gitserver/remote"
)

// gitHostManifests are git servers in a pod, and their Service.
const gitHostManifests = `
apiVersion: v1
kind: Pod
metadata: {name: %[1]s, labels: {app: %[1]s}}
spec:
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: git
    image: localhost/gantry-e2e:dev
    command: [/usr/local/bin/git-host, --host=%[3]s, --ssh=$(POD_IP):2222]
    env: [{name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    # By the way that others go: the Service's name and its address.
    readinessProbe: {exec: {command: [sh, -c, ssh-keyscan -p 2222 %[1]s.%[2]s.svc | grep -q ssh-]}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec:
  selector: {app: %[1]s}
  # The pod is ready when its Service leads to it.
  publishNotReadyAddresses: true
  ports:
  - {name: https, port: 8443}
  - {name: ssh, port: 2222}
`

// GitHost is a git host in a namespace: real git over HTTPS and SSH, steered from here. Clients in the cluster find it by
// its Service.
type GitHost struct {
	*remote.Host

	stage   *Stage
	pod     *corev1.Pod
	service *corev1.Service
}

// StartGitHost starts a git host of a name in the namespace and waits until it serves. It is steered until ctx ends.
func (n *Namespace) StartGitHost(ctx context.Context, name string) (*GitHost, error) {
	return n.StartGitHostAs(ctx, name, name+"."+n.Name+".svc")
}

// StartGitHostAs starts a git host that has the certificate of another host, for which it stands in.
func (n *Namespace) StartGitHostAs(ctx context.Context, name, host string) (*GitHost, error) {
	h := &GitHost{stage: n.Stage, pod: &corev1.Pod{}, service: &corev1.Service{}}
	if err := n.Make(ctx, fmt.Sprintf(gitHostManifests, name, n.Name, host), h.pod, h.service); err != nil {
		return nil, fmt.Errorf("the git host: %w", err)
	}
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := n.Until(waiting, h.pod, "to serve git", func() bool { return PodReady(h.pod) }); err != nil {
		return nil, err
	}
	addresses, err := n.Forward(ctx, h.pod, 8080)
	if err != nil {
		return nil, err
	}
	h.Host, err = remote.Dial(addresses[0])
	return h, err
}

// Leave takes the host off the network: connections to it are refused, until Return.
func (h *GitHost) Leave(ctx context.Context) error {
	return h.stage.Patch(ctx, h.service, `{spec: {selector: {app: nobody}}}`)
}

// Return brings it back.
func (h *GitHost) Return(ctx context.Context) error {
	return h.stage.Patch(ctx, h.service, `{spec: {selector: {app: `+h.pod.Name+`}}}`)
}

// Delete removes the host with all its repositories.
func (h *GitHost) Delete(ctx context.Context) error {
	if err := h.stage.Client.Delete(ctx, h.service); err != nil {
		return fmt.Errorf("deleting the git host: %w", err)
	}
	return h.stage.Kill(ctx, h.pod)
}
