package operator

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

// hasty is a clock whose timers are over at once. It counts them.
type hasty struct {
	clock.RealClock
	pauses int
	paused func()
}

func (h *hasty) NewTimer(time.Duration) clock.Timer {
	h.pauses++
	h.paused()
	return h.RealClock.NewTimer(0)
}

func TestAwaitAPI(t *testing.T) {
	cases := map[string]struct {
		reason string
		// answers are those of the server, in turn; the last one is given for ever.
		answers []int
		pauses  int
		gives   bool
	}{
		"Up":      {"it answers at once", []int{http.StatusOK}, 0, false},
		"Later":   {"it is starting", []int{http.StatusServiceUnavailable, http.StatusInternalServerError, http.StatusOK}, 2, false},
		"Refused": {"who refuses is at work", []int{http.StatusForbidden}, 0, false},
		"Never":   {"the manager is asked to end meanwhile", []int{http.StatusServiceUnavailable}, 3, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.answers[min(asked, len(tc.answers)-1)])
				asked++
			}))
			defer server.Close()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			now := &hasty{}
			now.paused = func() {
				if now.pauses == 3 {
					stop()
				}
			}
			err := awaitAPI(ctx, &rest.Config{Host: server.URL}, now, testr.New(t))
			if (err != nil) != tc.gives || now.pauses != tc.pauses {
				t.Errorf("%s: error %v after %d pauses, want %d", tc.reason, err, now.pauses, tc.pauses)
			}
		})
	}
}
