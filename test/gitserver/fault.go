package gitserver

import (
	"net/http"
	"time"
)

// Fault is how a server misbehaves. One applies at a time, until Heal.
type Fault struct {
	// Kind of requests that it applies to; all if empty.
	Kind Kind
	// Times is how often; for ever if 0.
	Times int
	// Status is answered instead of what was asked for, with Location and the text Say if they are given.
	Status        int
	Location, Say string
	// Hang answers nothing until the client hangs up or the server is healed.
	Hang bool
	// Delay comes before the answer.
	Delay time.Duration
	// CutAfter breaks the connection after so many bytes of the answer's body.
	CutAfter int
}

// Break makes the server misbehave.
func (s *Server) Break(fault Fault) {
	s.Heal()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = &fault
}

// Heal ends the fault, also for requests that hang.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = nil
	close(s.changed)
	s.changed = make(chan struct{})
}

// next is the fault that a request meets.
func (s *Server) next(kind Kind) (*Fault, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fault := s.fault
	if fault == nil || (fault.Kind != "" && fault.Kind != kind) {
		return nil, nil
	}
	if fault.Times > 0 {
		if fault.Times--; fault.Times == 0 {
			s.fault = nil
		}
	}
	met := *fault
	return &met, s.changed
}

// broken applies a fault, and tells whether that was the answer.
func (s *Server) broken(w *watched, r *http.Request, kind Kind) bool {
	fault, changed := s.next(kind)
	if fault == nil {
		return false
	}
	var late <-chan time.Time // never, if it hangs
	if !fault.Hang {
		timer := time.NewTimer(fault.Delay)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-late:
	case <-r.Context().Done():
	case <-changed:
	}
	if fault.Hang {
		w.status, w.cut = 0, true
		return true
	}
	if fault.Status != 0 {
		if fault.Location != "" {
			w.Header().Set("Location", fault.Location)
		}
		if fault.Say == "" {
			fault.Say = http.StatusText(fault.Status)
		}
		http.Error(w, fault.Say, fault.Status)
		return true
	}
	if fault.CutAfter > 0 {
		w.limited, w.left = true, fault.CutAfter
	}
	return false
}
