// Package failure owns the two kinds of failure that are not simply tried again: what a person has to mend, and what
// somebody else still has to provide. They are made where the cause is known and interpreted in one place.
package failure

import (
	"errors"
	"fmt"
)

// Terminal means that a person has to act: trying again cannot help until something changes.
type Terminal struct {
	// Reason is a condition's reason.
	Reason string
	err    error
}

// NewTerminal makes a Terminal failure with a message for people.
func NewTerminal(reason, format string, args ...any) *Terminal {
	return &Terminal{Reason: reason, err: fmt.Errorf(format, args...)}
}

// Error is the message for people.
func (t *Terminal) Error() string { return t.err.Error() }

// Unwrap gives the cause.
func (t *Terminal) Unwrap() error { return t.err }

// AsTerminal finds a Terminal in err.
func AsTerminal(err error) (*Terminal, bool) {
	var t *Terminal
	ok := errors.As(err, &t)
	return t, ok
}

// Waiting means that something is not there yet that may well come by itself.
type Waiting struct {
	// Reason is a condition's reason.
	Reason string
	err    error
}

// NewWaiting makes a Waiting failure with a message for people.
func NewWaiting(reason, format string, args ...any) *Waiting {
	return &Waiting{Reason: reason, err: fmt.Errorf(format, args...)}
}

// Error is the message for people.
func (w *Waiting) Error() string { return w.err.Error() }

// Unwrap gives the cause.
func (w *Waiting) Unwrap() error { return w.err }

// AsWaiting finds a Waiting in err.
func AsWaiting(err error) (*Waiting, bool) {
	var w *Waiting
	ok := errors.As(err, &w)
	return w, ok
}
