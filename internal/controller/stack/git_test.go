package stack

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/kube"
	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/git"
	"github.com/gantry-operator/gantry/internal/source/git/gittest"
)

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	digestC = "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
	commitA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	commitB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	commitC = "cccccccccccccccccccccccccccccccccccccccc"
)

// has makes the repository be at a commit, with an archive of the digest in the store.
func (c *cluster) has(commit, digest, content string) {
	host := c.git()
	host.Revision, host.Err = source.Revision{Revision: commit, Digest: digest, Content: content}, nil
	c.r.Artifacts.(archives)[digest] = []byte(commit)
}

func (c *cluster) git() *gittest.Double { return c.r.Git.(*gittest.Double) }

// asked is what the Stack follows.
func (c *cluster) asked() *git.Request {
	if request, ok := c.git().Followed[consumer(key)]; ok {
		return &request
	}
	return nil
}

// fromGit makes a Stack follow the branch main of a repository.
func fromGit(changes ...func(*pulumiv1.Stack)) *pulumiv1.Stack {
	return demo(append([]func(*pulumiv1.Stack){func(s *pulumiv1.Stack) {
		s.Spec = pulumiv1.StackSpec{Stack: "dev", GitSource: pulumiv1.GitSource{ProjectRepo: "https://git.example/x.git", Branch: "main", RepoDir: "infra"}}
	}}, changes...)...)
}

// ran is a cluster with a Stack that ran commit A.
func ran(t *testing.T, changes ...func(*pulumiv1.Stack)) *cluster {
	t.Helper()
	c := newCluster(t, fromGit(changes...))
	c.has(commitA, digestA, "tree-a")
	c.reconcile()
	c.finish("", nil)
	c.reconcile()
	if got := c.state(); got != "Ready=True/ProcessingCompleted " {
		t.Fatalf("after the first update: %s", got)
	}
	return c
}

func (c *cluster) count(want int, why string) {
	c.t.Helper()
	if got := len(c.updates()); got != want {
		c.t.Fatalf("%s: %d Updates, want %d", why, got, want)
	}
}

func (c *cluster) says(kind string) string {
	c.t.Helper()
	if condition := apimeta.FindStatusCondition(c.stack().Status.Conditions, kind); condition != nil {
		return condition.Reason + ": " + condition.Message
	}
	return ""
}

// What ran last is told to the tracker, which a restart makes forget everything.
func TestGitTellsWhatRanLast(t *testing.T) {
	c := ran(t)
	want := source.Revision{Revision: commitA, Digest: digestA}
	if diff := cmp.Diff(want, c.asked().Last); diff != "" {
		t.Errorf("of what ran last it is told (-want +got):\n%s", diff)
	}
	c.edit(func(s *pulumiv1.Stack) { s.Spec.Branch = "other" })
	c.reconcile()
	if last := c.asked().Last; last != (source.Revision{}) {
		t.Errorf("of another branch it is told %v", last)
	}
}

func TestGitFollowsABranch(t *testing.T) {
	c := newCluster(t, fromGit(func(s *pulumiv1.Stack) { s.Spec.ResyncFrequencySeconds = 90 }))
	c.git().Err = failure.NewWaiting(pulumiv1.ReasonStackProcessing, "fetching commit aaaa")
	c.reconcile()
	c.count(0, "nothing is fetched yet")
	if got := c.says("Reconciling"); got != "StackProcessing: fetching commit aaaa" {
		t.Errorf("meanwhile: %s", got)
	}
	want := &git.Request{Ref: "main", Every: 90 * time.Second}
	want.Remote.URL, want.Selection.Submodules = "https://git.example/x.git", true
	if diff := cmp.Diff(want, c.asked()); diff != "" {
		t.Errorf("what is asked for (-want +got):\n%s", diff)
	}

	c.has(commitA, digestA, "tree-a")
	c.reconcile()
	c.count(1, "the first commit")
	workspace := &autov1alpha1.Workspace{}
	if err := c.client.Get(t.Context(), key, workspace); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&autov1alpha1.FluxSource{Digest: digestA, URL: "https://hub/artifacts/" + digestA, Dir: "infra"}, workspace.Spec.Flux); diff != "" {
		t.Errorf("the Workspace's artifact (-want +got):\n%s", diff)
	}
	c.finish("", nil)
	c.reconcile()
	if last := c.stack().Status.LastUpdate; last.LastSuccessfulCommit != commitA || last.Source == nil || last.Source.Digest != digestA {
		t.Errorf("the record: %+v", last)
	}

	c.has(commitB, digestB, "tree-b")
	c.reconcile()
	c.count(2, "a new commit")
	c.finish("", nil)
	c.reconcile()
	c.reconcile()
	c.count(2, "no new commit")
	if got := c.stack().Status; got.LastUpdate.LastSuccessfulCommit != commitB || got.Source == nil || got.Source.Digest != digestB || got.Source.Dir != "infra" {
		t.Errorf("the record: %+v, kept: %+v", got.LastUpdate, got.Source)
	}
}

