package fluxsource

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
)

// admin answers what only tests may ask: a status for an order, a fault, and how often each path was asked for.
func (s *Server) admin(w http.ResponseWriter, r *http.Request) {
	var answer any
	var err error
	switch r.Method + " " + r.URL.Path {
	case "GET /admin/ready":
		answer = "ready"
	case "GET /admin/requests":
		answer = s.Requests()
	case "POST /admin/artifacts":
		var order Order
		if err = json.NewDecoder(r.Body).Decode(&order); err == nil {
			answer, err = s.Store(order, time.Now())
		}
	case "POST /admin/failures":
		var failure struct {
			Order
			Artifact *meta.Artifact `json:"artifact"`
		}
		if err = json.NewDecoder(r.Body).Decode(&failure); err == nil {
			answer, err = Failing(failure.Order, failure.Artifact, time.Now())
		}
	case "POST /admin/faults":
		var fault Fault
		if err = json.NewDecoder(r.Body).Decode(&fault); err == nil {
			s.Inject(fault)
		}
	default:
		http.NotFound(w, r)
		return
	}
	var text []byte
	if err == nil {
		text, err = json.Marshal(answer)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "%s", text)
}

// Inject makes a fault the one of its path.
func (s *Server) Inject(fault Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[fault.Path] = fault
}

// Requests are how often each path was asked for.
func (s *Server) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.requests)
}
