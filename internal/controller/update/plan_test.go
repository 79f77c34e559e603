package update

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/hub"
	"github.com/gantry-operator/gantry/internal/operation"
)

// after puts an Observed, which is ready to start, into another state.
type after func(*Observed)

func condition(kind, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: reason, Message: message, LastTransitionTime: metav1.NewTime(epoch())}
}

func completed(o *Observed) {
	o.Update.Status.Conditions = append(o.Update.Status.Conditions, condition("Complete", ReasonUpdated, ""))
}
func outlived(o *Observed) { ttl := "1m"; o.Update.Spec.TTLAfterCompleted = &ttl }
func foreignRun(o *Observed) {
	o.Update.Status.Conditions = []metav1.Condition{condition("Progressing", "Progressing", "")}
}
func bound(o *Observed)       { o.Update.Status.PodUID = string(podUID) }
func deleted(o *Observed)     { now := metav1.NewTime(epoch()); o.Update.DeletionTimestamp = &now }
func offered(o *Observed)     { o.State.Offered = true }
func hasResult(o *Observed)   { o.State.Offered, o.State.Result = true, success(nil) }
func hasProgress(o *Observed) { o.State.Offered, o.State.Progress = true, &operation.Progress{Done: 1} }
func podEnded(o *Observed)    { o.Connected, o.PodEnd = false, "the pod is gone" }
func away(o *Observed)        { o.Connected = false }
func retired(o *Observed)     { o.Session.Retired = true }
func badType(o *Observed)     { o.Update.Spec.Type = "sideways" }
func noWorkspace(o *Observed) { o.Workspace = nil }
func oneAhead(o *Observed)    { o.Ahead = anUpdate("first") }
func behind(o *Observed)      { o.Workspace.Generation = 2 }
func gitSource(o *Observed) {
	o.Workspace.Spec.Git = &autov1alpha1.GitSource{URL: "https://git.example/x"}
	o.Source.Revision.Digest = sum
}
func noCommit(o *Observed) { o.Source.Err = failure.NewWaiting(ReasonSourceUnavailable, "polling") }
func refused(o *Observed)  { o.Source.Err = failure.NewTerminal(reasonRefused, "access is denied") }

const reasonRefused = "SourceRefused"

func stalled(o *Observed) {
	o.Workspace.Status.Conditions = []metav1.Condition{condition("Stalled", "PodInvalid", "the pod template is bad")}
}
func outdated(o *Observed) {
	o.Workspace.Status.Conditions = []metav1.Condition{condition("Reconciling", autov1alpha1.ReasonPodOutdated, "")}
}
func podTrouble(o *Observed) {
	away(o)
	o.Workspace.Status.Conditions = []metav1.Condition{condition("Reconciling", "ImagePull", "cannot pull image x")}
}

// observed is ready to start, but for the changes.
func observed(changes ...after) Observed {
	o := Observed{
		Update: anUpdate("u"), Workspace: aWorkspace(), Connected: true,
		Session:  hub.Session{PodUID: podUID},
		Settings: Settings{CancelGrace: time.Minute, ArtifactURL: func(digest string) string { return "https://hub/" + digest }},
	}
	for _, change := range changes {
		change(&o)
	}
	return o
}

// planCase is something observed and what is planned for it.
type planCase struct {
	in      []after
	check   string
	act     Act
	reason  string
	message string
}

