package argocd

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// grace is how long a program may take to end.
	grace = 10 * time.Second
	// tail is how many lines of a log are shown.
	tail = 60
)

// process is a program to run on this machine.
type process struct {
	// name is that of the program unless given.
	program, name string
	arguments     []string
	environment   []string
	// folder takes its log.
	folder string
}

// run starts a program, and ends it with the test.
func run(t *testing.T, p process) {
	t.Helper()
	if p.name == "" {
		p.name = p.program
	}
	log, err := os.Create(filepath.Join(p.folder, p.name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(p.program, p.arguments...) //nolint:noctx // it is ended by hand, with a grace period
	command.Env, command.Stdout, command.Stderr = p.environment, log, log
	// It goes with the test, also if that is killed. The kernel sends the signal when the thread that started it ends.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait()
		}
		close(ended)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer log.Close()
		select {
		case <-ended:
			t.Errorf("%s ended by itself: %s", p.name, command.ProcessState)
		default:
		}
		_ = command.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(grace):
			_ = command.Process.Kill()
			<-ended
		}
	})
}

// saidOf are the last lines of a program's log that hold a text.
func saidOf(folder, program, text string) string {
	log, err := os.Open(filepath.Join(folder, program+".log"))
	if err != nil {
		return err.Error()
	}
	defer log.Close()
	var lines []string
	scanner := bufio.NewScanner(log)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		if line := scanner.Text(); strings.Contains(line, text) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-tail):], "\n")
}
