package connector_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// refused fails the records whose value begins with "bad" for good.
func refused(r *connector.Record, _ int) error {
	if strings.HasPrefix(string(r.RawValue), "bad") {
		return connector.Permanent.Errorf("no such column")
	}
	return nil
}

// mixed are n records, those among them bad whose number the function chooses.
func mixed(n int, bad func(i int) bool) []R {
	rs := numbered(n)
	for i := range rs {
		if bad(i) {
			rs[i].Value = fmt.Sprintf("bad%d", i)
		}
	}
	return rs
}

// A way lets a record fail for good in one of the places where it can.
type way struct {
	name string
	make func() (func(connector.Consumer, ...connector.Option) (*connector.Connector, error), []connector.Option)
}

func ways() []way {
	type build = func(connector.Consumer, ...connector.Option) (*connector.Connector, error)
	handler := connector.WithHandlers(connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
		for i, r := range b.Records() {
			if err := refused(r, 0); err != nil {
				b.Fail(i, err)
			}
		}
		return nil
	}))
	return []way{
		{"lane", func() (build, []connector.Option) {
			s := newSink()
			s.fail = refused
			return loading(s), nil
		}},
		{"lanes with keys", func() (build, []connector.Option) {
			s := newSink()
			s.fail, s.limits = refused, connector.Limits{InFlight: 4, Records: 3}
			return loading(keyed{s}), nil
		}},
		{"handler", func() (build, []connector.Option) { return loading(newSink()), []connector.Option{handler} }},
		{"stage", func() (build, []connector.Option) {
			c := newChain()
			c.refuse = func(r *connector.Record) error { return refused(r, 0) }
			return staging(c), nil
		}},
		{"handler before a stage", func() (build, []connector.Option) { return staging(newChain()), []connector.Option{handler} }},
	}
}

// From offset 200 on all is bad. Nothing is buried over the limit, nothing lost, and the other partition goes on.
func TestTheBreakerStopsAPartition(t *testing.T) {
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, mixed(400, func(i int) bool { return i == 50 || i == 150 || i >= 200 })...)
				log.Append(p1, numbered(40)...)
				dead := &connectortest.DeadLetter{}
				build, opts := w.make()
				opts = append(opts, connector.WithDeadLetter(dead), connector.WithBreaker(connector.Breaker{Records: 25, Window: time.Minute}))
				r := start(t, log, build, opts...)
				r.consumer.Assign(p0, p1)
				r.waitCommitted(p1, 40)
				r.waitHalted(p0, "the breaker stopped cars/0", "records failed for good in the last 1m", "breaker allows at most 25 in 1m", "no such column", "millrace resume cars/0")
				time.Sleep(time.Minute)
				buried := map[int64]bool{}
				for _, f := range dead.Buried() {
					buried[f.Record.Offset] = true
				}
				at := log.Committed(p0).At
				if len(buried) > 25 || at < 50 || at > 224 || buried[at] {
					t.Errorf("%d are buried, and %d is committed", len(buried), at)
				}
				for o := range at {
					if bad := o == 50 || o == 150 || o >= 200; bad != buried[o] {
						t.Errorf("offset %d of %d committed: buried is %t", o, at, buried[o])
					}
				}
				log.Append(p1, numbered(10)...)
				r.waitCommitted(p1, 50)
			})
		})
	}
}

// What tripped stays so when the partition comes back, and Resume lets it bury as many again.
func TestABreakerStaysTripped(t *testing.T) {
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, mixed(30, func(i int) bool { return i >= 10 })...)
				log.Append(p0, numbered(10)...)
				dead := &connectortest.DeadLetter{}
				build, opts := w.make()
				opts = append(opts, connector.WithDeadLetter(dead), connector.WithBreaker(connector.Breaker{Records: 10, Window: time.Hour}))
				r := start(t, log, build, opts...)
				r.consumer.Assign(p0)
				r.waitHalted(p0, "breaker")
				r.consumer.Revoke(t.Context(), p0)
				fetched, calls := r.consumer.Fetched(), dead.Calls()
				r.consumer.Assign(p0)
				r.waitHalted(p0, "breaker")
				time.Sleep(time.Hour)
				if r.consumer.Fetched() != fetched || dead.Calls() != calls {
					t.Error("a partition whose breaker tripped was read again")
				}
				for range 4 {
					if err := r.c.Resume(p0); err != nil {
						t.Fatal(err)
					}
					time.Sleep(20 * time.Second)
				}
				r.waitCommitted(p0, 40)
				buried := map[int64]bool{}
				for _, f := range dead.Buried() {
					buried[f.Record.Offset] = true
				}
				if len(buried) != 20 {
					t.Errorf("%d are buried, want 20", len(buried))
				}
			})
		})
	}
}

