package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// soon bounds how long it may take until trouble is on the Stack, on a machine that does other things too. An
// image of a host that does not answer takes containerd twelve seconds to give up on; everything else is there
// within a second or two, as the test's log tells.
const soon = time.Minute

// trouble is what keeps a pod from starting, and the words that must be on the Stack.
type trouble struct {
	overlay string
	words   []string
	// mend takes the cause away; the Stack must then become Ready by itself.
	mend func(*story)
}

func troubles() map[string]trouble {
	return map[string]trouble{
		"image": {
			overlay: `{spec: {workspaceTemplate: {spec: {image: "localhost/no-such-image:dev"}}}}`,
			words:   []string{"localhost/no-such-image:dev", "pull"},
		},
		"cpu": {
			overlay: `{spec: {workspaceTemplate: {spec: {resources: {requests: {cpu: "1000"}}}}}}`,
			words:   []string{"Insufficient cpu"},
		},
		"account": {
			overlay: `{spec: {serviceAccountName: nobody}}`,
			words:   []string{"ServiceAccount", "nobody"},
			mend: func(s *story) {
				s.Must(s.Client.Create(s.Ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "nobody"}}))
			},
		},
		"secret": {
			overlay: `{spec: {envRefs: {TOKEN: {type: Secret, secret: {name: credentials, key: token}}}}}`,
			words:   []string{"Secret", "credentials"},
			mend: func(s *story) {
				s.Must(s.Client.Create(s.Ctx, &corev1.Secret{
					ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "credentials"}, StringData: map[string]string{"token": "t"},
				}))
			},
		},
		"configmap": {
			overlay: `{spec: {configRef: {greeting: {name: defaults, key: greeting}}}}`,
			words:   []string{"ConfigMap", "defaults"},
			mend: func(s *story) {
				s.Must(s.Client.Create(s.Ctx, &corev1.ConfigMap{
					ObjectMeta: metav1.ObjectMeta{Namespace: s.Name, Name: "defaults"}, Data: map[string]string{"greeting": "hi"},
				}))
			},
		},
	}
}

func TestTroubleIsToldInWords(t *testing.T) {
	for name, trouble := range troubles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begin(t, "trouble-"+name)
			s.program("greeting", greeting)
			began := time.Now()
			stack := s.stack(name, "greeting", trouble.overlay)
			ctx, cancel := context.WithTimeoutCause(s.Ctx, soon, errors.New("not in "+soon.String()))
			defer cancel()
			s.Must(s.Until(ctx, stack, "to say "+strings.Join(trouble.words, " … "), func() bool { return says(stack, trouble.words) }))
			t.Logf("said after %.1fs: %s", time.Since(began).Seconds(), said(stack))
			if ready := stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeReady); ready.Status != metav1.ConditionFalse {
				t.Errorf("Ready is %q", ready.Status)
			}
			if trouble.mend != nil {
				trouble.mend(s)
				s.AwaitReady(stack)
			}
		})
	}
}

// said is what a Stack says of why it is not Ready.
func said(stack *pulumiv1.Stack) string {
	reconciling := stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeReconciling)
	stalled := stage.Condition(stack.Status.Conditions, autov1alpha1.ConditionTypeStalled)
	return strings.TrimSpace(reconciling.Reason + " " + reconciling.Message + " " + stalled.Reason + " " + stalled.Message)
}

func says(stack *pulumiv1.Stack, words []string) bool {
	text := said(stack)
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}
