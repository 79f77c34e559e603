package e2e

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

const (
	// outage is a provider that is throttled until a file is there.
	outage = `
resources:
  bucket:
    type: testing:index:Fail
    properties:
      message: "operation error S3: CreateBucket, https response error StatusCode: 503, api error SlowDown: Please reduce your request rate."
      until: /outage/over
outputs:
  made: yes
`
	// impatient tries again soon, each time in a new pod, which sees a ConfigMap that was not there before.
	impatient = `{spec: {retryMaxBackoffDurationSeconds: 1, workspaceTemplate: {spec: {idleTimeout: 0s, podTemplate: {spec: {
  containers: [{name: pulumi, volumeMounts: [{name: state, mountPath: /state}, {name: outage, mountPath: /outage}]}],
  volumes: [{name: state, persistentVolumeClaim: {claimName: state}}, {name: outage, configMap: {name: outage, optional: true}}]}}}}}}`
)

// A provider that is out of order is tried again for ever: far more often than a program that fails.
func TestOutageOfAProviderPasses(t *testing.T) {
	t.Parallel()
	s := begin(t, "outage")
	s.program("bucket", outage)
	stack := s.stack("outage", "bucket", onImage, impatient)
	s.Await(stack, "to have failed more often than a program may", func() bool {
		last := stack.Status.LastUpdate
		if stalled := stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeStalled); stalled.Status == metav1.ConditionTrue {
			t.Fatalf("it stalls: %s: %s", stalled.Reason, stalled.Message)
		}
		reconciling := stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeReconciling)
		return last != nil && last.Failures >= 6 && reconciling.Reason == pulumiv1.ReasonRetryingAfterFailure
	})
	if last := stack.Status.LastUpdate; last.Reason != operation.ReasonTransient || last.Attempts != 0 {
		t.Errorf("lastUpdate has the reason %s and %d attempts", last.Reason, last.Attempts)
	}
	message := stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeReconciling).Message
	for _, words := range []string{"tried again at about 20", "for ever", "testing:index:Fail::bucket", "SlowDown"} {
		if !strings.Contains(message, words) {
			t.Errorf("the condition does not say %q: %s", words, message)
		}
	}

	t.Log("it recovers by itself when the outage is over")
	s.Must(s.Client.Create(s.Ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "outage"}, Data: map[string]string{"over": ""},
	}))
	s.AwaitReady(stack)
	if last := stack.Status.LastUpdate; last.State != pulumiv1.SucceededStackState || last.Failures != 0 || output(stack, "made") == "" {
		t.Errorf("after the recovery: %+v, outputs %v", last, stack.Status.Outputs)
	}
}
