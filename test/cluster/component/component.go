// Package component says what the cluster runs: the command line of every
// component and its configuration file. It starts nothing itself.
package component

import (
	"path/filepath"

	"github.com/gantry-operator/gantry/test/cluster/paths"
)

// Names of the components, as `cluster restart` and the logs call them.
const (
	Etcd              = "etcd"
	Containerd        = "containerd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	Kubelet           = "kubelet"
	Proxy             = "kube-proxy"
	DNS               = "coredns"
)

// EtcdClient is where etcd listens, inside the cluster's network namespace only.
const EtcdClient = "http://127.0.0.1:2379"

// Component is one long-running process of the cluster.
type Component struct {
	Name    string
	Command []string
}

// All lists the components. state and programs are the folders as the
// components see them.
func All(state paths.State, programs string) []Component {
	kube := filepath.Join(programs, "kube")
	return []Component{
		{Etcd, []string{
			"/usr/bin/etcd",
			"--name=" + paths.NodeName,
			"--data-dir=" + state.Join("etcd"),
			"--listen-client-urls=" + EtcdClient,
			"--advertise-client-urls=" + EtcdClient,
			"--listen-peer-urls=http://127.0.0.1:2380",
			// The data lives no longer than the cluster: there is nothing to keep safe on the disk.
			"--unsafe-no-fsync",
			"--logger=zap",
		}},
		{Containerd, []string{"/usr/bin/containerd", "--config=" + state.Config("containerd.toml")}},
		{APIServer, append([]string{kube, APIServer}, apiServer(state)...)},
		{ControllerManager, []string{
			kube, ControllerManager,
			"--kubeconfig=" + state.User(ControllerManager),
			"--authentication-kubeconfig=" + state.User(ControllerManager),
			"--authorization-kubeconfig=" + state.User(ControllerManager),
			"--service-account-private-key-file=" + state.PKI("service-accounts.key"),
			"--root-ca-file=" + state.PKI("ca.crt"),
			"--cluster-signing-cert-file=" + state.PKI("ca.crt"),
			"--cluster-signing-key-file=" + state.PKI("ca.key"),
			"--use-service-account-credentials=true",
			"--allocate-node-cidrs=false",
			"--leader-elect=false",
		}},
		{Scheduler, []string{
			kube, Scheduler,
			"--kubeconfig=" + state.User(Scheduler),
			"--authentication-kubeconfig=" + state.User(Scheduler),
			"--authorization-kubeconfig=" + state.User(Scheduler),
			"--leader-elect=false",
		}},
		{Kubelet, []string{
			kube, Kubelet,
			"--config=" + state.Config("kubelet.yaml"),
			"--kubeconfig=" + state.User(Kubelet),
			"--hostname-override=" + paths.NodeName,
			"--node-ip=" + paths.NodeAddress,
			"--root-dir=" + state.Join("kubelet"),
		}},
		{Proxy, []string{
			kube, Proxy,
			"--kubeconfig=" + state.User(Proxy),
			"--hostname-override=" + paths.NodeName,
			"--proxy-mode=nftables",
			// The size of the connection table belongs to the machine, not to this namespace.
			"--conntrack-max-per-core=0",
		}},
		{DNS, []string{filepath.Join(programs, DNS), "-conf", state.Config("Corefile")}},
	}
}

func apiServer(state paths.State) []string {
	return []string{
		"--etcd-servers=" + EtcdClient,
		"--bind-address=" + paths.NodeAddress,
		"--advertise-address=" + paths.NodeAddress,
		"--secure-port=6443",
		"--tls-cert-file=" + state.PKI("kube-apiserver.crt"),
		"--tls-private-key-file=" + state.PKI("kube-apiserver.key"),
		"--client-ca-file=" + state.PKI("ca.crt"),
		// No aggregated API server runs here, but the components look for the authority.
		"--requestheader-client-ca-file=" + state.PKI("ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--kubelet-certificate-authority=" + state.PKI("ca.crt"),
		"--kubelet-client-certificate=" + state.PKI("kubelet-client.crt"),
		"--kubelet-client-key=" + state.PKI("kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-key-file=" + state.PKI("service-accounts.pub"),
		"--service-account-signing-key-file=" + state.PKI("service-accounts.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--service-cluster-ip-range=" + paths.ServiceRange,
		"--allow-privileged=true",
		// What Gantry's manager asks for is compared with what it was granted (test/rbac).
		"--audit-policy-file=" + state.Config("audit.yaml"),
		"--audit-log-path=" + state.Log("audit"),
		"--audit-log-mode=batch",
		"--audit-log-maxsize=50",
		"--audit-log-maxbackup=10",
	}
}
