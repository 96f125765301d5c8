package connector_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// heavy makes n records of 1000 bytes of key and value.
func heavy(n int) []R {
	rs := make([]R, n)
	for i := range rs {
		rs[i] = R{Key: "k", Value: strings.Repeat("v", 999)}
	}
	return rs
}

// TestRate: two connectors that share a rate read as much as it allows, together, while both are behind.
func TestRate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const bytes, minutes = 20_000, 10
		rate := connector.NewRate(bytes)
		log := connectortest.NewLog()
		log.Append(p0, heavy(10_000)...)
		log.Append(p1, heavy(10_000)...)
		a := start(t, log, loading(newSink()), connector.WithRate(rate))
		b := start(t, log, loading(newSink()), connector.WithRate(rate))
		a.consumer.Assign(p0)
		b.consumer.Assign(p1)
		read := func(r *rig) int64 { return r.c.Status().Totals[connector.MetricReadBytes] }
		time.Sleep(time.Second)
		synctest.Wait()
		if got := read(a) + read(b); got > 3*bytes {
			t.Errorf("%d bytes in the first second", got)
		}
		time.Sleep(minutes*time.Minute - time.Second)
		synctest.Wait()
		got, want := read(a)+read(b), int64(minutes*60*bytes)
		if got < want*98/100 || got > want*102/100 {
			t.Errorf("%d bytes in %d minutes, want %d", got, minutes, want)
		}
		if read(a) < want/3 || read(b) < want/3 {
			t.Errorf("one read %d and the other %d", read(a), read(b))
		}
	})
}

// TestRateBelowAFetch: a fetch larger than what a second allows comes all the same, and is paid for afterwards, while
// partitions come and go.
func TestRateBelowAFetch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, heavy(30)...)
		s := newSink()
		r := start(t, log, loading(s), connector.WithRate(connector.NewRate(100))) // a batch of ten is 100 s of it
		r.consumer.Assign(p0)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := len(s.values()); got != 10 {
			t.Fatalf("%d records at once, want a fetch", got)
		}
		time.Sleep(97 * time.Second)
		synctest.Wait()
		if got := len(s.values()); got != 10 {
			t.Fatalf("%d records before the first fetch was paid", got)
		}
		began := time.Now()
		r.consumer.Revoke(t.Context(), p0)
		r.consumer.Assign(p0)
		if d := time.Since(began); d > time.Second {
			t.Errorf("a rebalance took %s", d)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if got := len(s.values()); got != 20 {
			t.Errorf("%d records when the first fetch was paid, want 20", got)
		}
	})
}

// TestRateKeepsASecond: silence doesn't let a connector read as much as it likes afterwards.
func TestRateKeepsASecond(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		s := newSink()
		r := start(t, log, loading(s), connector.WithRate(connector.NewRate(10_000)))
		r.consumer.Assign(p0)
		time.Sleep(time.Hour)
		log.Append(p0, heavy(1000)...)
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		if got := len(s.values()); got < 10 || got > 30 {
			t.Errorf("%d records of 1000 bytes in half a second behind an hour of silence, at 10 a second", got)
		}
	})
}

func TestNoRate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, rate := range []*connector.Rate{nil, connector.NewRate(0)} {
			log := connectortest.NewLog()
			log.Append(p0, heavy(1000)...)
			r := start(t, log, loading(newSink()), connector.WithRate(rate))
			began := time.Now()
			r.consumer.Assign(p0)
			r.waitCommitted(p0, 1000)
			if d := time.Since(began); d > 2*time.Second {
				t.Errorf("took %s", d)
			}
		}
	})
}
