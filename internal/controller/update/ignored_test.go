package update

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// TestEveryOptionWorksOrIsReported sets each option alone, for each type of operation.
func TestEveryOptionWorksOrIsReported(t *testing.T) {
	options := map[string]func(*autov1alpha1.UpdateSpec){
		"parallel":         func(s *autov1alpha1.UpdateSpec) { s.Parallel = ptr(int32(3)) },
		"message":          func(s *autov1alpha1.UpdateSpec) { s.Message = ptr("why") },
		"expectNoChanges":  func(s *autov1alpha1.UpdateSpec) { s.ExpectNoChanges = ptr(true) },
		"replace":          func(s *autov1alpha1.UpdateSpec) { s.Replace = []string{"urn:pulumi:dev::p::t::r"} },
		"target":           func(s *autov1alpha1.UpdateSpec) { s.Target = []string{"urn:t"} },
		"targetDependents": func(s *autov1alpha1.UpdateSpec) { s.TargetDependents = ptr(true) },
		"refresh":          func(s *autov1alpha1.UpdateSpec) { s.Refresh = ptr(true) },
		"expectNoRefreshChanges": func(s *autov1alpha1.UpdateSpec) {
			s.Refresh, s.ExpectNoRefreshChanges = ptr(s.Type != autov1alpha1.RefreshUpdate), ptr(true)
		},
		"continueOnError": func(s *autov1alpha1.UpdateSpec) { s.ContinueOnError = ptr(true) },
		"remove":          func(s *autov1alpha1.UpdateSpec) { s.Remove = ptr(true) },
		"runProgram":      func(s *autov1alpha1.UpdateSpec) { s.RunProgram = ptr(true) },
	}
	for _, kind := range []autov1alpha1.UpdateType{autov1alpha1.UpUpdate, autov1alpha1.PreviewUpdate, autov1alpha1.RefreshUpdate, autov1alpha1.DestroyUpdate} {
		plain := autov1alpha1.UpdateSpec{WorkspaceName: workspace, StackName: "dev", Type: kind}
		for field, set := range options {
			t.Run(string(kind)+"/"+field, func(t *testing.T) {
				spec := plain
				set(&spec)
				works := !proto.Equal(optionsOf(spec, nil), optionsOf(plain, nil))
				reported := ignored(spec)
				if works == (len(reported) == 1) {
					t.Errorf("it works: %v, and is reported: %q", works, reported)
				}
				if !works && !strings.HasPrefix(reported[0], "spec."+field+": only ") {
					t.Errorf("it is reported as %q", reported[0])
				}
			})
		}
		if got := ignored(plain); len(got) != 0 {
			t.Errorf("reported though not set: %q", got)
		}
	}
}

func TestIgnoredValues(t *testing.T) {
	tests := map[string]struct {
		change func(*autov1alpha1.UpdateSpec)
		want   string
	}{
		"False": {func(s *autov1alpha1.UpdateSpec) {
			s.Remove, s.RunProgram, s.Replace = ptr(false), ptr(false), []string{}
		}, ""},
		"NothingRefreshed": {func(s *autov1alpha1.UpdateSpec) { s.ExpectNoRefreshChanges = ptr(true) }, "spec.expectNoRefreshChanges: nothing is refreshed"},
		"NoLimit":          {func(s *autov1alpha1.UpdateSpec) { s.Parallel = ptr(int32(0)) }, ""},
		"NegativeParallel": {func(s *autov1alpha1.UpdateSpec) { s.Parallel = ptr(int32(-1)) }, "spec.parallel: "},
		"EmptyTTL":         {func(s *autov1alpha1.UpdateSpec) { s.TTLAfterCompleted = ptr("") }, ""},
		"TTL":              {func(s *autov1alpha1.UpdateSpec) { s.TTLAfterCompleted = ptr("90m") }, ""},
		"MalformedTTL":     {func(s *autov1alpha1.UpdateSpec) { s.TTLAfterCompleted = ptr("7d") }, `spec.ttlAfterCompleted: "7d" is no duration`},
		"NoType":           {func(s *autov1alpha1.UpdateSpec) { s.Type, s.Remove = "", ptr(true) }, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			spec := autov1alpha1.UpdateSpec{WorkspaceName: workspace, StackName: "dev", Type: autov1alpha1.UpUpdate}
			test.change(&spec)
			if got := strings.Join(ignored(spec), "; "); (got == "") != (test.want == "") || !strings.HasPrefix(got, test.want) {
				t.Errorf("got %q, want it to say %q", got, test.want)
			}
		})
	}
}

// TestIgnoredFieldsStayOnRecord: they are told of when the Update is first seen, and kept when it is over.
func TestIgnoredFieldsStayOnRecord(t *testing.T) {
	w := newWorld(t, aWorkspace(), aPod(podUID), anUpdate("u", func(u *autov1alpha1.Update) { u.Spec.Remove = ptr(true) }))
	w.reconcile("u")
	w.only("u", "Complete=False/Progressing", "Failed=False/Progressing", "FieldsIgnored=True/NoEffect",
		"Progressing=False/WorkspaceNotReady", "Ready=False/NotReadyInProgress", "Reconciling=True/WorkspaceNotReady")
	w.connect(podUID)
	w.reconcile("u")
	w.finish("u", success(nil))
	w.reconcile("u")
	w.only("u", "Complete=True/Updated", "Failed=False/UpdateSucceeded", "FieldsIgnored=True/NoEffect",
		"Progressing=False/Complete", "Ready=True/UpdateSucceeded")
	told := 0
	for _, e := range w.recorder.events {
		if strings.HasPrefix(e, "Warning FieldsIgnored spec.remove: only destroy knows it, not up") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("it was told %d times, want once: %q", told, w.recorder.events)
	}
}
