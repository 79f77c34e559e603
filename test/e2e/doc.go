// Package e2e tells Gantry's stories on a real cluster: what a user does, and what the user then sees. The
// stories run when GANTRY_E2E=1 and KUBECONFIG names a cluster with Gantry on it (`make e2e`).
package e2e
