// Package tell owns how tests tell stories on a cluster: what they wait for, for how long, and how they end.
package tell

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// Story is a test that watches objects of a cluster. It ends as soon as one of them does not become what it should.
type Story struct {
	T *testing.T
	// Ctx ends with the test; a story is told in it from its beginning to its end.
	Ctx context.Context //nolint:containedctx // a story is the test's call frame
	// Cluster is where it is told.
	Cluster *stage.Stage
	// Patience is how long the story waits for one thing.
	Patience time.Duration
}

// Connect finds the cluster to tell stories on, or skips the test; command is what has one.
func Connect(t *testing.T, command string) *stage.Stage {
	t.Helper()
	kubeconfig := os.Getenv("KUBECONFIG")
	if os.Getenv("GANTRY_E2E") != "1" || kubeconfig == "" {
		t.Skip("SKIPPED: no cluster. Set GANTRY_E2E=1 and KUBECONFIG, or run `" + command + "`.")
	}
	s, err := stage.Connect(t.Context(), kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Must ends the story if there is an error.
func (s *Story) Must(err error) {
	s.T.Helper()
	if err != nil {
		s.T.Fatal(err)
	}
}

// Await waits until an object is as it should be, and ends the story if it does not get there.
func (s *Story) Await(object client.Object, what string, done func() bool) {
	s.T.Helper()
	ctx, cancel := s.patiently()
	defer cancel()
	s.Must(s.Cluster.Until(ctx, object, what, done))
}

// AwaitGone waits until an object does not exist.
func (s *Story) AwaitGone(object client.Object, what string) {
	s.T.Helper()
	ctx, cancel := s.patiently()
	defer cancel()
	s.Must(s.Cluster.UntilGone(ctx, object, what))
}

// AwaitReady waits until a Stack is Ready at its newest generation.
func (s *Story) AwaitReady(stack *pulumiv1.Stack) {
	s.T.Helper()
	s.Must(s.Cluster.Client.Get(s.Ctx, client.ObjectKeyFromObject(stack), stack))
	generation := stack.Generation
	s.Await(stack, "to be Ready", func() bool { return stack.Generation >= generation && stage.Ready(stack) })
}

func (s *Story) patiently() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(s.Ctx, s.Patience, errors.New("not in "+s.Patience.String()))
}

// In has the story told in a namespace of its own, which enforces the restricted Pod Security Standard. What matters of it
// is shown if the story fails; also, if given, is shown beside it. Then the namespace is removed, unless
// GANTRY_E2E_KEEP is set.
func (s *Story) In(name string, also func(namespace string) string) *stage.Namespace {
	s.T.Helper()
	namespace, err := s.Cluster.NewNamespace(s.Ctx, name, "restricted")
	s.Must(err)
	s.T.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Ctx), s.Patience)
		defer cancel()
		if s.T.Failed() {
			var dump bytes.Buffer
			namespace.Dump(ctx, &dump)
			if also != nil {
				dump.WriteString(also(namespace.Name))
			}
			s.T.Logf("namespace %s when the story failed:\n%s", namespace.Name, dump.String())
		}
		if os.Getenv("GANTRY_E2E_KEEP") != "" {
			s.T.Logf("namespace %s is kept", namespace.Name)
			return
		}
		if err := namespace.Leave(ctx); err != nil {
			s.T.Errorf("cleaning up: %v", err)
		}
	})
	return namespace
}
