package main

import (
	"bytes"
	"strings"
	"time"

	"github.com/creack/pty"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/conditions"
)

// inTerminal runs the plugin in a terminal of a width. Where a text is waited for, Ctrl-C is pressed when it comes.
func (w *world) inTerminal(width uint16, interruptAt string, environment []string, args ...string) (string, int) {
	w.t.Helper()
	cmd := w.command(w.admin, args...)
	cmd.Env = append(cmd.Env, environment...)
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: width})
	if err != nil {
		w.t.Fatal(err)
	}
	defer terminal.Close()
	var shown bytes.Buffer
	for piece := make([]byte, 4096); ; {
		n, err := terminal.Read(piece)
		shown.Write(piece[:n])
		if interruptAt != "" && strings.Contains(shown.String(), interruptAt) {
			interruptAt = ""
			if _, err := terminal.Write([]byte{3}); err != nil {
				w.t.Fatal(err)
			}
		}
		if err != nil {
			break // the terminal is closed when the process ends
		}
	}
	_ = cmd.Wait()
	return shown.String(), cmd.ProcessState.ExitCode()
}

func terminal(w *world) {
	w.stack("other", "bright", conditions.Ready(pulumiv1.ReasonProcessingCompleted, strings.Repeat("long ", 50)))
	shown, code := w.inTerminal(70, "", nil, "get", "-n", "other")
	if code != 0 || !strings.Contains(shown, "\x1b[31mStalled\x1b[0m") || !strings.Contains(shown, "\x1b[32mReady\x1b[0m") {
		w.t.Errorf("exit code %d, shown:\n%q", code, shown)
	}
	marks := strings.NewReplacer("\x1b[31m", "", "\x1b[32m", "", "\x1b[33m", "", "\x1b[39m", "", "\x1b[0m", "")
	for line := range strings.SplitSeq(marks.Replace(shown), "\r\n") {
		if n := len([]rune(line)); n > 70 {
			w.t.Errorf("a line has %d columns: %q", n, line)
		}
	}
	if plain, _ := w.inTerminal(70, "", []string{"NO_COLOR=1"}, "get", "-n", "other"); strings.Contains(plain, "\x1b") {
		w.t.Errorf("there are colours with NO_COLOR:\n%q", plain)
	}
}

// interrupted: Ctrl-C ends the wait, and not what runs.
func interrupted(w *world) {
	w.stack("shop", "waits", conditions.Ready(pulumiv1.ReasonProcessingCompleted, "up to date"))
	began := time.Now()
	shown, code := w.inTerminal(60, "waiting for the controller", nil, "reconcile", "waits", "--wait")
	if code != 130 || !strings.Contains(shown, "no longer waited for; what runs goes on") {
		w.t.Errorf("exit code %d after %s, shown:\n%q", code, time.Since(began), shown)
	}
	if !strings.Contains(shown, "\r\x1b[K◎ waiting for the controller") {
		w.t.Errorf("the progress is not written over in one line:\n%q", shown)
	}
}

// getWatches: what changes is shown, until Ctrl-C.
func getWatches(w *world) {
	shown, code := w.inTerminal(200, "web", nil, "get", "web", "--watch")
	if code != 130 || !strings.Contains(shown, "NAME") {
		w.t.Errorf("exit code %d, shown:\n%q", code, shown)
	}
}
