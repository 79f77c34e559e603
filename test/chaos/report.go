package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// soon is within how many seconds of a fault, or of its end, the status of a Stack has to be true, on a machine that does
// other things too. The longest are those of a manager that waits for a lease to run out, and of kubelet that waits before
// it starts a container again.
const soon = 120

// row is what came of a fault.
type row struct {
	// Fault is its name.
	Fault string `json:"fault"`
	// Injected is how often.
	Injected int `json:"injected"`
	// Lost counts operations whose result was never recorded, or that ended although their pod lived on, and requests
	// that were never answered.
	Lost int `json:"lost"`
	// Twice counts operations that ran more often than once.
	Twice int `json:"twice"`
	// Orphaned counts resources that no state knew when the stack was up to date, and what was left of the stack when it
	// was gone.
	Orphaned int `json:"orphaned"`
	// Locks counts those left.
	Locks int `json:"locks"`
	// Seconds is the longest time for which the status of the Stack said something else than what was, counted from the
	// fault, or from when the cluster was whole again.
	Seconds float64 `json:"seconds"`

	// harms says in words what was not as it has to be.
	harms []string
}

// harm adds what was not as it has to be.
func (r *row) harm(format string, arguments ...any) {
	r.harms = append(r.harms, fmt.Sprintf(format, arguments...))
}

// bad tells whether the row is not as it has to be.
func (r *row) bad() bool {
	return r.Injected == 0 || r.Lost+r.Twice+r.Orphaned+r.Locks > 0 || r.Seconds > soon || len(r.harms) > 0
}

const heading = "fault                                        injected  lost  twice  orphaned  locks  seconds"

// line is the row for a person.
func (r *row) line() string {
	text := fmt.Sprintf("%-44s %8d %5d %6d %9d %6d %8.1f", r.Fault, r.Injected, r.Lost, r.Twice, r.Orphaned, r.Locks, r.Seconds)
	if r.bad() {
		text += "  HARM"
	}
	return text
}

// table is all rows for a person.
func table(rows []row) string {
	var text strings.Builder
	fmt.Fprintf(&text, "\n%s\n", heading)
	for _, r := range rows {
		fmt.Fprintln(&text, r.line())
	}
	for _, r := range rows {
		for _, harm := range r.harms {
			fmt.Fprintf(&text, "%s: %s\n", r.Fault, harm)
		}
	}
	return text.String()
}

// write records the rows.
func write(path string, rows []row) error {
	text, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return fmt.Errorf("recording the table: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("recording the table: %w", err)
	}
	return nil
}

// verdict is an error if a fault did harm.
func verdict(rows []row) error {
	var errs []error
	for _, r := range rows {
		if r.bad() {
			errs = append(errs, fmt.Errorf("the fault %q did harm", r.Fault))
		}
	}
	return errors.Join(errs...)
}
