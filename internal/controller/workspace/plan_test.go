package workspace

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/pod"
)

// observed is a Workspace with a connected, idle pod that started at the start.
func observed(change func(o *Observed)) Observed {
	w := workspaceObject()
	o := Observed{
		Workspace: w, Pod: runningPod(w, "pod-1", start()), Built: builtPod(w), HasCA: true,
		IdleTimeout: 5 * time.Minute, Connected: true,
	}
	if change != nil {
		change(&o)
	}
	return o
}

func ended(o *Observed) {
	at := metav1.NewTime(start())
	o.Pod.DeletionTimestamp = &at
}

// formerly gives the Workspace what PKO leaves.
func formerly(o *Observed) {
	yes := true
	o.Pod.OwnerReferences = []metav1.OwnerReference{{Kind: "StatefulSet", Name: "demo-workspace", UID: "s", Controller: &yes}}
	o.Former = Former{HasPod: true, Remove: []*metav1.PartialObjectMetadata{{}, {}}}
}

// planCase is something observed and what is planned for it.
type planCase struct {
	reason  string
	change  func(o *Observed)
	now     time.Duration
	check   string
	act     Act
	state   string
	message string
	podName string
	after   time.Duration
}

func planCases() map[string]planCase {
	other := func(o *Observed) { o.Built.Annotations[autov1alpha1.AnnotationRevisionHash] = "changed" }
	return map[string]planCase{
		"Deleting": {
			change: func(o *Observed) {
				at := metav1.NewTime(start())
				o.Workspace.DeletionTimestamp = &at
				o.Claims.Wanted = true
			},
			check: "deleting", state: ReasonDeleting,
		},
		"FormerWanted": {
			change: func(o *Observed) { formerly(o); o.Claims.Wanted = true },
			check:  "former", act: DeleteFormer, state: ReasonWaiting, message: "which the Pulumi Kubernetes Operator left", after: recheck,
		},
		"FormerIdle": {
			change: formerly, check: "former", act: DeleteFormer, state: ReasonSucceeded, message: "asleep", after: recheck,
		},
		"FormerEnding": {
			change: func(o *Observed) { formerly(o); ended(o); o.Former.Remove, o.Claims.Wanted = nil, true },
			check:  "former", state: ReasonWaiting, message: "saves its work first", after: recheck,
		},
		"FormerStuck": {
			change: func(o *Observed) { formerly(o); ended(o); o.Former.Remove = nil },
			now:    stuckAfter, check: "former", state: ReasonPodStuck, message: "--force", after: recheck,
		},
		"FormerBeforeItsPod": {
			reason: "no pod is started before the StatefulSet is on its way, or there would be two that make one",
			change: func(o *Observed) { formerly(o); o.Pod, o.Former.HasPod, o.Claims.Wanted = nil, false, true },
			check:  "former", act: DeleteFormer, state: ReasonWaiting, message: "before pod demo-workspace-0 is started", after: caRecheck,
		},
		"FormerOnItsWay": {
			change: func(o *Observed) { o.Pod, o.Claims.Wanted = nil, true },
			check:  "wake", act: CreatePod, state: ReasonWaiting, podName: podName,
		},
		"FormerUnknown": {
			reason: "what cannot be read keeps nothing from working",
			change: func(o *Observed) { o.Pod, o.Former.Unknown, o.Claims.Wanted = nil, true, true },
			check:  "wake", act: CreatePod, state: ReasonWaiting, podName: podName,
		},
		"TakenByStatefulSet": {
			change: func(o *Observed) {
				yes := true
				o.Pod.OwnerReferences = []metav1.OwnerReference{{Kind: "StatefulSet", Name: "demo-workspace", UID: "s", Controller: &yes}}
				o.Claims.Wanted = true
			},
			check: "taken", state: ReasonPodNameTaken, message: "StatefulSet demo-workspace", after: recheck,
		},
		"TakenByOlderWorkspace": {
			change: func(o *Observed) { o.Pod.OwnerReferences[0].UID = "ws-0" },
			check:  "taken", state: ReasonPodNameTaken, message: "Workspace demo", after: recheck,
		},
		"EndingAndWanted": {
			reason: "never two pods",
			change: func(o *Observed) { ended(o); o.Claims.Wanted = true },
			check:  "ending", state: ReasonWaiting, message: "to end", after: stuckAfter,
		},
		"EndingAndNotWanted": {change: ended, check: "ending", state: ReasonSucceeded, message: "asleep", after: stuckAfter},
		"EndingWithOperation": {
			change: func(o *Observed) { ended(o); o.Claims.Live = true }, now: 10 * time.Second,
			check: "ending", state: ReasonWaiting, message: "is being stopped", podName: podName, after: 20 * time.Second,
		},
		"EndingForEver": {
			change: ended, now: time.Minute,
			check: "ending", state: ReasonPodStuck, message: "kubectl delete pod -n team demo-workspace-0 --force", podName: podName, after: recheck,
		},
		"Live": {
			change: func(o *Observed) { o.Claims.Live = true; pod.Protect(o.Pod) }, now: time.Hour,
			check: "live", state: ReasonSucceeded, message: "is connected", podName: podName,
		},
		"LiveIsProtected": {
			change: func(o *Observed) { o.Claims.Live = true },
			check:  "live", act: Protect, state: ReasonSucceeded, podName: podName,
		},
		"LiveIsNeverReplaced": {
			change: func(o *Observed) { o.Claims.Live = true; pod.Protect(o.Pod); other(o) },
			check:  "live", state: autov1alpha1.ReasonPodOutdated, message: "when the operation in it is over", podName: podName,
		},
		"LiveOfInvalidWorkspace": {
			change: func(o *Observed) {
				o.Claims.Live = true
				pod.Protect(o.Pod)
				o.Built, o.Invalid = nil, &pod.InvalidError{Path: "spec.podTemplate.spec", Problem: "x"}
			},
			check: "live", state: ReasonPodTemplateInvalid, podName: podName,
		},
		"LiveInFailedPod": {
			reason: "its Update has to be told first",
			change: func(o *Observed) {
				o.Claims.Live, o.Connected = true, false
				pod.Protect(o.Pod)
				o.Pod.Status.Phase, o.Pod.Status.Reason = corev1.PodFailed, "Evicted"
			},
			check: "live", state: ReasonPodFailed, message: "Evicted", podName: podName, after: lookAfter,
		},
		"Retired": {
			reason: "the hub would not give it the operation that waits",
			change: func(o *Observed) { o.Retired, o.Claims.Wanted = true, true },
			check:  "retired", act: DeletePod, state: ReasonWaiting,
		},
		"Failed": {
			change: func(o *Observed) { o.Pod.Status.Phase = corev1.PodFailed; o.Claims.Wanted = true; o.Connected = false },
			check:  "finished", act: DeletePod, state: ReasonWaiting,
		},
		"SucceededAndNotWanted": {
			change: func(o *Observed) { o.Pod.Status.Phase = corev1.PodSucceeded; o.Connected = false },
			check:  "finished", act: DeletePod, state: ReasonSucceeded, message: "asleep",
		},
		"NoCAAndWanted": {
			change: func(o *Observed) { o.HasCA, o.Built, o.Pod = false, nil, nil; o.Claims.Wanted = true },
			check:  "unready", state: ReasonWaiting, message: "certificates", after: caRecheck,
		},
		"NoCAAndAsleep": {
			change: func(o *Observed) { o.HasCA, o.Built, o.Pod = false, nil, nil },
			check:  "unready", state: ReasonSucceeded,
		},
		"NoCAAndPod": {
			change: func(o *Observed) { o.HasCA, o.Built = false, nil }, now: time.Hour,
			check: "unready", state: ReasonSucceeded, podName: podName, after: caRecheck,
		},
		"InvalidTemplate": {
			change: func(o *Observed) {
				o.Pod, o.Built, o.Claims.Wanted = nil, nil, true
				o.Invalid = &pod.InvalidError{Path: "spec.podTemplate.spec.volume", Problem: "there is no such field"}
			},
			check: "invalid", state: ReasonPodTemplateInvalid, message: "spec.podTemplate.spec.volume: there is no such field",
		},
		"InvalidSpecAndPod": {
			change: func(o *Observed) {
				o.Built, o.Invalid = nil, &pod.InvalidError{Path: "spec.idleTimeout", Problem: "x"}
			},
			check: "invalid", act: DeletePod, state: ReasonSpecInvalid,
		},
		"Outdated": {change: other, check: "outdated", act: DeletePod, state: ReasonSucceeded, message: "asleep"},
		"OutdatedAndWanted": {
			change: func(o *Observed) { other(o); o.Claims.Wanted = true },
			check:  "outdated", act: DeletePod, state: ReasonWaiting,
		},
		"Wake": {
			change: func(o *Observed) { o.Pod, o.Connected, o.Claims.Wanted = nil, false, true },
			check:  "wake", act: CreatePod, state: ReasonWaiting, message: "waiting for pod demo-workspace-0 to start", podName: podName,
		},
		"Asleep": {
			change: func(o *Observed) { o.Pod, o.Connected = nil, false },
			check:  "asleep", state: ReasonSucceeded, message: "asleep",
		},
		"WantedAndThere": {
			change: func(o *Observed) { o.Claims.Wanted = true }, now: time.Hour,
			check: "wanted", act: Protect, state: ReasonSucceeded, podName: podName,
		},
		"WantedAndStarting": {
			change: func(o *Observed) {
				o.Claims.Wanted, o.Connected = true, false
				pod.Protect(o.Pod)
				pending(o.Pod, waitingFor("ContainerCreating", ""))
			},
			now: time.Second, check: "wanted", state: ReasonWaiting, podName: podName, after: 2 * time.Second,
		},
		"IdleSinceStart": {
			now: 5 * time.Minute, check: "idle", act: DeletePod, state: ReasonSucceeded, message: "asleep",
		},
		"IdleSinceLastEnd": {
			change: func(o *Observed) { o.Claims.LastEnd = start().Add(time.Minute) },
			now:    6 * time.Minute, check: "idle", act: DeletePod, state: ReasonSucceeded,
		},
		"IdleAtOnce": {
			change: func(o *Observed) { o.IdleTimeout, o.Claims.LastEnd = 0, start().Add(time.Minute) },
			now:    time.Minute, check: "idle", act: DeletePod, state: ReasonSucceeded,
		},
		"Warm": {
			change: func(o *Observed) { o.Claims.LastEnd = start().Add(time.Minute) },
			now:    2 * time.Minute, check: "warm", state: ReasonSucceeded, podName: podName, after: 4 * time.Minute,
		},
		"WarmIsNotProtected": {
			change: func(o *Observed) { pod.Protect(o.Pod) },
			now:    time.Minute, check: "warm", act: Unprotect, state: ReasonSucceeded, podName: podName, after: 4 * time.Minute,
		},
		"LastEndBeforeThisPod": {
			reason: "an end from before the pod does not make it idle",
			change: func(o *Observed) { o.Claims.LastEnd = start().Add(-time.Hour) },
			now:    time.Minute, check: "warm", state: ReasonSucceeded, podName: podName, after: 4 * time.Minute,
		},
		"Reconnecting": {
			change: func(o *Observed) {
				o.Connected = false
				o.Workspace.Status.PodName = podName
				o.Workspace.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "True", Reason: ReasonSucceeded}}
			},
			now: time.Minute, check: "warm", state: ReasonConnectionFailed, message: "connects again by itself", podName: podName, after: recheck,
		},
	}
}

