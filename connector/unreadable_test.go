package connector_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// bombed is a Consumer in whose batches the records "bomb" can't be read: what lies before and behind them comes in batches of its own.
type bombed struct{ connector.Consumer }

func (c bombed) Poll(ctx context.Context) ([]*connector.Batch, error) {
	batches, err := c.Consumer.Poll(ctx)
	var out []*connector.Batch
	for _, b := range batches {
		out = append(out, split(b)...)
	}
	return out, err
}

func split(b *connector.Batch) (out []*connector.Batch) {
	s := *b.Source()
	last := s.Next
	var rs []connector.Record
	cut := func(next int64) {
		if s.Next = next; len(rs) > 0 {
			out = append(out, connector.NewBatch(s, rs, nil))
			rs = nil
		}
	}
	s.Bytes = 0
	for i := range b.Len() {
		r := *b.At(i)
		if string(r.RawValue) != "bomb" {
			rs = append(rs, r)
			continue
		}
		cut(r.Offset)
		s.Next = r.Offset + 1
		out = append(out, connector.NewUnreadable(s, r.Offset, errors.New("it is a bomb")))
	}
	cut(last)
	return out
}

func bombing(make func(connector.Consumer, ...connector.Option) (*connector.Connector, error)) func(connector.Consumer, ...connector.Option) (*connector.Connector, error) {
	return func(c connector.Consumer, opts ...connector.Option) (*connector.Connector, error) {
		return make(bombed{c}, opts...)
	}
}

// bombs are 30 records, of which those at the offsets are bombs.
func bombs(at ...int) (rs []R) {
	rs = numbered(30)
	for _, i := range at {
		rs[i].Value = "bomb"
	}
	return rs
}

func around(at ...int) (want []string) {
	for i, v := range values(0, 30) {
		if !slices.Contains(at, i) {
			want = append(want, v)
		}
	}
	return want
}

func TestABatchThatCannotBeReadIsBuried(t *testing.T) {
	for name, at := range map[string][]int{"inside": {10, 11, 20}, "first": {0}, "last": {29}} {
		t.Run(name+", loaded", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log, s, dead := connectortest.NewLog(), newSink(), &connectortest.DeadLetter{}
				log.Append(p0, bombs(at...)...)
				r := start(t, log, bombing(loading(s)), connector.WithDeadLetter(dead))
				r.consumer.Assign(p0)
				r.waitCommitted(p0, 30)
				if got := s.values(); !slices.Equal(got, around(at...)) {
					t.Errorf("stored %q", got)
				}
				wantBombs(t, dead, at)
				if n := r.metrics.of(connector.MetricBuried); n != int64(len(at)) {
					t.Errorf("%d counted as buried", n)
				}
			})
		})
		t.Run(name+", staged", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log, c, dead := connectortest.NewLog(), newChain(), &connectortest.DeadLetter{}
				log.Append(p0, bombs(at...)...)
				r := start(t, log, bombing(staging(c)), connector.WithDeadLetter(dead))
				r.consumer.Assign(p0)
				r.waitCommitted(p0, 30)
				if got := c.all(p0); !slices.Equal(got, around(at...)) {
					t.Errorf("written %q", got)
				}
				wantBombs(t, dead, at)
				if spans := c.spans(); len(spans) != 1 {
					t.Errorf("ranges %+v, want one: a bomb closes no file", spans)
				}
			})
		})
	}
}

func wantBombs(t *testing.T, dead *connectortest.DeadLetter, at []int) {
	t.Helper()
	buried := dead.Buried()
	if len(buried) != len(at) {
		t.Fatalf("%d dead letters, want %d", len(buried), len(at))
	}
	for i, f := range buried {
		r := f.Record
		headers := fmt.Sprintf("%s=%s %s=%s", r.Headers[0].Name, r.Headers[0].Value, r.Headers[1].Name, r.Headers[1].Value)
		if want := fmt.Sprintf("millrace.gap.from=%d millrace.gap.to=%d", at[i], at[i]+1); headers != want {
			t.Errorf("headers %s, want %s", headers, want)
		}
		if f.Stage != connector.StageGap || r.Offset != int64(at[i]) || r.RawKey != nil || r.RawValue != nil || r.Timestamp == 0 || f.Source.Connector != "millrace" {
			t.Errorf("%+v, record %+v", f, r)
		}
		if f.Err.Error() != "it is a bomb" || connector.ClassOf(f.Err) != connector.Permanent {
			t.Errorf("error %v", f.Err)
		}
	}
}

// Nothing behind a bomb is committed before it is in the dead letter.
func TestABatchThatCannotBeReadWaitsForTheDeadLetter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, s := connectortest.NewLog(), newSink()
		log.Append(p0, bombs(10)...)
		var open atomic.Bool
		dead := &connectortest.DeadLetter{Refuse: func([]connector.Failure) error {
			if open.Load() {
				return nil
			}
			return errors.New("down")
		}}
		r := start(t, log, bombing(loading(s)), connector.WithDeadLetter(dead))
		r.consumer.Assign(p0)
		time.Sleep(time.Minute)
		if at := log.Committed(p0).At; at != 10 {
			t.Errorf("committed %d, want 10", at)
		}
		open.Store(true)
		r.waitCommitted(p0, 30)
	})
}

// Without a dead letter a partition stops at a bomb, with all before it durable and committed.
func TestABatchThatCannotBeReadStopsWithoutDeadLetter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, s := connectortest.NewLog(), newSink()
		log.Append(p0, bombs(10, 20)...)
		r := start(t, log, bombing(loading(s)))
		r.consumer.Assign(p0)
		r.waitHalted(p0, "stopped at offset 10", "it is a bomb")
		r.waitCommitted(p0, 10)
		if got := s.values(); !slices.Equal(got, values(0, 10)) {
			t.Errorf("stored %q", got)
		}
	})
	bubble(t, func(t *testing.T) {
		log, c := connectortest.NewLog(), newChain()
		log.Append(p0, bombs(10, 20)...)
		r := start(t, log, bombing(staging(c)))
		r.consumer.Assign(p0)
		r.waitHalted(p0, "stopped at offset 10", "it is a bomb")
		r.waitCommitted(p0, 10)
		if got := c.all(p0); !slices.Equal(got, values(0, 10)) {
			t.Errorf("written %q", got)
		}
	})
}

// A handler never sees a bomb.
func TestHandlersDoNotSeeWhatCannotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, s, dead := connectortest.NewLog(), newSink(), &connectortest.DeadLetter{}
		log.Append(p0, bombs(3)...)
		var seen []string
		h := connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
			for _, r := range b.Records() {
				seen = append(seen, text(r.Value))
			}
			return nil
		})
		r := start(t, log, bombing(loading(s)), connector.WithDeadLetter(dead), connector.WithHandlers(h))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 30)
		if !slices.Equal(seen, around(3)) {
			t.Errorf("the handler saw %s", strings.Join(seen, " "))
		}
	})
}
