package stack

import (
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/source/git"
)

// fetching is what a tracker answers while it fetches the first commit.
func fetching() error {
	return git.NewFetching(failure.NewWaiting(pulumiv1.ReasonStackProcessing, "fetching commit aaaa"))
}

// expectation is the Stack's Workspace and until when it says that an Update is to be expected; false if there is no Workspace.
func (c *cluster) expectation() (*autov1alpha1.Workspace, string, bool) {
	c.t.Helper()
	workspace := &autov1alpha1.Workspace{}
	err := c.client.Get(c.t.Context(), key, workspace)
	if err != nil && !apierrors.IsNotFound(err) {
		c.t.Fatal(err)
	}
	return workspace, workspace.Annotations[autov1alpha1.AnnotationExpected], err == nil
}

// The pod of a first update starts while its commit is fetched.
func TestPodStartsWhileTheSourceIsFetched(t *testing.T) {
	c := newCluster(t, fromGit())
	c.git().Err = fetching()
	c.reconcile()
	workspace, until, there := c.expectation()
	if want := c.clock.Now().Add(expectFor).UTC().Format(time.RFC3339); !there || until != want || workspace.Spec.Flux != nil {
		t.Fatalf("while it is fetched: Workspace %t, expected until %q, want %q; source %v", there, until, want, workspace.Spec.Flux)
	}
	c.count(0, "there is nothing to run yet")
	if got := c.says("Reconciling"); got != "StackProcessing: fetching commit aaaa" {
		t.Errorf("meanwhile: %s", got)
	}
	c.clock.Step(time.Second)
	c.reconcile()
	if _, again, _ := c.expectation(); again != until {
		t.Errorf("looked at again, it is expected until %q, and no more until %q", again, until)
	}

	c.has(commitA, digestA, "tree-a")
	c.reconcile()
	c.count(1, "the commit is there")
	if workspace, until, _ := c.expectation(); until != "" || workspace.Spec.Flux == nil {
		t.Errorf("with the Update it is expected until %q, source %v", until, workspace.Spec.Flux)
	}
}

func TestNoPodStartsAheadInVain(t *testing.T) {
	cases := map[string]struct {
		err    error
		change func(*pulumiv1.Stack)
	}{
		"Polling":      {err: failure.NewWaiting(pulumiv1.ReasonStackProcessing, "polling")},
		"Unreachable":  {err: failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "the host is away")},
		"Prerequisite": {err: fetching(), change: func(s *pulumiv1.Stack) { s.Spec.Prerequisites = []pulumiv1.PrerequisiteRef{{Name: "other"}} }},
		"Invalid":      {err: fetching(), change: func(s *pulumiv1.Stack) { s.Spec.Stack = "" }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			stack := fromGit()
			if tc.change != nil {
				tc.change(stack)
			}
			c := newCluster(t, stack)
			c.git().Err = tc.err
			c.reconcile()
			if _, until, there := c.expectation(); there {
				t.Errorf("there is a Workspace, expected until %q", until)
			}
		})
	}
	t.Run("RanBefore", func(t *testing.T) {
		c := ran(t)
		c.edit(func(s *pulumiv1.Stack) { s.Generation, s.Spec.Branch = 2, "other" })
		c.git().Err = fetching()
		c.reconcile()
		if _, until, _ := c.expectation(); until != "" {
			t.Errorf("a stack that ran before is expected until %q", until)
		}
	})
}
