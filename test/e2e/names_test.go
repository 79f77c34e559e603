package e2e

import (
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// TestLongNames: a Stack may have any name that an object may have. Its children are found, run and go all the same.
func TestLongNames(t *testing.T) {
	t.Parallel()
	s := begin(t, "names")
	s.program("greeting", greeting)
	names := []string{
		strings.Repeat("long.", 50) + "xyz", // 253 characters, the most
		"with.dots." + strings.Repeat("d", 50),
		"short.with.dots",
	}
	var stacks []*pulumiv1.Stack
	for i, name := range names {
		stacks = append(stacks, s.stack(name, "greeting", "spec: {stack: s"+string(rune('0'+i))+", destroyOnFinalize: true}"))
	}
	for i, stack := range stacks {
		s.AwaitReady(stack)
		if got := output(stack, "greeting"); got != `"hello"` {
			t.Errorf("%s: the output is %s", names[i], got)
		}
		update := s.updates(names[i], 1)[0]
		if secret := autov1alpha1.OutputsSecretName(update.Name); update.Status.Outputs != secret {
			t.Errorf("%s: the outputs are in %q, want %q", names[i], update.Status.Outputs, secret)
		}
		pod := s.Pod(pulumiv1.WorkspaceName(names[i]))
		s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(pod), pod))
		host, err := s.Exec(s.Ctx, pod, stage.PulumiContainer, "sh", "-c", "cat /etc/hostname")
		if host = strings.TrimSpace(host); err != nil || host == "" || host != pod.Spec.Hostname {
			t.Errorf("%s: the host is %q (%v), want %q", names[i], host, err, pod.Spec.Hostname)
		}
	}
	for i, stack := range stacks {
		if err := s.Client.Delete(s.Ctx, stack); err != nil {
			t.Fatal(err)
		}
		s.AwaitGone(stack, "to be destroyed and gone")
		s.AwaitGone(s.Workspace(pulumiv1.WorkspaceName(names[i])), "to be gone with its Stack")
	}
}
