package workspace

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gantry-operator/gantry/internal/conditions"
	"github.com/gantry-operator/gantry/internal/pod"
)

func terminatedWith(code int32, reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message}}
}

func TestTrouble(t *testing.T) {
	const notFound = "rpc error: code = NotFound desc = failed to pull and unpack image: not found"
	container := func(state corev1.ContainerState) func(o *Observed) {
		return func(o *Observed) { pending(o.Pod, state) }
	}
	cases := map[string]struct {
		change  func(o *Observed)
		now     time.Duration
		reason  string
		message string
	}{
		"Starting":     {change: container(waitingFor("ContainerCreating", "")), now: time.Minute},
		"Initializing": {change: container(waitingFor("PodInitializing", "")), now: time.Minute},
		"Evicted": {
			change: func(o *Observed) {
				o.Pod.Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on resource: memory."}
			},
			reason:  ReasonPodFailed,
			message: "pod demo-workspace-0 has ended (Failed): Evicted: The node was low on resource: memory.",
		},
		"Unschedulable": {
			change: func(o *Observed) {
				o.Pod.Status = corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{
					Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes are available: 1 Insufficient memory.",
				}}}
			},
			reason:  ReasonUnschedulable,
			message: "no node takes pod demo-workspace-0: 0/1 nodes are available: 1 Insufficient memory.",
		},
		"MissingReferences": {
			change: func(o *Observed) {
				pending(o.Pod, waitingFor("ContainerCreating", ""))
				o.Findings.Missing = []pod.Reference{{Kind: "ConfigMap", Name: "settings"}, {Kind: "Secret", Name: "cloud"}}
			},
			reason:  ReasonMissingReference,
			message: "pod demo-workspace-0 needs what is not in namespace team: ConfigMap settings, Secret cloud; create it, or mend the reference to it",
		},
		"ImagePull": {
			change:  container(waitingFor("ErrImagePull", notFound)),
			reason:  ReasonImagePullFailed,
			message: "image pulumi:v1 of container pulumi in pod demo-workspace-0 cannot be pulled: " + notFound,
		},
		"ImagePullBackOff": {
			change:  container(waitingFor("ImagePullBackOff", `Back-off pulling image "pulumi:v1": ErrImagePull: `+notFound)),
			reason:  ReasonImagePullFailed,
			message: "image pulumi:v1 of container pulumi in pod demo-workspace-0 cannot be pulled: " + notFound,
		},
		"ImagePullBackOffSaysLess": {
			change: func(o *Observed) {
				pending(o.Pod, waitingFor("ImagePullBackOff", `Back-off pulling image "pulumi:v1"`))
				o.Workspace.Status.Conditions = []metav1.Condition{{
					Type: "Reconciling", Status: "True", Reason: ReasonImagePullFailed,
					Message: "image pulumi:v1 of container pulumi in pod demo-workspace-0 cannot be pulled: " + notFound,
				}}
			},
			reason:  ReasonImagePullFailed,
			message: "image pulumi:v1 of container pulumi in pod demo-workspace-0 cannot be pulled: " + notFound,
		},
		"InvalidImageName": {
			change:  container(waitingFor("InvalidImageName", "couldn't parse image name")),
			reason:  ReasonImagePullFailed,
			message: "image pulumi:v1 of container pulumi in pod demo-workspace-0 cannot be pulled: couldn't parse image name",
		},
		"MissingKey": {
			change:  container(waitingFor("CreateContainerConfigError", "couldn't find key token in Secret team/cloud")),
			reason:  ReasonMissingReference,
			message: "container pulumi of pod demo-workspace-0 cannot be created: couldn't find key token in Secret team/cloud",
		},
		"RunsAsRoot": {
			change:  container(waitingFor("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")),
			reason:  ReasonContainerFailed,
			message: "container pulumi of pod demo-workspace-0 cannot be created: container has runAsNonRoot and image will run as root",
		},
		"NoSuchCommand": {
			change:  container(waitingFor("RunContainerError", `exec: "/share/agent": no such file`)),
			reason:  ReasonContainerFailed,
			message: `container pulumi of pod demo-workspace-0 cannot be started: exec: "/share/agent": no such file`,
		},
		"InitContainerFails": {
			change: func(o *Observed) {
				pending(o.Pod, waitingFor("PodInitializing", ""))
				o.Pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{
					Name: "prepare", State: waitingFor("CrashLoopBackOff", "back-off 20s restarting failed container"),
					LastTerminationState: terminatedWith(3, "Error", "no disk\n"),
				}}
			},
			reason:  ReasonContainerFailed,
			message: "container prepare of pod demo-workspace-0 ends with exit code 3: no disk; see kubectl logs -n team demo-workspace-0 -c prepare --previous",
		},
		"InitContainerDone": {
			change: func(o *Observed) {
				pending(o.Pod, waitingFor("PodInitializing", ""))
				o.Pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "prepare", State: terminatedWith(0, "Completed", "")}}
			},
		},
		"CrashLoop": {
			change: func(o *Observed) {
				o.Pod.Status.ContainerStatuses[0].LastTerminationState = terminatedWith(137, "OOMKilled", "")
			},
			reason:  ReasonContainerFailed,
			message: "container pulumi of pod demo-workspace-0 ends with exit code 137 (OOMKilled); see kubectl logs -n team demo-workspace-0 -c pulumi --previous",
		},
		"AgentSaysWhy": {
			change: func(o *Observed) {
				o.Pod.Status.ContainerStatuses[0].LastTerminationState = terminatedWith(69, "Error", "gantry-hub does not answer at port 9443\n")
			},
			reason:  ReasonAgentNotConnected,
			message: "the agent in pod demo-workspace-0 does not reach the manager: gantry-hub does not answer at port 9443",
		},
		"AgentSaidWhyAndCameBack": {
			change: func(o *Observed) {
				ended := terminatedWith(69, "Error", "gantry-hub does not answer at port 9443")
				ended.Terminated.FinishedAt = metav1.NewTime(start())
				o.Pod.Status.ContainerStatuses[0].LastTerminationState = ended
				o.Workspace.Status.PodName = o.Pod.Name
				o.Workspace.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "True", Reason: ReasonSucceeded, LastTransitionTime: metav1.NewTime(start().Add(time.Second))}}
			},
		},
		"AgentSaysWhyItWasLost": {
			change: func(o *Observed) {
				ended := terminatedWith(69, "Error", "the manager refuses the pod's token: it has expired")
				ended.Terminated.FinishedAt = metav1.NewTime(start().Add(3 * time.Minute))
				o.Pod.Status.ContainerStatuses[0].LastTerminationState = ended
				o.Workspace.Status.Conditions = []metav1.Condition{{Type: "Reconciling", Status: "True", Reason: ReasonConnectionFailed, LastTransitionTime: metav1.NewTime(start().Add(time.Minute))}}
			},
			now: 3 * time.Minute, reason: ReasonAgentNotConnected, message: "does not reach the manager: the manager refuses the pod's token: it has expired",
		},
		"KubeletForgotWhatTheAgentSaid": {
			change: func(o *Observed) {
				o.Pod.Status.ContainerStatuses[0].RestartCount = 1
				o.Workspace.Status.Conditions = agentSaid("the agent in pod demo-workspace-0 does not reach the manager: gantry-hub does not answer at port 9443")
			},
			reason:  ReasonAgentNotConnected,
			message: "the agent in pod demo-workspace-0 does not reach the manager: gantry-hub does not answer at port 9443",
		},
		"AnotherPodSaidIt": {
			change: func(o *Observed) {
				o.Workspace.Status.Conditions = agentSaid("the agent in pod demo-workspace-0 does not reach the manager: gantry-hub does not answer at port 9443")
			},
		},
		"AgentSaidNothing": {
			change: func(o *Observed) {
				o.Pod.Status.ContainerStatuses[0].RestartCount = 1
				o.Workspace.Status.Conditions = agentSaid("pod demo-workspace-0 runs, but its agent does not reach the manager")
			},
		},
		"SidecarFails": {
			change: func(o *Observed) {
				o.Pod.Status.ContainerStatuses = append(o.Pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: "side", State: waitingFor("ErrImagePull", "x")})
			},
		},
		"Warned": {
			change: func(o *Observed) {
				pending(o.Pod, waitingFor("ContainerCreating", ""))
				o.Findings.Warning = "FailedMount: no such volume"
			},
			reason: ReasonPodNotStarting, message: "pod demo-workspace-0 does not start: FailedMount: no such volume",
		},
		"Silent": {
			change: func(o *Observed) {
				o.Workspace.Status.Conditions = []metav1.Condition{{Type: "Reconciling", Status: "True", Reason: ReasonWaiting, LastTransitionTime: metav1.NewTime(start())}}
			},
			now: silentAfter, reason: ReasonAgentNotConnected, message: "gantry-hub",
		},
		"NotYetSilent": {
			change: func(o *Observed) {
				o.Workspace.Status.Conditions = []metav1.Condition{{Type: "Reconciling", Status: "True", Reason: ReasonWaiting, LastTransitionTime: metav1.NewTime(start().Add(time.Hour))}}
			},
			now: time.Hour + silentAfter - time.Second,
		},
		"ManagerRestarted": {now: time.Hour},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			o := observed(func(o *Observed) {
				o.Connected = false
				if tc.change != nil {
					tc.change(o)
				}
			})
			got, found := troubleOf(&o, start().Add(tc.now))
			if found != (tc.reason != "") || got.Reason != tc.reason || !strings.Contains(got.Message, tc.message) {
				t.Errorf("found %v: %s %q\nwant %s %q", found, got.Reason, got.Message, tc.reason, tc.message)
			}
		})
	}
}

