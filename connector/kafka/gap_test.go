package kafka

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// wantGap checks what a PartitionError says that the log holds.
func wantGap(t testing.TB, err error, start, end int64) {
	t.Helper()
	var e *connector.PartitionError
	if !errors.As(err, &e) || !e.Gap || e.LogStart != start || e.LogEnd != end {
		t.Errorf("%#v, want a gap before a log of %d to %d", e, start, end-1)
	}
}

// An old offset of a topic that was created again counts for nothing, also where a commit goes back behind it.
func TestTopicCreatedAgain(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	f.produce(t, "t", 0, numbers(50)...)
	f.commitAs(t, "t", 0, 30, `{"start":0,"topic":"000102030405060708090a0b0c0d0e0f","meta":"old"}`)
	r := read(t, f.config("t"))
	r.until("assigned", func() bool { return len(r.assigned) == 1 })
	if a := r.now().assigned[t0]; !a.Recreated || a.Committed != 30 || a.Meta != "old" || a.Initial != 0 {
		t.Errorf("assigned with %+v", a)
	}
	for _, at := range []int64{10, 20, 15} {
		if err := r.Commit(t.Context(), []connector.Offset{{Partition: t0, At: at}}); err != nil {
			t.Fatal(err)
		}
	}
	if o := f.committed(t, "t", 0); o.At != 20 {
		t.Errorf("committed %d, want 20: forward in the new log", o.At)
	}
	r.close()
	r = read(t, f.config("t"))
	r.until("assigned", func() bool { return len(r.assigned) == 1 })
	if a := r.now().assigned[t0]; a.Recreated || a.Committed != 20 {
		t.Errorf("assigned with %+v", a)
	}
}

func TestACommitGoesBackBehindATruncation(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	f.produce(t, "t", 0, numbers(50)...)
	f.commitAs(t, "t", 0, 100, "")
	r := read(t, f.config("t"))
	wantGap(t, r.halts(t0), 0, 50)
	if err := r.Commit(t.Context(), []connector.Offset{{Partition: t0, At: 50}}); err != nil {
		t.Fatal(err)
	}
	if o := f.committed(t, "t", 0); o.At != 50 {
		t.Errorf("committed %d", o.At)
	}
	r.Seek(t0, 40)
	r.Resume(t0)
	r.reads(t0, numbers(50)[40:]...)
}

// What was lost after it was read shows in the history of leaders.
func TestTruncatedWhileReading(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	f.produce(t, "t", 0, numbers(50)...)
	f.deleteTo(t, "t", 0, 10)
	r := read(t, f.config("t"))
	r.until("read", func() bool { return len(r.got[t0]) == 40 })
	if err := r.Commit(t.Context(), []connector.Offset{{Partition: t0, At: 50}}); err != nil {
		t.Fatal(err)
	}
	err := r.fetchError(t.Context(), t0, &kgo.ErrDataLoss{Topic: "t", ConsumedTo: 50, ResetTo: 45})
	has(t, err, "truncated", "read up to offset 50", "ends at 45", "on_gap")
	wantGap(t, err, 10, 45)
	if err := r.Commit(t.Context(), []connector.Offset{{Partition: t0, At: 45}}); err != nil {
		t.Fatal(err)
	}
	if o := f.committed(t, "t", 0); o.At != 45 {
		t.Errorf("committed %d", o.At)
	}
	r.Seek(t0, 45)
	r.Resume(t0)
	r.until("read again", func() bool { return len(r.got[t0]) == 45 })
}

// Who knows better than the lookup, because the sink stands further, isn't told of a truncation.
func TestSeekBehindTheEndThatWasLookedUp(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	f.produce(t, "t", 0, numbers(5)...)
	c := open(t, f.config("t"))
	assigned := make(chan connector.Assignment, 1)
	c.Notify(connector.Listener{
		Assigned: func(as []connector.Assignment) { assigned <- as[0] },
		Revoked:  func(context.Context, []connector.Partition) {}, Lost: func([]connector.Partition) {},
	})
	defer c.Close(t.Context())
	if a := <-assigned; a.LogEnd != 5 {
		t.Fatalf("assigned with %+v", a)
	}
	f.produce(t, "t", 0, numbers(5)...)
	c.Seek(t0, 8)
	c.Resume(t0)
	batches, err := c.Poll(t.Context())
	if err != nil || len(batches) != 1 || batches[0].At(0).Offset != 8 {
		t.Errorf("%v, %v", batches, err)
	}
	// Where there is nothing, the broker says so.
	c.Pause(t0)
	c.Seek(t0, 70)
	c.Resume(t0)
	_, err = c.Poll(t.Context())
	wantGap(t, err, 0, 10)
}

