package pod

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// The lock of a state that Pulumi keeps in files names the host that took it, and nothing else that can be checked. So
// each pod has a host name that says which pod it was: no other pod ever has it, and of those with the same beginning
// there is at most one at any time.

// NameHost gives a pod that is not created yet a host name of its own, unless the user's template gives it one or the
// pod's host name is the node's. It is no part of the pod's hash. random tells this pod from those before it.
func NameHost(pod *corev1.Pod, workspace *autov1alpha1.Workspace, random string) {
	qualified := pod.Spec.SetHostnameAsFQDN != nil && *pod.Spec.SetHostnameAsFQDN // of which Linux takes 64 characters
	if pod.Spec.Hostname != "" || pod.Spec.HostNetwork || qualified {
		return
	}
	random = strings.ToLower(random)
	pod.Spec.Hostname = HostPrefix(workspace) + random[:min(len(random), hostRandom)]
}

// HostPrefix is what the host names of a Workspace's pods begin with, and those of no others. It is made of the UID of
// what controls the Workspace, since a Stack's Workspace may be deleted and made again; and of the pod's name, of which
// there is one pod at a time.
func HostPrefix(workspace *autov1alpha1.Workspace) string {
	owner := workspace.UID
	if ref := metav1.GetControllerOf(workspace); ref != nil {
		owner = ref.UID
	}
	sum := sha256.Sum256([]byte(string(owner) + "\n" + workspace.Namespace + "\n" + autov1alpha1.PodName(workspace.Name)))
	readable := strings.ReplaceAll(workspace.Name, ".", "-")
	readable = strings.TrimRight(readable[:min(len(readable), hostReadable)], "-")
	return readable + "-" + hex.EncodeToString(sum[:])[:hostHash] + "-"
}

const (
	// hostReadable, hostHash and hostRandom are the characters of a host name's parts, which has 63 at most.
	hostReadable, hostHash, hostRandom = 38, 12, 10
)
