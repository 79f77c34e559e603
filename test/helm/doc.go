// Package helm owns the stories of Gantry's chart on a real cluster, told with the real Helm: install, upgrade and roll back
// while stacks are there, uninstall and come back. The stories install Gantry themselves, one after the other, and delete the
// definitions of its kinds, so they need a cluster without it: they run when GANTRY_HELM=1 and KUBECONFIG names one
// (`make helm`).
package helm
