package pod

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// of is a Workspace of a Stack.
func of(stack, name string) *autov1alpha1.Workspace {
	w := &autov1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name, UID: "workspace"}}
	if stack != "" {
		w.OwnerReferences = []metav1.OwnerReference{{APIVersion: "pulumi.com/v1", Kind: "Stack", Name: name, UID: types.UID(stack), Controller: new(true)}}
	}
	return w
}

func TestNameHost(t *testing.T) {
	for name, workspace := range map[string]*autov1alpha1.Workspace{
		"Short":      of("u", "app"),
		"WithoutOne": of("", "app"),
		"Dots":       of("u", "a.b.c"),
		"Long":       of("u", strings.Repeat("long-", 40)),
		"CutAtDot":   of("u", strings.Repeat("a", 37)+".b"),
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{}
			NameHost(pod, workspace, "ABCDEFGHIJKLMNOP")
			host := pod.Spec.Hostname
			if problems := validation.IsDNS1123Label(host); len(problems) > 0 {
				t.Errorf("%q is no host name: %v", host, problems)
			}
			if rest, ok := strings.CutPrefix(host, HostPrefix(workspace)); !ok || rest != "abcdefghij" {
				t.Errorf("%q does not begin with %q, or is not random", host, HostPrefix(workspace))
			}
		})
	}
}

func TestHostPrefixIsOfOneWorkspaceOnly(t *testing.T) {
	elsewhere := of("u", "app")
	elsewhere.Namespace = "other"
	seen := map[string]string{}
	for name, workspace := range map[string]*autov1alpha1.Workspace{
		"app": of("u", "app"), "another of the Stack": of("u", "app2"), "of another Stack": of("v", "app"),
		"of none": of("", "app"), "elsewhere": elsewhere, "cut the same": of("u", strings.Repeat("a", 60)), "cut": of("u", strings.Repeat("a", 61)),
	} {
		prefix := HostPrefix(workspace)
		if other, ok := seen[prefix]; ok {
			t.Errorf("%s and %s have the prefix %q", name, other, prefix)
		}
		seen[prefix] = name
	}
	// A Workspace that is made again for the same Stack takes the place of the one before.
	again := of("u", "app")
	again.UID = "another"
	if HostPrefix(again) != HostPrefix(of("u", "app")) {
		t.Error("a Workspace that is made again has another prefix")
	}
}

func TestAHostNameOfTheUsersStays(t *testing.T) {
	for name, spec := range map[string]corev1.PodSpec{
		"Hostname": {Hostname: "mine"}, "HostNetwork": {HostNetwork: true}, "FQDN": {SetHostnameAsFQDN: new(true), Subdomain: "s"},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{Spec: *spec.DeepCopy()}
			NameHost(pod, of("u", "app"), "abcdefghijkl")
			if pod.Spec.Hostname != spec.Hostname {
				t.Errorf("the host name became %q", pod.Spec.Hostname)
			}
		})
	}
}