func TestPlan(t *testing.T) {
	for name, tc := range planCases() {
		t.Run(name, func(t *testing.T) {
			got := Plan(observed(tc.change), start().Add(tc.now))
			want := Step{Check: tc.check, Act: tc.act, PodName: tc.podName, After: tc.after, State: got.State}
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b Step) bool {
				return a.Check == b.Check && a.Act == b.Act && a.PodName == b.PodName && a.After == b.After
			})); diff != "" {
				t.Errorf("%s\nstep (-want +got):\n%s", tc.reason, diff)
			}
			if got.State.Reason() != tc.state || !strings.Contains(got.State.Message(), tc.message) {
				t.Errorf("%s: %q, want %s with %q", got.State.Reason(), got.State.Message(), tc.state, tc.message)
			}
		})
	}
}

// TestPlanOrder pins the policy: of two checks that hold, the one that protects more comes first.
func TestPlanOrder(t *testing.T) {
	want := []string{
		"deleting", "former", "taken", "ending", "live", "retired", "finished", "unready", "invalid", "outdated", "wake", "asleep", "wanted", "idle", "warm",
	}
	var got []string
	for _, c := range checks() {
		got = append(got, c.name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestPlanNeverHarms tries every combination of what can be seen and looks for what must not be.
func TestPlanNeverHarms(t *testing.T) {
	flags := []func(o *Observed){
		func(o *Observed) { o.Pod = nil },
		func(o *Observed) { o.Claims.Live = o.Pod != nil },
		func(o *Observed) { o.Claims.Wanted = true },
		func(o *Observed) { o.Connected = false },
		func(o *Observed) { o.Retired = o.Pod != nil },
		func(o *Observed) { o.HasCA, o.Built = false, nil },
		func(o *Observed) {
			o.Built, o.Invalid = nil, &pod.InvalidError{Path: "spec.podTemplate.spec", Problem: "x"}
		},
		func(o *Observed) {
			if o.Built != nil {
				o.Built.Annotations[autov1alpha1.AnnotationRevisionHash] = "changed"
			}
		},
		func(o *Observed) {
			if o.Pod != nil {
				o.Pod.Status.Phase = corev1.PodFailed
			}
		},
		func(o *Observed) {
			if o.Pod != nil {
				ended(o)
			}
		},
	}
	flags = append(flags, func(o *Observed) { o.Former.HasPod = o.Pod != nil && !o.Claims.Live })
	for bits := range 1 << len(flags) {
		o := observed(func(o *Observed) {
			for i, flag := range flags {
				if bits&(1<<i) != 0 {
					flag(o)
				}
			}
		})
		for _, now := range []time.Duration{0, time.Second, time.Minute, time.Hour} {
			step := Plan(o, start().Add(now))
			if step.Act == DeletePod && o.Claims.Live {
				t.Errorf("%b: %s deletes a pod with an operation", bits, step.Check)
			}
			if step.Act == CreatePod && (o.Pod != nil || o.Built == nil || !o.Claims.Wanted) {
				t.Errorf("%b: %s creates a pod where it must not", bits, step.Check)
			}
			if step.Act == DeletePod && o.Former.HasPod {
				t.Errorf("%b: %s deletes a pod that saves its work", bits, step.Check)
			}
			if (step.Act == DeletePod || step.Act == Protect || step.Act == Unprotect) && o.Pod == nil {
				t.Errorf("%b: %s acts on no pod", bits, step.Check)
			}
			if step.After < 0 {
				t.Errorf("%b: %s looks again in the past", bits, step.Check)
			}
			if step.State.Reason() == "" || step.State.Message() == "" {
				t.Errorf("%b: %s has no words", bits, step.Check)
			}
		}
	}
}

func TestClaims(t *testing.T) {
	w := workspaceObject()
	current := runningPod(w, "pod-1", start())
	later := start().Add(time.Hour)
	cases := map[string]struct {
		updates []autov1alpha1.Update
		pod     *corev1.Pod
		want    Claims
	}{
		"None":            {pod: current},
		"Waiting":         {updates: []autov1alpha1.Update{*update("a", "")}, want: Claims{Wanted: true}},
		"DeletedWaiting":  {updates: []autov1alpha1.Update{*deleted(update("a", ""))}},
		"Given":           {updates: []autov1alpha1.Update{*update("a", "pod-1")}, pod: current, want: Claims{Live: true}},
		"DeletedGiven":    {updates: []autov1alpha1.Update{*deleted(update("a", "pod-1"))}, pod: current, want: Claims{Live: true}},
		"GivenToAnother":  {updates: []autov1alpha1.Update{*update("a", "pod-0")}, pod: current},
		"GivenAndPodGone": {updates: []autov1alpha1.Update{*update("a", "pod-1")}},
		"Complete":        {updates: []autov1alpha1.Update{*complete(update("a", "pod-1"), later), *complete(update("b", "pod-1"), start())}, pod: current, want: Claims{LastEnd: later}},
		"CanceledUnstarted": {
			updates: []autov1alpha1.Update{*deleted(complete(update("a", ""), later))}, pod: current, want: Claims{LastEnd: later},
		},
		"All": {
			updates: []autov1alpha1.Update{*update("a", "pod-1"), *update("b", ""), *complete(update("c", "pod-1"), later)},
			pod:     current, want: Claims{Live: true, Wanted: true, LastEnd: later},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, claimsOn(tc.updates, tc.pod)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A Workspace whose Stack announces an Update has its pod started, and for no longer than that.
func TestExpectation(t *testing.T) {
	now := start()
	at := func(after time.Duration) string { return now.Add(after).UTC().Format(time.RFC3339) }
	cases := map[string]struct {
		annotation string
		claims     Claims
		want       Claims
	}{
		"None":      {},
		"Expected":  {annotation: at(time.Minute), want: Claims{Wanted: true, Until: now.Add(time.Minute)}},
		"Over":      {annotation: at(0)},
		"TooFar":    {annotation: at(time.Hour)},
		"Malformed": {annotation: "soon"},
		"There":     {annotation: at(time.Minute), claims: Claims{Wanted: true}, want: Claims{Wanted: true}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := workspaceObject()
			w.Annotations = map[string]string{autov1alpha1.AnnotationExpected: tc.annotation}
			if diff := cmp.Diff(tc.want, tc.claims.expecting(w, now)); diff != "" {
				t.Error(diff)
			}
		})
	}
	for name, tc := range map[string]struct {
		change func(o *Observed)
		act    Act
	}{
		"Wakes": {change: func(o *Observed) { o.Pod = nil }, act: CreatePod},
		"Keeps": {change: func(o *Observed) { o.IdleTimeout = 0 }, act: Protect},
	} {
		t.Run(name, func(t *testing.T) {
			step := Plan(observed(func(o *Observed) {
				tc.change(o)
				o.Claims = Claims{Wanted: true, Until: now.Add(time.Minute)}
			}), now)
			if step.Act != tc.act || step.After != time.Minute {
				t.Errorf("act %v, looked at again after %s; want %v, when it is over", step.Act, step.After, tc.act)
			}
		})
	}
}

func TestIdleTimeout(t *testing.T) {
	cases := map[string]struct {
		spec string
		want time.Duration
	}{
		"Default":   {"", 5 * time.Minute},
		"Own":       {"90s", 90 * time.Second},
		"AtOnce":    {"0s", 0},
		"Malformed": {"soon", 5 * time.Minute},
		"Negative":  {"-1m", 5 * time.Minute},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := idleTimeout(&autov1alpha1.WorkspaceSpec{IdleTimeout: tc.spec}, 5*time.Minute); got != tc.want {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}
