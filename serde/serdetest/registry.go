package serdetest

import (
	"context"
	"net/http"
	"sync"
)

// A Switch stands before a registry, a server in a test, and has it fail and count as a check says. It passes all requests on at first. It is
// safe for concurrent use.
type Switch struct {
	registry http.Handler

	mu       sync.Mutex
	fault    fault
	requests int
	arrived  chan struct{} // closed at the next request
}

// NewSwitch is a handler to serve instead of registry.
func NewSwitch(registry http.Handler) *Switch { return &Switch{registry: registry} }

// Requests is the number of requests so far, those that failed among them.
func (s *Switch) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// ServeHTTP counts a request and does with it what the check wants.
func (s *Switch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	if s.arrived != nil {
		close(s.arrived)
		s.arrived = nil
	}
	answer := s.fault.answer
	s.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	s.registry.ServeHTTP(w, r)
}

// set has requests from now on fail so; the zero fault ends that.
func (s *Switch) set(f fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// stall holds requests back until release is called; arrived is closed when the first is there. They are passed on then.
func (s *Switch) stall() (arrived <-chan struct{}, release func()) {
	released := make(chan struct{})
	first := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrived = first
	s.fault = fault{"stalls", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-released:
			s.registry.ServeHTTP(w, r)
		case <-r.Context().Done(): // the client went away
		}
	}}
	return first, sync.OnceFunc(func() {
		s.set(fault{})
		close(released)
	})
}

// A fault is a way in which a registry fails; answer is nil where it doesn't.
type fault struct {
	name   string
	answer http.HandlerFunc
}

// faults are what registries, and what stands before them, say instead of an answer. None of it says anything about a schema.
func faults() []fault {
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body)) // an error means that the client went away
		}
	}
	return []fault{
		{"throttles", status(http.StatusTooManyRequests, `{"message":"Rate exceeded","__type":"ThrottlingException"}`)},
		{"fails", status(http.StatusInternalServerError, `{"message":"internal error"}`)},
		{"is unavailable", status(http.StatusServiceUnavailable, "<html>no server</html>")},
		{"refuses the credentials", status(http.StatusUnauthorized, `{"message":"Unauthorized"}`)},
		{"denies access", status(http.StatusForbidden, `{"message":"denied","__type":"AccessDeniedException"}`)},
		{"answers with a login page", status(http.StatusOK, "<html>log in</html>")},
		{"answers with half of a document", status(http.StatusOK, `{"sch`)},
		{"answers with an empty object", status(http.StatusOK, "{}")},
		{"answers with nothing", status(http.StatusOK, "")},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		{"hangs up in the middle", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"sch`))
			panic(http.ErrAbortHandler)
		}},
		{"sends elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/elsewhere", http.StatusFound)
		}},
	}
}

// wait waits for a channel to be closed, or for the test's end.
func wait(ctx context.Context, closed <-chan struct{}) bool {
	select {
	case <-closed:
		return true
	case <-ctx.Done():
		return false
	}
}
