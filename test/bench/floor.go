package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// workspaceImage is the image that Gantry's pods have, too.
const workspaceImage = "localhost/gantry-pulumi:dev"

// barePod is as little of a pod as the namespace allows, with the same image and volume.
const barePod = `
apiVersion: v1
kind: Pod
spec:
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: pulumi
    image: ` + workspaceImage + `
    command: [sleep, "3600"]
    resources: {requests: {cpu: 10m, memory: 64Mi}}
    env:
    - {name: PULUMI_BACKEND_URL, value: "file:///state"}
    - {name: PULUMI_CONFIG_PASSPHRASE, valueFrom: {secretKeyRef: {name: passphrase, key: passphrase}}}
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: state, mountPath: /state}]
  volumes: [{name: state, persistentVolumeClaim: {claimName: state}}]
`

// timed runs a command in the pod and prints the nanoseconds that it took there, so that the way into the
// pod does not count.
const timed = `began=$(date +%%s%%N); %s >/tmp/out 2>&1 || { cat /tmp/out; exit 1; }; echo $(( $(date +%%s%%N) - began ))`

// floor is a bare pod and what a bare CLI took in it.
type floor struct {
	bench           *bench
	pod             *corev1.Pod
	start, init, up float64
}

// startFloor starts a bare pod, and makes and runs a bare stack in it.
func (b *bench) startFloor(ctx context.Context, name string) (*floor, error) {
	pod := &corev1.Pod{}
	if err := yaml.UnmarshalStrict([]byte(barePod), pod); err != nil {
		return nil, fmt.Errorf("the bare pod: %w", err)
	}
	pod.ObjectMeta = metav1.ObjectMeta{Namespace: b.Name, Name: name}
	f := &floor{bench: b, pod: pod}
	began := time.Now()
	if err := b.Client.Create(ctx, pod); err != nil {
		return nil, fmt.Errorf("making the bare pod: %w", err)
	}
	if err := b.Until(ctx, pod, "to be Ready", func() bool { return stage.PodReady(pod) }); err != nil {
		return nil, err
	}
	f.start = time.Since(began).Seconds()
	project := "name: " + name + "\nruntime: yaml\n" + program
	if _, err := b.Exec(ctx, pod, stage.PulumiContainer, "sh", "-c", `mkdir -p /tmp/project && printf %s "$0" > /tmp/project/Pulumi.yaml`, project); err != nil {
		return nil, err
	}
	var err error
	if f.init, err = f.time(ctx, "pulumi stack init "+name+" --non-interactive"); err != nil {
		return nil, err
	}
	f.up, err = f.again(ctx)
	return f, err
}

// again runs a bare up and returns its seconds.
func (f *floor) again(ctx context.Context) (float64, error) {
	return f.time(ctx, "pulumi up --yes --skip-preview --non-interactive --stack "+f.pod.Name)
}

func (f *floor) time(ctx context.Context, command string) (float64, error) {
	out, err := f.bench.Exec(ctx, f.pod, stage.PulumiContainer, "sh", "-c", "cd /tmp/project && "+fmt.Sprintf(timed, command))
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	nanoseconds, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the time of %s: %w", command, err)
	}
	return time.Duration(nanoseconds).Seconds(), nil
}

// end removes the pod and waits until it is gone, so that it weighs on nothing that follows.
func (f *floor) end(ctx context.Context) error {
	if err := f.bench.Kill(ctx, f.pod); err != nil {
		return err
	}
	return f.bench.UntilGone(ctx, f.pod, "to be gone")
}
