package host

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gantry-operator/gantry/test/cluster/cgroup"
	"github.com/gantry-operator/gantry/test/cluster/component"
)

func TestUpTwiceDownTwice(t *testing.T) {
	c, out := newCluster(t)
	up(t, c)
	runPod(t, c)
	began := time.Now()
	up(t, c)
	if !strings.Contains(out.String(), "runs already") || time.Since(began) > 10*time.Second {
		t.Errorf("the second up took %v and said:\n%s", time.Since(began), out)
	}
	seen := traces(t, c)
	down(t, c)
	checkGone(t, c, seen)
	down(t, c)
	if !strings.Contains(out.String(), "there was no cluster") {
		t.Errorf("the second down said:\n%s", out)
	}
	up(t, c)
	runPod(t, c)
}

func TestUpMendsACrashedCluster(t *testing.T) {
	cases := map[string]func(t *testing.T, c Cluster){
		"FirstProcessKilled": func(t *testing.T, c Cluster) {
			r, _ := readRecord(c.State)
			if err := syscall.Kill(r.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		},
		"RecordLost": func(t *testing.T, c Cluster) {
			if err := os.Remove(c.State.Record()); err != nil {
				t.Fatal(err)
			}
		},
		"RecordOfAnotherProcess": func(t *testing.T, c Cluster) {
			// The id is this test's: killing by id alone would end the test.
			if err := (record{PID: os.Getpid(), Started: "1"}).write(c.State); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, crash := range cases {
		t.Run(name, func(t *testing.T) {
			c, out := newCluster(t)
			up(t, c)
			runPod(t, c)
			seen := traces(t, c)
			crash(t, c)
			up(t, c)
			if !strings.Contains(out.String(), "cleaned up what an earlier cluster left") {
				t.Errorf("up said:\n%s", out)
			}
			runPod(t, c)
			again := traces(t, c)
			down(t, c)
			checkGone(t, c, again)
			checkGone(t, c, seen)
		})
	}
}

func TestUpKilledHalfWayLeavesNothingRunning(t *testing.T) {
	c, _ := newCluster(t)
	command := exec.Command(filepath.Join(c.Programs, "cluster"), "--state", string(c.State), "up")
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil || !strings.Contains(line, component.Etcd) {
		t.Fatalf("first line of progress: %q, %v", line, err)
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait()
	// The start that nobody waits for ends by itself.
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		pids, err := cgroup.Processes(c.State.Identity())
		if err == nil && len(pids) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("processes %v still run (%v)", pids, err)
		}
	}
	up(t, c)
	runPod(t, c)
}

func TestStoppedComponentsAreStartedAgain(t *testing.T) {
	c, _ := newCluster(t)
	up(t, c)
	id := runPod(t, c)
	for _, name := range []string{component.APIServer, component.Kubelet, component.Containerd} {
		if err := c.Component("kill", name); err != nil {
			t.Fatalf("kill %s: %v", name, err)
		}
	}
	up(t, c)
	if now := containerID(t, c); now != id {
		t.Errorf("the pod's container is %s, was %s", now, id)
	}
	if err := c.Component("restart", "nonsense"); err == nil {
		t.Error("an unknown component was restarted")
	}
}

func TestTwoClustersSideBySide(t *testing.T) {
	first, _ := newCluster(t)
	second, _ := newCluster(t)
	up(t, first)
	id := runPod(t, first)
	up(t, second)
	runPod(t, second)
	// A second kubelet that saw the first one's pods would have ended them.
	if now := containerID(t, first); now != id {
		t.Errorf("the first cluster's container is %s, was %s", now, id)
	}
	seen := traces(t, second)
	down(t, second)
	checkGone(t, second, seen)
	kubectl(t, first, "", "wait", "--for=condition=Ready", "pod/pod", "--timeout=1s")
}

// checkGone fails when any process still is in one of the cluster's
// namespaces, any process sees a mount below its folder, or files or control
// groups of it are left.
func checkGone(t *testing.T, c Cluster, seen trace) {
	t.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(processes) == 0 {
		t.Fatalf("no processes found: %v", err)
	}
	for _, process := range processes {
		pid := filepath.Base(process)
		started, state, err := look(number(t, pid))
		if err != nil || state == "Z" || number(t, started) > seen.taken {
			continue
		}
		for namespace := range namespaces(pid) {
			if seen.namespaces[namespace] {
				t.Errorf("process %s is still in namespace %s", pid, namespace)
			}
		}
		mounts, err := os.ReadFile(filepath.Join(process, "mountinfo"))
		if err == nil && bytes.Contains(mounts, []byte(c.State)) {
			t.Errorf("process %s still sees a mount of the cluster's folder", pid)
		}
	}
	groups, err := filepath.Glob(filepath.Join("/sys/fs/cgroup/*", c.State.Identity()))
	if err != nil || len(groups) > 0 {
		t.Errorf("control groups are left: %v %v", groups, err)
	}
	for _, path := range c.State.Owned() {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}
}
