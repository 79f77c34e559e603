package git

import (
	"errors"

	pulumiv1 "github.com/gantry-operator/gantry/api/pulumi/v1"
	"github.com/gantry-operator/gantry/internal/artifact"
	"github.com/gantry-operator/gantry/internal/failure"
	"github.com/gantry-operator/gantry/internal/source"
	"github.com/gantry-operator/gantry/internal/source/git/client"
)

// answer is what a consumer is told.
type answer struct {
	revision source.Revision
	err      error
}

// same tells whether two answers mean the same to a consumer.
func (a answer) same(b answer) bool {
	return a.revision == b.revision && meaning(a.err) == meaning(b.err)
}

// meaning is what an error says and how it is taken.
func meaning(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if terminal, is := failure.AsTerminal(err); is {
		text += "\x00" + terminal.Reason
	}
	if waiting, is := failure.AsWaiting(err); is {
		text += "\x00\x00" + waiting.Reason
	}
	var stale *StaleError
	if errors.As(err, &stale) && stale.Pending {
		text += "\x00\x00\x00"
	}
	return text
}

// answer is what the consumer is told now.
func (s *subscription) answer() answer {
	f, revision, cause := s.follow, s.revision(), s.failure()
	pending := s.pending()
	if pending {
		cause = f.progress()
	}
	switch {
	case revision == nil && cause == nil:
		return answer{err: f.progress()}
	case revision == nil:
		return answer{err: cause}
	case cause == nil:
		return answer{revision: *revision}
	}
	return answer{revision: *revision, err: NewStale(pending, cause)}
}

// revision is what the consumer has; nil if that is nothing.
func (s *subscription) revision() *source.Revision {
	if s.follow.known {
		return &s.follow.revision
	}
	return s.carried
}

// current tells whether the consumer has what is wanted.
func (s *subscription) current() bool {
	revision := s.revision()
	return revision != nil && revision.Revision == s.follow.commit
}

// pending tells whether the consumer waits for an answer: to the token that it gave, or to whether what it had is still
// the newest. It waits for the fetch of what a poll finds, too.
func (s *subscription) pending() bool {
	f := s.follow
	switch {
	case f.poll == nil:
		return false
	case f.poll.ends < s.needs:
		return true
	case s.needs == 0 && (f.known || s.carried == nil):
		return false
	}
	return s.failure() == nil && !s.current()
}

// progress says what is being done.
func (f *follow) progress() error {
	if f.commit == "" {
		return failure.NewWaiting(pulumiv1.ReasonStackProcessing, "polling %s", f.key.url)
	}
	if f.fetch == nil && f.poll != nil {
		return failure.NewWaiting(pulumiv1.ReasonStackProcessing, "polling %s, as was asked for", f.key.url)
	}
	waiting := failure.NewWaiting(pulumiv1.ReasonStackProcessing, "fetching commit %.12s of %s", f.commit, f.key.url)
	if f.poll != nil && f.poll.err == nil && (f.fetch == nil || f.fetch.err == nil) {
		return NewFetching(waiting)
	}
	return waiting
}

// failure is why the consumer has nothing newer.
func (s *subscription) failure() error {
	f := s.follow
	switch {
	case f.poll != nil && f.poll.err != nil:
		return failureOf(f.poll.err)
	case s.current():
		return nil
	case f.fetch != nil && f.fetch.err != nil:
		return failureOf(f.fetch.err)
	case f.host.failures > 0 && (f.commit == "" || f.fetch != nil && f.fetch.ends == 0):
		// The host is known to be out of reach: nobody has looked for this yet, and nobody will soon.
		return failureOf(f.host.err)
	}
	return nil
}

// failureOf makes of a failure at a host what a controller understands.
func failureOf(err error) error {
	var failed *client.Error
	switch {
	case invalid(err):
		return failure.NewTerminal(pulumiv1.ReasonSourceInvalid, "%w", err)
	case errors.As(err, &failed) && (failed.Kind == client.Denied || failed.Kind == client.HostKey):
		return failure.NewTerminal(pulumiv1.ReasonSourceUnavailable, "%w", err)
	}
	return failure.NewWaiting(pulumiv1.ReasonSourceUnavailable, "%w", err)
}

// invalid tells whether the content itself is at fault.
func invalid(err error) bool {
	kind := result(err)
	return kind == tooLarge || kind == broken
}

// The results that say that the content itself is at fault.
const (
	tooLarge = "too_large"
	broken   = "invalid"
)

// result is what a failure is called in metrics.
func result(err error) string {
	var failed *client.Error
	var large *artifact.TooLargeError
	var hostile *artifact.InvalidError
	switch {
	case err == nil:
		return "success"
	case errors.As(err, &large):
		return tooLarge
	case errors.As(err, &hostile):
		return broken
	case !errors.As(err, &failed):
		return "error"
	}
	return map[client.Kind]string{
		client.Unreachable: "unreachable", client.Denied: "denied", client.HostKey: "host_key", client.NotFound: "not_found",
		client.TooLarge: tooLarge, client.Invalid: broken,
	}[failed.Kind]
}
