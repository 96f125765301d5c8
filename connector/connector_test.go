package connector_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/serde"
)

var (
	p0 = connector.Partition{Topic: "cars", ID: 0}
	p1 = connector.Partition{Topic: "cars", ID: 1}
)

type R = connectortest.R

func numbered(n int) []R {
	rs := make([]R, n)
	for i := range rs {
		rs[i] = R{Key: fmt.Sprintf("k%d", i%7), Value: fmt.Sprintf("v%d", i)}
	}
	return rs
}

// sink is a Loader that records what it was given.
type sink struct {
	mu       sync.Mutex
	attempts map[string]int    // by value: times it was given
	stored   []string          // values in the order in which they became durable
	byKey    map[string]string // last value of each key
	fail     func(r *connector.Record, attempt int) error
	whole    func(call int) error
	hang     chan struct{} // Load waits for it, whatever ctx says
	calls    int
	limits   connector.Limits
}

func newSink() *sink { return &sink{attempts: map[string]int{}, byKey: map[string]string{}} }

func (s *sink) Limits() connector.Limits { return s.limits }

func (s *sink) Load(_ context.Context, b *connector.Batch) error {
	if s.hang != nil {
		<-s.hang
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	for i, r := range b.Records() {
		v := text(r.Value)
		s.attempts[v]++
		if s.fail != nil {
			if err := s.fail(r, s.attempts[v]); err != nil {
				b.Fail(i, err)
			}
		}
	}
	if s.whole != nil {
		if err := s.whole(s.calls); err != nil {
			return err
		}
	}
	for i := range b.Len() {
		if r := b.At(i); b.Err(i) == nil {
			s.stored = append(s.stored, text(r.Value))
			s.byKey[string(r.RawKey)] = text(r.Value)
		}
	}
	return nil
}

func (s *sink) values() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.stored)
}

func text(v serde.Value) string {
	b, err := v.AppendText(nil)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// keyed is a sink that keeps order per key.
type keyed struct{ *sink }

func (keyed) Key(b *connector.Batch, i int) (uint64, bool) {
	r := b.At(i)
	h := uint64(14695981039346656037)
	for _, c := range r.RawKey {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h, r.RawKey != nil
}

// counts is a Metrics.
type counts struct {
	mu sync.Mutex
	n  map[connector.Metric]int64
}

func (c *counts) Count(m connector.Metric, _ connector.Partition, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[connector.Metric]int64{}
	}
	c.n[m] += n
}

func (c *counts) of(m connector.Metric) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[m]
}

// a rig is a connector that runs over a log.
type rig struct {
	t        *testing.T
	log      *connectortest.Log
	consumer *connectortest.Consumer
	c        *connector.Connector
	metrics  *counts
	stop     func() error
}

func quiet() connector.Option { return connector.WithLogger(slog.New(slog.DiscardHandler)) }

func start(t *testing.T, log *connectortest.Log, make func(connector.Consumer, ...connector.Option) (*connector.Connector, error), opts ...connector.Option) *rig {
	t.Helper()
	r := &rig{t: t, log: log, consumer: connectortest.NewConsumer(log), metrics: &counts{}}
	opts = append([]connector.Option{quiet(), connector.WithMetrics(r.metrics), connector.WithKeyDecoder(serde.StringDecoder{}), connector.WithDecoder(serde.StringDecoder{})}, opts...)
	var err error
	if r.c, err = make(r.consumer, opts...); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make2(ctx, r.c)
	r.stop = sync.OnceValue(func() error { cancel(); return <-result })
	t.Cleanup(func() { _ = r.stop() })
	synctest.Wait()
	return r
}

func make2(ctx context.Context, c *connector.Connector) chan error {
	result := make(chan error, 1)
	go func() { result <- c.Run(ctx) }()
	return result
}

func loading(l connector.Loader) func(connector.Consumer, ...connector.Option) (*connector.Connector, error) {
	return func(c connector.Consumer, opts ...connector.Option) (*connector.Connector, error) {
		return connector.New(c, l, opts...)
	}
}

