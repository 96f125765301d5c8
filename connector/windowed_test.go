package connector_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// sums adds up records in tumbling windows of ten records' timestamps. A
// window closes when a record of a later one has come and grace has passed since.
type sums struct {
	mu    sync.Mutex
	parts map[connector.Partition]*sumState
}

type sumState struct {
	open   map[int64]*sumWindow // by number
	closed int64                // windows below are closed
	latest int64
}

type sumWindow struct {
	first int64 // offset
	last  int64
	n     int
}

func newSums() *sums { return &sums{parts: map[connector.Partition]*sumState{}} }

func (s *sums) state(p connector.Partition) *sumState {
	if s.parts[p] == nil {
		s.parts[p] = &sumState{open: map[int64]*sumWindow{}}
	}
	return s.parts[p]
}

func (s *sums) Handle(_ context.Context, b *connector.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state(b.Source().Partition)
	for i, r := range b.Records() {
		n := r.Timestamp / 10
		b.Filter(i)
		if n < st.closed {
			continue
		}
		w := st.open[n]
		if w == nil {
			w = &sumWindow{first: r.Offset}
			st.open[n] = w
		}
		w.n++
		w.last = r.Offset
		st.latest = max(st.latest, n)
	}
	return nil
}

func (s *sums) Hold(p connector.Partition) (int64, string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state(p)
	low, ok := int64(0), false
	for _, w := range st.open {
		if !ok || w.first < low {
			low, ok = w.first, true
		}
	}
	return low, fmt.Sprint(st.closed), ok
}

func (s *sums) Close(_ context.Context, p connector.Partition, _ time.Time) (*connector.Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state(p)
	for n := st.closed; n < st.latest; n++ {
		w := st.open[n]
		st.closed = n + 1
		if w == nil {
			continue
		}
		delete(st.open, n)
		rec := connector.Record{Offset: w.last, Timestamp: n * 10, RawKey: fmt.Appendf(nil, "w%d", n), RawValue: fmt.Appendf(nil, "w%d=%d", n, w.n)}
		b := connector.NewBatch(connector.Source{Partition: p, Next: w.last + 1}, []connector.Record{rec}, nil)
		b.Decode(context.Background(), stringDecoder, stringDecoder)
		return b, nil
	}
	return nil, nil
}

func (s *sums) Restore(p connector.Partition, meta string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &sumState{open: map[int64]*sumWindow{}}
	if meta != "" {
		st.closed, _ = strconv.ParseInt(meta, 10, 64)
	}
	st.latest = st.closed
	s.parts[p] = st
}

func (s *sums) Reset(p connector.Partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.parts, p)
}

func ticks(from, to int64) (rs []R) {
	for i := from; i < to; i++ {
		rs = append(rs, R{Value: fmt.Sprint(i), Timestamp: i})
	}
	return rs
}

func TestOpenWindowsBoundTheCommit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, ticks(0, 37)...)
		s := newSink()
		down := true
		s.whole = func(int) error {
			if down {
				return errors.New("down")
			}
			return nil
		}
		r := start(t, log, loading(s), connector.WithHandlers(newSums()))
		r.consumer.Assign(p0)
		time.Sleep(time.Minute)
		if at := log.Committed(p0).At; at > 0 {
			t.Errorf("committed %d while no window's result is durable", at)
		}
		s.mu.Lock()
		down = false
		s.mu.Unlock()
		r.waitCommitted(p0, 30)
		if got := s.values(); !slices.Equal(got, []string{"w0=10", "w1=10", "w2=10"}) {
			t.Errorf("windows %v", got)
		}
		if o := log.Committed(p0); o.Meta != "3" {
			t.Errorf("committed %+v", o)
		}
	})
}

func TestWindowsSurviveCrashRevokeAndRetry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		s := newSink()
		var calls atomic.Int64
		s.whole = func(int) error {
			if calls.Add(1)%3 == 0 {
				return errors.New("busy")
			}
			return nil
		}
		flaky := connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
			if calls.Add(1)%4 == 0 {
				return errors.New("not now")
			}
			return nil
		})
		for round := range int64(10) {
			log.Append(p0, ticks(round*13, round*13+13)...)
			r := start(t, log, loading(s), connector.WithHandlers(flaky, newSums(), flaky))
			r.consumer.Assign(p0)
			time.Sleep(time.Duration(500+300*round) * time.Millisecond)
			if round%2 == 0 {
				r.consumer.Lose(p0)
			} else {
				r.consumer.Revoke(t.Context(), p0)
			}
			_ = r.stop()
		}
		log.Append(p0, ticks(130, 141)...)
		r := start(t, log, loading(s), connector.WithHandlers(newSums()))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 140)
		seen := map[string]bool{}
		for _, v := range s.values() {
			seen[v] = true
			if !strings.HasSuffix(v, "=10") {
				t.Errorf("%s: a window lost or counted records twice", v)
			}
		}
		if len(seen) != 14 {
			t.Errorf("%d windows, want 14: %v", len(seen), s.values())
		}
	})
}

func TestAWindowedHandlerBeforeAStagerIsRefused(t *testing.T) {
	_, err := connector.NewStaged(connectortest.NewConsumer(connectortest.NewLog()), newChain(), connector.WithHandlers(newSums()))
	if err == nil || !strings.Contains(err.Error(), "windowed") {
		t.Errorf("error %v", err)
	}
}

// What a handler kept with the offset stays there while nothing comes.
func TestAnIdlePartitionKeepsWhatTheHandlerSaid(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.SetCommitted(connector.Offset{Partition: p0, At: 0, Meta: "7"})
		r := start(t, log, loading(newSink()), connector.WithHandlers(newSums()), connector.WithCommitInterval(10*time.Millisecond))
		r.consumer.Assign(p0)
		time.Sleep(time.Hour)
		if all := log.Commits(); len(all) > 0 {
			t.Errorf("committed %+v", all)
		}
	})
}
