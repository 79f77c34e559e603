// Package failure owns the two kinds of failure that are not simply tried again: what a person has to mend, and what
// somebody else still has to provide. They are made where the cause is known and interpreted in one place.
package failure

import (
	"errors"
	"fmt"
)

// TerminalError means that a person has to act: trying again cannot help until something changes.
type TerminalError struct {
	// Reason is a condition's reason.
	Reason string
	err    error
}

// NewTerminal makes a TerminalError with a message for people.
func NewTerminal(reason, format string, args ...any) *TerminalError {
	return &TerminalError{Reason: reason, err: fmt.Errorf(format, args...)}
}

// Error is the message for people.
func (t *TerminalError) Error() string { return t.err.Error() }

// Unwrap gives the cause.
func (t *TerminalError) Unwrap() error { return t.err }

// AsTerminal finds a TerminalError in err.
func AsTerminal(err error) (*TerminalError, bool) {
	var t *TerminalError
	ok := errors.As(err, &t)
	return t, ok
}

// WaitingError means that something is not there yet that may well come by itself.
type WaitingError struct {
	// Reason is a condition's reason.
	Reason string
	err    error
}

// NewWaiting makes a WaitingError with a message for people.
func NewWaiting(reason, format string, args ...any) *WaitingError {
	return &WaitingError{Reason: reason, err: fmt.Errorf(format, args...)}
}

// Error is the message for people.
func (w *WaitingError) Error() string { return w.err.Error() }

// Unwrap gives the cause.
func (w *WaitingError) Unwrap() error { return w.err }

// AsWaiting finds a WaitingError in err.
func AsWaiting(err error) (*WaitingError, bool) {
	var w *WaitingError
	ok := errors.As(err, &w)
	return w, ok
}
