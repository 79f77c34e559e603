package v1alpha1

// Where controllers meet that do not know of each other.
const (
	// FinalizerOperation is on an Update that is not complete: deleting the Update first cancels its operation
	// gracefully. Whoever creates an Update puts it on at once, which saves the update controller a write.
	FinalizerOperation = "gantry.pulumi.com/operation"

	// AnnotationGoneHosts on a Workspace is what the host names of pods begin with that worked on the same stack elsewhere,
	// and are gone for good: locks of theirs are those of the dead.
	AnnotationGoneHosts = "gantry.pulumi.com/gone-hosts"

	// ReasonPodOutdated with Reconciling=True on a Workspace: its pod is not what the spec asks for now, and stays only
	// for the operation in it. No other operation starts there.
	ReasonPodOutdated = "PodOutdated"
)
