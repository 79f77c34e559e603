package stage

import (
	"context"
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

const (
	// dumpTail is how many lines of a pod's log are shown.
	dumpTail = 40
	// managerTail is how many lines of the manager's log are looked through.
	managerTail = 2000
)

// Dump writes what matters when a story failed: the objects of its namespace, their events, and the logs
// of its pods and of the manager. Secrets are left out.
func (n *Namespace) Dump(ctx context.Context, w io.Writer) {
	lists := []client.ObjectList{&pulumiv1.StackList{}, &autov1alpha1.WorkspaceList{}, &autov1alpha1.UpdateList{}}
	for _, list := range lists {
		n.dumpList(ctx, w, list)
	}
	n.dumpEvents(ctx, w)
	pods := &corev1.PodList{}
	if err := n.Client.List(ctx, pods, client.InNamespace(n.Name)); err != nil {
		fmt.Fprintf(w, "no pods to show: %v\n", err)
	}
	for i := range pods.Items {
		n.dumpPod(ctx, w, &pods.Items[i])
	}
	managers, err := n.ManagerPods(ctx)
	if err != nil {
		fmt.Fprintf(w, "no manager to show: %v\n", err)
	}
	for i := range managers {
		n.dumpManager(ctx, w, &managers[i])
	}
}

func (n *Namespace) dumpList(ctx context.Context, w io.Writer, list client.ObjectList) {
	if err := n.Client.List(ctx, list, client.InNamespace(n.Name)); err != nil {
		fmt.Fprintf(w, "%T: %v\n", list, err)
		return
	}
	switch l := list.(type) {
	case *pulumiv1.StackList:
		for _, item := range l.Items {
			dumpObject(w, "Stack "+item.Name, item.Status)
		}
	case *autov1alpha1.WorkspaceList:
		for _, item := range l.Items {
			dumpObject(w, "Workspace "+item.Name, item.Status)
		}
	case *autov1alpha1.UpdateList:
		for _, item := range l.Items {
			dumpObject(w, "Update "+item.Name+" "+string(item.Spec.Type), item.Status)
		}
	}
}

func (n *Namespace) dumpEvents(ctx context.Context, w io.Writer) {
	events := &corev1.EventList{}
	if err := n.Client.List(ctx, events, client.InNamespace(n.Name)); err != nil {
		fmt.Fprintf(w, "no events to show: %v\n", err)
	}
	for _, event := range events.Items {
		fmt.Fprintf(w, "event %s %s/%s %s: %s\n", event.LastTimestamp.Format("15:04:05"), event.InvolvedObject.Kind, event.InvolvedObject.Name, event.Reason, event.Message)
	}
}

func (n *Namespace) dumpPod(ctx context.Context, w io.Writer, pod *corev1.Pod) {
	pod.Status.Conditions = nil
	dumpObject(w, "Pod "+pod.Name, pod.Status)
	for _, container := range pod.Spec.Containers {
		n.dumpLog(ctx, w, pod, container.Name, dumpTail)
	}
}

func (n *Namespace) dumpLog(ctx context.Context, w io.Writer, pod *corev1.Pod, container string, tail int64) {
	log, err := n.Log(ctx, pod, container, tail)
	if err != nil {
		log = err.Error()
	}
	fmt.Fprintf(w, "--- log of %s %s\n%s\n", pod.Name, container, log)
}

// dumpManager shows what a manager said of the namespace.
func (n *Namespace) dumpManager(ctx context.Context, w io.Writer, pod *corev1.Pod) {
	log, err := n.Log(ctx, pod, "", managerTail)
	if err != nil {
		log = err.Error()
	}
	fmt.Fprintf(w, "--- log of %s\n", pod.Name)
	for line := range strings.Lines(log) {
		if strings.Contains(line, n.Name) || strings.Contains(line, "panic") {
			fmt.Fprint(w, line)
		}
	}
}

func dumpObject(w io.Writer, title string, object any) {
	text, err := yaml.Marshal(object)
	if err != nil {
		text = []byte(err.Error())
	}
	fmt.Fprintf(w, "--- %s\n%s\n", title, text)
}
