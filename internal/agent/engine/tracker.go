// Package engine owns what the agent learns from the engine's own events, which the CLI writes to a file while it runs:
// how far an operation is, what it changed, what failed and the stack's outputs.
package engine

import (
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// Diagnostic is an error that the engine reported.
type Diagnostic struct {
	// URN of the resource; empty, or the stack's, for what concerns no resource.
	URN string
	// Message is the provider's or the engine's.
	Message string
	// Policy says that it is a policy's verdict.
	Policy bool
}

// Change is what was, or would be, done to a resource.
type Change struct {
	URN string
	// Op is the engine's word: create, update, delete, ….
	Op string
	// Properties that differ, where the engine says so.
	Properties []string
}

// Tracker takes one event after the other and knows the sum of them.
type Tracker struct {
	done     map[string]struct{}
	inFlight []inFlight
	step     string
	errors   []Diagnostic
	dropped  int
	failed   []string
	outputs  map[string]any
	changes  map[string]int32
	changed  []Change
	result   apitype.OperationResult
}

// inFlight is a step that has begun.
type inFlight struct{ urn, text string }

// NewTracker knows nothing yet.
func NewTracker() *Tracker { return &Tracker{done: map[string]struct{}{}} }

// Apply takes the next event.
func (t *Tracker) Apply(event apitype.EngineEvent) {
	switch {
	case event.ResourcePreEvent != nil:
		t.begin(event.ResourcePreEvent.Metadata)
	case event.ResOutputsEvent != nil:
		t.end(event.ResOutputsEvent.Metadata)
	case event.ResOpFailedEvent != nil:
		t.fail(event.ResOpFailedEvent.Metadata)
	case event.DiagnosticEvent != nil:
		t.diagnose(event.DiagnosticEvent)
	case event.PolicyEvent != nil:
		t.policy(event.PolicyEvent)
	case event.ProgressEvent != nil:
		t.download(event.ProgressEvent)
	case event.SummaryEvent != nil:
		t.summarize(event.SummaryEvent)
	case event.ErrorEvent != nil:
		t.keep(Diagnostic{Message: plain(event.ErrorEvent.Error)})
	}
}

// Done counts the resources that are done, the stack itself and providers left out.
func (t *Tracker) Done() int32 { return int32(len(t.done)) }

// Step is what is being done now, in words; empty when nothing is.
func (t *Tracker) Step() string {
	if len(t.inFlight) == 0 {
		return t.step
	}
	last := t.inFlight[len(t.inFlight)-1].text
	if more := len(t.inFlight) - 1; more > 0 {
		return last + " and " + count(more) + " more"
	}
	return last
}

// Errors are the engine's errors in their order, the first and the last of them where there are very many.
func (t *Tracker) Errors() []Diagnostic { return slices.Clone(t.errors) }

// Dropped counts the errors between them that are not kept.
func (t *Tracker) Dropped() int { return t.dropped }

// Failed are the URNs of the resources whose step failed.
func (t *Tracker) Failed() []string { return slices.Clone(t.failed) }

// Changed are the resources that did not stay as they were on record, the stack itself and providers left out.
func (t *Tracker) Changed() []Change { return slices.Clone(t.changed) }

// Changes counts resources by what was done to them.
func (t *Tracker) Changes() map[string]int32 { return t.changes }

// Canceled says that the engine ended because it was asked to.
func (t *Tracker) Canceled() bool { return t.result == apitype.OperationResultCanceled }

func (t *Tracker) begin(step apitype.StepEventMetadata) {
	if internal(step.Type) || step.Op == apitype.OpSame {
		return
	}
	t.step = ""
	t.inFlight = append(t.inFlight, inFlight{step.URN, describe(step)})
}

func (t *Tracker) end(step apitype.StepEventMetadata) {
	t.land(step.URN)
	if !internal(step.Type) {
		t.done[step.URN] = struct{}{}
		if step.Op != apitype.OpSame && step.Op != apitype.OpRefresh {
			t.changed = append(t.changed, Change{URN: step.URN, Op: string(step.Op), Properties: step.Diffs})
		}
	}
	if step.Type == stackType && step.New != nil {
		t.outputs = step.New.Outputs
	}
}

func (t *Tracker) fail(step apitype.StepEventMetadata) {
	t.land(step.URN)
	if !slices.Contains(t.failed, step.URN) {
		t.failed = append(t.failed, step.URN)
	}
}

// land takes a step out of those that are under way.
func (t *Tracker) land(urn string) {
	if i := slices.IndexFunc(t.inFlight, func(f inFlight) bool { return f.urn == urn }); i >= 0 {
		t.inFlight = slices.Delete(t.inFlight, i, i+1)
	}
}

func (t *Tracker) diagnose(d *apitype.DiagnosticEvent) {
	if d.Severity != "error" || d.Ephemeral {
		return
	}
	t.keep(Diagnostic{URN: d.URN, Message: plain(d.Message)})
}

// keep keeps an error that is new and says something, as far as there is room.
func (t *Tracker) keep(d Diagnostic) {
	d.Message = cut(d.Message)
	switch {
	case d.Message == "", slices.Contains(t.errors, d):
	case len(t.errors) >= maxErrors:
		// The last ones stay as well: only then is it told that the state could not be saved.
		t.dropped++
		t.errors = append(slices.Delete(t.errors, maxErrors/2, maxErrors/2+1), d)
	default:
		t.errors = append(t.errors, d)
	}
}

func (t *Tracker) policy(p *apitype.PolicyEvent) {
	if p.EnforcementLevel == "mandatory" {
		t.keep(Diagnostic{URN: p.ResourceURN, Policy: true,
			Message: "policy " + p.PolicyPackName + " " + p.PolicyName + ": " + plain(p.Message)})
	}
}

func (t *Tracker) download(p *apitype.ProgressEvent) {
	t.step = ""
	if !p.Done {
		t.step = strings.ToLower(p.Message[:min(1, len(p.Message))]) + p.Message[min(1, len(p.Message)):]
	}
}

func (t *Tracker) summarize(s *apitype.SummaryEvent) {
	t.result = s.Result
	t.changes = make(map[string]int32, len(s.ResourceChanges))
	for op, n := range s.ResourceChanges {
		t.changes[string(op)] = int32(n)
	}
}

// internal says that a resource is the engine's own: the stack or a provider.
func internal(kind string) bool {
	return kind == stackType || strings.HasPrefix(kind, "pulumi:providers:")
}

const (
	// maxErrors bounds how many errors are kept, maxError the bytes of one, of which a result shows much less.
	maxErrors = 500
	maxError  = 32 << 10
)

// stackType is the type of the stack's own resource, whose outputs are the stack's.
const stackType = "pulumi:pulumi:Stack"
