package e2e

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

const (
	idle = 10 * time.Second
	// idleSlack is how much later than the idle time a pod may be removed.
	idleSlack = 10 * time.Second
)

func TestPodsComeAndGo(t *testing.T) {
	t.Parallel()
	s := begin(t, "idle")
	s.program("greeting", greeting)
	stack := s.stack("idle", "greeting", `{spec: {workspaceTemplate: {spec: {idleTimeout: "10s"}}}}`)
	s.AwaitReady(stack)
	first := s.goesToSleep("idle", s.updates("idle", 1)[0])

	t.Log("asleep, the Workspace and the Stack are Ready")
	workspace := s.Workspace("idle")
	s.Await(workspace, "to be Ready and without a pod", func() bool {
		ready := stage.Condition(workspace.Status.Conditions, autov1alpha1.ConditionTypeReady)
		return ready.Status == metav1.ConditionTrue && workspace.Status.PodName == ""
	})
	s.Must(s.Client.Get(s.Ctx, s.Key("idle"), stack))
	if !stage.Ready(stack) {
		t.Errorf("the Stack is not Ready when its pod sleeps: %+v", stack.Status.Conditions)
	}

	t.Log("the next operation wakes it, and it sleeps again")
	s.request(stack, "wake")
	second := s.goesToSleep("idle", newest(s.updates("idle", 2)))
	if first == second {
		t.Error("the pod was the same")
	}
}

// goesToSleep waits until the Workspace's pod is removed and checks when that was.
func (s *story) goesToSleep(name string, last autov1alpha1.Update) types.UID {
	s.T.Helper()
	pod := s.Pod(name)
	s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(pod), pod))
	uid := pod.UID
	s.Await(pod, "to be removed", func() bool { return pod.DeletionTimestamp != nil })
	removed := pod.DeletionTimestamp.Add(-time.Duration(*pod.DeletionGracePeriodSeconds) * time.Second)
	s.AwaitGone(pod, "to be gone")
	if pod.UID != uid {
		s.T.Errorf("the pod was replaced in between")
	}
	// Times in objects are whole seconds.
	if warm := removed.Sub(last.Status.EndTime.Time); warm < idle-time.Second || warm > idle+idleSlack {
		s.T.Errorf("the pod was kept for %s, want %s", warm, idle)
	}
	return uid
}

func newest(updates []autov1alpha1.Update) autov1alpha1.Update {
	last := updates[0]
	for _, update := range updates[1:] {
		if last.CreationTimestamp.Before(&update.CreationTimestamp) {
			last = update
		}
	}
	return last
}

const template = `
spec:
  workspaceTemplate:
    metadata: {labels: {team: blue}}
    spec:
      env: [{name: STORY, value: told}]
      podTemplate:
        metadata:
          labels: {team: blue}
          annotations: {note: kept}
        spec:
          volumes:
          - {name: state, persistentVolumeClaim: {claimName: state}}
          - {name: scratch, emptyDir: {}}
          containers:
          - name: pulumi
            volumeMounts:
            - {name: state, mountPath: /state}
            - {name: scratch, mountPath: /scratch}
          - name: sidecar
            image: ` + image + `
            command: [sh, -c, "echo beside > /scratch/sidecar && exec sleep 3600"]
            volumeMounts: [{name: scratch, mountPath: /scratch}]
            securityContext: {allowPrivilegeEscalation: false, runAsNonRoot: true, capabilities: {drop: [ALL]}}
`

func TestWorkspaceTemplateIsMerged(t *testing.T) {
	t.Parallel()
	s := begin(t, "template")
	s.program("greeting", greeting)
	s.AwaitReady(s.stack("merged", "greeting", onImage, template))

	workspace, pod := s.Workspace("merged"), s.Pod("merged")
	s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(workspace), workspace))
	s.Must(s.Client.Get(s.Ctx, client.ObjectKeyFromObject(pod), pod))
	if workspace.Labels["team"] != "blue" || pod.Labels["team"] != "blue" || pod.Annotations["note"] != "kept" {
		t.Errorf("labels and annotations: Workspace %v, pod %v %v", workspace.Labels, pod.Labels, pod.Annotations)
	}
	if pod.Labels[autov1alpha1.LabelWorkspaceName] != "merged" {
		t.Errorf("the pod lost its own labels: %v", pod.Labels)
	}
	s.Await(pod, "to run both containers", func() bool {
		up := 0
		for _, status := range pod.Status.ContainerStatuses {
			if status.State.Running != nil {
				up++
			}
		}
		return up == 2
	})
	seen, err := s.Shell(s.Ctx, "merged", "echo $STORY && cat /scratch/sidecar")
	s.Must(err)
	if seen != "told\nbeside\n" {
		t.Errorf("the pulumi container sees %q", seen)
	}
}

func TestPodsFitTheRestrictedStandard(t *testing.T) {
	t.Parallel()
	s := begin(t, "restricted")
	s.program("greeting", greeting)
	s.AwaitReady(s.stack("restricted", "greeting"))
	who, err := s.Shell(s.Ctx, "restricted", "id -u && grep -E '^(NoNewPrivs|Seccomp|CapEff):' /proc/self/status | tr -d '\\t'")
	s.Must(err)
	var uid, capabilities, noNew, seccomp string
	if _, err := fmt.Sscan(who, &uid, &capabilities, &noNew, &seccomp); err != nil {
		t.Fatalf("%q: %v", who, err)
	}
	if uid == "0" || capabilities != "CapEff:0000000000000000" || noNew != "NoNewPrivs:1" || seccomp != "Seccomp:2" {
		t.Errorf("in the pod: uid %s, %s, %s, %s", uid, capabilities, noNew, seccomp)
	}
	// The namespace refuses what does not fit, or this story would prove nothing.
	root := s.handMade("root", nil).DeepCopy()
	root.ObjectMeta = metav1.ObjectMeta{Namespace: s.Name, Name: "rooted"}
	root.Spec.SecurityContext = &corev1.PodSecurityContext{}
	if err := s.Client.Create(s.Ctx, root); !apierrors.IsForbidden(err) {
		t.Errorf("the namespace does not enforce the standard: %v", err)
	}
}
