package runner

import (
	"regexp"
	"slices"
	"strings"

	"github.com/gantry-operator/gantry/internal/agent/engine"
	"github.com/gantry-operator/gantry/internal/operation"
)

// This file is the only place where the CLI's words are read for what they mean. The CLI has no other way to say why it
// failed: it exits with 1 or 255 whatever the cause.

// meanings are what to look for, in lower case, and the reason it stands for.
func meanings() []struct{ words, reason string } {
	return []struct{ words, reason string }{
		{"another update is currently in progress", operation.ReasonConflict},
		{"the stack is currently locked by", operation.ReasonConflict},
		{"invalid access token", operation.ReasonInvalidAccessToken},
		{"pulumi_access_token must be set for login", operation.ReasonInvalidAccessToken},
		{"[401] unauthorized", operation.ReasonInvalidAccessToken},
		{"no credentials provided or are invalid", operation.ReasonInvalidAccessToken},
		{"this command requires logging in", operation.ReasonInvalidAccessToken},
	}
}

// classify gives the reason that the CLI's words stand for, or the usual one.
func classify(words, usual string) string {
	words = strings.ToLower(words)
	for _, meaning := range meanings() {
		if strings.Contains(words, meaning.words) {
			return meaning.reason
		}
	}
	if cloudDown.MatchString(words) {
		return operation.ReasonTransient
	}
	return usual
}

// isConfigIgnored says that the CLI takes the stack's configuration from Pulumi Cloud and not from the settings file.
func isConfigIgnored(line string) bool {
	return strings.Contains(line, "will be ignored because this stack uses remote config")
}

// refersBack says that an error stands for those printed before it.
func refersBack(line string) bool { return strings.HasSuffix(line, "too many errors") }

// unsaved says that the engine could not save the state. Where only the stack's own outputs were left to save, the CLI
// ends as if all were well.
func unsaved(diagnostics []engine.Diagnostic) bool {
	return slices.ContainsFunc(diagnostics, func(d engine.Diagnostic) bool {
		return strings.Contains(d.Message, "failed to save snapshot")
	})
}

// empty says that something failed, without what.
var empty = regexp.MustCompile(`^(error: )?(update|up|preview|refresh|destroy|resource operations?) (failed|canceled)\.?$`)

// isNoise says that a line of the CLI is of no use to people who look for a cause. A snapshot mismatch is what the CLI
// finds when it checks its two ways of writing the state against each other; it shows it to nobody either.
func isNoise(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || empty.MatchString(line) || strings.HasPrefix(line, "warning:") || strings.HasPrefix(line, "snapshot mismatch: ")
}