func TestGitCommitIsNotPolled(t *testing.T) {
	for name, spec := range map[string]pulumiv1.GitSource{"Commit": {Commit: commitA}, "Branch": {Branch: commitA}} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, fromGit(func(s *pulumiv1.Stack) {
				spec.ProjectRepo = "git@git.example:x.git"
				s.Spec.GitSource = spec
			}))
			c.has(commitA, digestA, "tree-a")
			c.reconcile()
			if asked := c.asked(); asked.Commit != commitA || asked.Ref != "" {
				t.Errorf("asked for %+v", asked)
			}
		})
	}
}

// A manager that has just started, or a host that is away, is no reason to call a stack anything but ready.
func TestGitAwayKeepsAStackReady(t *testing.T) {
	c := ran(t)
	c.git().Err = failure.NewWaiting(pulumiv1.ReasonStackProcessing, "polling")
	c.reconcile()
	if got := c.state(); got != "Ready=True/ProcessingCompleted " {
		t.Errorf("while it is polled first: %s", got)
	}
	c.git().Err = failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "the host git.example is away")
	c.reconcile()
	if got := c.says(pulumiv1.ConditionTypeSourceStale); c.state() != "Ready=True/ProcessingCompleted SourceStale=True/SourceUnavailable " || !strings.Contains(got, "git.example is away") {
		t.Errorf("while the host is away: %s(%s)", c.state(), got)
	}
	c.git().Err = git.NewStale(false, errors.New("still away"))
	c.reconcile()
	if got := c.says(pulumiv1.ConditionTypeSourceStale); got != "SourceUnavailable: still away" {
		t.Errorf("while the host is away again: %s", got)
	}
	c.count(1, "nothing is new")

	c.edit(func(s *pulumiv1.Stack) { s.Generation, s.Spec.Refresh = 2, true })
	c.reconcile()
	c.count(2, "a new spec runs with what is known")
	c.has(commitA, digestA, "tree-a")
	c.finish("", nil)
	c.reconcile()
	if got := c.state(); got != "Ready=True/ProcessingCompleted " {
		t.Errorf("when the host is back: %s", got)
	}
}

// Another branch is not what ran before: nothing stands in for it.
func TestGitAwayWithANewBranchWaits(t *testing.T) {
	c := ran(t)
	c.git().Err = failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "the host is away")
	c.edit(func(s *pulumiv1.Stack) { s.Generation, s.Spec.Branch = 2, "other" })
	c.reconcile()
	c.count(1, "the old branch is not run for the new one")
	if got := c.says("Reconciling"); got != "SourceUnavailable: the host is away" {
		t.Errorf("meanwhile: %s", got)
	}
}

// A request to reconcile first looks for a new commit, and makes one update of both.
func TestGitIsPolledForARequest(t *testing.T) {
	c := ran(t)
	c.git().Err = git.NewStale(true, errors.New("polling"))
	c.edit(func(s *pulumiv1.Stack) {
		s.Annotations = map[string]string{pulumiv1.AnnotationReconciliationRequest: "now"}
	})
	c.reconcile()
	c.count(1, "somebody is looking")
	if asked := c.asked(); asked.Token != "now" {
		t.Errorf("asked for %+v", asked)
	}
	c.has(commitB, digestB, "tree-b")
	c.reconcile()
	c.finish("", nil)
	c.reconcile()
	c.count(2, "one update for both")
	if asked := c.asked(); asked.Token != "" {
		t.Errorf("after it the token is still %q", asked.Token)
	}
}