func TestAssignmentsSayWhereAGroupBegins(t *testing.T) {
	birth := time.Now().Add(-time.Hour)
	for name, c := range map[string]struct {
		start string
		note  string
		want  [3]int64
	}{
		"earliest":          {Earliest, "", [3]int64{2, 0, 3}},
		"latest":            {Latest, "", [3]int64{10, 0, 5}},
		"a time":            {birth.UTC().Format(time.RFC3339), "", [3]int64{5, 0, 5}},
		"an earlier birth":  {Latest, encodeNote(birth.UnixMilli(), [16]byte{}, ""), [3]int64{5, 0, 5}},
		"born at the start": {Latest, encodeNote(0, [16]byte{}, ""), [3]int64{2, 0, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, kfake.SeedTopics(3, "t"))
			for i := range 10 { // one a minute, five of them before birth, rounded to a second
				r := &kgo.Record{Topic: "t", Value: []byte("x"), Timestamp: birth.Add(time.Duration(i-5)*time.Minute + time.Second)}
				if err := f.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			f.deleteTo(t, "t", 0, 2)
			for range 5 {
				r := &kgo.Record{Topic: "t", Partition: 2, Value: []byte("x"), Timestamp: birth.Add(-time.Hour)}
				if err := f.client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			f.deleteTo(t, "t", 2, 3)
			f.commitAs(t, "t", 0, 7, c.note) // says nothing of where the group begins
			config := f.config("t")
			config.Start = c.start
			r := read(t, config)
			r.until("assigned", func() bool { return len(r.assigned) == 3 })
			for id, want := range c.want {
				a := r.now().assigned[connector.Partition{Topic: "t", ID: int32(id)}]
				if a.Initial != want || a.Group != "g" || a.Recreated {
					t.Errorf("assigned with %+v, want initial %d", a, want)
				}
				if id > 0 && a.Start != a.Initial || id == 0 && a.Start != 7 {
					t.Errorf("partition %d starts at %d", id, a.Start)
				}
			}
		})
	}
}

// A topic that appears is read within a minute, and takes nothing away from others.
func TestANewTopicDisturbsNobody(t *testing.T) {
	if age := time.Duration(DefaultConfig().MetadataMaxAge); age > 45*time.Second {
		t.Errorf("new topics are looked for every %s: with the rebalance that is more than a minute", age)
	}
	f := newFake(t, kfake.SeedTopics(2, "db.a"))
	c := f.config()
	c.TopicsRegex = `^db\.`
	var mu sync.Mutex
	assigned := make(map[connector.Partition]int)
	consumer := open(t, c)
	consumer.Notify(connector.Listener{
		Assigned: func(as []connector.Assignment) {
			mu.Lock()
			defer mu.Unlock()
			for _, a := range as {
				assigned[a.Partition]++
			}
		},
		Revoked: func(_ context.Context, ps []connector.Partition) { t.Errorf("revoked %v", ps) },
		Lost:    func(ps []connector.Partition) { t.Errorf("lost %v", ps) },
	})
	defer consumer.Close(t.Context())
	owns := func(n int) bool {
		mu.Lock()
		defer mu.Unlock()
		return len(assigned) == n
	}
	if !eventually(func() bool { return owns(2) }) {
		t.Fatal("nothing is assigned")
	}
	if _, err := f.admin.CreateTopic(t.Context(), 3, 1, nil, "db.b"); err != nil {
		t.Fatal(err)
	}
	if !eventually(func() bool { return owns(5) }) {
		t.Fatalf("assigned %v", assigned)
	}
	mu.Lock()
	defer mu.Unlock()
	for p, n := range assigned {
		if n != 1 {
			t.Errorf("%s was assigned %d times", p, n)
		}
	}
}

// A lake is a sink that keeps values.
type lake struct {
	mu     sync.Mutex
	values []string
}

func (l *lake) Load(_ context.Context, b *connector.Batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range b.Records() {
		l.values = append(l.values, string(r.RawValue))
	}
	return nil
}

func (l *lake) has(want []string) func() bool {
	return func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return slices.Equal(l.values, want)
	}
}

