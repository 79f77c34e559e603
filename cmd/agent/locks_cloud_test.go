package main

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/test/doubles/pulumicloud"
)

// after gives an operation those before it that are over.
func after(results ...*operation.Result) func(*operation.Operation) {
	return func(op *operation.Operation) {
		for _, result := range results {
			op.Ended = append(op.Ended, &operation.Ended{
				Name: result.GetName(), Permalink: result.GetPermalink(), Started: result.GetStarted(), Ended: result.GetEnded(),
			})
		}
	}
}

// killed kills the real CLI in the middle of an update, which stays the one that Pulumi Cloud takes for alive.
func (p *pod) killed(stack string) *operation.Result {
	p.t.Helper()
	sleeping := p.store.put(p.t, yaml("resources:\n  slow: {type: testing:Sleep, properties: {seconds: 60, label: slow}}\n"), "")
	p.hub.offer(up("killed", sleeping, on(stack)))
	p.hub.wait("make the slow resource", func() bool {
		n := len(p.hub.progress)
		return n > 0 && strings.HasSuffix(p.hub.progress[n-1].GetStep(), "testing:index:Sleep slow")
	})
	var began []struct{ PID int }
	if err := json.Unmarshal([]byte(p.read(".gantry/processes.json")), &began); err != nil || len(began) == 0 {
		p.t.Fatalf("the process is not on record: %v", err)
	}
	if err := syscall.Kill(began[len(began)-1].PID, syscall.SIGKILL); err != nil {
		p.t.Fatal(err)
	}
	result := p.hub.result("killed")
	if result.GetOutcome() != operation.Outcome_INTERRUPTED || result.GetPermalink() == "" {
		p.t.Fatalf("outcome %v, permalink %q: %s", result.GetOutcome(), result.GetPermalink(), result.GetMessage())
	}
	return result
}

func TestTheUpdateOfADeadPodHealsOnPulumiCloud(t *testing.T) {
	needsProvider(t)
	for _, stack := range []string{"acme/demo/dev", "acme/dev", "dev"} {
		t.Run(strings.ReplaceAll(stack, "/", "."), func(t *testing.T) {
			p, cloud := onCloud(t)
			dead := p.killed(stack)
			source := p.store.put(t, yaml("outputs: {a: 1}\n"), "")
			result := p.hub.run(up("next", source, on(stack), after(dead)))
			wantSuccess(t, result)
			for _, want := range []string{"held by update 1 of " + pulumicloud.User, "begun by Update " + dead.GetName()} {
				if !strings.Contains(result.GetHealed(), want) {
					t.Errorf("it is not said what was healed, %q: %q", want, result.GetHealed())
				}
			}
			if strings.Contains(p.log.text(), pulumicloud.Token) {
				t.Error("the token is in the pod's log")
			}
			cancels := 0
			for _, request := range cloud.Requests() {
				if strings.HasSuffix(request.Path, "/cancel") {
					cancels++
				}
			}
			if cancels != 1 {
				t.Errorf("%d updates were canceled, want one", cancels)
			}
		})
	}
}

func TestAForeignUpdateOnPulumiCloudStays(t *testing.T) {
	p, cloud := onCloud(t)
	source := p.store.put(t, yaml("outputs: {a: 1}\n"), "")
	mine := p.hub.run(up("one", source, on("acme/demo/dev")))
	wantSuccess(t, mine)
	release := cloud.Hold("acme/demo/dev") // version 2
	// What the manager has on record is of other versions, of other stacks, or of another time.
	other := &operation.Result{Name: "other", Permalink: "https://c.test/acme/demo/other/updates/2", Started: timestamppb.Now(), Ended: timestamppb.Now()}
	long := time.Now().Add(-time.Hour)
	before := &operation.Result{
		Name: "before", Permalink: "https://c.test/acme/demo/dev/updates/2", Started: timestamppb.New(long), Ended: timestamppb.New(long),
	}
	later := &operation.Result{
		Name: "later", Permalink: "https://c.test/acme/demo/dev/updates/2", Started: timestamppb.New(time.Now().Add(time.Hour)), Ended: timestamppb.New(time.Now().Add(2 * time.Hour)),
	}
	for name, change := range map[string]func(*operation.Operation){"known": after(mine, other, before, later), "unknown": after()} {
		result := p.hub.run(up(name, source, on("acme/demo/dev"), change))
		fails(t, result, operation.ReasonConflict, "[409] Conflict: Another update is currently in progress.",
			"It is update 2 of "+pulumicloud.Somebody+" since 20", "pulumi cancel --stack acme/demo/dev")
	}
	if cloud.LoseLease("acme/demo/dev") != true {
		t.Error("somebody's update was canceled")
	}
	release()
	wantSuccess(t, p.hub.run(up("two", source, on("acme/demo/dev"), after(mine))))
}

func TestWithoutTheOwnersNameAConflictIsAConflict(t *testing.T) {
	p, cloud := onCloud(t)
	source := p.store.put(t, yaml("outputs: {a: 1}\n"), "")
	wantSuccess(t, p.hub.run(up("one", source, on("dev"))))
	release := cloud.Hold("acme/demo/dev")
	defer release()
	// The organization of a short name is not known, and then that the backend does not tell.
	fails(t, p.hub.run(up("short", source, on("dev"))), operation.ReasonConflict, "Another update is currently in progress")
	if err := cloud.Inject(pulumicloud.Forbidden("/updates$")); err != nil {
		t.Fatal(err)
	}
	fails(t, p.hub.run(up("refused", source, on("acme/demo/dev"))), operation.ReasonConflict, "Another update is currently in progress")
}

func TestACancelThatPulumiCloudRefusesIsToldAndTriedAgainLater(t *testing.T) {
	needsProvider(t)
	p, cloud := onCloud(t)
	dead := p.killed("acme/demo/dev")
	if err := cloud.Inject(pulumicloud.Unavailable("/cancel$", 0)); err != nil {
		t.Fatal(err)
	}
	source := p.store.put(t, yaml("outputs: {a: 1}\n"), "")
	result := p.hub.run(up("next", source, on("acme/demo/dev"), after(dead)))
	fails(t, result, operation.ReasonConflict, "held by Update "+dead.GetName(), "could not be freed", "503")
	cloud.Heal()
	if result := p.hub.run(up("again", source, on("acme/demo/dev"), after(dead))); result.GetHealed() == "" {
		t.Errorf("outcome %v: %s", result.GetOutcome(), result.GetMessage())
	}
}
