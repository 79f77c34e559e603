package notify

import (
	"regexp"
	"strings"

	eventv1 "github.com/fluxcd/pkg/apis/event/v1beta1"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
)

// metadata is what goes with an event. The notification controller passes on what has the group of the object before its key,
// without that; and what users give an object under its own group.
func metadata(stack *pulumiv1.Stack, revision string) map[string]string {
	all := map[string]string{}
	for key, value := range stack.Annotations {
		if strings.HasPrefix(key, eventv1.Group+"/") {
			all[key] = value
		}
	}
	set := func(key, value string) {
		if value != "" {
			all[pulumiv1.GroupVersion.Group+"/"+key] = value
		}
	}
	set(eventv1.MetaRevisionKey, fluxRevision(stack, revision))
	set("stack", stack.Spec.Stack)
	if last := stack.Status.LastUpdate; last != nil {
		set("permalink", last.Permalink)
	}
	return all
}

// fluxRevision is a revision as Flux writes it: a commit with its algorithm, and with the branch where that is followed.
func fluxRevision(stack *pulumiv1.Stack, revision string) string {
	if !regexp.MustCompile(`^[0-9a-f]{40}$`).MatchString(revision) {
		return revision
	}
	named := "sha1:" + revision
	if branch := strings.TrimPrefix(stack.Spec.Branch, "refs/heads/"); branch != "" {
		return branch + "@" + named
	}
	return named
}
