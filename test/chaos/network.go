package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

const (
	// silence is for how long no packet passes between the pod and the manager.
	silence = 30 * time.Second
	// rules drop what a pod sends to the ports of the manager, and what comes back.
	rules = `table inet %[1]s {
  chain cut {
    type filter hook forward priority -10;
    ip saddr %[2]s tcp dport {9443, 9444} drop
    ip daddr %[2]s tcp sport {9443, 9444} drop
  }
}`
)

// cutNetwork cuts the network between the pod and the manager and heals it. The operation ends while it is cut.
func cutNetwork(ctx context.Context, s *story) error {
	_, pod, err := s.underway(ctx, 0)
	if err != nil {
		return err
	}
	table := strings.ReplaceAll(s.Name, "-", "_")
	for i := range s.times {
		if err := s.cluster.command(ctx, "exec", "/usr/sbin/nft", fmt.Sprintf(rules, table, pod.Status.PodIP)); err != nil {
			return err
		}
		s.hit()
		err := pause(ctx, silence/2)
		if err == nil && i == s.times-1 {
			err = s.world.release()
		}
		if err == nil {
			err = pause(ctx, silence/2)
		}
		if healed := s.cluster.command(context.WithoutCancel(ctx), "exec", "/usr/sbin/nft", "delete", "table", "inet", table); healed != nil {
			return healed
		}
		s.mended()
		if err != nil {
			return err
		}
	}
	return nil
}
