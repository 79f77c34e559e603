package operator

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// state is all that matters of what is there for a Stack, in words that are the same for two Stacks whose stories ended
// alike. Of the Updates it is those that are new in this story.
func (s *site) state(name string) string {
	var text strings.Builder
	updates := map[string]string{}
	objects := s.all()
	for _, object := range objects {
		if update, ok := object.(*autov1alpha1.Update); ok && !s.isKnown(update) {
			updates[update.Name] = fmt.Sprintf("<update of type %s>", update.Spec.Type)
		}
		// One that was canceled is gone by then.
		if stack, ok := object.(*pulumiv1.Stack); ok && stack.Status.LastUpdate != nil && stack.Status.Canceled != nil {
			updates[stack.Status.LastUpdate.Name] = fmt.Sprintf("<update of type %s>", stack.Status.LastUpdate.Type)
		}
	}
	for _, object := range objects {
		fmt.Fprintf(&text, "%s\n", s.stateOf(object))
	}
	lines, times := strings.Split(text.String(), "\n"), regexp.MustCompile(`about [-0-9T:Z]+`)
	snapshots := regexp.MustCompile(`-snapshot-[0-9a-f]+`)
	for i := range lines {
		for update, word := range updates {
			lines[i] = strings.ReplaceAll(lines[i], update, word)
		}
		lines[i] = strings.ReplaceAll(lines[i], name, "<name>")
		lines[i] = snapshots.ReplaceAllString(lines[i], "-snapshot-<update>")
		lines[i] = times.ReplaceAllString(lines[i], "about <time>")
	}
	slices.Sort(lines)
	return strings.TrimSpace(strings.Join(slices.DeleteFunc(lines, func(line string) bool { return line == "" }), "\n"))
}

func (s *site) isKnown(object client.Object) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[string(object.GetUID())]
}

// stateOf is one object's; empty if it is not of this story.
func (s *site) stateOf(object client.Object) string {
	head := fmt.Sprintf("%T %s going=%t %v", object, object.GetName(), object.GetDeletionTimestamp() != nil, object.GetFinalizers())
	switch o := object.(type) {
	case *pulumiv1.Stack:
		st := o.Status
		line := fmt.Sprintf("%s %s behind=%d applied=%s current=%t outputs=%s", head, conditionsOf(st.Conditions), o.Generation-st.ObservedGeneration,
			pointed(st.Applied), st.CurrentUpdate != nil, st.Outputs)
		if last := st.LastUpdate; last != nil {
			line += fmt.Sprintf(" last=%s %s %s %s behind=%d failures=%d attempts=%d %s", last.Name, last.Type, last.State, last.Reason,
				o.Generation-last.Generation, last.Failures, last.Attempts, last.Message)
		}
		return line
	case *autov1alpha1.Workspace:
		return fmt.Sprintf("%s %s behind=%d pod=%s", head, conditionsOf(o.Status.Conditions), o.Generation-o.Status.ObservedGeneration, o.Status.PodName)
	case *autov1alpha1.Update:
		if s.isKnown(o) {
			return ""
		}
		return fmt.Sprintf("%s %s outputs=%s bound=%t %v", head, conditionsOf(o.Status.Conditions), o.Status.Outputs, o.Status.PodUID != "", o.Status.Changes)
	case *corev1.Pod:
		return fmt.Sprintf("%s safe=%s", head, o.Annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"])
	case *corev1.Secret:
		if s.isKnown(o) {
			return ""
		}
		return fmt.Sprintf("%s %d keys", head, len(o.Data))
	case *pulumiv1.Program:
		return fmt.Sprintf("%s stored=%t", head, o.Status.Artifact != nil)
	default:
		return head
	}
}

func pointed(value *bool) string {
	if value == nil {
		return "unknown"
	}
	return fmt.Sprint(*value)
}

func conditionsOf(all []metav1.Condition) string {
	words := make([]string, 0, len(all))
	for _, c := range all {
		words = append(words, fmt.Sprintf("%s=%s/%s %q", c.Type, c.Status, c.Reason, c.Message))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

// turn begins a new story: what is there now is old.
func (s *site) turn() {
	all := s.all()
	s.begun()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, object := range all {
		s.known[string(object.GetUID())] = true
	}
}
