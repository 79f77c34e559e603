package lock

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const said = "error: the stack is currently locked by %d lock(s). Either wait for the other process(es) to end or delete the lock file with `pulumi cancel`.\n%s"

func TestParse(t *testing.T) {
	since := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	line := func(who string) string {
		return "  file:///state/.pulumi/locks/organization/demo/dev/a.json?no_tmp_dir=true: created by " + who + " at 2026-01-01T00:00:00Z\n"
	}
	for name, tc := range map[string]struct {
		words string
		want  []Lock
		whole bool
	}{
		"One":            {fmt.Sprintf(said, 1, line("u@gone (pid 7)")), []Lock{{"u", "gone", 7, since}}, true},
		"Two":            {fmt.Sprintf(said, 2, line("u@gone (pid 7)")+line("v w@there (pid 8)")), []Lock{{"u", "gone", 7, since}, {"v w", "there", 8, since}}, true},
		"UserLikeMail":   {fmt.Sprintf(said, 1, line("me@example.com@gone (pid 7)")), []Lock{{"me@example.com", "gone", 7, since}}, true},
		"NoHost":         {fmt.Sprintf(said, 1, line("u@ (pid 7)")), []Lock{{"u", "", 7, since}}, true},
		"OneNotListed":   {fmt.Sprintf(said, 2, line("u@gone (pid 7)")), []Lock{{"u", "gone", 7, since}}, false},
		"OneNotRead":     {fmt.Sprintf(said, 2, line("u@gone (pid 7)")+line("garbage")), []Lock{{"u", "gone", 7, since}}, false},
		"MoreThanSaid":   {fmt.Sprintf(said, 1, line("u@gone (pid 7)")+line("u@gone (pid 8)")), []Lock{{"u", "gone", 7, since}, {"u", "gone", 8, since}}, false},
		"PIDTooLarge":    {fmt.Sprintf(said, 1, line("u@gone (pid 99999999999999999999)")), nil, false},
		"NoneListed":     {fmt.Sprintf(said, 1, ""), nil, false},
		"AnotherMessage": {"error: update failed\n" + line("u@gone (pid 7)"), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			locks, whole := Parse(tc.words)
			if diff := cmp.Diff(tc.want, locks); diff != "" || whole != tc.whole {
				t.Errorf("whole is %v, want %v; locks (-want +got):\n%s", whole, tc.whole, diff)
			}
		})
	}
}

func TestWitness(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	witness := Witness{
		Prefix: "app-1234-", Host: "app-1234-now",
		Began: []Process{{PID: 7, At: now.Add(-time.Hour)}, {PID: 7, At: now}, {PID: 8, At: now}},
		Alive: func(pid int) bool { return pid == 8 },
	}
	elsewhere := witness
	elsewhere.Gone = "app-5678-"
	nowhere := witness
	nowhere.Prefix = ""
	onNode := witness
	onNode.Host = "node-1"
	for name, tc := range map[string]struct {
		witness Witness
		lock    Lock
		dead    bool
	}{
		"EarlierPod":           {witness, Lock{Host: "app-1234-before", PID: 8}, true},
		"EarlierPodFromNode":   {onNode, Lock{Host: "app-1234-before"}, true},
		"AnotherStacksPod":     {witness, Lock{Host: "app-5678-before"}, false},
		"PodThatIsGone":        {elsewhere, Lock{Host: "app-5678-before"}, true},
		"NoPodThatIsGone":      {elsewhere, Lock{Host: "app-9999-before"}, false},
		"SomebodysMachine":     {witness, Lock{Host: "laptop"}, false},
		"NoHost":               {witness, Lock{}, false},
		"PrefixNotKnown":       {nowhere, Lock{Host: "app-1234-before"}, false},
		"TheNode":              {onNode, Lock{Host: "node-1", PID: 7, Since: now}, false},
		"OwnDeadProcess":       {witness, Lock{Host: "app-1234-now", PID: 7, Since: now.Add(time.Second)}, true},
		"OwnDeadProcessBefore": {witness, Lock{Host: "app-1234-now", PID: 7, Since: now.Add(-time.Hour)}, true},
		"OwnProcessAlive":      {witness, Lock{Host: "app-1234-now", PID: 8, Since: now.Add(time.Second)}, false},
		"APersonsInThisPod":    {witness, Lock{Host: "app-1234-now", PID: 9, Since: now}, false},
		"SamePIDLater":         {witness, Lock{Host: "app-1234-now", PID: 7, Since: now.Add(time.Hour)}, false},
		"SamePIDEarlier":       {witness, Lock{Host: "app-1234-now", PID: 7, Since: now.Add(-time.Minute)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if dead := tc.witness.Dead(tc.lock); dead != tc.dead {
				t.Errorf("dead is %v", dead)
			}
		})
	}
	gone := Lock{Host: "app-1234-before"}
	for name, tc := range map[string]struct {
		locks []Lock
		want  bool
	}{
		"None": {nil, false}, "All": {[]Lock{gone, gone}, true}, "OneForeign": {[]Lock{gone, {Host: "laptop"}}, false},
	} {
		if got := witness.AllDead(tc.locks); got != tc.want {
			t.Errorf("%s: all dead is %v", name, got)
		}
	}
}

func TestProcessesOutliveTheAgent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "processes.json")
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for pid := range keptProcesses + 3 {
		if err := (Processes{Path: path}).Add(Process{PID: pid, At: at}); err != nil {
			t.Fatal(err)
		}
	}
	known, err := Processes{Path: path}.List()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Process{PID: keptProcesses + 2, At: at}, known[len(known)-1]); diff != "" || len(known) != keptProcesses {
		t.Errorf("%d processes are kept; the last one (-want +got):\n%s", len(known), diff)
	}
	// A file that the end of a node has spoiled proves nothing, and is not in the way.
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (Processes{Path: path}).List(); err == nil {
		t.Error("a spoiled file was read")
	}
	if err := (Processes{Path: path}).Add(Process{PID: 1, At: at}); err != nil {
		t.Fatal(err)
	}
	if known, err := (Processes{Path: path}).List(); err != nil || len(known) != 1 {
		t.Errorf("after a spoiled file there are %d processes, error %v", len(known), err)
	}
}
