package main

import (
	"context"
	"fmt"
	"io"
	"sort"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/test/e2e/stage"
)

// late is how much later than the end something is still shown.
const late = 20 * time.Millisecond

// moment is something that was seen to happen.
type moment struct {
	at   time.Time
	text string
}

// trace collects what happens to a namespace's objects as it is seen, since times in objects are whole
// seconds.
type trace struct {
	mutex   sync.Mutex
	moments []moment
}

func (t *trace) add(at time.Time, format string, arguments ...any) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.moments = append(t.moments, moment{at: at, text: fmt.Sprintf(format, arguments...)})
}

// traceBoth shows one cold and one warm run, step by step.
func (b *bench) traceBoth(ctx context.Context, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	t := &trace{}
	if err := b.watchAll(ctx, t); err != nil {
		return err
	}
	began := time.Now()
	if _, err := b.cold(ctx, "traced"); err != nil {
		return err
	}
	middle := time.Now()
	if _, err := b.warm(ctx, "traced", "again"); err != nil {
		return err
	}
	ended := time.Now()
	leader, err := b.Leader(ctx)
	if err != nil {
		return err
	}
	if err := b.addLog(ctx, t, b.Pod("traced"), "agent", "", began); err != nil {
		return err
	}
	if err := b.addLog(ctx, t, leader, "manager", b.Name, began); err != nil {
		return err
	}
	// What the other watches saw of the last change may be a moment late.
	t.show(w, "cold: from apply to Ready", began, middle)
	t.show(w, "warm: from annotation to recorded success", middle, ended)
	return nil
}

func (t *trace) show(w io.Writer, title string, from, to time.Time) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	sort.SliceStable(t.moments, func(i, j int) bool { return t.moments[i].at.Before(t.moments[j].at) })
	fmt.Fprintf(w, "\n%s, %d ms\n", title, to.Sub(from).Milliseconds())
	for _, m := range t.moments {
		if m.at.Before(from) || m.at.After(to.Add(late)) {
			continue
		}
		fmt.Fprintf(w, "%6d ms  %s\n", m.at.Sub(from).Milliseconds(), m.text)
	}
}

// watchAll follows every kind that takes part.
func (b *bench) watchAll(ctx context.Context, t *trace) error {
	kinds := map[string]client.ObjectList{
		"Program": &pulumiv1.ProgramList{}, "Stack": &pulumiv1.StackList{}, "Workspace": &autov1alpha1.WorkspaceList{},
		"Update": &autov1alpha1.UpdateList{}, "Pod": &corev1.PodList{},
	}
	for kind, list := range kinds {
		if err := b.Client.List(ctx, list, client.InNamespace(b.Name)); err != nil {
			return fmt.Errorf("listing %s: %w", kind, err)
		}
		from := &client.ListOptions{Namespace: b.Name, Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}}
		events, err := b.Client.Watch(ctx, list, from)
		if err != nil {
			return fmt.Errorf("watching %s: %w", kind, err)
		}
		go t.follow(kind, events)
	}
	return nil
}

func (t *trace) follow(kind string, events watch.Interface) {
	defer events.Stop()
	before := ""
	for event := range events.ResultChan() {
		state := describe(event.Object)
		if state != before || event.Type != watch.Modified {
			t.add(time.Now(), "%-9s %-8s %s", kind, strings.ToLower(string(event.Type)), state)
		}
		before = state
	}
}

// describe says in a line what of an object's status matters for time.
func describe(object any) string {
	switch o := object.(type) {
	case *pulumiv1.Program:
		return fmt.Sprintf("artifact: %t", o.Status.Artifact != nil)
	case *pulumiv1.Stack:
		return conditions(o.Status.Conditions)
	case *autov1alpha1.Workspace:
		return conditions(o.Status.Conditions)
	case *autov1alpha1.Update:
		text := conditions(o.Status.Conditions)
		if o.Status.Progress != nil {
			text += " " + o.Status.Progress.Step
		}
		return text
	case *corev1.Pod:
		return describePod(o)
	default:
		return ""
	}
}

func conditions(list []metav1.Condition) string {
	words := make([]string, len(list))
	for i, c := range list {
		words[i] = fmt.Sprintf("%s=%s/%s", c.Type, c.Status, c.Reason)
	}
	return strings.Join(words, " ")
}

func describePod(pod *corev1.Pod) string {
	words := []string{string(pod.Status.Phase)}
	for _, c := range pod.Status.Conditions {
		if c.Status == corev1.ConditionTrue {
			words = append(words, string(c.Type))
		}
	}
	for _, c := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		switch {
		case c.State.Running != nil:
			words = append(words, c.Name+" runs")
		case c.State.Terminated != nil:
			words = append(words, c.Name+" ended")
		}
	}
	return strings.Join(words, ", ")
}

// addLog adds the lines of a log that have a word in them, at the times the node wrote them.
func (b *bench) addLog(ctx context.Context, t *trace, pod *corev1.Pod, who, word string, since time.Time) error {
	log, err := b.LogSince(ctx, pod, containerOf(who), since)
	if err != nil {
		return err
	}
	for line := range strings.Lines(log) {
		stamp, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		at, err := time.Parse(time.RFC3339Nano, stamp)
		if err == nil && strings.Contains(text, word) {
			t.add(at, "%-9s %s", who, shorten(text))
		}
	}
	return nil
}

func containerOf(who string) string {
	if who == "agent" {
		return stage.PulumiContainer
	}
	return ""
}

func shorten(text string) string {
	if len(text) > 200 {
		return text[:200] + "…"
	}
	return text
}