// agentSaid is a record of an agent that is not connected.
func agentSaid(message string) []metav1.Condition {
	return []metav1.Condition{{
		Type: "Reconciling", Status: "True", Reason: ReasonAgentNotConnected, Message: message, LastTransitionTime: metav1.NewTime(start()),
	}}
}

func TestLatestWarning(t *testing.T) {
	event := func(reason string, last, at time.Duration) corev1.Event {
		e := corev1.Event{Reason: reason, Message: "m"}
		if last != 0 {
			e.LastTimestamp = metav1.NewTime(start().Add(last))
		}
		if at != 0 {
			e.EventTime = metav1.NewMicroTime(start().Add(at))
		}
		return e
	}
	if got := latest(nil); got != "" {
		t.Errorf("no events: %q", got)
	}
	got := latest([]corev1.Event{event("Old", time.Second, 0), event("New", 0, time.Minute), event("Older", 0, 2*time.Second)})
	if got != "New: m" {
		t.Errorf("%q, want the newest", got)
	}
}

func TestChangeEvent(t *testing.T) {
	state := func(kind, reason, message string) []metav1.Condition {
		return []metav1.Condition{{Type: kind, Status: "True", Reason: reason, Message: message}}
	}
	starting := state("Reconciling", ReasonWaiting, "starting")
	ready := state("Ready", ReasonSucceeded, "pod demo-workspace-0 is connected")
	asleep := state("Ready", ReasonSucceeded, asleepState().Message())
	trouble := state("Reconciling", ReasonUnschedulable, "no node")
	cases := map[string]struct {
		old, now []metav1.Condition
		want     string
	}{
		"Starts":           {asleep, starting, ""},
		"Connects":         {starting, ready, "Normal Initialized"},
		"ConnectsAfterAll": {trouble, ready, "Normal Initialized"},
		"Reconnects":       {state("Reconciling", ReasonConnectionFailed, "m"), ready, ""},
		"FallsAsleep":      {ready, asleep, ""},
		"AsleepAtFirst":    {nil, asleep, ""},
		"Canceled":         {starting, asleep, ""},
		"Trouble":          {starting, trouble, "Warning Unschedulable"},
		"SameTrouble":      {trouble, trouble, ""},
		"OtherWords":       {trouble, state("Reconciling", ReasonUnschedulable, "still no node"), "Warning Unschedulable"},
		"Stalled":          {asleep, state("Stalled", ReasonPodTemplateInvalid, "m"), "Warning PodTemplateInvalid"},
		"Deleting":         {ready, state("Reconciling", ReasonDeleting, "m"), ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := ""
			if e, ok := changeEvent(tc.old, tc.now); ok {
				got = e.kind + " " + e.reason
			}
			if got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func TestBoundedNote(t *testing.T) {
	long := conditions.BoundNote(strings.Repeat("ä", 4000))
	if len(long) > conditions.MaxNote || !strings.HasSuffix(long, "(cut)") || !strings.HasPrefix(long, "ää") {
		t.Errorf("%d bytes: %q", len(long), long)
	}
}
