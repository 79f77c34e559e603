package engine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gantry-operator/gantry/internal/agent/engine"
)

// appendTo writes at the end of a file, as the CLI does.
func appendTo(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// What was read of a long log takes no place on the disk, and an agent that comes later reads the rest.
func TestALongLogIsGivenBackToTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.json")
	log, tracker := engine.NewLog(path), engine.NewTracker()
	printed := strings.Repeat(`{"sequence":1,"diagnosticEvent":{"message":"`+strings.Repeat("x", 1000)+`","severity":"info#err"}}`+"\n", 8<<10)
	appendTo(t, path, outputs("create", "first")+"\n")
	for range 16 {
		appendTo(t, path, printed)
		if err := log.Drain(tracker); err != nil {
			t.Fatal(err)
		}
	}
	appendTo(t, path, outputs("create", "last")+"\n")
	if err := log.Drain(tracker); err != nil {
		t.Fatal(err)
	}
	if got := tracker.Done(); got != 2 {
		t.Errorf("%d resources are done, want 2", got)
	}
	var stat syscall.Stat_t
	if err := syscall.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	if taken := stat.Blocks * 512; taken > stat.Size/2 {
		t.Errorf("the log takes %d bytes of the disk, of %d", taken, stat.Size)
	}
	later, rest := engine.NewLog(path), engine.NewTracker()
	if err := later.Drain(rest); err != nil {
		t.Fatal(err)
	}
	if got := rest.Done(); got != 1 || !later.Cut() || log.Cut() {
		t.Errorf("a later agent counts %d, cut %v; the first one cut %v; want 1, true, false", got, later.Cut(), log.Cut())
	}
}

// An event too long to be kept is passed over, and the next one counts.
func TestAnEventWithoutEndIsPassedOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.json")
	log, tracker := engine.NewLog(path), engine.NewTracker()
	appendTo(t, path, `{"resOutputsEvent":{"metadata":{"op":"`)
	for range 40 {
		appendTo(t, path, strings.Repeat("x", 1<<20))
		if _, err := log.Read(tracker); err != nil {
			t.Fatal(err)
		}
	}
	appendTo(t, path, `"}}}`+"\n"+outputs("create", "next")+"\n")
	if err := log.Drain(tracker); err != nil {
		t.Fatal(err)
	}
	if got := tracker.Done(); got != 1 {
		t.Errorf("%d resources are done, want 1", got)
	}
}

// Of very many errors the first and the last are kept, each with its beginning.
func TestVeryManyErrors(t *testing.T) {
	const many = 1200
	lines := make([]string, 0, many)
	for i := range many {
		lines = append(lines, fmt.Sprintf(`{"diagnosticEvent":{"severity":"error","message":"error %d %s"}}`, i, strings.Repeat("é", 20<<10)))
	}
	tracker := track(t, lines...)
	errors := tracker.Errors()
	size := 0
	for _, one := range errors {
		size += len(one.Message)
	}
	if len(errors)+tracker.Dropped() != many || len(errors) > many/2 || size > len(errors)*33<<10 {
		t.Errorf("%d errors of %d bytes are kept, %d are not", len(errors), size, tracker.Dropped())
	}
	first, last := errors[0].Message, errors[len(errors)-1].Message
	if !strings.HasPrefix(first, "error 0 é") || !strings.HasPrefix(last, fmt.Sprintf("error %d é", many-1)) {
		t.Errorf("the first is %.20s, the last %.20s", first, last)
	}
}
