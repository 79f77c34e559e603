package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gantry-operator/gantry/internal/operation"
	"github.com/gantry-operator/gantry/test/memory"
)

// script is the directory of a CLI whose up is the given script, which knows the event log as $log.
func script(tb testing.TB, up string) string {
	tb.Helper()
	dir := tb.TempDir()
	text := `#!/bin/sh
[ "$1" = up ] || { [ "$1" != version ] || echo v3.0.0-double; exit 0; }
for arg in "$@"; do
  case "$arg" in --event-log=*) log="${arg#--event-log=}" ;; esac
done
` + up
	if err := os.WriteFile(filepath.Join(dir, "pulumi"), []byte(text), 0o755); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// memory is what /proc says of the agent, in bytes: now or at most.
func (p *pod) memory(what string) int {
	p.t.Helper()
	bytes, err := memory.Of(p.process.Process.Pid, what)
	if err != nil {
		p.t.Fatal(err)
	}
	return bytes
}

// mostEvents follows how much of the disk the event logs take, until the operation ended, and tells the most.
func (p *pod) mostEvents(uid string) (most int64) {
	p.t.Helper()
	for p.hub.count(uid) == 0 {
		files, err := filepath.Glob(filepath.Join(p.share, ".gantry", "events", "*"))
		if err != nil {
			p.t.Fatal(err)
		}
		for _, file := range files {
			var stat syscall.Stat_t
			if syscall.Stat(file, &stat) == nil {
				most = max(most, stat.Blocks*512)
			}
		}
		time.Sleep(20 * time.Millisecond) // a file that grows is no event
	}
	return most
}

// A program prints 1 GB, and the engine notes 256 MB of it in its event log. The agent grows with neither, and what it
// has read of the log is given back to the pod's disk.
func TestAProgramThatPrintsAGigabyte(t *testing.T) {
	const printed, noted = 1 << 30, 256 << 20
	p := newPod(t, script(t, `yes "a line that a program prints, of a hundred bytes, which is not much, but there are very many of them" | head -c 1073741824
event='{"sequence":1,"diagnosticEvent":{"message":"a line that a program prints","severity":"info"}}'
for i in $(seq 16); do yes "$event" | head -c 16777216 >>"$log"; echo >>"$log"; sleep 0.4; done
urn=urn:pulumi:dev::demo::testing:index:Echo::last
echo '{"resOutputsEvent":{"metadata":{"op":"create","urn":"'$urn'","type":"testing:index:Echo"}}}' >>"$log"
echo '{"summaryEvent":{"resourceChanges":{"create":1},"result":"succeeded"}}' >>"$log"
`))
	p.log.mu.Lock()
	p.log.most = 1 << 20
	p.log.mu.Unlock()
	p.hub.offer(up("one", p.store.put(t, yaml(""), "")))
	most := p.mostEvents("one")
	result := p.hub.result("one")
	wantSuccess(t, result)
	if got := result.GetChanges()["create"]; got != 1 {
		t.Errorf("of what came after the flood the agent knows %d creations, want 1", got)
	}
	peak := p.memory(memory.Peak)
	t.Logf("the agent had at most %d MiB, the event log %d MiB of the disk", peak>>20, most>>20)
	if peak > printed/8 {
		t.Errorf("the agent had %d MiB of memory for %d MiB that were printed", peak>>20, printed>>20)
	}
	if most > noted*3/4 {
		t.Errorf("the event log took %d MiB of the disk, of %d MiB that were written", most>>20, noted>>20)
	}
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	if p.log.written < printed {
		t.Errorf("%d bytes of what the program printed are in the pod's log, want all %d", p.log.written, printed)
	}
}

// An error of 10 MB, in bytes that are no text where it is cut, is told in brief: what cannot be sent is never recorded.
func TestAnErrorOfTenMegabytes(t *testing.T) {
	tests := map[string]struct{ up, want string }{
		"of the engine": {
			up: `message=$(printf 'é%.0s' $(seq 1000))
{ printf '{"diagnosticEvent":{"urn":"urn:pulumi:dev::demo::testing:index:Fail::bad","severity":"error","message":"the quota is used up: '
  for i in $(seq 5000); do printf %s "$message"; done; printf '"}}\n'; } >>"$log"
exit 255`,
			want: "urn:pulumi:dev::demo::testing:index:Fail::bad: the quota is used up: éé",
		},
		"of the CLI": {
			up: `message=$(printf 'é%.0s' $(seq 1000))
printf 'error: it is odd:' >&2; for i in $(seq 5000); do printf %s "$message"; done >&2
exit 255`,
			want: "it is odd:éé",
		},
		"that is no text": {
			up: `printf 'View Live: https://example.com/\377\n'
printf 'error: \377\376 the disk is full\n' >&2
exit 255`,
			want: "the disk is full",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPod(t, script(t, test.up))
			result := p.hub.run(up("one", p.store.put(t, yaml(""), "")))
			if result.GetOutcome() != operation.Outcome_FAILED || result.GetReason() != operation.ReasonFailed {
				t.Errorf("outcome %v, reason %s", result.GetOutcome(), result.GetReason())
			}
			message := result.GetMessage()
			if !strings.Contains(message, test.want) {
				t.Errorf("the message lacks %q: %.200s", test.want, message)
			}
			if len(message) > 4<<10 || !utf8.ValidString(message) {
				t.Errorf("the message has %d bytes, text: %v", len(message), utf8.ValidString(message))
			}
			if peak := p.memory(memory.Peak); peak > 256<<20 {
				t.Errorf("the agent had %d MiB of memory", peak>>20)
			}
		})
	}
}
