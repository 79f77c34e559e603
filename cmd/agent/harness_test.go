package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gantry-operator/gantry/internal/operation"
)

// asAgent makes the test's program behave as the agent, so that tests have a real process to start and to kill.
const asAgent = "GANTRY_TEST_IS_AGENT"

func TestMain(m *testing.M) {
	if os.Getenv(asAgent) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// pod is what an agent runs in.
type pod struct {
	t       testing.TB
	hub     *hubDouble
	store   *storeDouble
	share   string
	state   string
	token   string
	env     []string
	args    []string
	process *exec.Cmd
	log     *logBuffer
}

// newPod makes a pod whose agent finds the CLI in the given directory, and starts the agent.
func newPod(tb testing.TB, cliDir string, env ...string) *pod {
	tb.Helper()
	hub := newHubDouble(tb)
	p := &pod{
		t: tb, hub: hub, store: newStoreDouble(tb, hub), share: tb.TempDir(), log: &logBuffer{},
	}
	p.token = filepath.Join(p.share, "token")
	p.write("token", "pod-token\n")
	p.state = tb.TempDir()
	p.env = append([]string{
		asAgent + "=1", "GANTRY_HUB=" + hub.address, "GANTRY_CA=" + hub.caPEM, "POD_NAMESPACE=team-a",
		"PATH=" + cliDir + ":" + os.Getenv("PATH"), "HOME=" + tb.TempDir(), "PULUMI_HOME=" + tb.TempDir(),
		"PULUMI_BACKEND_URL=file://" + p.state, "PULUMI_CONFIG_PASSPHRASE=test", "PULUMI_ENV=" + filepath.Join(p.share, ".env"),
	}, env...)
	p.start()
	tb.Cleanup(func() {
		p.kill()
		p.endHelper()
		if tb.Failed() {
			tb.Logf("the agent's log:\n%s", p.log.text())
		}
	})
	return p
}

// start starts the agent, again after it has ended.
func (p *pod) start() {
	p.t.Helper()
	self, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	args := append([]string{"run", "--share=" + p.share, "--token-file=" + p.token,
		"--service-account-dir=" + filepath.Join(p.share, "no-account")}, p.args...)
	p.process = exec.CommandContext(context.WithoutCancel(p.t.Context()), self, args...)
	p.process.Env = p.env
	p.process.Stdout, p.process.Stderr = p.log, p.log
	p.process.WaitDelay = time.Second
	if err := p.process.Start(); err != nil {
		p.t.Fatal(err)
	}
}

// account starts the agent again with a service account.
func (p *pod) account(dir string) {
	p.t.Helper()
	p.again("--service-account-dir=" + dir)
}

// again starts the agent again with other arguments.
func (p *pod) again(args ...string) {
	p.t.Helper()
	p.kill()
	p.hub.mu.Lock()
	p.hub.stream = nil
	p.hub.mu.Unlock()
	p.args = args
	p.start()
}

// kill ends the agent at once.
func (p *pod) kill() {
	if p.process.ProcessState == nil {
		_ = p.process.Process.Kill()
		_ = p.process.Wait()
	}
}

// endHelper ends what a killed double of the CLI leaves behind, as the end of a container would.
func (p *pod) endHelper() {
	helper, err := p.helper()
	if err != nil {
		return // there is none
	}
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", helper))
	if err == nil && string(command) == "sleep\x00300\x00" {
		_ = syscall.Kill(helper, syscall.SIGKILL)
	}
}

// helper is the process that the CLI's double started.
func (p *pod) helper() (int, error) {
	text, err := os.ReadFile(p.home("helper"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// terminate asks the agent to end, as kubelet does, and waits for it.
func (p *pod) terminate() {
	p.t.Helper()
	if err := p.process.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.process.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			p.t.Errorf("the agent ended with %v", err)
		}
	case <-time.After(patience):
		p.t.Fatal("the agent did not end after SIGTERM")
	}
}

// write puts a file on the shared volume.
func (p *pod) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.share, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// read reads a file of the shared volume.
func (p *pod) read(name string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.share, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// started gives the processes that were started since the mark.
func (p *pod) started(mark int) []string {
	var commands []string
	for _, line := range strings.Split(p.log.text()[mark:], "\n") {
		if _, rest, ok := strings.Cut(line, `msg="running pulumi" command=`); ok {
			command, _, _ := strings.Cut(rest, " stack=")
			commands = append(commands, strings.Trim(command, `"`))
		}
	}
	return commands
}

// up is an operation with all that most tests want.
func up(uid string, source *operation.Source, change ...func(*operation.Operation)) *operation.Operation {
	op := &operation.Operation{
		Uid: uid, Name: "app-" + uid, Type: operation.Type_UP, Source: source,
		Stack:       &operation.Stack{Name: "dev", Create: true},
		Options:     &operation.Options{},
		Kubeconfig:  &operation.Kubeconfig{Mode: operation.Kubeconfig_NONE},
		CancelGrace: durationpb.New(30 * time.Second),
	}
	for _, change := range change {
		change(op)
	}
	return op
}

// realCLI is the directory of the built CLI. Without it a test is skipped, but never where all must be tested.
func realCLI(tb testing.TB) string {
	tb.Helper()
	dir, err := filepath.Abs("../../bin")
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range []string{"pulumi", "pulumi-language-yaml"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			if os.Getenv("CI") == "true" {
				tb.Fatalf("the Pulumi CLI is not built: %v", err)
			}
			tb.Skipf("NOT TESTED: the Pulumi CLI is not built (%v); run make tools", err)
		}
	}
	return dir
}

// cliDouble is the directory of a stand-in for the CLI, a shell script. Its up writes two events and then waits for the
// file $HOME/release; it ends with 1 when interrupted. Each start of up is written to $HOME/ups. With $HOME/cloud it has no
// stack; with $HOME/unseen, too, there is one which it may not show.
func cliDouble(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pulumi"), []byte(doubleScript), 0o755); err != nil {
		tb.Fatal(err)
	}
	return dir
}

const doubleScript = `#!/bin/sh
case "$1" in
version) echo v3.0.0-double; exit 0 ;;
up) ;;
install) if [ -e "$HOME/broken" ]; then
    echo "npm ERR! 404 left-pad"; echo "error: installing dependencies failed" >&2; exit 1
  fi; exit 0 ;;
stack) [ -e "$HOME/cloud" ] || exit 0
  case "$*" in
  *--create*) [ ! -e "$HOME/unseen" ] || { echo "error: stack 'dev' already exists" >&2; exit 1; } ;;
  *select*) echo "error: no stack named 'dev' found" >&2; exit 6 ;;
  esac; exit 0 ;;
*) exit 0 ;;
esac
for arg in "$@"; do
  case "$arg" in --event-log=*) log="${arg#--event-log=}" ;; esac
done
echo up $$ >>"$HOME/ups"
urn=urn:pulumi:dev::demo::testing:index:Sleep::slow
echo '{"sequence":1,"resourcePreEvent":{"metadata":{"op":"create","urn":"'$urn'","type":"testing:index:Sleep"}}}' >>"$log"
trap 'if [ -e "$HOME/stubborn" ]; then :; else echo "error: update canceled" >&2; exit 1; fi' INT
sleep 300 & helper=$!
echo $helper >"$HOME/helper"
while [ ! -e "$HOME/release" ]; do sleep 0.05; done
kill $helper
echo '{"sequence":2,"resOutputsEvent":{"metadata":{"op":"create","urn":"'$urn'","type":"testing:index:Sleep"}}}' >>"$log"
stack=urn:pulumi:dev::demo::pulumi:pulumi:Stack::demo-dev
echo '{"sequence":3,"resOutputsEvent":{"metadata":{"op":"create","urn":"'$stack'","type":"pulumi:pulumi:Stack",' \
  '"new":{"outputs":{"slept":true}}}}}' >>"$log"
echo '{"sequence":4,"summaryEvent":{"resourceChanges":{"create":1},"result":"succeeded"}}' >>"$log"
`

// home is the home directory of the pod's container.
func (p *pod) home(name string) string {
	for _, variable := range p.env {
		if dir, ok := strings.CutPrefix(variable, "HOME="); ok {
			return filepath.Join(dir, name)
		}
	}
	return name
}

// release lets the CLI's double end.
func (p *pod) release() {
	p.t.Helper()
	if err := os.WriteFile(p.home("release"), nil, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// ups counts how often the CLI's double ran up.
func (p *pod) ups() int {
	text, err := os.ReadFile(p.home("ups"))
	if err != nil {
		return 0
	}
	return strings.Count(string(text), "up ")
}

// logBuffer is the pod's log.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
	// most is how much of it is kept, about; 0 is all. written counts all.
	most    int
	written int
}

// Write adds to the log.
func (l *logBuffer) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written += len(text)
	if l.most > 0 && l.buf.Len() > l.most {
		l.buf.Next(l.buf.Len() / 2)
	}
	return l.buf.Write(text)
}

func (l *logBuffer) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// yaml is a source of one YAML program.
func yaml(program string) map[string]string {
	return map[string]string{"Pulumi.yaml": fmt.Sprintf("name: demo\nruntime: yaml\n%s", program)}
}

// children are the agent's child processes.
func (p *pod) children() []int {
	p.t.Helper()
	// A process belongs to the thread that started it.
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.process.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	var pids []int
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for _, field := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				p.t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}
