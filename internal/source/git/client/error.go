package client

// Kind says what kind of failure an Error is, which decides what is done about it.
type Kind int

// The kinds of failure.
const (
	// Unreachable may pass by itself: no connection, a host that is overloaded or has a fault, a time limit.
	Unreachable Kind = iota
	// Denied means that the host does not let this credential read the repository, or that there is no way to use it.
	Denied
	// HostKey means that the host cannot prove what it is: its SSH key is unknown or another one than is known, or its
	// certificate is not trusted.
	HostKey
	// NotFound means that there is no such repository, reference or commit.
	NotFound
	// TooLarge means that a limit was hit.
	TooLarge
	// Invalid means that what was asked for, or the repository's content, is broken or hostile.
	Invalid
)

// Error is a failure at a git host.
type Error struct {
	Kind Kind
	// Message says what is wrong, where and what to do. It is fit for a condition and never has a secret in it.
	Message string
	err     error
}

// NewError makes an Error; the cause may be nil, and must not have a secret in it.
func NewError(kind Kind, message string, cause error) *Error {
	return &Error{Kind: kind, Message: message, err: cause}
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.err }
