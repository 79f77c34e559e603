package cli_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/internal/agent/cli"
	"github.com/gantry-operator/gantry/internal/operation"
)

// all has every option set.
func all() *operation.Options {
	return &operation.Options{
		Parallel: 4, Message: "--from=git", ExpectNoChanges: true, Replace: []string{"urn:a"}, Target: []string{"urn:b", "urn:c"},
		TargetDependents: true, Refresh: true, ContinueOnError: true, Remove: true, RunProgram: true, LogLevel: 9,
	}
}

func TestOperationArgs(t *testing.T) {
	common := func(stack string) []string {
		return []string{
			"--stack=" + stack, "--non-interactive", "--color=never", "--suppress-progress", "--suppress-outputs",
			"--event-log=/share/events.json",
		}
	}
	verbose := []string{"--verbose=9", "--logtostderr", "--logflow"}
	targets := []string{"--target=urn:b", "--target=urn:c"}
	dependents := append(targets, "--target-dependents")
	join := func(parts ...[]string) (args []string) {
		for _, part := range parts {
			args = append(args, part...)
		}
		return args
	}
	cases := map[string]struct {
		reason  string
		t       operation.Type
		options *operation.Options
		want    []string
	}{
		"PlainUp": {
			reason: "no option, no flag", t: operation.Type_UP,
			want: join([]string{"up", "--yes", "--skip-preview"}, common("org/dev")),
		},
		"FullUp": {
			reason: "an up removes nothing and runs the program anyway; a message may look like a flag", t: operation.Type_UP, options: all(),
			want: join([]string{"up", "--yes", "--skip-preview"}, common("org/dev"),
				[]string{"--parallel=4", "--message=--from=git", "--expect-no-changes", "--replace=urn:a"}, dependents,
				[]string{"--refresh", "--continue-on-error"}, verbose),
		},
		"FullPreview": {
			reason: "a preview needs no yes and has no preview to skip", t: operation.Type_PREVIEW, options: all(),
			want: join([]string{"preview"}, common("org/dev"),
				[]string{"--parallel=4", "--message=--from=git", "--expect-no-changes", "--replace=urn:a"}, dependents,
				[]string{"--refresh"}, verbose),
		},
		"FullRefresh": {
			reason: "a refresh replaces nothing and refreshes anyway", t: operation.Type_REFRESH, options: all(),
			want: join([]string{"refresh", "--yes", "--skip-preview"}, common("org/dev"),
				[]string{"--parallel=4", "--message=--from=git", "--expect-no-changes"}, targets,
				[]string{"--run-program"}, verbose),
		},
		"FullDestroy": {
			reason: "a destroy always changes something and may remove the stack", t: operation.Type_DESTROY, options: all(),
			want: join([]string{"destroy", "--yes", "--skip-preview"}, common("org/dev"),
				[]string{"--parallel=4", "--message=--from=git"}, dependents,
				[]string{"--refresh", "--continue-on-error", "--remove", "--run-program"}, verbose),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			op := &operation.Operation{Type: tc.t, Options: tc.options, Stack: &operation.Stack{Name: "org/dev"}}
			if diff := cmp.Diff(tc.want, cli.OperationArgs(op, "/share/events.json")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDriftArgs(t *testing.T) {
	op := &operation.Operation{Type: operation.Type_UP, Options: all(), Stack: &operation.Stack{Name: "org/dev"}}
	want := []string{
		"refresh", "--preview-only", "--expect-no-changes", "--stack=org/dev", "--non-interactive", "--color=never",
		"--suppress-progress", "--suppress-outputs", "--event-log=/share/drift.json", "--parallel=4", "--target=urn:b", "--target=urn:c",
		"--target-dependents", "--run-program", "--verbose=9", "--logtostderr", "--logflow",
	}
	if diff := cmp.Diff(want, cli.DriftArgs(op, "/share/drift.json")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestClearArgs(t *testing.T) {
	op := &operation.Operation{Stack: &operation.Stack{Name: "dev"}, Options: all()}
	want := []string{
		"refresh", "--yes", "--skip-preview", "--clear-pending-creates", "--stack=dev", "--non-interactive", "--color=never",
		"--suppress-progress", "--suppress-outputs", "--event-log=/share/pending.json", "--parallel=4", "--target=urn:interrupted",
		"--run-program", "--verbose=9", "--logtostderr", "--logflow",
	}
	if diff := cmp.Diff(want, cli.ClearArgs(op, []string{"urn:interrupted"}, "/share/pending.json")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSelectArgs(t *testing.T) {
	cases := map[string]struct {
		stack *operation.Stack
		want  []string
	}{
		"Only": {
			stack: &operation.Stack{Name: "dev", SecretsProvider: "awskms://key"},
			want:  []string{"stack", "select", "--stack=dev", "--non-interactive", "--color=never"},
		},
		"Create": {
			stack: &operation.Stack{Name: "dev", Create: true},
			want:  []string{"stack", "select", "--stack=dev", "--non-interactive", "--color=never", "--create"},
		},
		"CreateWithProvider": {
			stack: &operation.Stack{Name: "dev", Create: true, SecretsProvider: "awskms://key"},
			want: []string{"stack", "select", "--stack=dev", "--non-interactive", "--color=never", "--create",
				"--secrets-provider=awskms://key"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, cli.SelectArgs(tc.stack, tc.stack.GetCreate())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
