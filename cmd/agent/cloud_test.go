package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/test/doubles/pulumicloud"
)

// onCloud is a pod whose stacks are in a double of Pulumi Cloud, with the provider for tests.
func onCloud(t *testing.T, env ...string) (*pod, *pulumicloud.Running) {
	t.Helper()
	dir := realCLI(t)
	cloud := pulumicloud.Start(t, "acme")
	return newPod(t, dir+":"+filepath.Join(dir, "doubles"), append(cloud.Env(), env...)...), cloud
}

// needsProvider skips a test where the provider for tests is not built.
func needsProvider(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("../../bin/doubles/pulumi-resource-testing"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the provider for tests is not built: %v", err)
		}
		t.Skipf("NOT TESTED: the provider for tests is not built (%v); run make tools", err)
	}
}

// fails wants an operation to fail for a reason, in words.
func fails(t *testing.T, result *operation.Result, reason string, words ...string) {
	t.Helper()
	if result.GetOutcome() != operation.Outcome_FAILED || result.GetReason() != reason {
		t.Errorf("outcome %v, reason %s, want %s: %s", result.GetOutcome(), result.GetReason(), reason, result.GetMessage())
	}
	for _, word := range words {
		if !strings.Contains(result.GetMessage(), word) {
			t.Errorf("the message lacks %q: %s", word, result.GetMessage())
		}
	}
}

func ofType(kind operation.Type) func(*operation.Operation) {
	return func(op *operation.Operation) { op.Type = kind }
}

func TestPermalinks(t *testing.T) {
	p, _ := onCloud(t)
	source := p.store.put(t, yaml("outputs: {a: 1}\n"), "")
	for i, tc := range []struct {
		kind operation.Type
		want string
	}{
		{operation.Type_UP, "/updates/1"}, {operation.Type_PREVIEW, "/previews/"},
		{operation.Type_REFRESH, "/updates/2"}, {operation.Type_DESTROY, "/updates/3"},
	} {
		uid := strings.Repeat("x", i+1)
		result := p.hub.run(up(uid, source, on("acme/demo/dev"), ofType(tc.kind)))
		wantSuccess(t, result)
		want := "http://" + pulumicloud.Console + "/acme/demo/dev" + tc.want
		if !strings.HasPrefix(result.GetPermalink(), want) {
			t.Errorf("the permalink of %v is %q, want %s", tc.kind, result.GetPermalink(), want)
		}
	}
}

func TestStackNamesOnPulumiCloud(t *testing.T) {
	p, cloud := onCloud(t)
	source := p.store.put(t, yaml("outputs: {stack: \"${pulumi.stack}\", project: \"${pulumi.project}\"}\n"), "")
	for _, tc := range []struct{ name, permalink string }{
		{"short", "/acme/demo/short/"}, {"acme/owned", "/acme/demo/owned/"}, {"acme/demo/full", "/acme/demo/full/"},
		{pulumicloud.User + "/mine", "/" + pulumicloud.User + "/demo/mine/"},
	} {
		result := p.hub.run(up(strings.ReplaceAll(tc.name, "/", "."), source, on(tc.name)))
		wantSuccess(t, result)
		want := map[string]any{"stack": tc.name[strings.LastIndex(tc.name, "/")+1:], "project": "demo"}
		if diff := cmp.Diff(want, values(t, result)); diff != "" {
			t.Errorf("%s: outputs (-want +got):\n%s", tc.name, diff)
		}
		if !strings.Contains(result.GetPermalink(), tc.permalink) {
			t.Errorf("%s: the permalink is %s", tc.name, result.GetPermalink())
		}
	}
	// A project that is not the program's is somebody's mistake; an organization that is not the user's too.
	fails(t, p.hub.run(up("other", source, on("acme/another/dev"))), operation.ReasonInitializationFailed, "another")
	fails(t, p.hub.run(up("foreign", source, on("stranger/demo/dev"))), operation.ReasonInitializationFailed, "not a member of the organization 'stranger'")
	if strings.Contains(cloud.Kept(), "stranger") {
		t.Error("a stack was made in an organization that is not the user's")
	}
}

func TestAStackThatSomebodyElseUpdatesIsAConflict(t *testing.T) {
	p, cloud := onCloud(t)
	source := p.store.put(t, yaml("outputs: {a: 1}\n"), "")
	wantSuccess(t, p.hub.run(up("one", source, on("acme/demo/dev"))))
	release := cloud.Hold("acme/demo/dev")
	for _, kind := range []operation.Type{operation.Type_UP, operation.Type_REFRESH, operation.Type_DESTROY} {
		fails(t, p.hub.run(up(kind.String(), source, on("acme/demo/dev"), ofType(kind))), operation.ReasonConflict,
			"[409] Conflict: Another update is currently in progress.")
	}
	release()
	wantSuccess(t, p.hub.run(up("two", source, on("acme/demo/dev"))))
}

