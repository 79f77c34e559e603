package cli_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gantry-operator/gantry/internal/agent/cli"
)

// shell runs scripts in place of the CLI.
func shell(t *testing.T) (*cli.CLI, *bytes.Buffer) {
	t.Helper()
	children, err := cli.NewChildren()
	if err != nil {
		t.Fatal(err)
	}
	output := &bytes.Buffer{}
	return &cli.CLI{Path: "/bin/sh", Children: children, Output: output, Log: slog.New(slog.DiscardHandler)}, output
}

func script(text string) cli.Command {
	return cli.Command{Args: []string{"-c", text}, What: "script", Env: os.Environ(), Grace: 10 * time.Second}
}

func TestOutputGoesToTheLogLineByLine(t *testing.T) {
	c, output := shell(t)
	var told []string
	command := script(`printf 'one\ntw'; printf 'o\r\nthree'`)
	command.Line = func(line string) { told = append(told, line) }
	ending, err := c.Run(t.Context(), command)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "two", "three"}, told); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"one\ntwo\nthree\n", "one\ntwo\nthree"}, []string{output.String(), ending.Stdout}); diff != "" {
		t.Errorf("log and tail (-want +got):\n%s", diff)
	}
}

func TestPrivateOutputStaysOutOfTheLog(t *testing.T) {
	c, output := shell(t)
	command := script(`read line; echo "canary $line"; echo seen >&2; exit 3`)
	command.Private, command.Stdin = true, "from stdin\n"
	ending, err := c.Run(t.Context(), command)
	if err != nil {
		t.Fatal(err)
	}
	want := cli.Ending{Code: 3, Stdout: "canary from stdin\n", Stderr: "seen"}
	if diff := cmp.Diff(want, ending); diff != "" {
		t.Errorf("ending (-want +got):\n%s", diff)
	}
	if output.String() != "seen\n" {
		t.Errorf("the log has %q", output)
	}
}

func TestColoursAreForTheLogOnly(t *testing.T) {
	c, output := shell(t)
	ending, err := c.Run(t.Context(), script(`printf '\033[31mError\033[0m: \033[1;4mtype\033[0m\n'`))
	if err != nil {
		t.Fatal(err)
	}
	if ending.Stdout != "Error: type" || !strings.Contains(output.String(), "\x1b[31m") {
		t.Errorf("kept is %q, and the log has %q", ending.Stdout, output)
	}
}

func TestOnlyTheLastLinesAreKept(t *testing.T) {
	c, _ := shell(t)
	ending, err := c.Run(t.Context(), script(`i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done`))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(ending.Stdout, "\n"); n > 60 || !strings.HasSuffix(ending.Stdout, "line 499") {
		t.Errorf("%d lines are kept, the last is %q", n, ending.Stdout[strings.LastIndexByte(ending.Stdout, '\n')+1:])
	}
}

func TestTheEndOfTheContext(t *testing.T) {
	const ready = "echo ready; "
	cases := map[string]struct {
		reason, script string
		grace          time.Duration
		want           cli.Ending
	}{
		"Graceful": {
			reason: "who listens to SIGINT ends as it likes", grace: time.Minute,
			script: `trap 'echo bye; exit 4' INT; ` + ready + `while :; do sleep 0.01; done`,
			want:   cli.Ending{Code: 4, Interrupted: true, Stdout: "ready\nbye"},
		},
		"Stubborn": {
			reason: "who does not is killed", grace: 50 * time.Millisecond,
			script: `trap '' INT; ` + ready + `while :; do sleep 0.01; done`,
			want:   cli.Ending{Code: -1, Signal: "killed", Interrupted: true, Killed: true, Stdout: "ready"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c, _ := shell(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			command := script(tc.script)
			command.Grace = tc.grace
			command.Line = func(string) { cancel(errors.New("enough")) }
			ending, err := c.Run(ctx, command)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, ending); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestOrphansAreWaitedFor(t *testing.T) {
	c, _ := shell(t)
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		c.Children.Watch(ctx)
	}()
	defer func() {
		cancel()
		<-watched
	}()
	// The parent ends first; its child becomes the agent's and ends later.
	ending, err := c.Run(t.Context(), script(`sleep 0.3 >/dev/null 2>&1 & echo $!`))
	if err != nil {
		t.Fatal(err)
	}
	orphan, err := strconv.Atoi(ending.Stdout)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for !errors.Is(syscall.Kill(orphan, 0), syscall.ESRCH) {
		if time.Now().After(deadline) {
			t.Fatal("the orphan is still there, as a zombie")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestWhatIsKilledLeavesNothingRunning(t *testing.T) {
	c, _ := shell(t)
	// A plugin has a process group of its own, and a child that has one, too.
	ending, err := c.Run(t.Context(), script(`setsid sh -c 'setsid sleep 600 >/dev/null 2>&1 & echo $!; kill -KILL '$$'; wait' & wait`))
	if err != nil {
		t.Fatal(err)
	}
	if ending.Signal != "killed" || ending.Killed {
		t.Errorf("it ended as %+v, want by a signal that the agent did not send", ending)
	}
	plugin, err := strconv.Atoi(strings.TrimSpace(ending.Stdout))
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(syscall.Kill(plugin, 0), syscall.ESRCH) {
		t.Error("what the plugin started is still there")
	}
}

func TestAProgramThatIsNotThere(t *testing.T) {
	c, _ := shell(t)
	c.Path = "/nowhere/pulumi"
	if _, err := c.Run(t.Context(), script("")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestALongLineIsKeptByItsBeginning(t *testing.T) {
	c, output := shell(t)
	ending, err := c.Run(t.Context(), script(`printf 'first\nbegins: \377'; head -c 1000000 /dev/zero | tr '\0' x; printf '\nlast\n'`))
	if err != nil {
		t.Fatal(err)
	}
	kept := strings.Split(ending.Stdout, "\n")
	if len(kept) != 3 || !strings.HasPrefix(kept[1], "begins: xxx") || len(kept[1]) > 2<<10 || kept[2] != "last" {
		t.Errorf("kept are %d lines: %.300q", len(kept), kept)
	}
	if got := strings.Count(output.String(), "x"); got != 1000000 {
		t.Errorf("the log has %d of it, want all", got)
	}
}

func TestPrivateOutputIsBounded(t *testing.T) {
	c, _ := shell(t)
	command := script(`head -c 50000000 /dev/zero`)
	command.Private = true
	ending, err := c.Run(t.Context(), command)
	if err != nil || !ending.Succeeded() {
		t.Fatalf("%+v, %v", ending.Code, err)
	}
	if kept := len(ending.Stdout); kept != 32<<20 {
		t.Errorf("%d bytes are kept", kept)
	}
}
