package journal_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gantry-operator/gantry/internal/agent/journal"
	"github.com/gantry-operator/gantry/internal/operation"
)

func open(t *testing.T, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func entry(uid string, minute int) journal.Entry {
	return journal.Entry{
		UID: uid, Name: "app-" + uid, Command: "up",
		Started: time.Date(2026, 1, 2, 3, minute, 0, 0, time.UTC),
	}
}

func result(uid string) *operation.Result {
	return &operation.Result{
		Uid: uid, Name: "app-" + uid, Outcome: operation.Outcome_SUCCEEDED, Message: "done",
		Outputs: map[string]*operation.Output{"password": {Json: []byte(`"hunter2"`), Secret: true}},
	}
}

func TestAnOperationStartsOnce(t *testing.T) {
	dir := t.TempDir()
	if err := open(t, dir).Start(entry("a", 0)); err != nil {
		t.Fatal(err)
	}
	// Another agent, in another life of the container, sees it too.
	again := open(t, dir)
	if err := again.Start(entry("a", 1)); !errors.Is(err, journal.ErrKnown) {
		t.Errorf("a second start gave %v, want ErrKnown", err)
	}
	want := []journal.Entry{entry("a", 0)}
	if diff := cmp.Diff(want, again.Unfinished(), protocmp.Transform()); diff != "" {
		t.Errorf("unfinished (-want +got):\n%s", diff)
	}
}

func TestAResultIsKeptUntilItIsRecorded(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	for i, uid := range []string{"b", "a"} {
		if err := j.Start(entry(uid, i)); err != nil {
			t.Fatal(err)
		}
		if err := j.Finish(result(uid)); err != nil {
			t.Fatal(err)
		}
	}
	j = open(t, dir)
	want := []*operation.Result{result("b"), result("a")}
	if diff := cmp.Diff(want, j.Unrecorded(), protocmp.Transform()); diff != "" {
		t.Fatalf("results after a restart (-want +got):\n%s", diff)
	}
	if err := j.Recorded("b"); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir)
	if diff := cmp.Diff(want[1:], j.Unrecorded(), protocmp.Transform()); diff != "" {
		t.Errorf("results after one is recorded (-want +got):\n%s", diff)
	}
	known, ok := j.Get("b")
	if !ok || known.Result.GetMessage() != "done" || known.Result.GetOutputs() != nil {
		t.Errorf("a recorded operation must stay known, without its outputs: %v %v", ok, known)
	}
	if err := j.Start(entry("b", 9)); !errors.Is(err, journal.ErrKnown) {
		t.Errorf("a recorded operation started again: %v", err)
	}
}

func TestNobodyElseReadsTheJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j := open(t, dir)
	if err := j.Start(entry("a", 0)); err != nil {
		t.Fatal(err)
	}
	if err := j.Finish(result("a")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "a.json"): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
	if err := j.Recorded("a"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "a.json"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "outputs") {
		t.Errorf("outputs are left after the result was recorded: %s", text)
	}
}

func TestATornFileStillSaysThatTheOperationStarted(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "torn.json"), []byte(`{"uid":"to`), 0o600); err != nil {
		t.Fatal(err)
	}
	j := open(t, dir)
	if err := j.Start(entry("torn", 0)); !errors.Is(err, journal.ErrKnown) {
		t.Errorf("an operation with a torn entry started again: %v", err)
	}
	if diff := cmp.Diff([]journal.Entry{{UID: "torn"}}, j.Unfinished(), protocmp.Transform()); diff != "" {
		t.Errorf("unfinished (-want +got):\n%s", diff)
	}
	if err := j.Finish(result("torn")); err != nil {
		t.Fatal(err)
	}
	if got := open(t, dir).Unrecorded(); len(got) != 1 {
		t.Errorf("got %d results, want 1", len(got))
	}
}

func TestAUIDIsNoPath(t *testing.T) {
	for _, uid := range []string{"", "../up", "a/b", ".hidden"} {
		if err := open(t, t.TempDir()).Start(entry(uid, 0)); err == nil {
			t.Errorf("the UID %q was accepted", uid)
		}
	}
}
