package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// Labels.
const (
	labelNamespace   = "namespace"
	labelName        = "name"
	labelType        = "type"
	labelPhase       = "phase"
	labelOutcome     = "outcome"
	labelOperation   = "operation"
	labelResult      = "result"
	labelForm        = "form"
	labelState       = "state"
	labelReason      = "reason"
	labelCertificate = "certificate"
)

// other is the value of a label whose own value is none of those that are known, so that no label has values without end.
const other = "other"

// types are those of operations.
func types() []string {
	return []string{
		string(autov1alpha1.UpUpdate), string(autov1alpha1.PreviewUpdate),
		string(autov1alpha1.RefreshUpdate), string(autov1alpha1.DestroyUpdate),
	}
}

// typeLabel is the label of a type of operation.
func typeLabel(kind autov1alpha1.UpdateType) string { return known(string(kind), types()) }

// workspaceReason is the label of the reason of a Workspace's state.
func workspaceReason(reason string) string {
	return known(reason, []string{
		"Succeeded", "Deleting", "WaitingForReplicas", "ConnectionFailed", "PodNameTaken", "PodStuck", "PodRefused",
		"ServiceAccountMissing", "NamespaceTerminating", "Unschedulable", "MissingReference", "ImagePullFailed",
		"ContainerFailed", "PodFailed", "PodNotStarting", "AgentNotConnected", "PodOutdated", "PodTemplateInvalid", "PodInvalid",
		"SpecInvalid", "PermissionMissing",
	})
}

func known(value string, values []string) string {
	if slices.Contains(values, value) {
		return value
	}
	return other
}

// describe describes a metric.
func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}
