package runner

import (
	"regexp"
	"slices"
	"strings"

	"github.com/gantry-operator/gantry/internal/agent/cli"
	"github.com/gantry-operator/gantry/internal/agent/engine"
	"github.com/gantry-operator/gantry/internal/operation"
)

// This file is the only place where the CLI's words are read for what they mean. The CLI has no other way to say why it
// failed: it exits with 1 or 255 whatever the cause.

// meanings are what to look for, in lower case, and the reason it stands for.
func meanings() []struct{ words, reason string } {
	return []struct{ words, reason string }{
		{anotherUpdate, operation.ReasonConflict},
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

// anotherUpdate is what Pulumi Cloud says of a stack that is being updated.
const anotherUpdate = "another update is currently in progress"

// isUpdated says that Pulumi Cloud refuses an update since there is another one.
func isUpdated(words string) bool { return strings.Contains(strings.ToLower(words), anotherUpdate) }

// isConfigIgnored says that the CLI takes the stack's configuration from Pulumi Cloud and not from the settings file.
func isConfigIgnored(line string) bool {
	return strings.Contains(line, "will be ignored because this stack uses remote config")
}

// refersBack says that an error stands for those printed before it.
func refersBack(line string) bool { return strings.HasSuffix(line, "too many errors") }

// isProtected says that an error is about a resource that is protected from being deleted.
func isProtected(message string) bool {
	return strings.Contains(strings.Join(strings.Fields(message), " "), "cannot be deleted because it is protected")
}

// protects says that a protected resource was to be deleted, whatever else failed: that does not pass by itself.
func protects(diagnostics []engine.Diagnostic) bool {
	return slices.ContainsFunc(diagnostics, func(d engine.Diagnostic) bool { return isProtected(d.Message) })
}

// unsaved says that the engine could not save the state. Where only the stack's own outputs were left to save, the CLI
// ends as if all were well.
func unsaved(diagnostics []engine.Diagnostic) bool {
	return slices.ContainsFunc(diagnostics, func(d engine.Diagnostic) bool {
		return strings.Contains(d.Message, "failed to save snapshot")
	})
}

// causes are what an operation failed of, each for itself: the engine's errors, without those that only follow from
// others; or, where it told of none, the CLI's last words. A verdict of a policy is nothing that passes: lasts says so.
func causes(tracker *engine.Tracker, ending cli.Ending) (texts []string, lasts bool) {
	for _, diagnostic := range tracker.Errors() {
		lasts = lasts || diagnostic.Policy
		if !isNoise(diagnostic.Message) && !follows.MatchString(diagnostic.Message) {
			texts = append(texts, diagnostic.Message)
		}
	}
	if len(texts) == 0 {
		texts = []string{lastWords(ending)}
	}
	return texts, lasts
}

// passes tells whether a failed operation may succeed later with nothing changed: every one of its causes is transient.
// Where one is not, trying for ever would only hide it.
func passes(tracker *engine.Tracker, ending cli.Ending) bool {
	texts, lasts := causes(tracker, ending)
	return !lasts && !slices.ContainsFunc(texts, func(text string) bool { return !transient(text) })
}

// follows says that an error is but the consequence of another one: the program learns that a resource was not made.
var follows = regexp.MustCompile(`(?i)^(error: )?(resource monitor shut ?down|(an unhandled error occurred: )?program exited with non-zero exit code|update canceled|BAIL)|` +
	`\bresource \S+ \[\S+\] failed to register\b|\bfailed to register new resource\b|\bresource registration failed\b`)

// empty says that something failed, without what.
var empty = regexp.MustCompile(`^(error: )?(update|up|preview|refresh|destroy|resource operations?) (failed|canceled)\.?$`)

// isNoise says that a line of the CLI is of no use to people who look for a cause. A snapshot mismatch is what the CLI
// finds when it checks its two ways of writing the state against each other; it shows it to nobody either.
func isNoise(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || empty.MatchString(line) || strings.HasPrefix(line, "warning:") || strings.HasPrefix(line, "snapshot mismatch: ")
}
