//go:build testbed

package torture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// httpFaults stands before a service that speaks HTTP, and does to it what a test asks for. It is safe for many goroutines.
type httpFaults struct {
	url   string
	down  atomic.Bool  // answer 503 to everything
	delay atomic.Int64 // nanoseconds that each writing request waits before it is passed on

	sorry string // the 503's body

	mu       sync.Mutex
	random   *rand.Rand
	share    float64 // of writing requests that are passed on, but whose answers are dropped
	requests int     // that write
	dropped  int     // of them
	turned   int     // answered with 503
}

// newHTTPFaults starts a proxy before upstream that makes no faults yet.
func newHTTPFaults(r *rig, upstream, sorry string) *httpFaults {
	r.t.Helper()
	target, err := url.Parse(upstream)
	if err != nil {
		r.t.Fatal(err)
	}
	f := &httpFaults{sorry: sorry, random: rand.New(rand.NewPCG(r.seed, 2))}
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(q *httputil.ProxyRequest) {
			q.Out.URL.Scheme, q.Out.URL.Host, q.Out.Host = target.Scheme, target.Host, q.In.Host
		}, // the Host is signed
		ModifyResponse: func(a *http.Response) error {
			if f.drops(a.Request) {
				return errors.New("dropped")
			}
			return nil
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if f.down.Load() {
			f.mu.Lock()
			f.turned++
			f.mu.Unlock()
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, f.sorry)
			return
		}
		if writes(q) {
			time.Sleep(time.Duration(f.delay.Load()))
		}
		proxy.ServeHTTP(w, q)
	}))
	r.t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		transport.CloseIdleConnections()
	})
	f.url = server.URL
	return f
}

func writes(q *http.Request) bool { return q.Method != http.MethodGet && q.Method != http.MethodHead }

// drop makes the share of writing requests, from 0 to 1, whose answers are dropped.
func (f *httpFaults) drop(share float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.share = share
}

// drops counts an answer and says whether it is dropped.
func (f *httpFaults) drops(q *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !writes(q) {
		return false
	}
	f.requests++
	if f.random.Float64() >= f.share {
		return false
	}
	f.dropped++
	return true
}

func (f *httpFaults) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprintf("%d of %d answers dropped, %d answers of 503", f.dropped, f.requests, f.turned)
}
