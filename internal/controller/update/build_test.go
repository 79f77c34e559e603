package update

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/internal/pod"
)

func ptr[T any](v T) *T { return &v }

// sum is a digest.
const sum = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// full has every option that there is.
func full(kind autov1alpha1.UpdateType) autov1alpha1.UpdateSpec {
	return autov1alpha1.UpdateSpec{
		WorkspaceName: workspace, StackName: "dev", Type: kind, Parallel: ptr(int32(4)), Message: ptr("why"),
		ExpectNoChanges: ptr(true), Replace: []string{"urn:pulumi:dev::p::t::r"}, Target: []string{"urn:pulumi:dev::p::t::t"}, TargetDependents: ptr(true),
		Refresh: ptr(true), ContinueOnError: ptr(true), Remove: ptr(true), RunProgram: ptr(true),
		ExpectNoRefreshChanges: ptr(true),
	}
}

func TestOptionsByType(t *testing.T) {
	common := func(change func(*operation.Options)) *operation.Options {
		options := &operation.Options{Parallel: 4, Message: "why", Target: []string{"urn:pulumi:dev::p::t::t"}, LogLevel: 9}
		change(options)
		return options
	}
	tests := map[autov1alpha1.UpdateType]*operation.Options{
		autov1alpha1.UpUpdate: common(func(o *operation.Options) {
			o.ExpectNoChanges, o.Replace, o.TargetDependents, o.Refresh, o.ContinueOnError = true, []string{"urn:pulumi:dev::p::t::r"}, true, true, true
			o.ExpectNoRefreshChanges = true
		}),
		autov1alpha1.PreviewUpdate: common(func(o *operation.Options) {
			o.ExpectNoChanges, o.Replace, o.TargetDependents, o.Refresh = true, []string{"urn:pulumi:dev::p::t::r"}, true, true
			o.ExpectNoRefreshChanges = true
		}),
		autov1alpha1.RefreshUpdate: common(func(o *operation.Options) {
			o.ExpectNoChanges, o.RunProgram = true, true
		}),
		autov1alpha1.DestroyUpdate: common(func(o *operation.Options) {
			o.TargetDependents, o.Refresh, o.ContinueOnError, o.Remove, o.RunProgram = true, true, true, true, true
			o.ExpectNoRefreshChanges = true
		}),
	}
	for kind, want := range tests {
		t.Run(string(kind), func(t *testing.T) {
			if diff := cmp.Diff(want, optionsOf(full(kind), ptr(int32(9))), protocmp.Transform()); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOperation(t *testing.T) {
	o := observed(func(o *Observed) {
		o.Update.Spec = full(autov1alpha1.DestroyUpdate)
		o.Update.Spec.Timeout = ptr("1h30m")
		o.Workspace.Spec = autov1alpha1.WorkspaceSpec{
			PodTemplate: &autov1alpha1.EmbeddedPodTemplate{
				Spec: &apiextensionsv1.JSON{Raw: []byte(`{"terminationGracePeriodSeconds":3010}`)},
			},
			Flux:           &autov1alpha1.FluxSource{URL: "https://hub/" + sum, Digest: sum, Dir: "infra"},
			PulumiLogLevel: ptr(int32(3)),
			Kubeconfig:     &autov1alpha1.KubeconfigSource{Type: autov1alpha1.KubeconfigSecret, SecretRef: &autov1alpha1.SecretKey{Name: "s", Key: "config"}},
			Stacks: []autov1alpha1.WorkspaceStack{{Name: "other"}, {
				Name: "dev", Create: ptr(true), SecretsProvider: ptr("awskms:///x"), Environment: []string{"proj/env"},
				Config: []autov1alpha1.ConfigItem{
					{Key: "a", Path: ptr(true), Value: &apiextensionsv1.JSON{Raw: []byte(`{"x":9007199254740993}`)}},
					{Key: "b", Secret: ptr(true), ValueFrom: &autov1alpha1.ConfigValueFrom{Env: "B"}},
					{Key: "c", ValueFrom: &autov1alpha1.ConfigValueFrom{Path: "/c.json", JSON: ptr(true)}},
				},
			}},
		}
	})
	got, err := build(o)
	if err != nil {
		t.Fatal(err)
	}
	want := &operation.Operation{
		Uid: "uid-u", Name: "u", Type: operation.Type_DESTROY,
		Stack: &operation.Stack{
			Name: "dev", Create: true, SecretsProvider: "awskms:///x", Environment: []string{"proj/env"},
			Config: []*operation.ConfigItem{
				{Key: "a", Path: true, From: &operation.ConfigItem_Json{Json: []byte(`{"x":9007199254740993}`)}},
				{Key: "b", Secret: true, From: &operation.ConfigItem_Env{Env: "B"}},
				{Key: "c", From: &operation.ConfigItem_File{File: "/c.json"}, ParseJson: true},
			},
		},
		Source:      &operation.Source{From: &operation.Source_Artifact{Artifact: &operation.Artifact{Digest: sum, Url: "https://hub/" + sum, Dir: "infra"}}},
		Options:     optionsOf(o.Update.Spec, ptr(int32(3))),
		Kubeconfig:  &operation.Kubeconfig{Mode: operation.Kubeconfig_FILE, File: "/var/run/secrets/gantry-kubeconfig/config"},
		CancelGrace: durationpb.New(50 * time.Minute),
		HostPrefix:  pod.HostPrefix(o.Workspace),
		Timeout:     durationpb.New(90 * time.Minute),
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("operation (-want +got):\n%s", diff)
	}
}

func TestSources(t *testing.T) {
	tests := map[string]struct {
		spec autov1alpha1.WorkspaceSpec
		want *operation.Source
	}{
		"OwnStore": {
			autov1alpha1.WorkspaceSpec{Flux: &autov1alpha1.FluxSource{Digest: sum}},
			&operation.Source{From: &operation.Source_Artifact{Artifact: &operation.Artifact{Digest: sum, Url: "https://hub/" + sum}}},
		},
		"OwnStoreByURL": {
			autov1alpha1.WorkspaceSpec{Flux: &autov1alpha1.FluxSource{Digest: sum, URL: "https://hub/" + sum}},
			&operation.Source{From: &operation.Source_Artifact{Artifact: &operation.Artifact{Digest: sum, Url: "https://hub/" + sum}}},
		},
		"ForeignServer": {
			autov1alpha1.WorkspaceSpec{Flux: &autov1alpha1.FluxSource{Digest: sum, URL: "http://source-controller.flux-system/x.tar.gz", Dir: "app"}},
			&operation.Source{From: &operation.Source_Artifact{Artifact: &operation.Artifact{
				Digest: sum, Url: "http://source-controller.flux-system/x.tar.gz", Dir: "app", Foreign: true,
			}}},
		},
		"AlmostTheOwnStore": {
			autov1alpha1.WorkspaceSpec{Flux: &autov1alpha1.FluxSource{Digest: sum, URL: "https://hub/" + sum + "?x"}},
			&operation.Source{From: &operation.Source_Artifact{Artifact: &operation.Artifact{
				Digest: sum, Url: "https://hub/" + sum + "?x", Foreign: true,
			}}},
		},
		"FluxBeforeLocal": {
			autov1alpha1.WorkspaceSpec{
				Flux: &autov1alpha1.FluxSource{Digest: sum}, Local: &autov1alpha1.LocalSource{Dir: "/src"},
				ProjectInfo: &autov1alpha1.ProjectInfo{Name: "p", Runtime: "go"},
			},
			&operation.Source{From: &operation.Source_Artifact{Artifact: &operation.Artifact{Digest: sum, Url: "https://hub/" + sum}}},
		},
		"LocalBeforeProject": {
			autov1alpha1.WorkspaceSpec{Local: &autov1alpha1.LocalSource{Dir: "/src"}, ProjectInfo: &autov1alpha1.ProjectInfo{Name: "p", Runtime: "go"}},
			&operation.Source{From: &operation.Source_Local{Local: "/src"}},
		},
		"Local": {
			autov1alpha1.WorkspaceSpec{Local: &autov1alpha1.LocalSource{Dir: "/src"}},
			&operation.Source{From: &operation.Source_Local{Local: "/src"}},
		},
		"Project": {
			autov1alpha1.WorkspaceSpec{ProjectInfo: &autov1alpha1.ProjectInfo{Name: "p", Runtime: "go"}},
			&operation.Source{From: &operation.Source_Project{Project: &operation.ProjectInfo{Name: "p", Runtime: "go"}}},
		},
		"Prepared": {
			autov1alpha1.WorkspaceSpec{},
			&operation.Source{From: &operation.Source_Prepared{Prepared: true}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			op, err := build(observed(func(o *Observed) { o.Workspace.Spec = test.spec }))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, op.GetSource(), protocmp.Transform()); diff != "" {
				t.Errorf("source (-want +got):\n%s", diff)
			}
			stack := &operation.Stack{Name: "dev", Create: true}
			if diff := cmp.Diff(stack, op.GetStack(), protocmp.Transform()); diff != "" {
				t.Errorf("a stack that is not listed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStacksAreMadeOnlyWhereTheListSaysSo(t *testing.T) {
	tests := map[string]struct {
		create *bool
		want   bool
	}{"Create": {ptr(true), true}, "No": {ptr(false), false}, "LeftOut": {nil, false}}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			stack, err := stackOf([]autov1alpha1.WorkspaceStack{{Name: "dev", Create: test.create}}, "dev")
			if err != nil || stack.GetCreate() != test.want {
				t.Errorf("create is %v (%v), want %v", stack.GetCreate(), err, test.want)
			}
		})
	}
}

func TestWorkspacesThatMakeNoOperation(t *testing.T) {
	config := func(item autov1alpha1.ConfigItem) autov1alpha1.WorkspaceSpec {
		item.Key = "db:password"
		return autov1alpha1.WorkspaceSpec{Stacks: []autov1alpha1.WorkspaceStack{{Name: "dev", Config: []autov1alpha1.ConfigItem{item}}}}
	}
	secret := &apiextensionsv1.JSON{Raw: []byte(`"hunter2"`)}
	tests := map[string]struct {
		spec         autov1alpha1.WorkspaceSpec
		reason, want string
	}{
		"Git":              {autov1alpha1.WorkspaceSpec{Git: &autov1alpha1.GitSource{}}, ReasonSourceUnavailable, "has not been fetched"},
		"NoDigest":         {autov1alpha1.WorkspaceSpec{Flux: &autov1alpha1.FluxSource{URL: "https://x"}}, ReasonWorkspaceInvalid, "spec.flux.digest"},
		"NoSuchDigest":     {autov1alpha1.WorkspaceSpec{Flux: &autov1alpha1.FluxSource{URL: "https://x", Digest: "md5:1"}}, ReasonWorkspaceInvalid, "is not a sha256"},
		"ShortDigest":      {autov1alpha1.WorkspaceSpec{Flux: &autov1alpha1.FluxSource{URL: "https://x", Digest: "sha256:12"}}, ReasonWorkspaceInvalid, `"sha256:12" is not`},
		"NotAWebURL":       {autov1alpha1.WorkspaceSpec{Flux: &autov1alpha1.FluxSource{URL: "ftp://me:hunter2@x/y", Digest: sum}}, ReasonWorkspaceInvalid, "spec.flux.url"},
		"NoHost":           {autov1alpha1.WorkspaceSpec{Flux: &autov1alpha1.FluxSource{URL: "https:///hunter2", Digest: sum}}, ReasonWorkspaceInvalid, "names a host"},
		"NoURLAtAll":       {autov1alpha1.WorkspaceSpec{Flux: &autov1alpha1.FluxSource{URL: "https://%zz:hunter2@x", Digest: sum}}, ReasonWorkspaceInvalid, "spec.flux.url"},
		"NoValue":          {config(autov1alpha1.ConfigItem{}), ReasonWorkspaceInvalid, `"db:password" needs exactly one`},
		"TwoSources":       {config(autov1alpha1.ConfigItem{ValueFrom: &autov1alpha1.ConfigValueFrom{Env: "A", Path: "/a"}}), ReasonWorkspaceInvalid, `"db:password" needs exactly one`},
		"ValueAndFrom":     {config(autov1alpha1.ConfigItem{Value: secret, ValueFrom: &autov1alpha1.ConfigValueFrom{Env: "A"}}), ReasonWorkspaceInvalid, `"db:password" has both`},
		"KubeconfigNoName": {autov1alpha1.WorkspaceSpec{Kubeconfig: &autov1alpha1.KubeconfigSource{Type: autov1alpha1.KubeconfigSecret}}, ReasonWorkspaceInvalid, "secretRef"},
		"Unreadable":       {autov1alpha1.WorkspaceSpec{Unreadable: "resources: too large"}, ReasonWorkspaceInvalid, "cannot be read: resources"},
		"KubeconfigType":   {autov1alpha1.WorkspaceSpec{Kubeconfig: &autov1alpha1.KubeconfigSource{Type: "Magic"}}, ReasonWorkspaceInvalid, `"Magic"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			op, err := build(observed(func(o *Observed) { o.Workspace.Spec = test.spec }))
			if op != nil || err == nil {
				t.Fatalf("got %v, %v; want a failure", op, err)
			}
			if err.Reason != test.reason || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %s: %s; want %s: …%s…, and no value", err.Reason, err, test.reason, test.want)
			}
		})
	}
}

func TestKubeconfigModes(t *testing.T) {
	tests := map[string]struct {
		source *autov1alpha1.KubeconfigSource
		want   operation.Kubeconfig_Mode
	}{
		"Default":   {nil, operation.Kubeconfig_IN_CLUSTER},
		"Empty":     {&autov1alpha1.KubeconfigSource{}, operation.Kubeconfig_IN_CLUSTER},
		"InCluster": {&autov1alpha1.KubeconfigSource{Type: autov1alpha1.KubeconfigInCluster}, operation.Kubeconfig_IN_CLUSTER},
		"None":      {&autov1alpha1.KubeconfigSource{Type: autov1alpha1.KubeconfigNone}, operation.Kubeconfig_NONE},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := kubeconfigOf(test.source)
			if err != nil || got.GetMode() != test.want || got.GetFile() != "" {
				t.Errorf("got %v, %v; want mode %s", got, err, test.want)
			}
		})
	}
}
