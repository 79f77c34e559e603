package cli

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// state is what the conditions of an object say, in words.
type state struct {
	// Word is for a table; Reason and Message are those of the condition that tells the state; Since is when it began.
	Word    string
	Type    string
	Reason  string
	Message string
	Since   time.Time
	tone    tone
}

// stateOf reads the conditions that all kinds share.
func stateOf(object client.Object, observed int64, conditions []metav1.Condition) state {
	s := state{Word: "New", tone: busy, Message: "no controller has looked at it yet"}
	for _, kind := range []struct {
		name, word string
		tone       tone
	}{
		{autov1alpha1.ConditionTypeReady, "Ready", good}, {autov1alpha1.ConditionTypeReconciling, "Waiting", busy},
		{autov1alpha1.ConditionTypeStalled, "Stalled", bad},
	} {
		if c := meta.FindStatusCondition(conditions, kind.name); c != nil && c.Status == metav1.ConditionTrue {
			s = state{kind.word, kind.name, c.Reason, c.Message, c.LastTransitionTime.Time, kind.tone}
		}
	}
	if ready := meta.FindStatusCondition(conditions, autov1alpha1.ConditionTypeReady); s.Type == "" && ready != nil {
		s = state{"Waiting", ready.Type, ready.Reason, ready.Message, ready.LastTransitionTime.Time, busy}
	}
	if observed < object.GetGeneration() && s.Type != "" {
		s.Word, s.tone = "Pending", busy
		s.Message = "the spec is newer than what the controller looked at last; " + s.Message
	}
	return s
}

// stackState is the state of a Stack.
func stackState(stack *pulumiv1.Stack) state {
	s := stateOf(stack, stack.Status.ObservedGeneration, stack.Status.Conditions)
	if !stack.DeletionTimestamp.IsZero() && s.tone != bad {
		s.Word, s.tone = "Deleting", busy
	}
	if s.Reason == pulumiv1.ReasonSuspended {
		s.Word = "Suspended"
	}
	if s.Type != autov1alpha1.ConditionTypeReconciling {
		return s
	}
	switch s.Reason {
	case pulumiv1.ReasonRetryingAfterFailure, pulumiv1.ReasonPreviewFailed:
		s.Word, s.tone = "Retrying", bad
	case pulumiv1.ReasonUpdateConflict:
		s.Word = "Locked"
	case pulumiv1.ReasonStackProcessing:
		if stack.Status.CurrentUpdate != nil && stack.DeletionTimestamp.IsZero() {
			s.Word = "Running"
		}
	}
	return s
}

// updateState is the state of an Update: how it ended, or how far it is.
func updateState(update *autov1alpha1.Update) state {
	s := stateOf(update, update.Status.ObservedGeneration, update.Status.Conditions)
	s.Message = firstOf(update.Status.Message, s.Message)
	ended := meta.FindStatusCondition(update.Status.Conditions, autov1alpha1.UpdateConditionTypeFailed)
	switch {
	case complete(update) && ended != nil && ended.Status == metav1.ConditionTrue:
		return state{"Failed", ended.Type, ended.Reason, firstOf(update.Status.Message, ended.Message), ended.LastTransitionTime.Time, bad}
	case complete(update):
		s.Word, s.tone = "Succeeded", good
	case update.Status.PodUID != "":
		s.Word, s.tone = "Running", busy
		if progress := update.Status.Progress; progress != nil {
			s.Message = fmt.Sprintf("%d resources done", progress.Done)
			if progress.Step != "" {
				s.Message += ", " + progress.Step
			}
		}
	}
	return s
}

// workspaceState is the state of a Workspace, which is well without a pod while there is nothing to do.
func workspaceState(workspace *autov1alpha1.Workspace) state {
	s := stateOf(workspace, workspace.Status.ObservedGeneration, workspace.Status.Conditions)
	if s.Word == "Ready" && workspace.Status.PodName == "" {
		s.Word, s.Message = "Asleep", firstOf(s.Message, "there is nothing to do")
	}
	return s
}

func complete(update *autov1alpha1.Update) bool {
	return meta.IsStatusConditionTrue(update.Status.Conditions, autov1alpha1.UpdateConditionTypeComplete)
}

func failed(update *autov1alpha1.Update) bool {
	return meta.IsStatusConditionTrue(update.Status.Conditions, autov1alpha1.UpdateConditionTypeFailed)
}

// firstOf is the first text that is not empty.
func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// age is how long ago something was, as kubectl writes it.
func age(then, now time.Time) string {
	if then.IsZero() {
		return "-"
	}
	return duration.HumanDuration(now.Sub(then))
}

// shortened is a revision as people know it: the first characters of a long one.
func shortened(revision string) string {
	const enough = 12
	if len(revision) > 3*enough {
		revision = revision[:enough]
	}
	return firstOf(revision, "-")
}
