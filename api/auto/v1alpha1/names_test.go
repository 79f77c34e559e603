package v1alpha1

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation"
)

// TestNames pins the names: objects of stacks that run are found by them.
func TestNames(t *testing.T) {
	type names struct{ Short, Label, Pod, Outputs string }
	of := func(name string) names {
		return names{ShortName(name), LabelValue(name), PodName(name), OutputsSecretName(name)}
	}
	as := func(short, label, pod, outputs string) names {
		return names{short, label, pod + "-workspace-0", outputs + "-stack-outputs"}
	}
	a42, a43, b51, b52 := strings.Repeat("a", 42), strings.Repeat("a", 43), strings.Repeat("b", 51), strings.Repeat("b", 52)
	c63, c64, c240 := strings.Repeat("c", 63), strings.Repeat("c", 64), strings.Repeat("c", 240)
	dots := strings.Repeat("long.name-", 26)[:253]
	cases := map[string]struct {
		reason, name string
		want         names
	}{
		"Short":           {"names that PKO takes stay as they are", "demo", as("demo", "demo", "demo", "demo")},
		"Dots":            {"dots are kept where nothing is cut", "a.b", as("a.b", "a.b", "a.b", "a.b")},
		"LongestOfPKO":    {"42 characters are the most that PKO takes", a42, as(a42, a42, a42, a42)},
		"OneMore":         {"one more is cut for children", a43, as(a42[:31]+"-66d34fba71", a43, a43, a43)},
		"LongestHostName": {"a pod's name with 51 characters before it is a host name", b51, as(b51[:31]+"-2492289808", b51, b51, b51)},
		"NoHostName":      {"with 52 it is none", b52, as(b51[:31]+"-32da2bfb1c", b52, b51[:31]+"-32da2bfb1c", b52)},
		"LongestLabel":    {"63 characters fit into a label", c63, as(c63[:31]+"-93378fdea1", c63, c63[:31]+"-93378fdea1", c63)},
		"NoLabel":         {"64 do not", c64, as(c63[:31]+"-52b6419d27", c63[:31]+"-52b6419d27", c63[:31]+"-52b6419d27", c64)},
		"NoSecret":        {"a Secret's name has 253 characters at most", c240, as(c63[:31]+"-e00d028a78", c63[:31]+"-e00d028a78", c63[:31]+"-e00d028a78", c63[:31]+"-e00d028a78")},
		"LongestName":     {"what is cut has no dots", dots, as("long-name-long-name-long-name-l-dbdbc4fa71", "long-name-long-name-long-name-l-dbdbc4fa71", "long-name-long-name-long-name-l-dbdbc4fa71", "long-name-long-name-long-name-l-dbdbc4fa71")},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, of(c.name)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.reason, diff)
			}
		})
	}
}

// FuzzNames: whatever the name of an object, the names made of it are ones that the API server takes.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"demo", "a.b", strings.Repeat("a", 43), strings.Repeat("a.", 26) + "b", strings.Repeat("a-", 126) + "a", "x" + strings.Repeat("-", 60) + "x", "", "ü", strings.Repeat("-", 80)} {
		f.Add(seed, seed+"x")
	}
	f.Fuzz(func(t *testing.T, name, other string) {
		short, label := ShortName(name), LabelValue(name)
		if ShortName(short) != short {
			t.Errorf("%q is shortened to %q, and that again", name, short)
		}
		if len(name) <= MaxChildName && short != name {
			t.Errorf("%q became %q", name, short)
		}
		if len(name) > MaxChildName && len(other) > MaxChildName && name != other && short == ShortName(other) {
			t.Errorf("%q and %q are both shortened to %q", name, other, short)
		}
		if len(validation.IsDNS1123Subdomain(name)) > 0 {
			return // no object has this name; all that is asked is no panic
		}
		if problems := validation.IsDNS1123Subdomain(short); len(problems) > 0 || len(short) > MaxChildName {
			t.Errorf("%q is shortened to %q: %v", name, short, problems)
		}
		if problems := validation.IsValidLabelValue(label); len(problems) > 0 {
			t.Errorf("the label of %q is %q: %v", name, label, problems)
		}
		pod := PodName(name)
		if problems := validation.IsDNS1123Subdomain(pod); len(problems) > 0 || len(pod) > validation.DNS1123LabelMaxLength {
			t.Errorf("the pod of %q is %q: %v", name, pod, problems)
		}
		if problems := validation.IsDNS1123Subdomain(OutputsSecretName(name)); len(problems) > 0 {
			t.Errorf("the outputs Secret of %q is %q: %v", name, OutputsSecretName(name), problems)
		}
	})
}