func (r *rig) wait(what string, ok func() bool) {
	r.t.Helper()
	for range 100000 {
		synctest.Wait()
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("waited in vain for %s; status %+v", what, r.c.Status())
}

func (r *rig) waitCommitted(p connector.Partition, at int64) {
	r.t.Helper()
	r.wait(fmt.Sprintf("commit of %d", at), func() bool { return r.log.Committed(p).At == at })
}

func (r *rig) state(p connector.Partition) connector.PartitionStatus {
	for _, s := range r.c.Status().Partitions {
		if s.Partition == p {
			return s
		}
	}
	return connector.PartitionStatus{}
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func TestDeliversAndCommits(t *testing.T) {
	for _, name := range []string{"one lane", "keyed lanes"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(100)...)
				log.Append(p1, numbered(3)...)
				s := newSink()
				var l connector.Loader = s
				if name == "keyed lanes" {
					s.limits.InFlight = 8
					l = keyed{s}
				}
				r := start(t, log, loading(l))
				r.consumer.Assign(p0, p1)
				r.waitCommitted(p0, 100)
				r.waitCommitted(p1, 3)
				if got := len(s.values()); got != 103 {
					t.Errorf("%d records stored, want 103", got)
				}
				if name == "one lane" {
					if got := s.values(); !strings.HasPrefix(strings.Join(only(got, 100), " "), "v0 v1 v2 ") && len(got) != 103 {
						t.Errorf("out of order: %v", got)
					}
				}
				if n := r.consumer.Held(); n != 0 {
					t.Errorf("%d batches were not released", n)
				}
				if err := r.stop(); err != nil {
					t.Error(err)
				}
				if !r.consumer.Closed() {
					t.Error("the consumer was not closed")
				}
			})
		})
	}
}

func only(s []string, n int) []string { return s[:min(n, len(s))] }

func TestOnlyFailedRecordsAreSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(50)...)
		s := newSink()
		s.fail = func(r *connector.Record, attempt int) error {
			if r.Offset%10 == 3 && attempt <= 3 {
				return errors.New("busy")
			}
			return nil
		}
		r := start(t, log, loading(keyed{s}))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 50)
		for i := range 50 {
			v, want := fmt.Sprintf("v%d", i), 1
			if i%10 == 3 {
				want = 4
			}
			if got := s.attempts[v]; got != want {
				t.Errorf("%s was sent %d times, want %d", v, got, want)
			}
		}
		if len(s.stored) != 50 {
			t.Errorf("%d stored, want each of 50 once", len(s.stored))
		}
	})
}

func TestLaterRecordsOfAFailedKeyWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		s := newSink()
		s.limits = connector.Limits{Records: 1, InFlight: 4}
		s.fail = func(r *connector.Record, attempt int) error {
			if text(r.Value) == "v0" && attempt <= 5 {
				return errors.New("busy")
			}
			return nil
		}
		log.Append(p0, numbered(70)...)
		r := start(t, log, loading(keyed{s}))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 70)
		last := map[int]int{}
		for at, v := range s.values() {
			var n int
			if _, err := fmt.Sscanf(v, "v%d", &n); err != nil {
				t.Fatal(err)
			}
			if prev, ok := last[n%7]; ok && prev > n {
				t.Errorf("v%d of key k%d became durable after v%d", n, n%7, prev)
			}
			last[n%7] = n
			if n == 0 && at < 10 {
				t.Errorf("other keys waited for the failed one")
			}
		}
	})
}

func TestCommitStaysBelowWhatIsNotDurable(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(50)...)
		s := newSink()
		broken := true
		s.fail = func(r *connector.Record, _ int) error {
			if broken && r.Offset == 17 {
				return errors.New("busy")
			}
			return nil
		}
		r := start(t, log, loading(keyed{s}))
		r.consumer.Assign(p0)
		time.Sleep(time.Minute)
		r.waitCommitted(p0, 17)
		if got := r.state(p0).State; got != connector.StateRetrying {
			t.Errorf("state %s, want retrying", got)
		}
		s.mu.Lock()
		broken = false
		s.mu.Unlock()
		r.waitCommitted(p0, 50)
	})
}

func TestAHandlerIsNeverAppliedTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(30)...)
		applied := map[int64]int{}
		flaky := map[int64]int{}
		first := connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
			for _, r := range b.Records() {
				applied[r.Offset]++
				r.Value = b.Tape().String(text(r.Value) + "+")
			}
			return nil
		})
		calls := 0
		second := connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
			if calls++; calls == 1 {
				for _, r := range b.Records() {
					r.Value = b.Tape().String("changed by an attempt that failed")
				}
				return errors.New("the whole attempt fails")
			}
			for i, r := range b.Records() {
				if flaky[r.Offset]++; r.Offset%4 == 1 && flaky[r.Offset] < 3 {
					b.Fail(i, errors.New("not now"))
					continue
				}
				r.Value = b.Tape().String(text(r.Value) + "!")
			}
			return nil
		})
		s := newSink()
		r := start(t, log, loading(s), connector.WithHandlers(first, second))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 30)
		for i, v := range s.values() {
			if want := fmt.Sprintf("v%d+!", i); v != want {
				t.Errorf("record %d is %q, want %q", i, v, want)
			}
			if applied[int64(i)] != 1 {
				t.Errorf("the first handler saw record %d %d times", i, applied[int64(i)])
			}
		}
	})
}

func TestFilteredTailIsCommitted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(25)...)
		drop := connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
			for i := range b.Records() {
				b.Filter(i)
			}
			return nil
		})
		s := newSink()
		r := start(t, log, loading(s), connector.WithHandlers(drop))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 25)
		if len(s.values()) != 0 || r.metrics.of(connector.MetricFiltered) != 25 {
			t.Errorf("stored %v, filtered %d", s.values(), r.metrics.of(connector.MetricFiltered))
		}
	})
}

func TestEmittedRecordsHaveStableIDs(t *testing.T) {
	split := func(b *connector.Batch, i int, r *connector.Record, n int) {
		for k := range n {
			b.Emit(i, connector.Record{Key: r.Key, Value: b.Tape().String(fmt.Sprintf("%s.%d", text(r.Value), k))})
		}
		b.Filter(i)
	}
	run := func(t *testing.T, flaky bool) (ids []string) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(3)...)
		seen := map[string]int{}
		flatten := connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
			for i, r := range b.Records() {
				if seen[text(r.Value)]++; flaky && r.Offset == 1 && seen[text(r.Value)] == 1 {
					b.Fail(i, errors.New("not now"))
					continue
				}
				split(b, i, r, 2)
			}
			return nil
		})
		var mu sync.Mutex
		l := connector.LoaderFunc(func(_ context.Context, b *connector.Batch) error {
			mu.Lock()
			defer mu.Unlock()
			for i, r := range b.Records() {
				id := string(b.AppendID(nil, i))
				ids = append(ids, id[strings.Index(id, "-"):]+"="+text(r.Value))
			}
			return nil
		})
		r := start(t, log, loading(l), connector.WithHandlers(flatten, flatten))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 3)
		_ = r.stop()
		return ids
	}
	bubble(t, func(t *testing.T) {
		calm := run(t, false)
		if len(calm) != 12 || calm[0] != "-0-0-3=v0.0.0" || calm[3] != "-0-0-6=v0.1.1" {
			t.Errorf("ids %v", calm)
		}
		if again := run(t, true); !slices.Equal(calm, again) {
			t.Errorf("ids changed with retries:\n%v\n%v", calm, again)
		}
	})
}

func TestPoisonIsBuriedBeforeTheOffsetMoves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, R{Value: "good"}, R{Value: "bad \xff", Key: "k"}, R{Value: "fine"})
		dead := &connectortest.DeadLetter{}
		var down atomic.Bool
		down.Store(true)
		dead.Refuse = func([]connector.Failure) error {
			if down.Load() {
				return errors.New("dead letter is down")
			}
			return nil
		}
		s := newSink()
		r := start(t, log, loading(s), connector.WithDeadLetter(dead))
		r.consumer.Assign(p0)
		r.wait("the neighbours", func() bool { return len(s.values()) == 2 })
		time.Sleep(time.Minute)
		if at := log.Committed(p0).At; at > 1 {
			t.Fatalf("committed %d while the record at 1 is nowhere", at)
		}
		down.Store(false)
		r.waitCommitted(p0, 3)
		fs := dead.Buried()
		if len(fs) != 1 || string(fs[0].Record.RawValue) != "bad \xff" || string(fs[0].Record.RawKey) != "k" || fs[0].Stage != connector.StageValue || fs[0].Record.Offset != 1 {
			t.Errorf("buried %+v", fs)
		}
	})
}

