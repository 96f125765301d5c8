package eventbridge

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// sendsFor counts the requests that a pace lets pass in a time.
func sendsFor(t *testing.T, p *pace, d time.Duration) (n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	for p.wait(ctx) == nil {
		n++
	}
	return n
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, tc := range map[string]struct {
			p    *pace
			want int // requests in ten seconds, and what may be sent at once
		}{
			"20 a second":              {newPace(20, false), 202},
			"one in two seconds":       {newPace(0.5, false), 6},
			"a quarter of 20":          {shared(20, 1, 4), 51},
			"all of 20":                {shared(20, 4, 4), 202},
			"none of 20":               {shared(20, 0, 4), 51},
			"more than there are":      {shared(20, 8, 4), 202},
			"nobody knows of how many": {shared(20, 0, 0), 202},
		} {
			// From an empty bucket on, or nearly.
			if got := sendsFor(t, tc.p, 10*time.Second); got < tc.want-1 || got > tc.want+1 {
				t.Errorf("%s: %d requests in 10 s, want %d", name, got, tc.want)
			}
		}
		alike := newPace(20, false)
		alike.share(1, 4)
		if got := sendsFor(t, alike, 10*time.Second); got < 201 {
			t.Errorf("rate_share: process: %d requests in 10 s, as if it were partitions", got)
		}
	})
}

func shared(perSecond float64, owned, all int) *pace {
	p := newPace(perSecond, true)
	p.share(owned, all)
	return p
}

// TestShareOfSink: the connector's word reaches the pace; without rate nothing happens.
func TestShareOfSink(t *testing.T) {
	d := newDouble(t)
	d.open(t).Share(1, 2)
	s := d.open(t, func(c *Config) { c.Rate, c.RateShare = 100, sharePartitions })
	s.Share(3, 4)
	if l := s.pace.limiter.Limit(); l != 75 {
		t.Errorf("the limit is %v, want 75", l)
	}
}

// TestNoTurn: where the rate leaves no turn before the context ends, nothing is sent, and nobody waits.
func TestNoTurn(t *testing.T) {
	d := newDouble(t)
	s := d.open(t, func(c *Config) { c.Rate = 0.001 })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b := connectortest.Batch(t, "t", 0, records(keys(25)...)...)
	if err := s.Load(ctx, b); err != nil {
		t.Fatal(err)
	}
	equal(t, "entries", d.entries, []int{10})
	if got := failed(b); len(got) != 15 || got[0] != 10 || connector.ClassOf(b.Err(10)) != connector.Retryable {
		t.Errorf("failed %v: %v", got, b.Err(10))
	}
	b = connectortest.Batch(t, "t", 0, records("a")...)
	if err := s.Load(ctx, b); err == nil || connector.ClassOf(err) != connector.Retryable {
		t.Errorf("got %v", err)
	}
	equal(t, "entries", d.entries, []int{10})
}
