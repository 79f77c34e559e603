package component

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gantry-operator/gantry/test/cluster/paths"
)

// PauseImage is the image of every pod's sandbox.
const PauseImage = "localhost/pause:gantry"

// auditPolicy has the requests of Gantry's manager on record, without their bodies, and nobody else's.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: ["system:serviceaccount:gantry-system:gantry-manager"]
- level: None
`

// WriteConfig writes the components' configuration files. host is the state
// folder to write to, inside the same folder as the components see it.
func WriteConfig(host, inside paths.State, identity string) error {
	files := map[string]string{
		"containerd.toml":        containerd(inside),
		"kubelet.yaml":           kubelet(inside, identity),
		"Corefile":               corefile(inside),
		"cni/10-gantry.conflist": network(inside),
		"audit.yaml":             auditPolicy,
	}
	for name, content := range files {
		path := host.Config(name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make the folder of configuration: %w", err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
	}
	return nil
}

func containerd(state paths.State) string {
	return fmt.Sprintf(`version = 2
root = %q
state = %q
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  # The kernel lets a process without CAP_SYS_RESOURCE raise its score, not lower it.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = %q
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`, state.Join("containerd"), state.Join("containerd-run"), state.Containerd(), PauseImage, state.Config("cni"))
}

// kubelet keeps kubelet's own timing; what differs from its defaults is what
// this kind of machine needs, and one-node housekeeping.
func kubelet(state paths.State, identity string) string {
	return strings.NewReplacer(
		"{PKI}", state.Join("pki"), "{SOCKET}", state.Containerd(), "{DNS}", paths.DNSAddress, "{GROUP}", identity, "{LOGS}", state.Join("pod-logs"),
	).Replace(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: {PKI}/ca.crt}
authorization: {mode: Webhook}
tlsCertFile: {PKI}/kubelet-serving.crt
tlsPrivateKeyFile: {PKI}/kubelet-serving.key
containerRuntimeEndpoint: unix://{SOCKET}
cgroupDriver: cgroupfs
cgroupRoot: /{GROUP}
clusterDNS: ["{DNS}"]
clusterDomain: cluster.local
resolvConf: ""
podLogsDir: {LOGS}
maxPods: 200
serializeImagePulls: false
failSwapOn: false
failCgroupV1: false
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
# Images cannot be pulled again: never throw one away.
imageGCHighThresholdPercent: 100
`)
}

func corefile(state paths.State) string {
	return fmt.Sprintf(`.:53 {
  bind %s
  ready 127.0.0.1:8181
  errors
  cache 2
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    kubeconfig %s
    pods insecure
    ttl 1
  }
}
`, paths.NodeAddress, state.User(DNS))
}

// network routes every pod by a pair of interfaces of its own. With a bridge,
// answers of a Service's pod to a pod of the same node would go around the
// address translation.
func network(state paths.State) string {
	return fmt.Sprintf(`{
  "cniVersion": "1.0.0",
  "name": "gantry",
  "plugins": [
    {
      "type": "ptp",
      "ipMasq": false,
      "ipam": {
        "type": "host-local",
        "dataDir": %q,
        "ranges": [[{"subnet": %q}]],
        "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`, state.Join("cni"), paths.PodRange)
}