// An Update that waits for its pod is of a newer commit than the last one; a manager that starts anew must not take it for
// outdated.
func TestGitAwayKeepsTheUpdateThatWaits(t *testing.T) {
	c := ran(t)
	c.has(commitB, digestB, "tree-b")
	c.reconcile()
	c.git().Err = failure.NewWaiting(pulumiv1.ReasonStackProcessing, "polling")
	c.reconcile()
	c.count(2, "the Update of commit B stays")
	c.has(commitC, digestC, "tree-c")
	c.reconcile()
	if got := c.stack().Status.CurrentUpdate; got == nil || got.Commit != commitC {
		t.Errorf("a newer commit takes its place, but current is %+v", got)
	}
}

func TestGitRunsOnlyWhatChanged(t *testing.T) {
	c := ran(t, func(s *pulumiv1.Stack) { s.Spec.RepoPaths = []string{"lib"} })
	if got := c.asked().Selection.Paths; !slices.Equal(got, []string{"lib", "infra"}) {
		t.Errorf("paths: %v", got)
	}
	c.has(commitB, digestA, "tree-a")
	c.reconcile()
	c.count(1, "a commit that changes nothing of it")
	last := c.stack().Status.LastUpdate
	if last.LastSuccessfulCommit != commitB || last.LastAttemptedCommit != commitB || last.Source.Revision != commitA {
		t.Errorf("the record: %+v of %+v", last, last.Source)
	}
	if got := c.says("Ready"); !strings.Contains(got, commitB+" changes nothing of what it needs since "+commitA) {
		t.Errorf("it says %q", got)
	}
	if told := c.told(pulumiv1.EventStackSourceUnchanged); len(told) != 1 || !strings.Contains(told[0], commitB) {
		t.Errorf("events: %v", told)
	}
	c.has(commitC, digestC, "tree-c")
	c.reconcile()
	c.count(2, "a commit that changes something of it")
}

// After a failure, a commit that changes nothing is no reason to try again at once, nor to begin counting anew.
func TestGitCommitThatChangesNothingDoesNotRevive(t *testing.T) {
	c := newCluster(t, fromGit(func(s *pulumiv1.Stack) { s.Spec.RepoPaths = []string{"infra"} }))
	c.has(commitA, digestA, "tree-a")
	c.reconcile()
	c.finish("no", nil)
	c.reconcile()
	c.has(commitB, digestA, "tree-a")
	c.reconcile()
	c.count(1, "the backoff goes on")
	if last := c.stack().Status.LastUpdate; last.LastAttemptedCommit != commitB || last.LastSuccessfulCommit != "" || last.Attempts != 1 {
		t.Errorf("the record: %+v", last)
	}
}

func TestGitDestroysWithWhatWasApplied(t *testing.T) {
	gone := failure.NewTerminal(pulumiv1.ReasonSourceUnavailable, "access is denied")
	cases := map[string]struct {
		lost      bool
		digest    string
		project   bool
		following bool
	}{
		"Kept": {digest: digestA},
		"Lost": {lost: true, project: true, following: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := ran(t, func(s *pulumiv1.Stack) { s.Spec.DestroyOnFinalize = true })
			c.has(commitB, digestB, "tree-b")
			c.git().Err = gone
			if tc.lost {
				clear(c.r.Artifacts.(archives))
			}
			if err := c.client.Delete(t.Context(), c.stack()); err != nil {
				t.Fatal(err)
			}
			c.edit(func(s *pulumiv1.Stack) { s.Generation = 2 })
			c.reconcile()
			workspace := &autov1alpha1.Workspace{}
			if err := c.client.Get(t.Context(), key, workspace); err != nil {
				t.Fatal(err)
			}
			flux := workspace.Spec.Flux
			if (flux != nil && flux.Digest != tc.digest) || (flux == nil) != tc.project || (workspace.Spec.ProjectInfo != nil) != tc.project {
				t.Errorf("the destroy runs with flux %v, project %v", flux, workspace.Spec.ProjectInfo)
			}
			if (c.asked() != nil) != tc.following {
				t.Errorf("follows %v", c.asked())
			}
			c.finish("", nil)
			for range 3 {
				_, _ = c.once()
			}
			if err := c.client.Get(t.Context(), key, &pulumiv1.Stack{}); err == nil || c.asked() != nil {
				t.Errorf("the Stack is still there (%v), or follows %v", err, c.asked())
			}
		})
	}
}

