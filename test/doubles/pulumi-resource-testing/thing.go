package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gantry-operator/gantry/test/doubles/provider"
)

const (
	// thingPoll is how often a thing looks whether it may be done: a folder that pods share is not watched.
	thingPoll = 50 * time.Millisecond
	// megabyte is what a thing that takes memory takes at once.
	megabyte = 1 << 20
)

// makeThing makes a thing as a slow cloud would: it exists from the beginning, and the answer comes when it may. The log of
// the folder tells what happened when, and in which pod.
func (t *testProvider) makeThing(ctx context.Context, inputs map[string]any) error {
	folder, label := provider.Text(inputs, "folder"), provider.Text(inputs, "label")
	if folder == "" || label == "" {
		return errors.New("a thing needs a folder and a label")
	}
	if err := os.MkdirAll(filepath.Dir(thingFile(inputs)), 0o777); err != nil {
		return fmt.Errorf("making the folder of things: %w", err)
	}
	if err := os.WriteFile(thingFile(inputs), []byte(label), 0o644); err != nil {
		return fmt.Errorf("making the thing: %w", err)
	}
	if err := t.tell(inputs, "begin"); err != nil {
		return err
	}
	if err := t.untilAllowed(ctx, inputs); err != nil {
		// Who is asked to end takes back what was begun: no state is going to know it.
		return errors.Join(err, t.deleteThing(inputs))
	}
	return t.tell(inputs, "end")
}

// untilAllowed waits for the file that the thing waits for, if any, and takes more and more memory meanwhile if it is to.
func (t *testProvider) untilAllowed(ctx context.Context, inputs map[string]any) error {
	until := provider.Text(inputs, "until")
	var taken [][]byte
	for until != "" {
		if _, err := os.Stat(until); err == nil {
			break
		}
		if inputs["greedy"] == true {
			taken = append(taken, fill(make([]byte, 16*megabyte)))
		}
		select {
		case <-time.After(thingPoll):
		case <-t.canceled:
			return errCanceled
		case <-ctx.Done():
			return errCanceled
		}
	}
	if len(taken) > 0 && taken[0][0] == 0 {
		return errors.New("the memory does not hold what was written to it")
	}
	return nil
}

// fill writes to each page, so that the memory is really taken.
func fill(memory []byte) []byte {
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
	return memory
}

// deleteThing deletes a thing; one that is gone is deleted.
func (t *testProvider) deleteThing(state map[string]any) error {
	if err := os.Remove(thingFile(state)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting the thing: %w", err)
	}
	return t.tell(state, "delete")
}

// tell writes a line: when, what, which thing, and the pod that the environment names.
func (t *testProvider) tell(properties map[string]any, what string) error {
	line := fmt.Sprintf("%s %s %s %s", time.Now().Format(time.RFC3339Nano), what, provider.Text(properties, "label"), t.pod)
	return appendLine(filepath.Join(provider.Text(properties, "folder"), "log"), line)
}

func thingFile(properties map[string]any) string {
	return filepath.Join(provider.Text(properties, "folder"), "things", provider.Text(properties, "label"))
}
