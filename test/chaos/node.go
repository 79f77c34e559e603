package main

import (
	"context"
	"time"
)

const (
	// outage is how long the API server is stopped, shortOutage how long in the short form.
	outage, shortOutage = 60 * time.Second, 20 * time.Second
	// between is the time between two restarts of what the node stands on.
	between = 5 * time.Second
)

// stopAPIServer stops the API server for a while, in which the operation ends.
func stopAPIServer(ctx context.Context, s *story) error {
	during := outage
	if s.short {
		during = shortOutage
	}
	for range s.times {
		if err := s.cluster.command(ctx, "stop", "kube-apiserver"); err != nil {
			return err
		}
		s.hit()
		err := pause(ctx, during/2)
		if err == nil {
			err = s.world.release()
		}
		if err == nil {
			err = pause(ctx, during/2)
		}
		if err != nil {
			return err
		}
		if err := s.cluster.command(ctx, "start", "kube-apiserver"); err != nil {
			return err
		}
		if err := untilServed(ctx, s.Kube); err != nil {
			return err
		}
		s.mended()
	}
	return nil
}

// killEtcd kills etcd and starts it again.
func killEtcd(ctx context.Context, s *story) error {
	for range s.times {
		if err := s.cluster.command(ctx, "kill", "etcd"); err != nil {
			return err
		}
		s.hit()
		if err := s.cluster.command(ctx, "start", "etcd"); err != nil {
			return err
		}
		if err := untilServed(ctx, s.Kube); err != nil {
			return err
		}
		s.mended()
		if err := pause(ctx, between); err != nil {
			return err
		}
	}
	return nil
}

// restart restarts a component of the node.
func restart(component string) func(context.Context, *story) error {
	return func(ctx context.Context, s *story) error {
		for range s.times {
			if err := s.cluster.command(ctx, "restart", component); err != nil {
				return err
			}
			s.hit()
			if err := pause(ctx, between); err != nil {
				return err
			}
		}
		return nil
	}
}