func TestAStateThatCannotBeSavedIsAFailure(t *testing.T) {
	p, cloud := onCloud(t)
	wantSuccess(t, p.hub.run(up("one", p.store.put(t, yaml("outputs: {a: 1}\n"), ""), on("acme/demo/dev"))))
	if err := cloud.Inject(pulumicloud.Forbidden(pulumicloud.OnCheckpoint)); err != nil {
		t.Fatal(err)
	}
	// Nothing but the stack's outputs is left to save, and the CLI ends with 0.
	source := p.store.put(t, yaml("outputs: {a: 2}\n"), "")
	fails(t, p.hub.run(up("two", source, on("acme/demo/dev"))), operation.ReasonFailed, "failed to save snapshot: [403]")
	cloud.Heal()
	result := p.hub.run(up("three", source, on("acme/demo/dev")))
	wantSuccess(t, result)
	if diff := cmp.Diff(map[string]any{"a": 2.0}, values(t, result)); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

func TestALeaseThatIsLostInTheMiddle(t *testing.T) {
	needsProvider(t)
	p, cloud := onCloud(t)
	source := p.store.put(t, yaml(`resources:
  quick: {type: testing:Echo, properties: {value: 1}}
  slow: {type: testing:Sleep, properties: {seconds: 2, label: slow}, options: {dependsOn: ["${quick}"]}}
  never: {type: testing:Echo, properties: {value: 2}, options: {dependsOn: ["${slow}"]}}
`), "")
	p.hub.offer(up("one", source, on("acme/demo/dev")))
	p.hub.wait("make the slow resource", func() bool {
		n := len(p.hub.progress)
		return n > 0 && strings.HasSuffix(p.hub.progress[n-1].GetStep(), "testing:index:Sleep slow")
	})
	p.hub.mu.Lock()
	progress := p.hub.progress[len(p.hub.progress)-1]
	p.hub.mu.Unlock()
	if want := "http://" + pulumicloud.Console + "/acme/demo/dev/updates/1"; progress.GetPermalink() != want {
		t.Errorf("while it runs the permalink is %q, want %s", progress.GetPermalink(), want)
	}
	if !cloud.LoseLease("acme/demo/dev") {
		t.Fatal("nobody held the stack")
	}
	result := p.hub.result("one")
	if result.GetOutcome() != operation.Outcome_FAILED {
		t.Errorf("the outcome is %v: %s", result.GetOutcome(), result.GetMessage())
	}
	for _, want := range []string{"Sleep::slow", "failed to save snapshot: [403] The provided update token has expired."} {
		if !strings.Contains(result.GetMessage(), want) {
			t.Errorf("the message lacks %q: %s", want, result.GetMessage())
		}
	}
	// What was saved before is kept; what was under way is told by the CLI, and the next update goes on.
	result = p.hub.run(up("two", source, on("acme/demo/dev")))
	wantSuccess(t, result)
	if got := result.GetChanges(); got["same"] < 1 || got["create"] != 2 {
		t.Errorf("the second update did %v", got)
	}
	if !strings.Contains(p.log.text(), "pending") {
		t.Errorf("nobody told of the resource that was under way")
	}
}

func TestAPodWithANewTokenUsesIt(t *testing.T) {
	p, cloud := onCloud(t)
	source := p.store.put(t, yaml("outputs: {a: 1}\n"), "")
	wantSuccess(t, p.hub.run(up("one", source, on("acme/demo/dev"))))
	cloud.AllowToken("pul-second", "second")
	cloud.RevokeToken(pulumicloud.Token)
	fails(t, p.hub.run(up("two", source, on("acme/demo/dev"))), operation.ReasonInvalidAccessToken,
		"PULUMI_ACCESS_TOKEN is refused", "mend the Secret", "accessTokenSecret")
	// The dynamic environment is read before each operation; a new pod has a new environment altogether.
	p.write(".env", "PULUMI_ACCESS_TOKEN=pul-second\n")
	wantSuccess(t, p.hub.run(up("three", source, on("acme/demo/dev"))))
	if strings.Contains(p.log.text(), "pul-second") || strings.Contains(p.log.text(), pulumicloud.Token) {
		t.Error("a token is in the pod's log")
	}
}
