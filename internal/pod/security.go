package pod

import (
	corev1 "k8s.io/api/core/v1"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// unprivilegedID is the user and group of the restricted profile.
const unprivilegedID = int64(1000)

// podSecurity is what a profile sets for the whole pod, and so for the user's own containers too.
func podSecurity(profile autov1alpha1.SecurityProfile) *corev1.PodSecurityContext {
	s := &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	if profile != autov1alpha1.SecurityProfileBaseline {
		nonRoot, user, group := true, unprivilegedID, unprivilegedID
		s.RunAsNonRoot, s.RunAsUser, s.RunAsGroup = &nonRoot, &user, &group
	}
	return s
}

// containerSecurity is what a profile sets for each generated container; together with podSecurity, "restricted"
// fits the restricted Pod Security Standard.
func containerSecurity(profile autov1alpha1.SecurityProfile) *corev1.SecurityContext {
	if profile == autov1alpha1.SecurityProfileBaseline {
		return nil
	}
	escalate := false
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: &escalate,
		Capabilities: &corev1.Capabilities{
			Drop: []corev1.Capability{"ALL"},
			Add:  []corev1.Capability{"NET_BIND_SERVICE"},
		},
	}
}
