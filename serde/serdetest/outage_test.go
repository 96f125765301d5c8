package serdetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/serde"
)

// A looker is the reference of decoders that look things up: the first byte names a schema, which is a prefix of the text behind it. broken
// says what is wrong with it.
type looker struct {
	broken string
	url    string
	client *http.Client

	mu      sync.Mutex
	flights map[byte]*lookup
}

// A lookup of a schema; its result is there when done is closed.
type lookup struct {
	done   chan struct{}
	schema string
	err    error
	next   time.Time // not asked again earlier, after an error
}

func (l *looker) Decode(ctx context.Context, t *serde.Tape, _ string, data []byte) (serde.Value, error) {
	if data == nil {
		return t.Null(), nil
	}
	if len(data) == 0 {
		return serde.Value{}, errors.New("no schema")
	}
	schema, err := l.schema(ctx, data[0])
	if err != nil {
		return serde.Value{}, err
	}
	return t.String(schema + string(data[1:])), nil
}

func (l *looker) schema(ctx context.Context, id byte) (string, error) {
	f := l.fly(ctx, id)
	select {
	case <-f.done:
	case <-ctx.Done():
		if l.broken == "waits no longer and buries" {
			return "", context.Cause(ctx)
		}
		return "", &serde.Unavailable{Err: context.Cause(ctx)}
	}
	if f.err != nil && l.broken == "buries" {
		return "", f.err
	}
	if f.err != nil {
		return "", &serde.Unavailable{Err: f.err}
	}
	return f.schema, nil
}

// fly joins the lookup of a schema, or begins one.
func (l *looker) fly(ctx context.Context, id byte) *lookup {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.flights[id]
	switch {
	case f == nil, l.broken == "looks up each time":
	case l.broken == "never asks again" && f.over():
		return f
	case !f.over(), f.err == nil, time.Now().Before(f.next) && l.broken != "asks for each record":
		return f
	}
	f = &lookup{done: make(chan struct{})}
	l.flights[id] = f
	if l.broken != "ends with its caller" {
		ctx = context.WithoutCancel(ctx)
	}
	go func() {
		defer close(f.done)
		f.schema, f.err = l.get(ctx, id)
		f.next = time.Now().Add(50 * time.Millisecond)
	}()
	return f
}

func (f *lookup) over() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

func (l *looker) get(ctx context.Context, id byte) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/%d", l.url, id), nil)
	if err != nil {
		return "", err
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if l.broken == "believes everything" {
		return string(text), nil
	}
	if err != nil || resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d, %w", resp.StatusCode, err)
	}
	schema, ok := strings.CutPrefix(string(text), "schema ")
	if !ok {
		return "", fmt.Errorf("%.20q is no schema", text)
	}
	return schema, nil
}

func outageHarness(broken string) OutageHarness {
	return OutageHarness{
		Samples: []Sample{
			{Name: "a", Topic: "t", Data: []byte("\x01x"), JSON: `"1:x"`},
			{Name: "b", Topic: "t", Data: []byte("\x02x"), JSON: `"2:x"`},
		},
		Unknown: []byte("\x09x"),
		Open: func(t testing.TB) (serde.Decoder, *Switch) {
			sw := NewSwitch(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path > "/2" {
					http.NotFound(w, r)
					return
				}
				_, _ = fmt.Fprintf(w, "schema %s:", r.URL.Path[1:])
			}))
			server := httptest.NewServer(sw)
			transport := &http.Transport{}
			t.Cleanup(func() {
				transport.CloseIdleConnections()
				server.Close()
			})
			return &looker{broken: broken, url: server.URL, client: &http.Client{Transport: transport}, flights: map[byte]*lookup{}}, sw
		},
	}
}

func TestReferenceOutage(t *testing.T) { TestOutage(t, outageHarness("")) }

// TestBrokenLookups breaks the reference in one way each and expects the check that is there for it to complain.
func TestBrokenLookups(t *testing.T) {
	for _, tc := range []struct{ broken, caughtBy, says string }{
		{"buries", "unavailable", "would bury"},
		{"buries", "unknown schema", "would bury"},
		{"believes everything", "unavailable", "would bury"},
		{"asks for each record", "calls", "requests, at most"},
		{"asks for each record", "unknown schema", "requests, at most"},
		{"looks up each time", "known schemas", "for a schema that is known"},
		{"looks up each time", "one lookup", "goroutines caused"},
		{"waits no longer and buries", "leaving", "was cancelled"},
		{"ends with its caller", "leaving", ""},
	} {
		t.Run(tc.caughtBy+"/"+tc.broken, func(t *testing.T) {
			i := slices.IndexFunc(outageChecks, func(c outageCheck) bool { return c.name == tc.caughtBy })
			expectComplaint(t, tc.says, func(w testing.TB) { outageChecks[i].run(w, outageHarness(tc.broken)) })
		})
	}
}

// A decoder that doesn't ask again is given up after a while, which this test doesn't wait for.
func TestRecoveryIsLimited(t *testing.T) {
	h := outageHarness("never asks again")
	s, sw := h.open(t)
	sw.set(faults()[0])
	s.expectUnavailable(t, "fails", "t", h.Samples[0].Data)
	sw.set(fault{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	expectComplaint(t, "answers again, but", func(w testing.TB) { s.recovers(impatient{w, ctx}, "after it failed", h.Samples[0]) })
}

// impatient is a test that is over.
type impatient struct {
	testing.TB
	ctx context.Context
}

func (i impatient) Context() context.Context { return i.ctx }
