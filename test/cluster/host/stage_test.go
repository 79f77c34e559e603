package host

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gantry-operator/gantry/test/cluster/cgroup"
	"github.com/gantry-operator/gantry/test/cluster/component"
	"github.com/gantry-operator/gantry/test/cluster/paths"
)

// newCluster is a cluster in a folder of its own, ended with the test.
func newCluster(t *testing.T) (Cluster, *bytes.Buffer) {
	t.Helper()
	programs := os.Getenv("GANTRY_CLUSTER_PROGRAMS")
	if programs == "" {
		t.Skip("SKIPPED: starts real clusters; run it with `make cluster-check`")
	}
	out := &bytes.Buffer{}
	// A long path, since sockets' paths must not depend on it.
	folder := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	c := Cluster{State: paths.State(folder), Programs: programs, Out: out}
	t.Cleanup(func() {
		if t.Failed() {
			logClusterLogs(t, c)
		}
		if err := c.Down(); err != nil {
			t.Errorf("down at the end: %v", err)
		}
	})
	return c, out
}

// logClusterLogs shows the last lines of every component of a failed test's cluster.
func logClusterLogs(t *testing.T, c Cluster) {
	t.Helper()
	logs, _ := filepath.Glob(c.State.Join("logs", "*.log"))
	for _, path := range logs {
		content, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(content)), "\n")
		t.Logf("%s:\n%s", filepath.Base(path), strings.Join(lines[max(0, len(lines)-5):], "\n"))
	}
}

func up(t *testing.T, c Cluster) {
	t.Helper()
	if err := c.Up(); err != nil {
		t.Fatalf("up: %v\n%s", err, c.Out)
	}
}

func down(t *testing.T, c Cluster) {
	t.Helper()
	if err := c.Down(); err != nil {
		t.Fatalf("down: %v\n%s", err, c.Out)
	}
}

// kubectl runs kubectl on the host with the cluster's kubeconfig.
func kubectl(t *testing.T, c Cluster, stdin string, arguments ...string) string {
	t.Helper()
	arguments = append([]string{"--kubeconfig", c.State.Kubeconfig()}, arguments...)
	command := exec.Command(filepath.Join(c.Programs, "kubectl"), arguments...)
	command.Stdin = strings.NewReader(stdin)
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %q: %v\n%s", arguments, err, output)
	}
	return string(output)
}

// runPod runs a pod with a volume, so that there are shims, mounts and a
// network namespace to be left behind, and returns its container's id.
func runPod(t *testing.T, c Cluster) string {
	t.Helper()
	kubectl(t, c, fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claim}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: pod}
spec:
  containers:
  - {name: main, image: %q, volumeMounts: [{name: claimed, mountPath: /claimed}]}
  volumes: [{name: claimed, persistentVolumeClaim: {claimName: claim}}]
`, component.PauseImage), "apply", "-f", "-")
	kubectl(t, c, "", "wait", "--for=condition=Ready", "pod/pod", "--timeout=60s")
	return containerID(t, c)
}

func containerID(t *testing.T, c Cluster) string {
	t.Helper()
	return kubectl(t, c, "", "get", "pod", "pod", "-o", "jsonpath={.status.containerStatuses[0].containerID}")
}

// trace is what to look for when a cluster is gone: the namespaces that its
// processes had for themselves. Their numbers are given out again, so a process
// that began later is not of this cluster.
type trace struct {
	namespaces map[string]bool
	taken      int // in clock ticks since the machine started
}

func traces(t *testing.T, c Cluster) trace {
	t.Helper()
	pids, err := cgroup.Processes(c.State.Identity())
	if components := len(component.All(c.State, "")); err != nil || len(pids) <= components {
		t.Fatalf("the cluster has the processes %v (%v), want more than its %d components", pids, err, components)
	}
	own := namespaces("self")
	found := trace{namespaces: map[string]bool{}, taken: now(t)}
	for _, pid := range pids {
		for namespace := range namespaces(strconv.Itoa(pid)) {
			if !own[namespace] {
				found.namespaces[namespace] = true
			}
		}
	}
	return found
}

// now is the time as /proc shows processes' starts.
func now(t *testing.T) int {
	t.Helper()
	content, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	whole, rest, _ := strings.Cut(strings.Fields(string(content))[0], ".")
	return number(t, whole+rest)
}

func namespaces(process string) map[string]bool {
	found := map[string]bool{}
	links, _ := filepath.Glob("/proc/" + process + "/ns/*")
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil {
			found[target] = true
		}
	}
	return found
}

func number(t *testing.T, text string) int {
	t.Helper()
	value, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return value
}