// A record that makes a decoder or a handler panic is buried, and its neighbours are delivered.
func TestAPanicBuriesItsRecord(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, R{Value: "first"}, R{Value: "decode"}, R{Value: "middle"}, R{Value: "handle"}, R{Value: "last"})
		dead := &connectortest.DeadLetter{}
		s := newSink()
		r := start(t, log, loading(s), connector.WithDeadLetter(dead), connector.WithDecoder(panicking{}),
			connector.WithHandlers(connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
				for i := range b.Len() {
					if string(b.At(i).RawValue) == "handle" {
						panic(errors.New("a handler's"))
					}
				}
				return nil
			})))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 5)
		if got := s.values(); len(got) != 3 {
			t.Errorf("delivered %q", got)
		}
		fs := dead.Buried()
		if len(fs) != 2 {
			t.Fatalf("buried %+v", fs)
		}
		for i, want := range []string{"panic at connector_test.go:", "panic at connector_test.go:"} {
			if !strings.Contains(fs[i].Err.Error(), want) || len(fs[i].Err.Error()) > 400 {
				t.Errorf("buried because of %v", fs[i].Err)
			}
		}
	})
}

// panicking is a decoder with a mistake.
type panicking struct{ serde.BytesDecoder }

func (d panicking) Decode(ctx context.Context, t *serde.Tape, topic string, data []byte) (serde.Value, error) {
	if string(data) == "decode" {
		_ = data[len(data)]
	}
	return d.BytesDecoder.Decode(ctx, t, topic, data)
}

func TestWithoutDeadLetterThePartitionStopsAtTheRecord(t *testing.T) {
	for _, where := range []string{"decode", "load"} {
		t.Run(where, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(25)...)
				log.Append(p0, R{Value: "bad \xff"})
				log.Append(p0, numbered(25)...)
				log.Append(p1, numbered(40)...)
				s := newSink()
				opts := []connector.Option{}
				if where == "load" {
					opts = append(opts, connector.WithDecoder(serde.BytesDecoder{}))
					s.fail = func(r *connector.Record, _ int) error {
						if string(r.RawValue) == "bad \xff" {
							return connector.Permanent.Errorf("not text")
						}
						return nil
					}
				}
				r := start(t, log, loading(s), opts...)
				r.consumer.Assign(p0, p1)
				r.waitCommitted(p1, 40)
				r.waitCommitted(p0, 25)
				st := r.state(p0)
				if st.State != connector.StateHalted || !strings.Contains(st.Error, "offset 25") || !strings.Contains(st.Error, "no dead_letter") {
					t.Errorf("status %+v", st)
				}
				log.Append(p1, numbered(10)...)
				r.waitCommitted(p1, 50)
				if err := r.stop(); err != nil {
					t.Error(err)
				}
				if at := log.Committed(p0).At; at != 25 {
					t.Errorf("committed %d at the end, want 25", at)
				}
			})
		})
	}
}

func TestSystemicErrorsBlockAndNeverBury(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(25)...)
		dead := &connectortest.DeadLetter{}
		denied := true
		s := newSink()
		s.whole = func(int) error {
			if denied {
				return connector.Systemic.Errorf("access denied")
			}
			return nil
		}
		r := start(t, log, loading(s), connector.WithDeadLetter(dead))
		r.consumer.Assign(p0)
		time.Sleep(2 * time.Hour)
		if st := r.state(p0); st.State != connector.StateBlocked || st.Error != "access denied" {
			t.Errorf("status %+v", st)
		}
		if n := s.calls; n > 2*60*4+1 {
			t.Errorf("%d calls in two hours: more than one each 15 s", n)
		}
		s.mu.Lock()
		denied = false
		s.mu.Unlock()
		r.waitCommitted(p0, 25)
		if len(dead.Buried()) != 0 {
			t.Error("a systemic error buried records")
		}
		if st := r.state(p0); st.State != connector.StateRunning || st.Error != "" {
			t.Errorf("status %+v", st)
		}
	})
}

