package workspace

import (
	"context"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

func rawJSON(text string) *apiextensionsv1.JSON { return &apiextensionsv1.JSON{Raw: []byte(text)} }

func TestClaimChanged(t *testing.T) {
	cases := map[string]struct {
		change func(u *autov1alpha1.Update)
		want   bool
	}{
		"Progress":  {func(u *autov1alpha1.Update) { u.Status.Progress = &autov1alpha1.UpdateProgress{Done: 3} }, false},
		"Message":   {func(u *autov1alpha1.Update) { u.Status.Message = "3 done" }, false},
		"Given":     {func(u *autov1alpha1.Update) { u.Status.PodUID = "pod-1" }, true},
		"Complete":  {func(u *autov1alpha1.Update) { complete(u, start().Add(time.Second)) }, true},
		"Deleted":   {func(u *autov1alpha1.Update) { deleted(u) }, true},
		"Workspace": {func(u *autov1alpha1.Update) { u.Spec.WorkspaceName = "another" }, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			is := update("a", "")
			tc.change(is)
			if got := claimChanged().Update(event.UpdateEvent{ObjectOld: update("a", ""), ObjectNew: is}); got != tc.want {
				t.Errorf("passes: %v, want %v", got, tc.want)
			}
		})
	}
	if !claimChanged().Create(event.CreateEvent{Object: update("a", "")}) || !claimChanged().Delete(event.DeleteEvent{Object: update("a", "")}) {
		t.Error("creation and deletion must pass")
	}
}

func TestWorkspaceOf(t *testing.T) {
	got := workspaceOf(context.Background(), update("a", ""))
	if len(got) != 1 || got[0].String() != "team/demo" {
		t.Errorf("%v", got)
	}
	lone := update("a", "")
	lone.Spec.WorkspaceName = ""
	if got := workspaceOf(context.Background(), lone); len(got) != 0 {
		t.Errorf("an Update of no Workspace wakes %v", got)
	}
}