// planCases has a case for each check, and for each pair of checks that could both speak, which of them does.
func planCases() map[string]planCase {
	return map[string]planCase{
		"Expired":                       {[]after{completed, outlived}, "expired", Expire, "", "complete for 1m"},
		"ExpiredBeforeFinished":         {[]after{completed, outlived, bound, hasResult}, "expired", Expire, "", ""},
		"CompleteAndGoing":              {[]after{completed, outlived, deleted}, "complete", Tidy, "", ""},
		"Complete":                      {[]after{completed}, "complete", Tidy, "", ""},
		"CompleteBeforeFinished":        {[]after{completed, bound, hasResult}, "complete", Tidy, "", ""},
		"CompleteBeforePodLost":         {[]after{completed, bound, podEnded}, "complete", Tidy, "", ""},
		"Finished":                      {[]after{bound, hasResult}, "finished", Record, "", ""},
		"FinishedBeforePodLost":         {[]after{bound, hasResult, podEnded}, "finished", Record, "", ""},
		"FinishedBeforeCanceled":        {[]after{bound, hasResult, deleted}, "finished", Record, "", ""},
		"FinishedWithoutWorkspace":      {[]after{bound, hasResult, noWorkspace}, "finished", Record, "", ""},
		"Foreign":                       {[]after{foreignRun}, "foreign", End, operation.ReasonAborted, "operator was replaced"},
		"ForeignBeforeCanceled":         {[]after{foreignRun, deleted}, "foreign", End, operation.ReasonAborted, ""},
		"CanceledEarly":                 {[]after{deleted}, "canceled early", End, operation.ReasonCanceled, "before its operation started"},
		"CanceledEarlyInTheQueue":       {[]after{deleted, oneAhead, noWorkspace}, "canceled early", End, operation.ReasonCanceled, ""},
		"PodLost":                       {[]after{bound, podEnded}, "pod lost", End, operation.ReasonAborted, "the pod is gone; how far"},
		"PodLostBeforeCanceled":         {[]after{bound, hasProgress, podEnded, deleted}, "pod lost", End, operation.ReasonAborted, ""},
		"NotLostWhileItsAgentIsThere":   {[]after{bound, hasProgress, podEnded, func(o *Observed) { o.Connected = true }}, "running", Follow, ReasonProgressing, ""},
		"NeverGiven":                    {[]after{bound, deleted}, "never given", End, operation.ReasonCanceled, "was given to the pod"},
		"Canceled":                      {[]after{bound, offered, deleted}, "canceled", Cancel, ReasonProgressing, "being canceled"},
		"CanceledWhileAway":             {[]after{bound, deleted, away}, "canceled", Cancel, ReasonProgressing, "to come back"},
		"SnapshotWaits":                 {[]after{bound, hasProgress, snapshotTold}, "snapshot waits", KeepSnapshot, ReasonProgressing, ""},
		"SnapshotBeforeNotDelivered":    {[]after{bound, offered, snapshotTold}, "snapshot waits", KeepSnapshot, ReasonProgressing, ""},
		"FinishedBeforeSnapshot":        {[]after{bound, hasResult, snapshotTold}, "finished", Record, "", ""},
		"CanceledBeforeSnapshot":        {[]after{bound, offered, deleted, snapshotTold}, "canceled", Cancel, ReasonProgressing, ""},
		"SnapshotOfAPodThatIsAway":      {[]after{bound, hasProgress, snapshotTold, away}, "running", Follow, ReasonProgressing, "to come back"},
		"NotDelivered":                  {[]after{bound}, "not delivered", Resume, ReasonProgressing, "is starting"},
		"NotDeliveredYet":               {[]after{bound, offered}, "not delivered", Resume, ReasonProgressing, ""},
		"NotDeliveredIsNotQueued":       {[]after{bound, oneAhead, stalled, behind}, "not delivered", Resume, ReasonProgressing, ""},
		"Running":                       {[]after{bound, hasProgress}, "running", Follow, ReasonProgressing, "1 resource done"},
		"RunningWhileAway":              {[]after{bound, hasProgress, away}, "running", Follow, ReasonProgressing, "to come back"},
		"RunningInAnotherSpec":          {[]after{bound, gitSource, func(o *Observed) { o.Source = Source{} }}, "running", Follow, ReasonProgressing, ""},
		"RunningThoughRetired":          {[]after{bound, hasProgress, retired}, "running", Follow, ReasonProgressing, ""},
		"SpecInvalid":                   {[]after{badType}, "spec invalid", End, ReasonInvalidSpec, `"sideways"`},
		"SpecInvalidBeforeMissing":      {[]after{badType, noWorkspace, oneAhead}, "spec invalid", End, ReasonInvalidSpec, ""},
		"WorkspaceMissing":              {[]after{noWorkspace}, "workspace missing", Wait, ReasonWorkspaceNotFound, "does not exist"},
		"WorkspaceGoing":                {[]after{func(o *Observed) { now := metav1.NewTime(epoch()); o.Workspace.DeletionTimestamp = &now }}, "workspace missing", Wait, ReasonWorkspaceNotFound, "being deleted"},
		"MissingBeforeQueued":           {[]after{noWorkspace, oneAhead, away}, "workspace missing", Wait, ReasonWorkspaceNotFound, ""},
		"Queued":                        {[]after{oneAhead}, "queued", Wait, ReasonQueued, `"first", which is first in the queue`},
		"QueuedBehindARun":              {[]after{oneAhead, func(o *Observed) { o.Ahead.Status.PodUID = "x" }}, "queued", Wait, ReasonQueued, `"first", which runs in`},
		"QueuedBeforeStalled":           {[]after{oneAhead, stalled, away}, "queued", Wait, ReasonQueued, ""},
		"WorkspaceStalled":              {[]after{stalled}, "workspace stalled", Wait, ReasonWorkspaceStalled, "(PodInvalid): the pod template is bad"},
		"StalledBeforeNotConnected":     {[]after{stalled, away}, "workspace stalled", Wait, ReasonWorkspaceStalled, ""},
		"BehindIsNotStalled":            {[]after{behind, stalled}, "workspace behind", Wait, ReasonWorkspaceNotReady, "new spec"},
		"BehindBeforeReady":             {[]after{behind}, "workspace behind", Wait, ReasonWorkspaceNotReady, ""},
		"PodOutdated":                   {[]after{outdated}, "pod outdated", Wait, ReasonWorkspaceNotReady, "to be replaced"},
		"PodOutdatedBeforeNotConnected": {[]after{outdated, away}, "pod outdated", Wait, ReasonWorkspaceNotReady, ""},
		"RunningInAnOutdatedPod":        {[]after{outdated, bound, hasProgress}, "running", Follow, ReasonProgressing, ""},
		"NotConnected":                  {[]after{away}, "not connected", Wait, ReasonWorkspaceNotReady, "waiting for the pod demo-workspace-0"},
		"NotConnectedAndWhy":            {[]after{podTrouble}, "not connected", Wait, ReasonWorkspaceNotReady, "cannot pull image x"},
		"Retired":                       {[]after{retired}, "not connected", Wait, ReasonWorkspaceNotReady, ""},
		"Ready":                         {nil, "ready", Start, ReasonProgressing, "starting in the pod demo-workspace-0"},
		"SourceMissing":                 {[]after{gitSource, noCommit}, "source missing", Wait, ReasonSourceUnavailable, "polling"},
		"SourceMissingBeforeConnected":  {[]after{gitSource, noCommit, away}, "source missing", Wait, ReasonSourceUnavailable, "polling"},
		"SourceRefused":                 {[]after{gitSource, refused}, "source missing", Wait, reasonRefused, "access is denied"},
		"StalledBeforeSourceMissing":    {[]after{gitSource, noCommit, stalled}, "workspace stalled", Wait, ReasonWorkspaceStalled, ""},
		"ReadyFromGit":                  {[]after{gitSource}, "ready", Start, ReasonProgressing, ""},
	}
}