func TestGitSpecThatCannotWork(t *testing.T) {
	cases := map[string]struct {
		spec pulumiv1.GitSource
		want []string
	}{
		"NoRepo":      {pulumiv1.GitSource{Branch: "main"}, []string{`missing "projectRepo"`}},
		"NoRef":       {pulumiv1.GitSource{ProjectRepo: "https://h/x"}, []string{`missing "commit" or "branch"`}},
		"TwoRefs":     {pulumiv1.GitSource{ProjectRepo: "https://h/x", Branch: "main", Commit: commitA}, []string{`only one of "commit" or "branch"`}},
		"OnlyShallow": {pulumiv1.GitSource{Shallow: true}, []string{"projectRepo", "commit"}},
		"Option":      {pulumiv1.GitSource{ProjectRepo: "https://h/x", Branch: "--upload-pack=x"}, []string{"spec.branch: "}},
		"Up":          {pulumiv1.GitSource{ProjectRepo: "https://h/x", Branch: "main", RepoDir: "../x"}, []string{"spec.repoDir: ", "leads out"}},
		"UpLater":     {pulumiv1.GitSource{ProjectRepo: "https://h/x", Branch: "main", RepoPaths: []string{"a", "a/../../x"}}, []string{"spec.repoPaths[1]: ", "leads out"}},
		"All":         {pulumiv1.GitSource{ProjectRepo: "https://h/x", Branch: "main", RepoPaths: []string{"./"}}, []string{"spec.repoPaths[0]: ", "whole repository"}},
		"EmptyAuth":   {pulumiv1.GitSource{ProjectRepo: "https://h/x", Branch: "main", GitAuth: &pulumiv1.GitAuthConfig{}}, []string{"spec.gitAuth: is empty"}},
		"EnvAuth": {pulumiv1.GitSource{ProjectRepo: "https://h/x", Branch: "main", GitAuth: &pulumiv1.GitAuthConfig{
			PersonalAccessToken: &pulumiv1.ResourceRef{SelectorType: pulumiv1.ResourceRefEnv}}}, []string{"spec.gitAuth.accessToken: ", `"Env" is deprecated`}},
		"OtherNamespace": {pulumiv1.GitSource{ProjectRepo: "https://h/x", Branch: "main", GitAuth: &pulumiv1.GitAuthConfig{
			BasicAuth: &pulumiv1.BasicAuth{UserName: in("x", "u", "k"), Password: in("", "u", "k")}}}, []string{"spec.gitAuth.basicAuth.userName: ", "cross-namespace"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, fromGit(func(s *pulumiv1.Stack) { s.Spec.GitSource = tc.spec }))
			c.reconcile()
			got := c.says("Stalled")
			if !strings.HasPrefix(got, "SpecInvalid: ") {
				t.Errorf("Stalled: %s", got)
			}
			for _, words := range tc.want {
				if !strings.Contains(got, words) {
					t.Errorf("Stalled: %s; want %q in it", got, words)
				}
			}
			if c.asked() != nil {
				t.Errorf("something was asked for: %+v", c.asked())
			}
		})
	}
}

func in(namespace, name, key string) pulumiv1.ResourceRef {
	return pulumiv1.ResourceRef{SelectorType: pulumiv1.ResourceRefSecret, SecretRef: &pulumiv1.SecretSelector{Namespace: namespace, Name: name, Key: key}}
}

