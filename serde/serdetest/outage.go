package serdetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/serde"
)

// An OutageHarness says how the suite gets at a decoder that looks up schemas.
type OutageHarness struct {
	// Open starts a registry behind a Switch and opens a decoder of it that knows no schema yet. It is called for each check; what it
	// opens is closed by t.Cleanup. The decoder must wait less than a minute between two calls of a registry that failed.
	Open func(t testing.TB) (serde.Decoder, *Switch)
	// Samples are records of at least two schemas that the registry has; those of the first and of the last differ.
	Samples []Sample
	// Unknown is a record whose schema the registry hasn't, as a consumer sees it that is faster than a registry's replica; nil: not checked.
	Unknown []byte
}

// TestOutage runs the suite of decoders that ask a registry over HTTP: while it can't be asked, whatever it says instead of an answer,
// Decode gives a *[serde.Unavailable] and never an error that would bury the record; many records that wait don't mean many
// calls; schemas that were seen are known for ever; a schema is looked up once, however many goroutines want it; who stops waiting
// doesn't end it for the others; and when the registry answers again, so does the decoder.
func TestOutage(t *testing.T, h OutageHarness) {
	if len(h.Samples) < 2 {
		t.Fatal("serdetest: samples of two schemas are needed")
	}
	for _, c := range outageChecks {
		t.Run(c.name, func(t *testing.T) { c.run(t, h) })
	}
}

type outageCheck struct {
	name string
	run  func(testing.TB, OutageHarness)
}

var outageChecks = []outageCheck{
	{"unavailable", checkUnavailable},
	{"calls", checkCalls},
	{"known schemas", checkKnownSchemas},
	{"one lookup", checkOneLookup},
	{"leaving", checkLeaving},
	{"unknown schema", checkUnknownSchema},
}

// open opens a decoder with the checks that hold for every Decode.
func (h OutageHarness) open(t testing.TB) (*suite, *Switch) {
	d, sw := h.Open(t)
	return &suite{d: d, samples: h.Samples}, sw
}

func (h OutageHarness) first() Sample { return h.Samples[0] }
func (h OutageHarness) last() Sample  { return h.Samples[len(h.Samples)-1] }

// expectUnavailable decodes what can't be decoded now.
func (s *suite) expectUnavailable(t testing.TB, why, topic string, data []byte) {
	var u *serde.Unavailable
	if _, err := s.decode(t, serde.NewTape(), topic, data); !errors.As(err, &u) {
		t.Errorf("the registry %s: error is %v, want a *serde.Unavailable: this one would bury the record", why, err)
	}
}

// patience is how long a decoder may take to answer after its registry does.
const patience = time.Minute

// recovers decodes until it succeeds.
func (s *suite) recovers(t testing.TB, why string, sample Sample) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var u *serde.Unavailable
	for tape := serde.NewTape(); ; tape.Reset() {
		_, err := s.decode(t, tape, sample.Topic, sample.Data)
		if err == nil {
			s.expect(t, tape, sample)
			return
		}
		if !errors.As(err, &u) {
			t.Errorf("the registry answers again, but %s: %v", why, err)
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Errorf("the registry answers again, but %s for %v: %v", why, patience, err)
			return
		}
	}
}

func checkUnavailable(t testing.TB, h OutageHarness) {
	sample := h.first()
	for _, f := range faults() {
		s, sw := h.open(t)
		sw.set(f)
		for range 10 {
			s.expectUnavailable(t, f.name, sample.Topic, sample.Data)
		}
		sw.set(fault{})
		s.recovers(t, "after it "+f.name, sample)
	}
}

// mostCalls is how many requests a thousand records in a row may cause while a registry fails. A decoder that asks for each
// has a thousand; one that waits between its calls has a few.
const mostCalls = 100

func checkCalls(t testing.TB, h OutageHarness) {
	for _, f := range faults() {
		s, sw := h.open(t)
		sw.set(f)
		before := sw.Requests()
		for range 1000 {
			s.expectUnavailable(t, f.name, h.first().Topic, h.first().Data)
		}
		if n := sw.Requests() - before; n > mostCalls {
			t.Errorf("the registry %s: 1,000 records caused %d requests, at most %d are allowed", f.name, n, mostCalls)
		}
	}
}

func checkKnownSchemas(t testing.TB, h OutageHarness) {
	for _, f := range faults() {
		s, sw := h.open(t)
		s.expect(t, serde.NewTape(), h.first())
		sw.set(f)
		before := sw.Requests()
		tape := serde.NewTape()
		for range 100 {
			s.expect(t, tape, h.first())
			tape.Reset()
		}
		if n := sw.Requests() - before; n > 0 {
			t.Errorf("%d requests for a schema that is known", n)
		}
		s.expectUnavailable(t, f.name, h.last().Topic, h.last().Data)
		s.expect(t, tape, h.first())
	}
}

// checkOneLookup compares the requests for many goroutines with those for one.
func checkOneLookup(t testing.TB, h OutageHarness) {
	const many = 64
	alone, sw := h.open(t)
	before := sw.Requests()
	alone.expect(t, serde.NewTape(), h.first())
	one := sw.Requests() - before

	s, sw := h.open(t)
	before = sw.Requests()
	arrived, release := sw.stall()
	defer release()
	var wg, begun sync.WaitGroup
	begun.Add(many)
	for range many {
		wg.Go(func() {
			begun.Done()
			s.expect(t, serde.NewTape(), h.first())
		})
	}
	if !wait(t.Context(), arrived) {
		t.Errorf("nothing was looked up")
	}
	begun.Wait()
	release()
	wg.Wait()
	if n := sw.Requests() - before; n != one {
		t.Errorf("%d goroutines caused %d requests, one alone %d", many, n, one)
	}
}

// checkLeaving has a caller go away while the registry is slow.
func checkLeaving(t testing.TB, h OutageHarness) {
	alone, sw := h.open(t)
	before := sw.Requests()
	alone.expect(t, serde.NewTape(), h.first())
	one := sw.Requests() - before

	s, sw := h.open(t)
	before = sw.Requests()
	arrived, release := sw.stall()
	defer release()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	left := make(chan error, 1)
	go func() {
		_, err := s.d.Decode(ctx, serde.NewTape(), h.first().Topic, h.first().Data)
		left <- err
	}()
	if !wait(t.Context(), arrived) {
		t.Errorf("nothing was looked up")
	}
	leave()
	var u *serde.Unavailable
	select {
	case err := <-left: // while the registry still stalls
		if !errors.As(err, &u) {
			t.Errorf("the context of a Decode that waited was cancelled: error is %v, want a *serde.Unavailable", err)
		}
	case <-time.After(patience):
		t.Errorf("the context of a Decode that waits was cancelled, and it still waits after %v", patience)
	}
	var wg sync.WaitGroup
	wg.Go(func() { s.expect(t, serde.NewTape(), h.first()) })
	release()
	wg.Wait()
	if n := sw.Requests() - before; n != one {
		t.Errorf("one caller left and another came: %d requests, one caller alone has %d", n, one)
	}
}

func checkUnknownSchema(t testing.TB, h OutageHarness) {
	if h.Unknown == nil {
		return
	}
	s, sw := h.open(t)
	before := sw.Requests()
	for range 1000 {
		s.expectUnavailable(t, "hasn't the schema", h.first().Topic, h.Unknown)
	}
	if n := sw.Requests() - before; n > mostCalls {
		t.Errorf("1,000 records of a schema that the registry hasn't caused %d requests, at most %d are allowed", n, mostCalls)
	}
	s.expect(t, serde.NewTape(), h.first())
}
