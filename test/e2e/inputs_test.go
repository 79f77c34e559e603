package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

const (
	configured = `
configuration:
  greeting: {type: String}
  hush: {type: String, secret: true}
outputs:
  greeting: ${greeting}
  hush: ${hush}
`
	fromInputs = `
spec:
  envRefs: {TOKEN: {type: Secret, secret: {name: tok, key: token}}}
  configRef: {greeting: {name: settings, key: greeting}}
  secretsRef: {hush: {type: Secret, secret: {name: vault, key: hush}}}
`
)

// clear is an output as the outputs Secret of the Stack's last update has it.
func (s *story) clear(stack *pulumiv1.Stack, name string) string {
	s.T.Helper()
	secret := &corev1.Secret{}
	s.Must(s.Client.Get(s.Ctx, s.Key(autov1alpha1.OutputsSecretName(stack.Status.LastUpdate.Name)), secret))
	return string(secret.Data[name])
}

// TestChangedInputsRunOnceEach changes what a Stack names, one after the other, and nothing of the Stack itself.
func TestChangedInputsRunOnceEach(t *testing.T) {
	t.Parallel()
	s := begin(t, "inputs")
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: s.Name, Name: name} }
	tok := &corev1.Secret{ObjectMeta: named("tok"), StringData: map[string]string{"token": "token-one", "other": "1"}}
	vault := &corev1.Secret{ObjectMeta: named("vault"), StringData: map[string]string{"hush": "hush-one"}}
	settings := &corev1.ConfigMap{ObjectMeta: named("settings"), Data: map[string]string{"greeting": "hello"}}
	for _, object := range []client.Object{tok, vault, settings} {
		s.Must(s.Client.Create(s.Ctx, object))
	}
	s.program("configured", configured)
	stack := s.stack("inputs", "configured", fromInputs)
	s.AwaitReady(stack)

	changes := []struct {
		what   client.Object
		patch  string
		reason string
		took   func() bool
	}{
		{tok, `{stringData: {token: token-two}}`, "Secret tok", func() bool {
			text, err := s.Shell(s.Ctx, "inputs", "echo $TOKEN")
			s.Must(err)
			return strings.TrimSpace(text) == "token-two"
		}},
		{settings, `{data: {greeting: bonjour}}`, "ConfigMap settings", func() bool { return output(stack, "greeting") == `"bonjour"` }},
		{vault, `{stringData: {hush: hush-two}}`, "Secret vault", func() bool { return s.clear(stack, "hush") == `"hush-two"` }},
	}
	for i, change := range changes {
		s.updates("inputs", i+1)
		before := stack.Status.LastUpdate.Name
		s.Must(s.Patch(s.Ctx, change.what, change.patch))
		s.Await(stack, "to have run for "+change.reason, func() bool { return stack.Status.LastUpdate.Name != before && stage.Ready(stack) })
		if !change.took() {
			t.Errorf("the update for %s did not see the new value", change.reason)
		}
		for _, update := range s.updates("inputs", i+2) {
			if update.Name == stack.Status.LastUpdate.Name && *update.Spec.Message != "Configuration changed: "+change.reason {
				t.Errorf("the message for %s is %q", change.reason, *update.Spec.Message)
			}
		}
	}

	t.Log("a label is no change, nor is a key that is not named")
	s.Must(s.Patch(s.Ctx, tok, `{metadata: {labels: {story: told}}}`))
	s.Must(s.Patch(s.Ctx, tok, `{stringData: {other: "2"}}`))
	s.never(stack, 3*time.Second, func() error {
		if stack.Status.CurrentUpdate != nil || !stage.Ready(stack) {
			return fmt.Errorf("something runs: %+v", stack.Status.Conditions)
		}
		return nil
	})
	s.updates("inputs", len(changes)+1)
	if text := fmt.Sprintf("%+v", stack.Status); strings.Contains(text, "token-") || strings.Contains(text, "hush-") {
		t.Errorf("the status holds a secret: %s", text)
	}
}
