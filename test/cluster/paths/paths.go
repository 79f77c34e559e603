// Package paths owns the layout of the cluster's state folder, which is the
// same folder seen from two places: `.cluster` of the repository on the host,
// and Inside in the cluster's own mount namespace.
package paths

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
)

const (
	// Inside is where the cluster's processes see the state folder. It is short
	// and constant, so that socket paths never grow too long and configuration
	// files do not depend on where the repository lies.
	Inside = "/run/gantry"
	// Programs is where the cluster's processes see the folder of built programs.
	Programs = "/run/gantry-bin"

	// NodeName is the one node.
	NodeName = "node1"
	// NodeAddress is its address; 192.0.2.0/24 is a documentation range, so it
	// collides with nothing.
	NodeAddress = "192.0.2.10"
	// ServiceRange holds the cluster addresses of Services.
	ServiceRange = "10.96.0.0/16"
	// APIServiceAddress is the cluster address of the Service `kubernetes`.
	APIServiceAddress = "10.96.0.1"
	// DNSAddress is the cluster address of the Service `kube-dns`.
	DNSAddress = "10.96.0.10"
	// PodRange holds the pods' addresses.
	PodRange = "198.51.100.0/24"
)

// State is a state folder, as its user sees it.
type State string

// Join returns a path below the state folder.
func (s State) Join(elements ...string) string {
	return filepath.Join(append([]string{string(s)}, elements...)...)
}

// Lock is held while the cluster is started or ended.
func (s State) Lock() string { return s.Join("lock") }

// Record names the running cluster's first process.
func (s State) Record() string { return s.Join("state.json") }

// Control is the socket on which the running cluster takes commands.
func (s State) Control() string { return s.Join("control.sock") }

// Containerd is containerd's socket.
func (s State) Containerd() string { return s.Join("containerd.sock") }

// Kubeconfig is what kubectl on the host uses.
func (s State) Kubeconfig() string { return s.Join("kubeconfig") }

// PKI holds certificates and keys.
func (s State) PKI(name string) string { return s.Join("pki", name) }

// User is the kubeconfig of one of the cluster's components.
func (s State) User(name string) string { return s.Join("users", name+".kubeconfig") }

// Config holds the components' configuration files.
func (s State) Config(name string) string { return s.Join("config", name) }

// Log is a component's log.
func (s State) Log(name string) string { return s.Join("logs", name+".log") }

// Volumes holds the folders behind the persistent volumes.
func (s State) Volumes() string { return s.Join("volumes") }

// Owned lists everything below the state folder that a cluster makes and that
// goes with it. What others keep there (figures, caches) stays.
func (s State) Owned() []string {
	names := []string{
		"state.json", "control.sock", "containerd.sock", "containerd.sock.ttrpc", "kubeconfig",
		"pki", "users", "config", "logs", "volumes", "etcd", "containerd", "containerd-run", "kubelet", "pod-logs", "cni",
	}
	owned := make([]string, len(names))
	for i, name := range names {
		owned[i] = s.Join(name)
	}
	return owned
}

// Identity is the cluster's name on this machine: it depends on the state
// folder, so that two clones of the repository have two clusters.
func (s State) Identity() string {
	sum := sha256.Sum256([]byte(s))
	return "gantry-" + hex.EncodeToString(sum[:4])
}
