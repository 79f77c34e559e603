package validate

import (
	"strings"
	"testing"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

func TestUpdate(t *testing.T) {
	const urn = "urn:pulumi:dev::p::t::n"
	cases := map[string]struct {
		change func(*autov1alpha1.UpdateSpec)
		want   string
	}{
		"Fine":         {func(*autov1alpha1.UpdateSpec) {}, ""},
		"NoWorkspace":  {func(s *autov1alpha1.UpdateSpec) { s.WorkspaceName = "" }, "spec.workspaceName: is missing"},
		"NoStack":      {func(s *autov1alpha1.UpdateSpec) { s.StackName = "" }, "spec.stackName: is missing"},
		"NoType":       {func(s *autov1alpha1.UpdateSpec) { s.Type = "" }, "spec.type: is missing"},
		"OtherType":    {func(s *autov1alpha1.UpdateSpec) { s.Type = "Up" }, `spec.type: is "Up"`},
		"Qualified":    {func(s *autov1alpha1.UpdateSpec) { s.StackName = "my-org/my_project/v1.2" }, ""},
		"Pattern":      {func(s *autov1alpha1.UpdateSpec) { s.Target = []string{"**", "urn:pulumi:*::p::t::n"} }, ""},
		"SpacesInURN":  {func(s *autov1alpha1.UpdateSpec) { s.Target = []string{urn + " with spaces::and colons"} }, ""},
		"Lines":        {func(s *autov1alpha1.UpdateSpec) { s.Message = new("first\nsecond\tline") }, ""},
		"Timeout":      {func(s *autov1alpha1.UpdateSpec) { s.Timeout = new("1h30m") }, ""},
		"TimeoutWords": {func(s *autov1alpha1.UpdateSpec) { s.Timeout = new("soon") }, `spec.timeout: "soon" is not a duration`},
		"TimeoutDays":  {func(s *autov1alpha1.UpdateSpec) { s.Timeout = new("7d") }, `spec.timeout: "7d" is not a duration`},
		"TimeoutEmpty": {func(s *autov1alpha1.UpdateSpec) { s.Timeout = new("") }, `spec.timeout: "" is not a duration`},
		"TimeoutZero":  {func(s *autov1alpha1.UpdateSpec) { s.Timeout = new("0s") }, `spec.timeout: "0s" is not a duration that is longer than zero`},
		"TimeoutPast":  {func(s *autov1alpha1.UpdateSpec) { s.Timeout = new("-1m") }, `spec.timeout: "-1m" is not a duration`},
		"TimeoutHuge":  {func(s *autov1alpha1.UpdateSpec) { s.Timeout = new(strings.Repeat("9", 1<<20) + "h") }, `spec.timeout: "999`},
		"Unreadable":   {func(s *autov1alpha1.UpdateSpec) { s.Unreadable = "parallel: too large" }, "spec: cannot be read: parallel"},
		"HugeName":     {func(s *autov1alpha1.UpdateSpec) { s.StackName = strings.Repeat("ü/", 1<<20) }, "spec.stackName: "},
		"SecretReplay": {func(s *autov1alpha1.UpdateSpec) { s.Replace = []string{urn, "x"} }, "spec.replace[1]: "},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			spec := &autov1alpha1.UpdateSpec{WorkspaceName: "w", StackName: "dev", Type: autov1alpha1.UpUpdate, Target: []string{urn}}
			c.change(spec)
			got := Update(spec).String()
			if (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) {
				t.Errorf("got %.300q, want %q", got, c.want)
			}
			if len(got) > 500 {
				t.Errorf("the message has %d bytes", len(got))
			}
		})
	}
}

func TestAt(t *testing.T) {
	for key, want := range map[string]string{
		"A": "f[A]", "a b": "f[a b]", "": `f[""]`, "a\nb": `f["a\nb"]`, "a]b": `f["a]b"]`, "ü": "f[ü]",
		strings.Repeat("k", 100): `f["` + strings.Repeat("k", 80) + `"…]`,
	} {
		if got := At("f", key); got != want {
			t.Errorf("the path of %q is %s, want %s", key, got, want)
		}
	}
}

func TestWhatIsRight(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0", 64)
	level := int32(3)
	spec := &autov1alpha1.WorkspaceSpec{
		ServiceAccountName: "runner.of.team", SecurityProfile: "baseline", Image: "registry.example:5000/team/image:tag@" + digest,
		ImagePullPolicy: "Always", AgentPath: "/agent", IdleTimeout: "0s", PulumiLogLevel: &level,
		Flux: &autov1alpha1.FluxSource{URL: "http://host/a", Digest: digest},
		Stacks: []autov1alpha1.WorkspaceStack{{Name: "org/project/dev", Environment: []string{"project/env@1"}, Config: []autov1alpha1.ConfigItem{
			{Key: "aws:region", ValueFrom: &autov1alpha1.ConfigValueFrom{Env: "AWS_REGION"}},
			{Key: "aws:config:region", ValueFrom: &autov1alpha1.ConfigValueFrom{Path: "/a"}},
			{Key: "a.b", ValueFrom: &autov1alpha1.ConfigValueFrom{Path: "/a"}},
			{Key: `p:names[0]["x:y"]`, Path: new(true), ValueFrom: &autov1alpha1.ConfigValueFrom{Path: "/a"}},
		}}},
	}
	if problems := Workspace(spec); len(problems) > 0 {
		t.Error(problems)
	}
}
