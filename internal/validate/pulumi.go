package validate

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// maxPart is the longest part of a stack's name, and the longest name of a project, that Pulumi takes.
const maxPart = 100

// StackName checks the name of a Pulumi stack: short, or qualified by its project and organization.
func (p *Problems) StackName(path, name string) {
	parts := strings.Split(name, "/")
	switch {
	case name == "":
		p.Add(path, "is empty: give the name of the stack, such as dev, organization/dev or organization/project/dev")
	case len(parts) > 3:
		p.Add(path, "%s has %d parts: a stack's name is dev, organization/dev or organization/project/dev", Quote(name), len(parts))
	case slices.ContainsFunc(parts, func(part string) bool { return !isPart(part) }):
		p.Add(path, "%s is no name of a stack: each part has letters, digits, '-', '_' and '.', and %d characters at most", Quote(name), maxPart)
	}
}

// ProjectName checks the name of a Pulumi project.
func (p *Problems) ProjectName(path, name string) {
	switch {
	case name == "":
		p.Add(path, "is empty: give the name of the project")
	case !isPart(name):
		p.Add(path, "%s is no name of a project: it has letters, digits, '-', '_' and '.', and %d characters at most", Quote(name), maxPart)
	}
}

func isPart(part string) bool {
	allowed := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r)
	}
	return part != "" && len(part) <= maxPart && !strings.ContainsFunc(part, func(r rune) bool { return !allowed(r) })
}

// farIndex is a list index of more than four digits, whatever zeros it begins with.
var farIndex = regexp.MustCompile(`\[0*[1-9][0-9]{4,}\]`)

// ConfigKey checks the key of a configuration value: name, namespace:name, or the old namespace:config:name. Of the key
// of a path only the part before the path counts; the rest is Pulumi's to judge, but for the indexes of lists: a list is made
// as long as its highest index, in the memory of the stack's pod.
func (p *Problems) ConfigKey(path, key string, isPath bool) {
	head := key
	if at := strings.IndexAny(key, "[."); isPath && at > 0 {
		head = key[:at]
	}
	parts := strings.Split(head, ":")
	if len(parts) == 3 && parts[1] == "config" {
		parts = []string{parts[0], parts[2]}
	}
	switch {
	case head == "":
		p.Add(path, "the key of the value is empty: give it a name")
	case strings.ContainsFunc(key, unicode.IsControl):
		p.Add(path, "the key %s has control characters", Quote(key))
	case len(parts) > 2, slices.Contains(parts, ""):
		p.Add(path, "%s is no key of a configuration value: it is name, or namespace:name", Quote(key))
	case isPath && farIndex.MatchString(key):
		p.Add(path, "%s has a list index of more than four digits: make the list shorter, or an object", Quote(key))
	}
}

// Target checks a resource's URN, or a pattern with wildcards.
func (p *Problems) Target(path, urn string) {
	valid := strings.Contains(urn, "*") || strings.HasPrefix(urn, "urn:pulumi:") && len(strings.SplitN(urn, "::", 4)) == 4
	switch {
	case strings.ContainsFunc(urn, unicode.IsControl):
		p.Add(path, "%s has control characters", Quote(urn))
	case !valid:
		p.Add(path, "%s is no URN such as urn:pulumi:stack::project::type::name, and no pattern with '*'", Quote(urn))
	}
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
