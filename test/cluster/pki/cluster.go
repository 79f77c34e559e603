package pki

import (
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/gantry-operator/gantry/test/cluster/paths"
)

// Admin is the user that kubectl on the host and the cluster's first process are.
const Admin = "admin"

// users are the components that talk to the API server, with the names and
// groups that Kubernetes' own RBAC rules expect.
func users() map[string]Subject {
	return map[string]Subject{
		Admin:                     {Name: "kubernetes-admin", Groups: []string{"system:masters"}},
		"kube-controller-manager": {Name: "system:kube-controller-manager"},
		"kube-scheduler":          {Name: "system:kube-scheduler"},
		"kube-proxy":              {Name: "system:kube-proxy"},
		"kubelet":                 {Name: "system:node:" + paths.NodeName, Groups: []string{"system:nodes"}},
		"coredns":                 {Name: "system:coredns"},
	}
}

// Write makes all certificates, keys and kubeconfigs of a cluster in its state
// folder. port is where the host reaches the API server on 127.0.0.1.
func Write(state paths.State, port int, now time.Time) error {
	authority, err := NewAuthority(state.Join("pki"), now)
	if err != nil {
		return err
	}
	if err := authority.SigningKey("service-accounts"); err != nil {
		return err
	}
	node := net.ParseIP(paths.NodeAddress)
	serving := map[string]Subject{
		"kube-apiserver": {
			Name: "kube-apiserver",
			Names: []string{
				"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
			},
			Addresses: []net.IP{net.IPv4(127, 0, 0, 1), node, net.ParseIP(paths.APIServiceAddress)},
		},
		"kubelet-serving": {Name: "system:node:" + paths.NodeName, Names: []string{paths.NodeName}, Addresses: []net.IP{node}},
		// What the API server shows the kubelet for logs, exec and port-forward.
		"kubelet-client": {Name: "kube-apiserver-kubelet-client", Groups: []string{"system:masters"}},
	}
	for file, subject := range serving {
		if _, err := authority.Issue(file, subject); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(state.Join("users"), 0o700); err != nil {
		return fmt.Errorf("make the folder of kubeconfigs: %w", err)
	}
	for name, subject := range users() {
		pair, err := authority.Issue("user-"+name, subject)
		if err != nil {
			return err
		}
		server := "https://" + net.JoinHostPort(paths.NodeAddress, "6443")
		if err := writeFile(state.User(name), Kubeconfig(server, authority.PEM, pair)); err != nil {
			return err
		}
		if name == Admin {
			server = fmt.Sprintf("https://127.0.0.1:%d", port)
			if err := writeFile(state.Kubeconfig(), Kubeconfig(server, authority.PEM, pair)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Kubeconfig is a kubeconfig that needs no other file.
func Kubeconfig(server string, authority []byte, user Pair) []byte {
	encode := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: gantry
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: gantry
  user:
    client-certificate-data: %s
    client-key-data: %s
contexts:
- name: gantry
  context:
    cluster: gantry
    user: gantry
current-context: gantry
`, server, encode(authority), encode(user.Certificate), encode(user.Key))
}

// writeFile replaces a file in one step, so that nobody reads half of it.
func writeFile(path string, content []byte) error {
	temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return fmt.Errorf("write a kubeconfig: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("write a kubeconfig: %w", err)
	}
	return nil
}
