// Package argocd tells what Argo CD makes of Gantry's objects: the real program syncs Applications from git to a real
// cluster, and its offline command runs the health checks and actions of config/argocd. The stories run when GANTRY_E2E=1
// and KUBECONFIG names a cluster with Gantry on it (`make argocd`).
package argocd
