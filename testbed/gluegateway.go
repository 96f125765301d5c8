package testbed

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// A GlueGateway stands before moto's Glue, counts the calls, and answers errors that moto never answers, in the shape that Glue gives them.
// It is safe for many goroutines.
type GlueGateway struct {
	Endpoint string // http://127.0.0.1:15123, for the SDK's BaseEndpoint or AWS_ENDPOINT_URL_GLUE

	mu      sync.Mutex
	code    string  // of the error
	left    int     // calls that are still refused, whatever the share
	share   float64 // of the other calls that are refused
	random  *rand.Rand
	calls   map[string]int
	refused int
}

// StartGlueGateway starts a gateway that refuses nothing at first and ends with the test. The upstream is an endpoint: moto's, or a proxy's before it.
func StartGlueGateway(t testing.TB, upstream string) *GlueGateway {
	t.Helper()
	to, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	g := &GlueGateway{random: rand.New(rand.NewPCG(1, 2)), calls: make(map[string]int)}
	proxy := &httputil.ReverseProxy{
		Transport: &http.Transport{DisableKeepAlives: true}, // a test that looks for leaks finds no idle connection
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		// The client sees a broken connection where the upstream's breaks.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if code := g.count(r.Header.Get("X-Amz-Target")); code != "" {
			refuseGlue(w, code)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	g.Endpoint = server.URL
	return g
}

// Throttle makes the gateway answer ThrottlingException to the next n calls.
func (g *GlueGateway) Throttle(n int) { g.set("ThrottlingException", n, 0) }

// ThrottleShare makes the gateway answer ThrottlingException to a share of the calls, from 0 (none) to 1 (all).
func (g *GlueGateway) ThrottleShare(share float64) { g.set("ThrottlingException", 0, share) }

// Refuse makes the gateway answer an error to the next n calls: AccessDeniedException, EntityNotFoundException, InternalServiceException.
func (g *GlueGateway) Refuse(code string, n int) { g.set(code, n, 0) }

// Allow makes the gateway refuse nothing any more.
func (g *GlueGateway) Allow() { g.set("", 0, 0) }

// set replaces what was refused before.
func (g *GlueGateway) set(code string, n int, share float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.code, g.left, g.share = code, n, share
}

// Calls is the number of calls so far by operation ("GetSchemaVersion"), refused ones too.
func (g *GlueGateway) Calls() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.calls)
}

// Refused is the number of calls that were refused so far.
func (g *GlueGateway) Refused() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused
}

// count counts a call and returns the error that it is refused with, "" if it isn't.
func (g *GlueGateway) count(target string) string {
	_, operation, _ := strings.Cut(target, ".") // AWSGlue.GetSchemaVersion
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls[operation]++
	switch {
	case g.left > 0:
		g.left--
	case g.share == 0 || g.random.Float64() >= g.share:
		return ""
	}
	g.refused++
	return g.code
}

// refuseGlue answers as services with the protocol JSON 1.1 do: status 500 for the service's own errors, 400 for all others.
func refuseGlue(w http.ResponseWriter, code string) {
	status, message := http.StatusBadRequest, "refused by the test"
	switch code {
	case "ThrottlingException":
		message = "Rate exceeded"
	case "InternalServiceException":
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Requestid", "00000000-0000-0000-0000-000000000000")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"__type":%q,"message":%q}`, code, message)
}
