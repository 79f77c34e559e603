package cli

import (
	"context"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/version"
)

// labelVersion is the label by which the chart tells the version of what it installs.
const labelVersion = "app.kubernetes.io/version"

// managerVersion is the version that a Deployment of the manager tells: its image's tag, or the chart's label where the
// image is named by its digest. It is empty where neither is there.
func managerVersion(d *appsv1.Deployment) string {
	for _, c := range d.Spec.Template.Spec.Containers {
		image, _, _ := strings.Cut(c.Image, "@")
		if _, tag, ok := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":"); ok && c.Name == "manager" {
			return tag
		}
	}
	return firstOf(d.Spec.Template.Labels[labelVersion], d.Labels[labelVersion])
}

// versions looks whether the plugin, the manager and the definitions are of one release.
func (e *examination) versions(context.Context) error {
	if e.installed != "" {
		e.verdicts = append(e.verdicts, versionsVerdict(e.app.Version, e.running, e.defined))
	}
	return nil
}

// versionsVerdict says whether versions fit: those that are versions of releases have to agree in all but the last number.
func versionsVerdict(plugin, manager string, defined map[string]string) verdict {
	var kinds, advice []string
	for _, name := range sortedKeys(defined) {
		if v := defined[name]; v != "" && !slices.Contains(kinds, v) {
			kinds = append(kinds, v)
		}
	}
	found := "plugin " + plugin + ", manager " + firstOf(manager, "unknown") + ", definitions " + firstOf(strings.Join(kinds, " and "), "unknown")
	if !fit(plugin, manager) {
		advice = append(advice, "use the plugin of the manager's release, "+manager)
	}
	if slices.ContainsFunc(kinds, func(v string) bool { return !fit(v, manager) }) {
		advice = append(advice, "install the definitions of the manager's release, "+manager)
	}
	if len(advice) > 0 {
		return verdict{"versions", stateWarning, found, strings.Join(advice, "; ")}
	}
	return verdict{"versions", stateOK, found, ""}
}

// fit tells that two versions are of releases that fit, or that this cannot be told.
func fit(a, b string) bool {
	va, errA := version.ParseSemantic(a)
	vb, errB := version.ParseSemantic(b)
	return errA != nil || errB != nil || (va.Major() == vb.Major() && va.Minor() == vb.Minor())
}
