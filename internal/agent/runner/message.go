package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gantry-operator/gantry/internal/agent/cli"
	"github.com/gantry-operator/gantry/internal/agent/engine"
	"github.com/gantry-operator/gantry/internal/operation"
)

// failure is a step that did not succeed.
type failure struct {
	// reason is the usual one for the step.
	reason string
	err    error
}

// transient takes the failure for one that may pass by itself, if it does.
func (f *failure) transient(passes bool) {
	if passes {
		f.reason = operation.ReasonTransient
	}
}

// meaning takes the failure for what the engine's errors say.
func (f *failure) meaning(tracker *engine.Tracker, ending cli.Ending) {
	f.transient(passes(tracker, ending))
	if protects(tracker.Errors()) {
		f.reason = operation.ReasonProtected
	}
}

// fail makes the result of a run that did not succeed.
func fail(ctx context.Context, result *operation.Result, run *run, f failure) {
	ending, process := endingOf(f.err)
	if ended(ctx, result, run, ending) {
		return
	}
	words := f.err.Error()
	if process {
		words = ending.Stderr + "\n" + ending.Stdout
	}
	operating := run.ending.Code != 0 || errors.Is(f.err, errUnsaved)
	f.transient(errors.Is(f.err, errNotKept))
	switch {
	case errors.As(f.err, new(*lockedError)), errors.Is(f.err, errNotKept):
		result.Message = f.err.Error()
	case errors.Is(f.err, errCloudConfig):
		f.reason, words, result.Message = operation.ReasonInitializationFailed, "", f.err.Error()+"; "+doneWords(run.tracker)
	case operating:
		result.Message = engineMessage(run.tracker, ending)
		words += "\n" + result.Message
		f.meaning(run.tracker, ending)
	default:
		result.Message = f.err.Error()
		f.transient(process && transient(result.Message))
	}
	result.Outcome, result.Reason = operation.Outcome_FAILED, classify(words, f.reason)
	result.Message = withNotes(result.Message, append(run.notes, notesOn(result.GetReason())...))
}

// ended makes the result of a run that somebody ended: the agent, or whoever killed the CLI. It says whether that is so.
func ended(ctx context.Context, result *operation.Result, run *run, ending cli.Ending) bool {
	if cause := context.Cause(ctx); cause != nil {
		endEarly(result, run, cause, ending)
		return true
	}
	if ending.Signal == "" {
		return false
	}
	result.Outcome, result.Reason = operation.Outcome_INTERRUPTED, operation.ReasonAborted
	result.Message = bound(killedMessage(run, ending))
	return true
}

// notesOn is what to do about a reason, where the CLI's words do not say it.
func notesOn(reason string) []string {
	if reason == operation.ReasonInvalidAccessToken {
		return []string{tokenNote}
	}
	return nil
}

// withNotes adds notes to a message, for which there is always room.
func withNotes(message string, all []string) string {
	notes := ""
	for _, note := range all {
		notes += "\n(" + note + ")"
	}
	return cut(message, maxMessage-len(notes)) + notes
}

// endEarly makes the result of a run that the agent ended: since it took too long, or since somebody asked for it.
func endEarly(result *operation.Result, run *run, cause error, ending cli.Ending) {
	result.Outcome, result.Reason = operation.Outcome_CANCELED, operation.ReasonCanceled
	word := "canceled"
	if errors.As(cause, new(*timeoutError)) {
		result.Outcome, result.Reason = operation.Outcome_FAILED, operation.ReasonTimeout
		word = "timed out"
	}
	message := fmt.Sprintf("%s: %v; %s", word, cause, doneWords(run.tracker))
	if ending.Killed {
		message += "; pulumi did not end within the grace period and was killed, " +
			"so the stack may be left locked or with pending operations"
	}
	result.Message = bound(message)
}

func killedMessage(run *run, ending cli.Ending) string {
	return fmt.Sprintf("pulumi was ended from outside (signal: %s); %s; if the pod ran out of memory, "+
		"raise the memory limit of its container pulumi", ending.Signal, doneWords(run.tracker))
}

func doneWords(tracker *engine.Tracker) string {
	words := fmt.Sprintf("%d resources were done", tracker.Done())
	if step := tracker.Step(); step != "" {
		words += ", under way was " + step
	}
	return words
}

