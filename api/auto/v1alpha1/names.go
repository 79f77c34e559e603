package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Names that users and other software rely on.
const (
	// LabelComponent says what part of the product an object belongs to.
	LabelComponent = "auto.pulumi.com/component"
	// LabelWorkspaceName is the name of the Workspace a pod belongs to, as LabelValue writes it.
	LabelWorkspaceName = "auto.pulumi.com/workspace-name"
	// LabelUpdateName is the name of the Update an outputs Secret belongs to, as LabelValue writes it.
	LabelUpdateName = "auto.pulumi.com/update-name"

	// AnnotationSecrets on an outputs Secret is the JSON list of the keys that are secret.
	AnnotationSecrets = "pulumi.com/secrets"
	// AnnotationOmitted on an outputs Secret is the JSON list of the keys that did not fit into it.
	AnnotationOmitted = "pulumi.com/omitted-outputs"
	// AnnotationRevisionHash on a pod is the hash of what it was built from.
	AnnotationRevisionHash = "auto.pulumi.com/revision-hash"

	// AnnotationInputs on a pod stands for the content of the Secrets and ConfigMaps that its Stack takes values from.
	// Another one makes another pod, since a pod does not see a change of its environment.
	AnnotationInputs = "gantry.pulumi.com/inputs"

	// AnnotationExpected on a Workspace says until when an Update of it is expected, as RFC 3339 has it. Its pod is started
	// meanwhile.
	AnnotationExpected = "gantry.pulumi.com/expected-until"

	// TokenAudience is the audience of the token by which an agent proves who it is.
	TokenAudience = "gantry"
)

// Types of the conditions that all kinds share; at most one of the three tells the state.
const (
	// ConditionTypeReady is True when the object is as its spec asks. It is always present.
	ConditionTypeReady = "Ready"
	// ConditionTypeReconciling is True, and present, only while something is under way.
	ConditionTypeReconciling = "Reconciling"
	// ConditionTypeStalled is True, and present, only when a person has to act.
	ConditionTypeStalled = "Stalled"
)

// Beside the state, and saying nothing of it.
const (
	// ConditionTypeFieldsIgnored is True, and present, only while the spec has fields that are accepted and have no effect.
	ConditionTypeFieldsIgnored = "FieldsIgnored"
	// ReasonNoEffect with FieldsIgnored=True: the message lists the fields, why each has no effect, and what to do.
	ReasonNoEffect = "NoEffect"
)

const (
	// MaxChildName is the length up to which a Stack's Workspace has the Stack's name. It is the limit that PKO sets to
	// the names of Stacks, so that every name that PKO takes is kept.
	MaxChildName = 42

	podSuffix     = "-workspace-0"
	outputsSuffix = "-stack-outputs"
	snapshotInfix = "-snapshot-"
	// shortHash is the number of hexadecimal digits of a shortened name's hash.
	shortHash = 10
)

// ShortName is a name as it is, if it has at most MaxChildName characters; a longer one is cut and a hash of the whole
// appended, so that the result has MaxChildName characters at most, is a DNS label, and differs for names that differ.
// It must never change: running pods, and the objects of stacks, are found by it.
func ShortName(name string) string {
	if len(name) <= MaxChildName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	hash := hex.EncodeToString(sum[:])[:shortHash]
	// A shortened name becomes a pod's host name, which is better without dots.
	head := strings.ReplaceAll(name[:MaxChildName-shortHash-1], ".", "-")
	return strings.TrimRight(head, "-") + "-" + hash
}

// LabelValue is a name as the value of a label, which is shorter than a name may be.
func LabelValue(name string) string {
	if len(name) <= validation.LabelValueMaxLength {
		return name
	}
	return ShortName(name)
}

// PodName is the name of the pod of a Workspace. It is fixed: that makes "at most one pod" true. It always fits into a
// host name.
func PodName(workspace string) string {
	if len(workspace)+len(podSuffix) > validation.DNS1123LabelMaxLength {
		workspace = ShortName(workspace)
	}
	return workspace + podSuffix
}

// OutputsSecretName is the name of the Secret with the outputs of an Update.
func OutputsSecretName(update string) string {
	if len(update)+len(outputsSuffix) > validation.DNS1123SubdomainMaxLength {
		update = ShortName(update)
	}
	return update + outputsSuffix
}

// SnapshotSecretName is the name of the Secret with the state that the Update of that UID found pending operations in.
func SnapshotSecretName(workspace, update string) string {
	sum := sha256.Sum256([]byte(update))
	suffix := snapshotInfix + hex.EncodeToString(sum[:])[:shortHash]
	if len(workspace)+len(suffix) > validation.DNS1123SubdomainMaxLength {
		workspace = ShortName(workspace)
	}
	return workspace + suffix
}