func TestTheBreakersShareAndWindow(t *testing.T) {
	breaker := connector.Breaker{Share: 0.01, Least: 10, Records: 100, Window: time.Minute}
	run := func(t *testing.T, step time.Duration, steps, records, every int) (stopped bool, buried int) {
		bubble(t, func(t *testing.T) {
			log := connectortest.NewLog()
			dead := &connectortest.DeadLetter{}
			s := newSink()
			s.fail = refused
			r := start(t, log, loading(s), connector.WithDeadLetter(dead), connector.WithBreaker(breaker))
			r.consumer.Assign(p0)
			for range steps {
				log.Append(p0, mixed(records, func(i int) bool { return i%every == every-1 })...)
				synctest.Wait()
				time.Sleep(step)
			}
			stopped, buried = r.state(p0).State == connector.StateHalted, len(dead.Buried())
		})
		return stopped, buried
	}
	for _, c := range []struct {
		name                  string
		step                  time.Duration
		steps, records, every int // in each step so many records, of which each so manyth is bad
		stopped               bool
		least, most           int // buried
	}{
		{"few of few", time.Second, 1, 10, 1, false, 10, 10},
		{"few too many", time.Second, 11, 1, 1, true, 10, 10},
		{"exactly a share", time.Second, 20, 100, 100, false, 20, 20},
		{"more than a share", time.Second, 20, 90, 90, true, 10, 10},
		{"few a minute for hours", 7 * time.Second, 1000, 1, 1, false, 1000, 1000},
		{"more than few a minute", 5 * time.Second, 1000, 1, 1, true, 10, 10},
		{"many of very many", time.Second, 10, 2000, 160, true, 90, 100},
		{"many of very many, slowly", 13 * time.Second, 20, 1000, 110, false, 180, 180},
	} {
		t.Run(c.name, func(t *testing.T) {
			stopped, buried := run(t, c.step, c.steps, c.records, c.every)
			if stopped != c.stopped || buried < c.least || buried > c.most {
				t.Errorf("stopped %t with %d buried, want %t with %d to %d", stopped, buried, c.stopped, c.least, c.most)
			}
		})
	}
}

// What waited out an outage was read long ago: a few failures among it are no share to stop for.
func TestTheBreakerAfterAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, mixed(6000, func(i int) bool { return i%200 == 0 })...)
		s := newSink()
		s.fail = refused
		begin := time.Now()
		s.whole = func(int) error {
			if time.Since(begin) < time.Hour {
				return fmt.Errorf("down")
			}
			return nil
		}
		build := func(c connector.Consumer, opts ...connector.Option) (*connector.Connector, error) {
			c.(*connectortest.Consumer).BatchSize = 3000
			return connector.New(c, s, opts...)
		}
		r := start(t, log, build, connector.WithDeadLetter(&connectortest.DeadLetter{}),
			connector.WithBreaker(connector.Breaker{Share: 0.01, Least: 3, Window: time.Minute}))
		r.consumer.Assign(p0)
		time.Sleep(time.Hour)
		r.waitCommitted(p0, 6000)
	})
}

// A record that decoders refuse is found before one that handlers do, whatever their offsets.
func TestTheFirstFailureIsTheOneToStopAt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, R{Value: "good"}, R{Value: "bad of the handler"}, R{Value: "fine"}, R{Value: "of the decoder \xff"})
		h := connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
			for i, r := range b.Records() {
				if err := refused(r, 0); err != nil {
					b.Fail(i, err)
				}
			}
			return nil
		})
		dead := &connectortest.DeadLetter{Refuse: func([]connector.Failure) error { return connector.Permanent.Errorf("too large") }}
		r := start(t, log, loading(newSink()), connector.WithHandlers(h), connector.WithDeadLetter(dead))
		r.consumer.Assign(p0)
		r.waitHalted(p0, "offset 1")
		time.Sleep(time.Minute)
		if at := log.Committed(p0).At; at != 1 {
			t.Errorf("committed %d, and the record at 1 is nowhere", at)
		}
	})
}

func TestTheBreakerIsChecked(t *testing.T) {
	for _, b := range []connector.Breaker{{Share: -1, Window: time.Minute}, {Share: 2, Window: time.Minute}, {Records: 1}, {Records: -1}, {Least: -1}} {
		if _, err := connector.New(connectortest.NewConsumer(connectortest.NewLog()), newSink(), connector.WithBreaker(b)); err == nil || !strings.Contains(err.Error(), "breaker") {
			t.Errorf("%+v: %v", b, err)
		}
	}
}
