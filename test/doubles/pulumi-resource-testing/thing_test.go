package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
)

// told is what the log of a folder says, without the times.
func told(t *testing.T, folder string) []string {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(folder, "log"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(log)) {
		at, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, err := time.Parse(time.RFC3339Nano, at); err != nil {
			t.Errorf("a line without a time: %q", line)
		}
		lines = append(lines, rest)
	}
	return lines
}

func TestThingExistsUntilItIsDeleted(t *testing.T) {
	folder := t.TempDir()
	plugin := newTestProvider("", "", "pod-1")
	made, err := create(t, plugin, "Thing", map[string]any{"folder": folder, "label": "one"})
	if err != nil {
		t.Fatal(err)
	}
	urn, thing := "urn:pulumi:dev::demo::testing:index:Thing::one", filepath.Join(folder, "things", "one")
	if _, err := os.Stat(thing); err != nil {
		t.Errorf("created: %v", err)
	}
	read := &pulumirpc.ReadRequest{Id: made.GetId(), Urn: urn, Properties: made.GetProperties()}
	if found, err := plugin.Read(t.Context(), read); err != nil || found.GetId() == "" {
		t.Errorf("read: %v, %v", found, err)
	}
	if _, err := plugin.Delete(t.Context(), &pulumirpc.DeleteRequest{Urn: urn, Properties: made.GetProperties()}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(thing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("deleted: %v", err)
	}
	if found, err := plugin.Read(t.Context(), read); err != nil || found.GetId() != "" {
		t.Errorf("read when it is gone: %v, %v", found, err)
	}
	if got := strings.Join(told(t, folder), ", "); got != "begin one pod-1, end one pod-1, delete one pod-1" {
		t.Errorf("the log says %s", got)
	}
}

func TestThingIsThereBeforeItIsDone(t *testing.T) {
	folder := t.TempDir()
	plugin := newTestProvider("", "", "pod-1")
	ended := make(chan error, 1)
	go func() {
		_, err := create(t, plugin, "Thing", map[string]any{"folder": folder, "label": "one", "until": filepath.Join(folder, "go"), "greedy": true})
		ended <- err
	}()
	for {
		if log, err := os.ReadFile(filepath.Join(folder, "log")); err == nil && strings.HasSuffix(string(log), "\n") {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("it ended before it might: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "things", "one")); err != nil {
		t.Errorf("while it is made: %v", err)
	}
	if err := os.WriteFile(filepath.Join(folder, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("when it may end: %v", err)
	}
}

func TestThingEndsWhenItIsCanceled(t *testing.T) {
	folder := t.TempDir()
	plugin := newTestProvider("", "", "pod-1")
	if _, err := plugin.Cancel(t.Context(), &emptypb.Empty{}); err != nil {
		t.Fatal(err)
	}
	_, err := create(t, plugin, "Thing", map[string]any{"folder": folder, "label": "one", "until": filepath.Join(folder, "go")})
	if !errors.Is(err, errCanceled) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(folder, "things", "one")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was begun is still there: %v", err)
	}
}
