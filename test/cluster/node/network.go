package node

import (
	"fmt"
	"os"

	"github.com/gantry-operator/gantry/test/cluster/paths"
)

// connect sets up the cluster's network: the node's address, and no way out.
// The service range needs some route, because the kernel looks for one before
// kube-proxy's rules change the address.
func connect(processes *processes) error {
	commands := [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", "node0", "type", "bridge"},
		{"addr", "add", paths.NodeAddress + "/24", "dev", "node0"},
		{"link", "set", "node0", "up"},
		{"route", "add", paths.ServiceRange, "dev", "node0"},
	}
	for _, arguments := range commands {
		if err := processes.run(append([]string{"/sbin/ip"}, arguments...), "network"); err != nil {
			return fmt.Errorf("set up the network: %w", err)
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		return fmt.Errorf("let pods reach each other: %w", err)
	}
	return nil
}