// A Secret that comes, or changes, is noticed, and is no reason to run.
func TestGitCredentials(t *testing.T) {
	c := newCluster(t, fromGit(func(s *pulumiv1.Stack) { s.Spec.GitAuthSecret = "host" }))
	c.has(commitA, digestA, "tree-a")
	c.reconcile()
	if got := c.says("Reconciling"); !strings.HasPrefix(got, `SourceUnavailable: spec.gitAuthSecret: the Secret "host" is not there`) {
		t.Errorf("without the Secret: %s", got)
	}
	if held := c.r.Inputs.(*inputsDouble).held[key]; len(held) != 1 || held[0].Name != "host" || held[0].Required {
		t.Errorf("watched: %+v", held)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "host"}, Data: map[string][]byte{"accessToken": []byte("one\n")}}
	if err := c.client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	c.reconcile()
	if got := c.asked().Remote.Credential; got.Username != "git" || got.Password != "one" {
		t.Error("the token is not the credential")
	}
	c.finish("", nil)
	c.reconcile()
	secret.Data["accessToken"] = []byte("two")
	if err := c.client.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	c.reconcile()
	if got := c.asked().Remote.Credential.Password; got != "two" {
		t.Error("the new token is not the credential")
	}
	c.count(1, "a new token is no reason to run")
	if inputs := slices.Collect(maps.Keys(c.stack().Status.LastUpdate.Inputs)); len(inputs) != 0 {
		t.Errorf("inputs on record: %v", inputs)
	}
}

// What PKO ran last is not run again, and is what a destroy runs with.
func TestGitAdoptsWhatPKORan(t *testing.T) {
	c := newCluster(t, fromGit(func(s *pulumiv1.Stack) {
		s.Status.LastUpdate = &pulumiv1.LastUpdate{
			Generation: 1, Name: "demo-1", Type: autov1alpha1.UpUpdate, State: pulumiv1.SucceededStackState,
			LastAttemptedCommit: commitA, LastSuccessfulCommit: commitA, LastResyncTime: metav1.NewTime(noon),
		}
	}))
	c.has(commitA, digestA, "tree-a")
	c.reconcile()
	c.count(0, "the commit ran before")
	if status := c.stack().Status; status.Source == nil || status.Source.Digest != digestA || status.LastUpdate.Source == nil {
		t.Errorf("kept: %+v, record: %+v", status.Source, status.LastUpdate)
	}
}

// The repository that PKO had the pod fetch leaves the Workspace with the first update of Gantry's.
func TestGitTakesOverTheWorkspace(t *testing.T) {
	c := newCluster(t, fromGit())
	workspace := &autov1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, OwnerReferences: []metav1.OwnerReference{ownerReference(fromGit(), true)}},
		Spec:       autov1alpha1.WorkspaceSpec{Git: &autov1alpha1.GitSource{URL: "https://git.example/x.git", Ref: commitA, Dir: "infra"}},
	}
	if err := kube.Apply(t.Context(), c.client, workspace, kube.ManagerObjects); err != nil {
		t.Fatal(err)
	}
	c.has(commitB, digestB, "tree-b")
	c.reconcile()
	c.count(1, "the first update")
	if err := c.client.Get(t.Context(), key, workspace); err != nil {
		t.Fatal(err)
	}
	if workspace.Spec.Git != nil || workspace.Spec.Flux == nil || workspace.Spec.Flux.Digest != digestB {
		t.Errorf("git is %v, the archive %v", workspace.Spec.Git, workspace.Spec.Flux)
	}
}

// A manager that lost its disk fetches what a pod may be waiting for, and not something newer.
func TestGitRestoresWhatRuns(t *testing.T) {
	c := newCluster(t, fromGit())
	c.has(commitA, digestA, "tree-a")
	c.reconcile()
	update := c.updates()[0]
	update.Status.PodUID = "pod"
	if err := c.client.Status().Update(t.Context(), &update); err != nil {
		t.Fatal(err)
	}
	c.has(commitB, digestB, "tree-b")
	c.reconcile()
	if asked := c.asked(); asked.Ref != "main" || asked.Commit != "" {
		t.Errorf("with the archive there it asks for %+v", asked)
	}
	clear(c.r.Artifacts.(archives))
	c.reconcile()
	if asked := c.asked(); asked.Ref != "" || asked.Commit != commitA {
		t.Errorf("without the archive it asks for %+v", asked)
	}
	c.has(commitA, digestA, "tree-a")
	c.finish("", nil)
	c.reconcile()
	if asked := c.asked(); asked.Ref != "main" {
		t.Errorf("after the operation it asks for %+v", asked)
	}
}
