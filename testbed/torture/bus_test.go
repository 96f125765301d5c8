//go:build testbed

package torture

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// bus is an EventBridge that remembers the events in the order in which they came, and makes faults on demand. Its fields that a test sets are safe for
// many goroutines.
type bus struct {
	url   string
	down  atomic.Bool  // answer 503
	delay atomic.Int64 // nanoseconds from taking events to the answer

	run string
	via string // URL that the processes use, in place of url

	mu       sync.Mutex
	random   *rand.Rand
	lose     float64 // share of requests whose answers are dropped after the events were taken
	partial  float64 // share of entries that fail
	events   []Event
	first    map[int64]bool    // the numbers of those that came
	names    map[string]string // of keys, each text once
	requests int
	dropped  int
	failed   int // entries
	turned   int // requests answered with 503
}

func newBus() *bus { return &bus{} }

func (*bus) name() string { return "eventbridge" }

func (b *bus) open(r *rig) {
	b.run, b.random, b.names = r.run, rand.New(rand.NewPCG(r.seed, 4)), map[string]string{}
	b.first = map[int64]bool{}
	server := httptest.NewServer(http.HandlerFunc(b.serve))
	r.t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	b.url, b.via = server.URL, server.URL
}

// inFlight is the most requests that a process has under way, each of ten events.
const inFlight = 8

func (b *bus) yaml(*rig) string {
	return fmt.Sprintf(`sink: {eventbridge: {bus: torture, endpoint: %q, region: us-east-1, access_key: millrace, secret_key: millrace,
  detail: value, meta: true, detail_type: {text: position}, check_bus: false, in_flight: %d}}`, b.via, inFlight)
}

func (b *bus) count(r *rig) Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Events(r.truth, All, b.events, func(p int32, at time.Time) int64 { return r.offsets.Before(r.group(b), p, at) }, r.slack)
}

// drop makes the share of requests, from 0 to 1, whose answers are dropped.
func (b *bus) drop(share float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lose = share
}

// fail makes the share of entries, from 0 to 1, that fail.
func (b *bus) fail(share float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.partial = share
}

// A putEvents is a request of that operation (EventBridge API Reference, PutEvents).
type putEvents struct {
	Entries []struct{ Detail string }
}

// An entryAnswer is what became of an entry.
type entryAnswer struct {
	EventID      string `json:"EventId,omitempty"`
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

func (b *bus) serve(w http.ResponseWriter, q *http.Request) {
	came := time.Now()
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return // the client is gone
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	var put putEvents
	switch {
	case b.down.Load():
		b.mu.Lock()
		b.turned++
		b.mu.Unlock()
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"__type":"ServiceUnavailable","message":"try again"}`)
		return
	case !strings.HasSuffix(q.Header.Get("X-Amz-Target"), ".PutEvents") || json.Unmarshal(body, &put) != nil || len(put.Entries) > 10:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"__type":"ValidationException"}`)
		return
	}
	answers, failed, drop := b.take(put, came)
	time.Sleep(time.Duration(b.delay.Load()))
	if drop {
		panic(http.ErrAbortHandler)
	}
	_ = json.NewEncoder(w).Encode(struct { // the client may be gone
		FailedEntryCount int
		Entries          []entryAnswer
	}{failed, answers})
}

// take takes the entries that don't fail.
func (b *bus) take(put putEvents, came time.Time) (answers []entryAnswer, failed int, drop bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests++
	for i := range put.Entries {
		if b.random.Float64() < b.partial {
			failed++
			answers = append(answers, entryAnswer{ErrorCode: "ThrottlingException", ErrorMessage: "Rate exceeded"})
			continue
		}
		b.add(put.Entries[i].Detail, came)
		answers = append(answers, entryAnswer{EventID: fmt.Sprintf("event-%d", len(b.events))})
	}
	b.failed += failed
	if drop = b.random.Float64() < b.lose; drop {
		b.dropped++
	}
	return answers, failed, drop
}

// add remembers an event without its longer texts. The mutex is held.
func (b *bus) add(detail string, came time.Time) {
	var about struct {
		Meta struct {
			Partition int32 `json:"partition"`
			Offset    int64 `json:"offset"`
		} `json:"_meta"`
	}
	p, whole := ParsePayload([]byte(detail))
	whole = json.Unmarshal([]byte(detail), &about) == nil && whole
	if p.Run == b.run {
		p.Run = b.run
	}
	if name, ok := b.names[p.Key]; ok {
		p.Key = name
	} else {
		b.names[p.Key] = p.Key
	}
	p.Text, p.SHA256 = "", ""
	b.first[p.Seq] = true
	b.events = append(b.events, Event{Payload: p, Whole: whole, Partition: about.Meta.Partition, Offset: about.Meta.Offset, At: came})
}

func (b *bus) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return fmt.Sprintf("%d requests: %d answers dropped, %d entries failed, %d answers of 503", b.requests, b.dropped, b.failed, b.turned)
}

// distinct is how many different events came.
func (b *bus) distinct() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return int64(len(b.first))
}