// run lets a Connector read f with a policy until the test ends.
func run(t *testing.T, f *fake, l connector.Loader, opts ...connector.Option) *connector.Connector {
	t.Helper()
	opts = append(opts, connector.WithLogger(slog.New(slog.DiscardHandler)), connector.WithCommitInterval(20*time.Millisecond))
	c, err := connector.New(open(t, f.config("t")), l, opts...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return c
}

func must(t *testing.T, what string, done func() bool) {
	t.Helper()
	if !eventually(done) {
		t.Fatalf("never: %s", what)
	}
}

// Each gap that Kafka can have, with the Connector behind it.
func TestAConnectorGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		policy   connector.GapPolicy
		prepare  func(t *testing.T, f *fake)
		from, to int64
	}{
		"expired, earliest":   {connector.GapEarliest, func(t *testing.T, f *fake) { f.deleteTo(t, "t", 0, 20); f.commitAs(t, "t", 0, 10, "") }, 10, 20},
		"expired, latest":     {connector.GapLatest, func(t *testing.T, f *fake) { f.deleteTo(t, "t", 0, 20); f.commitAs(t, "t", 0, 10, "") }, 10, 50},
		"truncated, earliest": {connector.GapEarliest, func(t *testing.T, f *fake) { f.commitAs(t, "t", 0, 100, "") }, 100, 0},
		"truncated, latest":   {connector.GapLatest, func(t *testing.T, f *fake) { f.commitAs(t, "t", 0, 100, "") }, 100, 50},
		"created again, earliest": {connector.GapEarliest, func(t *testing.T, f *fake) {
			f.commitAs(t, "t", 0, 70, encodeNote(0, [16]byte{1}, ""))
		}, 70, 0},
		"created again, latest": {connector.GapLatest, func(t *testing.T, f *fake) {
			f.commitAs(t, "t", 0, 70, encodeNote(0, [16]byte{1}, ""))
		}, 70, 50},
		"created again, at the same offset": {connector.GapEarliest, func(t *testing.T, f *fake) {
			f.commitAs(t, "t", 0, 0, encodeNote(0, [16]byte{1}, ""))
		}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, kfake.SeedTopics(1, "t"))
			f.produce(t, "t", 0, numbers(50)...)
			c.prepare(t, f)
			l, dead := &lake{}, &connectortest.DeadLetter{}
			run(t, f, l, connector.WithGapPolicy(c.policy), connector.WithDeadLetter(dead))
			must(t, "commit", func() bool { return f.committed(t, "t", 0).At == 50 })
			f.produce(t, "t", 0, "new")
			want := append(numbers(50)[c.to:], "new")
			must(t, "read on", l.has(want))
			must(t, "commit", func() bool { return f.committed(t, "t", 0).At == 51 })
			if b := dead.Buried(); len(b) != 1 || b[0].Stage != connector.StageGap || b[0].Record.Offset != c.from {
				t.Errorf("dead letters %+v", b)
			}
		})
	}
}

func TestAConnectorGoesOnWhileReading(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	f.produce(t, "t", 0, numbers(5)...)
	l, dead := &lake{}, &connectortest.DeadLetter{}
	consumer := open(t, f.config("t"))
	c, err := connector.New(consumer, l, connector.WithGapPolicy(connector.GapEarliest), connector.WithDeadLetter(dead),
		connector.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	must(t, "read", l.has(numbers(5)))
	// A fetch is held while records come and go, or it would read them.
	held, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		once.Do(func() { close(held) })
		f.SleepControl(func() { <-goOn })
		return nil, nil, false
	})
	<-held
	f.produce(t, "t", 0, numbers(20)...)
	f.deleteTo(t, "t", 0, 15)
	close(goOn)
	must(t, "read on", l.has(append(numbers(5), numbers(20)[10:]...)))
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if b := dead.Buried(); len(b) != 1 || b[0].Record.Offset != 5 {
		t.Errorf("dead letters %+v", b)
	}
	if o := f.committed(t, "t", 0); o.At != 25 {
		t.Errorf("committed %d", o.At)
	}
}

// Without a policy the Connector stops, and says what can be done.
func TestAConnectorStopsAtATopicCreatedAgain(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	f.produce(t, "t", 0, numbers(50)...)
	f.commitAs(t, "t", 0, 30, encodeNote(0, [16]byte{1}, ""))
	c := run(t, f, &lake{})
	halted := func() bool {
		s := c.Status()
		return len(s.Partitions) == 1 && s.Partitions[0].State == connector.StateHalted
	}
	must(t, "halt", halted)
	has(t, errors.New(c.Status().Partitions[0].Error), "deleted and created again since offset 30", "holds 0 to 49", "on_gap", "millrace move")
	if o := f.committed(t, "t", 0); o.At != 30 {
		t.Errorf("committed %d", o.At)
	}
}
