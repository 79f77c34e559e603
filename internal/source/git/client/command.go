package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// command is one process of git.
type command struct {
	dir  string
	env  []string
	args []string
	in   io.Reader
	// out reads what git prints, to the end; nil keeps nothing.
	out func(io.Reader) error
	// fileBytes is how big a file may get that it writes; 0 is a repository's limit.
	fileBytes int64
	redact    redactor
}

// failure is how a process of git ended that did not do what it should.
type failure struct {
	args string
	// said has no secrets.
	said string
	err  error
}

// Error is for logs.
func (f *failure) Error() string { return fmt.Sprintf("git %s: %v: %s", f.args, f.err, words(f.said)) }

// Unwrap gives the cause.
func (f *failure) Unwrap() error { return f.err }

const (
	// maxSaid is how much of the end of what git says is kept.
	maxSaid = 16 << 10
	// maxOutput is how much output is kept where all of it is wanted.
	maxOutput = 16 << 20
	// killWait is how long output is waited for after a process was killed.
	killWait = 5 * time.Second
	// limited starts a program that cannot have more memory or write bigger files, nor leave an image of its memory, with
	// the secrets in it, when it crashes. A limit that is there already and lower stays.
	limited = `ulimit -c 0; ulimit -d "$1" 2>/dev/null; ulimit -f "$2" 2>/dev/null; shift 2; exec "$@"`
)

// run runs git in a process group of its own, which is gone when run returns. Errors of git are a *failure.
func (c *Client) run(ctx context.Context, command command) error {
	git, err := c.look("git")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	fileBytes := command.fileBytes
	if fileBytes == 0 {
		fileBytes = c.options.Limits.RepositoryBytes
	}
	args := append([]string{
		"-c", limited, "git", strconv.FormatInt(c.options.Limits.MemoryBytes/1024, 10), strconv.FormatInt(fileBytes/512+1, 10), git,
	}, command.args...)
	cmd := exec.CommandContext(ctx, "/bin/sh", args...)
	cmd.Dir, cmd.Env, cmd.Stdin = command.dir, command.env, command.in
	said := &tail{}
	cmd.Stderr = said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killWait
	err = c.finish(cmd, command.out, cancel)
	if err == nil {
		return nil
	}
	// Why it was ended says more than that it was.
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if known := (*Error)(nil); errors.As(err, &known) {
		return known
	}
	return &failure{args: command.args[0], said: command.redact.clean(said.text()), err: err}
}

// finish starts a process, reads what it prints, and waits for it and for all that it started.
func (c *Client) finish(cmd *exec.Cmd, out func(io.Reader) error, cancel context.CancelCauseFunc) error {
	if out == nil {
		out = func(r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			return err
		}
	}
	reader, writer := io.Pipe()
	cmd.Stdout = writer
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start git: %w", err)
	}
	read := make(chan error, 1)
	go func() {
		err := out(reader)
		if err != nil {
			cancel(err)
		}
		reader.CloseWithError(errors.Join(err, io.ErrClosedPipe))
		read <- err
	}()
	err := cmd.Wait()
	writer.CloseWithError(nil)
	err = errors.Join(<-read, err)
	endGroup(cmd.Process.Pid)
	return err
}

// endGroup ends what is left of a process group. Where this program is the first of its container it becomes the parent
// of what it killed, and has to wait for it.
func endGroup(group int) {
	if err := syscall.Kill(-group, syscall.SIGKILL); err != nil {
		return
	}
	for range 100 {
		pid, err := syscall.Wait4(-group, nil, syscall.WNOHANG, nil)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return // no child of ours
		}
		if pid == 0 {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// output runs git and gives what it prints.
func (c *Client) output(ctx context.Context, command command) (string, error) {
	var text []byte
	command.out = func(r io.Reader) error {
		var err error
		text, err = io.ReadAll(io.LimitReader(r, maxOutput+1))
		if err == nil && len(text) > maxOutput {
			err = NewError(TooLarge, fmt.Sprintf("git prints more than %s", size(maxOutput)), nil)
		}
		return err
	}
	err := c.run(ctx, command)
	return strings.TrimSpace(string(text)), err
}

// tail keeps the end of what is written.
type tail struct {
	kept []byte
	cut  bool
}

func (t *tail) Write(data []byte) (int, error) {
	t.kept = append(t.kept, data...)
	if over := len(t.kept) - maxSaid; over > 0 {
		t.kept, t.cut = append(t.kept[:0], t.kept[over:]...), true
	}
	return len(data), nil
}

// text is what was kept, in whole lines: half a secret would not be known as one.
func (t *tail) text() string {
	text := string(t.kept)
	if t.cut {
		_, text, _ = strings.Cut(text, "\n")
	}
	return text
}

// size writes a number of bytes for a person.
func size(bytes int64) string {
	switch {
	case bytes >= 1<<30 && bytes%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", bytes>>30)
	case bytes >= 1<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 1<<10:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d bytes", bytes)
}
