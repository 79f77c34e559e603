package e2e

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// interruptedURN is that of the resource of the long program.
const interruptedURN = "urn:pulumi:pending::long::testing:index:Sleep::slow"

// TestPendingOperationsHeal kills a pod in the middle of a create, as a node does that loses its power. Nobody helps: the next update finds the
// lock and the pending create, keeps the state, clears both, and says what may have leaked.
func TestPendingOperationsHeal(t *testing.T) {
	t.Parallel()
	s := begin(t, "pending")
	before := s.inTheMiddle("pending")
	s.Must(stage.MurderAll(before.pod))
	s.Must(s.Client.Delete(s.Ctx, before.pod, client.GracePeriodSeconds(0)))

	stack := s.Stack("pending")
	s.Await(stack, "to know that its update was interrupted", func() bool { return stack.Status.InterruptedUpdate == before.update.Name })
	s.AwaitReady(stack)
	if stack.Status.InterruptedUpdate != "" {
		t.Errorf("the update of %s is still taken for the cause of pending operations", stack.Status.InterruptedUpdate)
	}

	t.Log("what was pending is on record, with the state as it was")
	met := stack.Status.PendingOperations
	if met == nil || met.Outcome != autov1alpha1.PendingOperationsCleared || len(met.Operations) != 1 || met.Operations[0].Type != "creating" || met.Operations[0].URN != interruptedURN {
		t.Fatalf("on record: %+v", met)
	}
	condition := stage.Condition(stack.Status.Conditions, pulumiv1.ConditionTypePendingOperations)
	for where, text := range map[string]string{
		"the condition": condition.Message, "the event": s.event(stack, pulumiv1.EventPendingOperations), "lastUpdate": stack.Status.LastUpdate.Message,
	} {
		if !strings.Contains(text, interruptedURN) || !strings.Contains(text, "may exist without being in the state") {
			t.Errorf("%s does not say what may have leaked: %s", where, text)
		}
	}
	secret := &corev1.Secret{}
	s.Must(s.Client.Get(s.Ctx, s.Key(met.Snapshot), secret))
	if text := s.unpacked(secret.Data["deployment.json.gz"]); !strings.Contains(text, `"pending_operations"`) || !strings.Contains(text, interruptedURN) {
		t.Errorf("the snapshot is %.300s", text)
	}

	t.Log("the state has nothing pending, and the resource once")
	state, err := s.Shell(s.Ctx, "pending", "cat /state/.pulumi/stacks/long/pending.json")
	s.Must(err)
	if strings.Contains(state, `"creating"`) || strings.Count(state, `"urn":"`+interruptedURN+`"`)+strings.Count(state, `"urn": "`+interruptedURN+`"`) != 1 {
		t.Errorf("the state is %s", state)
	}
	s.importsSnapshot(met.Snapshot, state)
	if updates := s.updates("pending", 2); len(updates) != 2 {
		t.Errorf("%d updates, want the interrupted one and the one after it", len(updates))
	}
	s.Must(s.Client.Delete(s.Ctx, stack))
	s.AwaitGone(stack, "to be gone")
	s.AwaitGone(secret, "to go with its Stack")
}

// unpacked is a text that was compressed.
func (s *story) unpacked(data []byte) string {
	s.T.Helper()
	reader, err := gzip.NewReader(bytes.NewReader(data))
	s.Must(err)
	text, err := io.ReadAll(reader)
	s.Must(err)
	return string(text)
}
