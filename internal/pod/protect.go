package pod

import corev1 "k8s.io/api/core/v1"

// protection is the annotations that keep the cluster's autoscalers from taking away the node of a pod whose
// operation must not be disturbed.
func protection() map[string]string {
	return map[string]string{
		"cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
		"karpenter.sh/do-not-disrupt":                    "true",
	}
}

// Protect marks a pod that is not created yet. The marks are no part of its hash.
func Protect(pod *corev1.Pod) {
	for key, value := range protection() {
		pod.Annotations = withValue(pod.Annotations, key, value)
	}
}

// ProtectionPatch returns the annotations to patch, nil standing for removal, so that the pod is protected or not;
// none if it is so already. What the user's template says (built has it) comes back when the protection ends. built
// may be nil.
func ProtectionPatch(pod, built *corev1.Pod, protect bool) map[string]any {
	patch := map[string]any{}
	for key, marked := range protection() {
		want, wanted := marked, true
		if !protect {
			want, wanted = annotationOf(built, key)
		}
		is, there := annotationOf(pod, key)
		switch {
		case wanted && (!there || is != want):
			patch[key] = want
		case !wanted && there:
			patch[key] = nil
		}
	}
	return patch
}

// annotationOf reads an annotation of a pod that may be nil.
func annotationOf(pod *corev1.Pod, key string) (string, bool) {
	if pod == nil {
		return "", false
	}
	value, ok := pod.Annotations[key]
	return value, ok
}
