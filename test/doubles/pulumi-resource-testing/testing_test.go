package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantry-operator/gantry/test/doubles/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

func create(t *testing.T, plugin *testProvider, kind string, inputs map[string]any) (*pulumirpc.CreateResponse, error) {
	t.Helper()
	properties, err := structpb.NewStruct(inputs)
	if err != nil {
		t.Fatal(err)
	}
	return plugin.Create(t.Context(), &pulumirpc.CreateRequest{
		Urn: "urn:pulumi:dev::demo::testing:index:" + kind + "::one", Properties: properties,
	})
}

func TestSleepWritesOneLineWhenItIsDone(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	plugin := newTestProvider("", log, "")
	if _, err := create(t, plugin, "Sleep", map[string]any{"seconds": 0.01, "label": "a"}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(log)
	if err != nil || string(got) != "create a\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestSleepEndsWhenItIsCanceled(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	plugin := newTestProvider("", log, "")
	if _, err := plugin.Cancel(context.Background(), &emptypb.Empty{}); err != nil {
		t.Fatal(err)
	}
	_, err := create(t, plugin, "Sleep", map[string]any{"seconds": 3600.0})
	if !errors.Is(err, errCanceled) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(log); !os.IsNotExist(err) {
		t.Errorf("a line was written: %v", err)
	}
}

func TestFail(t *testing.T) {
	plugin := newTestProvider("", "", "")
	if _, err := create(t, plugin, "Fail", map[string]any{"message": "the disk is full"}); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("got %v", err)
	}
	if _, err := create(t, plugin, "Fail", map[string]any{"message": "no", "fail": false}); err != nil {
		t.Errorf("mended: %v", err)
	}
}

func TestFailEndsWhenItsFileExists(t *testing.T) {
	plugin := newTestProvider("", "", "")
	over := filepath.Join(t.TempDir(), "over")
	inputs := map[string]any{"message": "busy", "until": over}
	if _, err := create(t, plugin, "Fail", inputs); err == nil || err.Error() != "busy" {
		t.Errorf("before: %v", err)
	}
	if err := os.WriteFile(over, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := create(t, plugin, "Fail", inputs); err != nil {
		t.Errorf("after: %v", err)
	}
}

func TestFileDrifts(t *testing.T) {
	plugin := newTestProvider("", "", "")
	path := filepath.Join(t.TempDir(), "file")
	made, err := create(t, plugin, "File", map[string]any{"path": path, "content": "one"})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "one" {
		t.Errorf("created: %q, %v", text, err)
	}
	if err := os.WriteFile(path, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	request := &pulumirpc.ReadRequest{Id: made.GetId(), Urn: "urn:pulumi:dev::demo::testing:index:File::one", Properties: made.GetProperties()}
	if read, err := plugin.Read(t.Context(), request); err != nil || read.GetId() == "" || read.GetInputs().AsMap()["content"] != "two" {
		t.Errorf("drifted: %v, %v", read, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if read, err := plugin.Read(t.Context(), request); err != nil || read.GetId() != "" {
		t.Errorf("gone: %v, %v", read, err)
	}
}

func TestEchoMarksSecrets(t *testing.T) {
	plugin := newTestProvider("", "", "")
	open, err := create(t, plugin, "Echo", map[string]any{"value": "v"})
	if err != nil || open.GetProperties().AsMap()["value"] != "v" {
		t.Errorf("open: %v, %v", open, err)
	}
	secret, err := create(t, plugin, "Echo", map[string]any{"value": "v", "secret": true})
	if err != nil || secret.GetProperties().AsMap()["value"] == "v" {
		t.Errorf("secret: %v, %v", secret, err)
	}
	if got := provider.Plain(secret.GetProperties())["value"]; got != "v" {
		t.Errorf("revealed: %v", got)
	}
}

func TestEveryChangeReplaces(t *testing.T) {
	olds, _ := structpb.NewStruct(map[string]any{"label": "a"})
	news, _ := structpb.NewStruct(map[string]any{"label": "b"})
	plugin := newTestProvider("", "", "")
	diff, err := plugin.Diff(t.Context(), &pulumirpc.DiffRequest{OldInputs: olds, News: news})
	if err != nil || len(diff.GetReplaces()) != 1 || diff.GetReplaces()[0] != "label" {
		t.Errorf("changed: %v, %v", diff, err)
	}
	diff, err = plugin.Diff(t.Context(), &pulumirpc.DiffRequest{OldInputs: olds, News: olds})
	if err != nil || diff.GetChanges() != pulumirpc.DiffResponse_DIFF_NONE {
		t.Errorf("same: %v, %v", diff, err)
	}
}
