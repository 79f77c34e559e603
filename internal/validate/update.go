package validate

import (
	"fmt"
	"strings"

	autov1alpha1 "github.com/gantry-operator/gantry/api/auto/v1alpha1"
)

// Update checks the spec of an Update, whatever its Workspace is.
func Update(spec *autov1alpha1.UpdateSpec) Problems {
	var p Problems
	if spec.Unreadable != "" {
		p.Add("spec", "cannot be read: %s", spec.Unreadable)
	}
	if spec.WorkspaceName == "" {
		p.Add("spec.workspaceName", "is missing: name the Workspace to run in")
	} else {
		p.ObjectName("spec.workspaceName", "Workspace", spec.WorkspaceName)
	}
	if spec.StackName == "" {
		p.Add("spec.stackName", "is missing: name the stack to work on")
	} else {
		p.StackName("spec.stackName", spec.StackName)
	}
	switch spec.Type {
	case autov1alpha1.UpUpdate, autov1alpha1.PreviewUpdate, autov1alpha1.RefreshUpdate, autov1alpha1.DestroyUpdate:
	case "":
		p.Add("spec.type", "is missing: it has to be up, preview, refresh or destroy")
	default:
		p.Add("spec.type", "is %s: it has to be up, preview, refresh or destroy", Quote(string(spec.Type)))
	}
	if spec.Timeout != nil {
		p.Timeout("spec.timeout", *spec.Timeout)
	}
	p.Targets("spec.target", spec.Target)
	p.Targets("spec.replace", spec.Replace)
	if spec.Message != nil {
		p.message("spec.message", *spec.Message)
	}
	return p
}

// Targets checks a list of URNs, and that the CLI can be given them.
func (p *Problems) Targets(path string, urns []string) {
	size := 0
	for i, urn := range urns {
		size += len(urn)
		p.Target(fmt.Sprintf("%s[%d]", path, i), urn)
	}
	if size > maxArguments {
		p.Add(path, "has %d bytes, and a command line takes %d at most: use patterns with '*'", size, maxArguments)
	}
}

// message checks what is given to the CLI as one argument.
func (p *Problems) message(path, message string) {
	const most = maxString / 2
	switch {
	case strings.ContainsRune(message, 0):
		p.Add(path, "has a NUL character, which no command line can have")
	case len(message) > most:
		p.Add(path, "has %d bytes, and a command line takes %d at most: shorten it", len(message), most)
	}
}
