package stack

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
)

func read(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		t.Fatal(err)
	}
}

// TestBuild holds what is made for a Stack that uses nearly everything against what PKO makes of it.
func TestBuild(t *testing.T) {
	stack := &pulumiv1.Stack{}
	read(t, "testdata/stack.yaml", stack)
	digest := "sha256:" + strings.Repeat("0", 64)
	source := Source{Revision: "3", Artifact: &autov1alpha1.FluxSource{Digest: digest, URL: "https://hub/artifacts/" + digest}}
	workspace, err := buildWorkspace(stack, source)
	if err != nil {
		t.Fatal(err)
	}
	workspace.UID = "workspace-uid"
	o := Observed{Stack: stack, Source: source}
	update, err := buildUpdate(o, Step{Type: autov1alpha1.UpUpdate, Message: "Initial stack update"}, workspace)
	if err != nil {
		t.Fatal(err)
	}
	destroy, err := buildUpdate(o, Step{Type: autov1alpha1.DestroyUpdate, Message: "Stack marked for deletion"}, workspace)
	if err != nil {
		t.Fatal(err)
	}
	for file, got := range map[string]any{"workspace.yaml": workspace, "update.yaml": update, "destroy.yaml": destroy} {
		t.Run(file, func(t *testing.T) {
			text, err := yaml.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile("testdata/" + file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(text)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

func TestDriftIsLookedForWhereItIsAskedFor(t *testing.T) {
	stack := demo(func(s *pulumiv1.Stack) { s.Spec.Refresh, s.Spec.ExpectNoRefreshChanges = true, true })
	for kind, want := range map[autov1alpha1.UpdateType]bool{autov1alpha1.UpUpdate: true, autov1alpha1.PreviewUpdate: true, autov1alpha1.DestroyUpdate: false} {
		update, err := buildUpdate(Observed{Stack: stack}, Step{Type: kind}, &autov1alpha1.Workspace{})
		if err != nil {
			t.Fatal(err)
		}
		if got := update.Spec.ExpectNoRefreshChanges; (got != nil && *got) != want {
			t.Errorf("%s: expectNoRefreshChanges is %v, want %v", kind, got, want)
		}
	}
}

func TestBuildRefusesWhatCannotWork(t *testing.T) {
	cases := map[string]struct {
		template pulumiv1.WorkspaceTemplateSpec
		want     string
	}{
		"MainStack": {pulumiv1.WorkspaceTemplateSpec{Stacks: []pulumiv1.WorkspaceTemplateStack{{Name: "dev"}}}, `"dev" is the stack of spec.stack`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			stack := demo(func(s *pulumiv1.Stack) { s.Spec.WorkspaceTemplate = &pulumiv1.WorkspaceTemplate{Spec: &tc.template} })
			_, err := buildWorkspace(stack, Source{})
			if _, ok := failure.AsTerminal(err); !ok || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want a terminal one that says %q", err, tc.want)
			}
		})
	}
}
