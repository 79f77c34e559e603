package v1alpha1

// FinalizerOperation is on an Update that is not complete: deleting the Update first cancels its operation gracefully.
// Whoever creates an Update may put it on at once, which saves the controller a write.
const FinalizerOperation = "gantry.pulumi.com/operation"
