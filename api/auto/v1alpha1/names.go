package v1alpha1

// Names that users and other software rely on.
const (
	// LabelComponent says what part of the product an object belongs to.
	LabelComponent = "auto.pulumi.com/component"
	// LabelWorkspaceName is the name of the Workspace a pod belongs to.
	LabelWorkspaceName = "auto.pulumi.com/workspace-name"
	// LabelUpdateName is the name of the Update an outputs Secret belongs to.
	LabelUpdateName = "auto.pulumi.com/update-name"

	// AnnotationSecrets on an outputs Secret is the JSON list of the keys that are secret.
	AnnotationSecrets = "pulumi.com/secrets"
	// AnnotationRevisionHash on a pod is the hash of what it was built from.
	AnnotationRevisionHash = "auto.pulumi.com/revision-hash"

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

// PodName is the name of the pod of a Workspace. It is fixed: that makes "at most one pod" true.
func PodName(workspace string) string { return workspace + "-workspace-0" }

// OutputsSecretName is the name of the Secret with the outputs of an Update.
func OutputsSecretName(update string) string { return update + "-stack-outputs" }