func TestPlan(t *testing.T) {
	seen := map[string]bool{}
	for name, test := range planCases() {
		t.Run(name, func(t *testing.T) {
			step := Plan(observed(test.in...), epoch().Add(time.Hour))
			if step.Check != test.check || step.Act != test.act || step.Reason != test.reason {
				t.Errorf("got check %q, act %d, reason %q; want %q, %d, %q", step.Check, step.Act, step.Reason, test.check, test.act, test.reason)
			}
			if !strings.Contains(step.Message, test.message) {
				t.Errorf("message %q, want it to say %q", step.Message, test.message)
			}
			if gives := step.Operation != nil; gives != (step.Act == Start || step.Act == Resume) {
				t.Errorf("act %d comes with an operation: %v", step.Act, gives)
			}
			if step.Stalled != (test.reason == ReasonWorkspaceStalled || test.reason == reasonRefused) {
				t.Errorf("stalled is %v with the reason %s", step.Stalled, test.reason)
			}
		})
		seen[test.check] = true
	}
	for _, c := range checks() {
		if !seen[c.name] {
			t.Errorf("the check %q has no case", c.name)
		}
	}
}

func TestOrderOfChecks(t *testing.T) {
	var got []string
	for _, c := range checks() {
		got = append(got, c.name)
	}
	want := []string{
		"expired", "complete", "finished", "foreign", "canceled early", "pod lost", "never given", "canceled", "snapshot waits", "not delivered",
		"running", "spec invalid", "workspace missing", "queued", "workspace stalled", "workspace behind", "pod outdated", "source missing", "not connected", "ready",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the order is the policy (-want +got):\n%s", diff)
	}
}

func TestAhead(t *testing.T) {
	at := func(second int) func(*autov1alpha1.Update) {
		return func(u *autov1alpha1.Update) {
			u.CreationTimestamp = metav1.NewTime(epoch().Add(time.Duration(second) * time.Second))
		}
	}
	running := func(u *autov1alpha1.Update) { u.Status.PodUID = "x" }
	going := func(u *autov1alpha1.Update) { now := metav1.NewTime(epoch()); u.DeletionTimestamp = &now }
	tests := map[string]struct {
		others []*autov1alpha1.Update
		want   string
	}{
		"Alone":              {nil, ""},
		"Itself":             {[]*autov1alpha1.Update{anUpdate("me", at(5))}, ""},
		"Younger":            {[]*autov1alpha1.Update{anUpdate("x", at(6))}, ""},
		"YoungerButRunning":  {[]*autov1alpha1.Update{anUpdate("x", at(6), running)}, "x"},
		"Older":              {[]*autov1alpha1.Update{anUpdate("b", at(4)), anUpdate("a", at(3)), anUpdate("c", at(4))}, "a"},
		"OlderAndRunning":    {[]*autov1alpha1.Update{anUpdate("a", at(3)), anUpdate("b", at(4), running)}, "b"},
		"SameSecondByName":   {[]*autov1alpha1.Update{anUpdate("aa", at(5)), anUpdate("zz", at(5))}, "aa"},
		"OlderButGoing":      {[]*autov1alpha1.Update{anUpdate("a", at(3), going)}, ""},
		"RunningThoughGoing": {[]*autov1alpha1.Update{anUpdate("a", at(3), going, running)}, "a"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var all []autov1alpha1.Update
			for _, other := range test.others {
				all = append(all, *other)
			}
			got := ""
			if first := aheadOf(anUpdate("me", at(5)), all); first != nil {
				got = first.Name
			}
			if got != test.want {
				t.Errorf("ahead is %q, want %q", got, test.want)
			}
		})
	}
}
