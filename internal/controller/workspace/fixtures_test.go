package workspace

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	"github.com/gantry-operator/gantry/internal/pod"
)

const podName = "demo-workspace-0"

// start is when the tests begin.
func start() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func settings() pod.Settings {
	return pod.Settings{
		WorkspaceImage: "pulumi:v1", WorkspaceImageAgentPath: "/usr/local/bin/gantry-agent",
		AgentImage: "gantry:v1", HubAddress: "gantry-hub.gantry.svc:9443", CA: "a CA",
	}
}

func workspaceObject() *autov1alpha1.Workspace {
	return &autov1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "demo", UID: "ws-1", Generation: 3},
		Spec: autov1alpha1.WorkspaceSpec{
			ServiceAccountName: "deployer", SecurityProfile: autov1alpha1.SecurityProfileRestricted,
		},
		Status: autov1alpha1.WorkspaceStatus{ObservedGeneration: -1},
	}
}

// builtPod is the pod that the Workspace asks for.
func builtPod(workspace *autov1alpha1.Workspace) *corev1.Pod {
	built, err := pod.Build(workspace, settings())
	if err != nil {
		panic(err)
	}
	return built
}

// runningPod is builtPod as it is on the cluster.
func runningPod(workspace *autov1alpha1.Workspace, uid types.UID, created time.Time) *corev1.Pod {
	p := builtPod(workspace)
	p.UID = uid
	p.CreationTimestamp = metav1.NewTime(created)
	p.Spec.NodeName = "node-1"
	began := metav1.NewTime(created)
	p.Status = corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &began, ContainerStatuses: []corev1.ContainerStatus{{
		Name: pod.ContainerPulumi, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: began}},
	}}}
	return p
}

// pending makes a running pod one that has a node but does not run yet.
func pending(p *corev1.Pod, container corev1.ContainerState) *corev1.Pod {
	p.Status.Phase = corev1.PodPending
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: pod.ContainerPulumi, Image: "other", State: container}}
	return p
}

func waitingFor(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func update(name string, given types.UID) *autov1alpha1.Update {
	return &autov1alpha1.Update{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name, UID: types.UID("uid-" + name), Generation: 1},
		Spec:       autov1alpha1.UpdateSpec{WorkspaceName: "demo", Type: autov1alpha1.UpUpdate},
		Status:     autov1alpha1.UpdateStatus{PodUID: string(given)},
	}
}

// complete ends an Update.
func complete(u *autov1alpha1.Update, end time.Time) *autov1alpha1.Update {
	at := metav1.NewTime(end)
	u.Status.EndTime = &at
	u.Status.Conditions = []metav1.Condition{{
		Type: autov1alpha1.UpdateConditionTypeComplete, Status: metav1.ConditionTrue, Reason: "Updated", LastTransitionTime: at,
	}}
	return u
}

func deleted(u *autov1alpha1.Update) *autov1alpha1.Update {
	at := metav1.NewTime(start())
	u.DeletionTimestamp = &at
	return u
}
