package main

import (
	"context"
	"time"
)

// limit is how long the story of a fault may take.
const limit = 15 * time.Minute

// fault is one way to break something.
type fault struct {
	name string
	// times is how often it is injected, short how often in the short form; 0 is not at all.
	times, short int
	// shared faults hit the whole cluster. The others hit a pod, and run beside each other.
	shared bool
	// kills tells that the fault ends the operation under way, and that another one has to follow. Where it does not, the
	// one operation has to succeed.
	kills bool
	// wanted is how many operations there are where the fault ends none, if it is not one.
	wanted int
	// greedy has the thing in the middle take memory without end while it waits.
	greedy bool
	// removes tells that the fault deletes the Stack: it has to be destroyed, and nothing else.
	removes bool
	// prepare makes what the fault needs, before there is a Stack.
	prepare func(ctx context.Context, s *story) error
	// overlays change the story's Stack.
	overlays []string
	// inject breaks something as often as the story's times. The operation is in the middle when it begins; it is let go
	// on to its end when it returns, if not before.
	inject func(ctx context.Context, s *story) error
}

// faults are all there are.
func faults() []fault {
	return []fault{
		{name: "manager killed", times: 20, short: 2, shared: true, inject: killManager},
		{name: "leader changed every 5 s", times: 12, short: 3, shared: true, inject: changeLeader},
		{name: "API server stopped", times: 1, short: 1, shared: true, inject: stopAPIServer},
		{name: "etcd killed", times: 3, short: 1, shared: true, inject: killEtcd},
		{name: "kubelet restarted", times: 3, short: 1, shared: true, inject: restart("kubelet")},
		{name: "containerd restarted", times: 3, short: 1, shared: true, inject: restart("containerd")},
		{name: "clock moved", times: 2, shared: true, kills: true, overlays: []string{leisurely}, inject: moveClock},
		{
			name: "namespace deleted", times: 1, shared: true, kills: true, removes: true, overlays: []string{elsewhere},
			prepare: prepareElsewhere, inject: deleteNamespace,
		},
		{name: "pod deleted", times: 3, short: 1, kills: true, inject: deletePod},
		{name: "pod evicted", times: 3, kills: true, inject: evictPod},
		{name: "pod killed", times: 3, short: 1, kills: true, inject: killPod},
		{name: "agent killed", times: 3, short: 1, kills: true, inject: killProgram("agent")},
		{name: "pulumi killed", times: 3, short: 1, kills: true, inject: killProgram("pulumi")},
		{name: "pod out of memory", times: 2, kills: true, greedy: true, overlays: []string{tight}, inject: outOfMemory},
		{name: "pod's disk full", times: 1, overlays: []string{small}, inject: fillDisk},
		{name: "network cut between pod and manager", times: 2, short: 1, inject: cutNetwork},
		{name: "100 annotations in a second", times: 100, short: 100, wanted: 2, inject: annotate},
	}
}

const (
	// tight has a pod end what takes more memory than the program needs.
	tight = `{spec: {workspaceTemplate: {spec: {resources: {limits: {memory: 512Mi}}}}}}`
	// leisurely leaves the time until failures are tried again as it is by default.
	leisurely = `{spec: {retryMaxBackoffDurationSeconds: null}}`
)
