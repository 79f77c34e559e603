package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gantry-operator/gantry/test/doubles/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
)

// errCanceled is what a resource ends with when the engine asked for the end.
var errCanceled = errors.New("canceled before it was created")

// testProvider is the provider.
type testProvider struct {
	provider.Base

	// log is the file for resources that name none.
	log string
	// pod is the UID of the pod that the provider runs in, for the logs of things.
	pod string

	cancelOnce sync.Once
	canceled   chan struct{}
}

func newTestProvider(schema, log, pod string) *testProvider {
	return &testProvider{
		Base:     provider.Base{Schema: schema, Version: version},
		log:      log,
		pod:      pod,
		canceled: make(chan struct{}),
	}
}

// Cancel ends what is being created.
func (t *testProvider) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	t.cancelOnce.Do(func() { close(t.canceled) })
	return &emptypb.Empty{}, nil
}

// Check accepts a resource's inputs as they are.
func (t *testProvider) Check(_ context.Context, r *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: r.GetNews()}, nil
}

// Diff makes every change a replacement, so that it shows as another creation.
func (t *testProvider) Diff(_ context.Context, r *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	changed := provider.Changed(provider.Plain(r.GetOldInputs()), provider.Plain(r.GetNews()))
	if len(changed) == 0 {
		return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
	}
	return &pulumirpc.DiffResponse{
		Changes: pulumirpc.DiffResponse_DIFF_SOME, Diffs: changed, Replaces: changed,
	}, nil
}

// Create does what the resource's type promises.
func (t *testProvider) Create(ctx context.Context, r *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	inputs := provider.Plain(r.GetProperties())
	kind := typeOf(r.GetUrn())
	if !r.GetPreview() {
		if err := t.create(ctx, kind, inputs); err != nil {
			return nil, err
		}
	}
	if inputs["secret"] == true && kind == "testing:index:Echo" {
		inputs["value"] = provider.Secret(inputs["value"])
	}
	outputs, err := provider.Properties(inputs)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CreateResponse{Id: nameOf(r.GetUrn()), Properties: outputs}, nil
}

// Read returns what is on record; of a file, what it holds now. A file or a thing that is gone is a resource that is gone.
func (t *testProvider) Read(_ context.Context, r *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	state := provider.Plain(r.GetProperties())
	same := &pulumirpc.ReadResponse{Id: r.GetId(), Properties: r.GetProperties(), Inputs: r.GetInputs()}
	switch typeOf(r.GetUrn()) {
	case "testing:index:File":
		return readFile(r, state)
	case "testing:index:Thing":
		if _, err := os.Stat(thingFile(state)); errors.Is(err, fs.ErrNotExist) {
			return &pulumirpc.ReadResponse{}, nil
		}
		return same, nil
	default:
		return same, nil
	}
}

func readFile(r *pulumirpc.ReadRequest, state map[string]any) (*pulumirpc.ReadResponse, error) {
	content, err := os.ReadFile(provider.Text(state, "path"))
	if errors.Is(err, fs.ErrNotExist) {
		return &pulumirpc.ReadResponse{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the file: %w", err)
	}
	state["content"] = string(content)
	properties, err := provider.Properties(state)
	return &pulumirpc.ReadResponse{Id: r.GetId(), Properties: properties, Inputs: properties}, err
}

// Delete deletes a thing. Of the others nothing is to be deleted: a file is left, since its replacement may be there already.
func (t *testProvider) Delete(_ context.Context, r *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	if typeOf(r.GetUrn()) == "testing:index:Thing" {
		return &emptypb.Empty{}, t.deleteThing(provider.Plain(r.GetProperties()))
	}
	return &emptypb.Empty{}, nil
}

func (t *testProvider) create(ctx context.Context, kind string, inputs map[string]any) error {
	switch kind {
	case "testing:index:Sleep":
		return t.sleep(ctx, inputs)
	case "testing:index:Fail":
		if fail, given := inputs["fail"].(bool); given && !fail {
			return nil
		}
		if over := provider.Text(inputs, "until"); over != "" {
			if _, err := os.Stat(over); err == nil {
				return nil
			}
		}
		return errors.New(fmt.Sprint(inputs["message"]))
	case "testing:index:File":
		return os.WriteFile(provider.Text(inputs, "path"), []byte(provider.Text(inputs, "content")), 0o644)
	case "testing:index:Thing":
		return t.makeThing(ctx, inputs)
	case "testing:index:Echo":
		return nil
	default:
		return fmt.Errorf("unknown resource type %s", kind)
	}
}

func (t *testProvider) sleep(ctx context.Context, inputs map[string]any) error {
	seconds, given := inputs["seconds"].(float64)
	if !given {
		return errors.New("seconds is not a number")
	}
	timer := time.NewTimer(time.Duration(seconds * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.canceled:
		return errCanceled
	case <-ctx.Done():
		return errCanceled
	}
	path := t.log
	if own := provider.Text(inputs, "log"); own != "" {
		path = own
	}
	if path == "" {
		return nil
	}
	return appendLine(path, "create "+provider.Text(inputs, "label"))
}

// appendLine adds a line in one write, so that lines of several processes do not mix.
func appendLine(path, line string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	_, err = file.WriteString(line + "\n")
	return errors.Join(err, file.Close())
}

// typeOf returns the resource's type, which is the last of the URN's types.
func typeOf(urn string) string {
	parts := strings.Split(urn, "::")
	if len(parts) < 4 {
		return ""
	}
	types := strings.Split(parts[2], "$")
	return types[len(types)-1]
}

// nameOf returns the resource's name.
func nameOf(urn string) string {
	parts := strings.SplitN(urn, "::", 4)
	return parts[len(parts)-1]
}