// engineMessage says what failed: each resource by its URN with the provider's words, then what concerns no resource.
// Without any of these, the CLI's last words.
func engineMessage(tracker *engine.Tracker, ending cli.Ending) string {
	var resources, others []string
	told := map[string]bool{}
	for _, diagnostic := range tracker.Errors() {
		switch {
		case isNoise(diagnostic.Message):
		case diagnostic.URN == "" || strings.Contains(diagnostic.URN, "::pulumi:pulumi:Stack::"):
			others = append(others, strings.TrimPrefix(diagnostic.Message, "error: "))
		case isProtected(diagnostic.Message):
			// The CLI's advice is for who has a shell where it runs.
			told[diagnostic.URN] = true
			resources = append(resources, diagnostic.URN+": it is protected")
		default:
			told[diagnostic.URN] = true
			resources = append(resources, diagnostic.URN+": "+strings.TrimPrefix(diagnostic.Message, "error: "))
		}
	}
	for _, urn := range tracker.Failed() {
		if !told[urn] && !strings.Contains(urn, "::pulumi:pulumi:Stack::") {
			resources = append(resources, urn+": failed")
		}
	}
	all := append(resources, others...)
	if len(all) == 0 {
		return lastWords(ending)
	}
	return several(all, tracker.Dropped())
}

// several joins messages, as many as there is room for, and says how many there are beside them, of which more are not
// even among them.
func several(all []string, more int) string {
	var b strings.Builder
	for i, one := range all {
		one = cut(one, maxOne)
		if i > 0 && b.Len()+len(one)+maxRest > maxMessage {
			fmt.Fprintf(&b, "\nand %d more; see the log of the workspace's pod", len(all)-i+more)
			break
		}
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(one)
	}
	return b.String()
}

// lastWords are the CLI's, from its first error on or, without one, its last lines.
func lastWords(ending cli.Ending) string {
	for _, output := range []string{ending.Stderr, ending.Stdout} {
		lines := slices.DeleteFunc(strings.Split(output, "\n"), isNoise)
		if i := slices.IndexFunc(lines, isError); i >= 0 {
			// What an error follows on, such as a tool's own output, says more than the error alone.
			first := strings.TrimSpace(strings.TrimSpace(lines[i])[len("error:"):])
			if refersBack(first) {
				first += ": " + strings.Join(lines[:i], "\n")
			}
			return cut(strings.TrimSpace(strings.Join(append([]string{first}, lines[i+1:]...), "\n")), maxOne)
		}
		if len(lines) > 0 {
			return cut(lastLines(output), maxOne)
		}
	}
	if ending.Signal != "" {
		return "it was ended by the signal " + ending.Signal
	}
	return fmt.Sprintf("it ended with exit code %d and said nothing", ending.Code)
}

// isError tells that a line begins an error. Language hosts write theirs with a capital letter, among other lines.
func isError(line string) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "error:")
}

// lastLines are the last lines that say something.
func lastLines(output string) string {
	lines := slices.DeleteFunc(strings.Split(output, "\n"), isNoise)
	return strings.Join(lines[max(0, len(lines)-maxLines):], "\n")
}

// successMessage is what was done, in one line.
func successMessage(t operation.Type, changes map[string]int32) string {
	var counts []string
	for _, op := range slices.Sorted(maps.Keys(changes)) {
		if changes[op] > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", changes[op], past(op)))
		}
	}
	if len(counts) == 0 {
		return cli.Name(t) + " succeeded"
	}
	return cli.Name(t) + " succeeded: " + strings.Join(counts, ", ")
}

// past is an engine's operation as something done.
func past(op string) string {
	switch op {
	case "same":
		return "unchanged"
	case "create", "update", "delete", "replace":
		return op + "d"
	default:
		return op
	}
}

func bound(message string) string { return cut(message, maxMessage) }

// cut shortens text to at most n bytes, between characters.
func cut(text string, n int) string {
	const mark = " …"
	if len(text) <= n {
		return text
	}
	end := max(0, n-len(mark))
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}

// tokenNote says what to mend where Pulumi Cloud refuses the token.
const tokenNote = "the access token in PULUMI_ACCESS_TOKEN is refused, or there is none: mend the Secret that it comes from " +
	"(envRefs or accessTokenSecret of the Stack, env or envFrom of the Workspace)"

const (
	maxMessage = 4 << 10
	maxOne     = 2 << 10
	maxRest    = 64
	maxLines   = 15
)