func TestABatchRefusedForEverIsTakenApart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(20)...)
		dead := &connectortest.DeadLetter{}
		var stored []string
		l := connector.LoaderFunc(func(_ context.Context, b *connector.Batch) error {
			for _, r := range b.Records() {
				if r.Offset == 7 || r.Offset == 13 {
					return connector.Permanent.Errorf("400")
				}
			}
			for _, r := range b.Records() {
				stored = append(stored, text(r.Value))
			}
			return nil
		})
		r := start(t, log, loading(l), connector.WithDeadLetter(dead))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 20)
		if len(stored) != 18 || len(dead.Buried()) != 2 {
			t.Errorf("stored %d, buried %d, want 18 and 2", len(stored), len(dead.Buried()))
		}
	})
}

func TestOversizedRecordsAreBuried(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, R{Value: strings.Repeat("x", 1001)}, R{Value: "small"})
		dead := &connectortest.DeadLetter{}
		s := newSink()
		r := start(t, log, loading(s), connector.WithDeadLetter(dead), connector.WithMaxRecord(1000))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 2)
		if fs := dead.Buried(); len(fs) != 1 || !strings.Contains(fs[0].Err.Error(), "max_record") {
			t.Errorf("buried %+v", fs)
		}
	})
}

func TestADeadLetterThatRefusesForEverStopsThePartition(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, R{Value: "a \xff"}, R{Value: "good"}, R{Value: "b \xff"}, R{Value: "more"})
		dead := &connectortest.DeadLetter{Refuse: func(fs []connector.Failure) error {
			for _, f := range fs {
				if f.Record.Offset == 2 {
					return connector.Permanent.Errorf("larger than max.message.bytes")
				}
			}
			return nil
		}}
		r := start(t, log, loading(newSink()), connector.WithDeadLetter(dead))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 2)
		if st := r.state(p0); st.State != connector.StateHalted || !strings.Contains(st.Error, "max.message.bytes") || !strings.Contains(st.Error, "offset 2") {
			t.Errorf("status %+v", st)
		}
		if fs := dead.Buried(); len(fs) != 1 || fs[0].Record.Offset != 0 {
			t.Errorf("buried %+v", fs)
		}
	})
}

func TestFatalStopsTheConnector(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(5)...)
		s := newSink()
		s.whole = func(int) error { return connector.Fatal.Errorf("wrong bus") }
		r := start(t, log, loading(s), connector.WithName("events"))
		r.consumer.Assign(p0)
		r.wait("the end", r.consumer.Closed)
		if err := r.stop(); err == nil || !strings.Contains(err.Error(), "wrong bus") || !strings.Contains(err.Error(), "events") {
			t.Errorf("Run returned %v", err)
		}
		if at := log.Committed(p0).At; at > 0 {
			t.Errorf("committed %d", at)
		}
	})
}

func TestATopicWithoutHandlerStopsAtStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, connectortest.NewLog(), loading(newSink()), connector.WithHandlers(picky{}))
		r.consumer.Assign(p0)
		r.wait("the end", r.consumer.Closed)
		if err := r.stop(); err == nil || !strings.Contains(err.Error(), "no handler for cars") {
			t.Errorf("Run returned %v", err)
		}
	})
}

type picky struct{}

func (picky) Handle(context.Context, *connector.Batch) error { return nil }
func (picky) CheckTopic(topic string) error                  { return fmt.Errorf("no handler for %s", topic) }

func TestTopicsChooseTheirSink(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		other := connector.Partition{Topic: "trips"}
		log.Append(p0, numbered(3)...)
		log.Append(other, numbered(4)...)
		cars, trips := newSink(), newSink()
		r := start(t, log, loading(cars), connector.WithTopics(func(s string) bool { return s == "trips" }, trips))
		r.consumer.Assign(p0, other)
		r.waitCommitted(p0, 3)
		r.waitCommitted(other, 4)
		if len(cars.values()) != 3 || len(trips.values()) != 4 {
			t.Errorf("cars %v, trips %v", cars.values(), trips.values())
		}
	})
}

var stringDecoder = serde.StringDecoder{}
