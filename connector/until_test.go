package connector_test

import (
	"context"
	"errors"
	"fmt"
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

// A job is a connector with UntilEnd that runs over a log.
type job struct {
	t        *testing.T
	consumer *connectortest.Consumer
	c        *connector.Connector
	stop     context.CancelFunc
	result   chan error
}

// members is a Consumer that is a Reporter, and can be asked to look.
type members struct {
	*connectortest.Consumer
	mu     sync.Mutex
	says   connector.Report
	probed []connector.Partition
}

func (m *members) Report() connector.Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.says
}

func (m *members) say(r connector.Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.says = r
}

func (m *members) Probe(p connector.Partition) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.probed = append(m.probed, p)
}

func (m *members) asked() []connector.Partition {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.probed)
}

// begin runs a job. Its consumer is c, which reads by inner.
func begin(t *testing.T, c connector.Consumer, inner *connectortest.Consumer, make func(connector.Consumer, ...connector.Option) (*connector.Connector, error), opts ...connector.Option) *job {
	t.Helper()
	opts = append([]connector.Option{quiet(), connector.UntilEnd(), connector.WithKeyDecoder(serde.StringDecoder{}), connector.WithDecoder(serde.StringDecoder{})}, opts...)
	j := &job{t: t, consumer: inner}
	var err error
	if j.c, err = make(c, opts...); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	j.stop = cancel
	j.result = make2(ctx, j.c)
	t.Cleanup(cancel)
	synctest.Wait()
	return j
}

func beginOn(t *testing.T, log *connectortest.Log, make func(connector.Consumer, ...connector.Option) (*connector.Connector, error), opts ...connector.Option) *job {
	t.Helper()
	c := connectortest.NewConsumer(log)
	return begin(t, c, c, make, opts...)
}

// ends waits until Run returns, for so long at the most, and returns what it says.
func (j *job) ends(within time.Duration) error {
	j.t.Helper()
	select {
	case err := <-j.result:
		return err
	case <-time.After(within):
		j.t.Fatalf("goes on after %s; status %+v", within, j.c.Status())
		return nil
	}
}

// goesOn fails the test if Run returns within a time.
func (j *job) goesOn(d time.Duration) {
	j.t.Helper()
	select {
	case err := <-j.result:
		j.t.Fatalf("ended: %v", err)
	case <-time.After(d):
	}
}

// unhurried is a sink that takes its time.
func unhurried(s *sink, d time.Duration) connector.Loader {
	return connector.LoaderFunc(func(ctx context.Context, b *connector.Batch) error {
		time.Sleep(d)
		return s.Load(ctx, b)
	})
}

func TestUntilEndWithALoader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(100)...)
		s := newSink()
		j := beginOn(t, log, loading(unhurried(s, time.Second)), connector.WithDrainTimeout(time.Millisecond))
		j.consumer.Assign(p0, p1) // p1 is empty
		if err := j.ends(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		if got := len(s.values()); got != 100 || log.Committed(p0).At != 100 {
			t.Errorf("%d records, committed %d", got, log.Committed(p0).At)
		}
		if !j.consumer.Closed() || j.consumer.Held() != 0 {
			t.Errorf("closed: %t, %d batches held", j.consumer.Closed(), j.consumer.Held())
		}
	})
}

func TestUntilEndWithAStager(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(100)...)
		c := newChain()
		c.rotation.Age = time.Hour
		j := beginOn(t, log, staging(c))
		j.consumer.Assign(p0, p1)
		if err := j.ends(5 * time.Second); err != nil {
			t.Fatal(err)
		}
		if len(c.links[p0]) != 1 || len(c.links[p0][0].lines) != 100 || len(c.links[p1]) != 0 || log.Committed(p0).At != 100 {
			t.Errorf("%d and %d links, committed %d", len(c.links[p0]), len(c.links[p1]), log.Committed(p0).At)
		}
	})
}

// TestUntilEndWaitsForAStager: a sink that fails when all is read is waited for, for longer than a drain would.
func TestUntilEndWaitsForAStager(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(100)...)
		c := newChain()
		c.rotation.Age = time.Hour
		c.commit = func(_ connector.Partition, attempt int) error {
			if attempt < 10 {
				return errors.New("busy")
			}
			return nil
		}
		j := beginOn(t, log, staging(c), connector.WithRetry(time.Minute, time.Minute))
		j.consumer.Assign(p0)
		if err := j.ends(time.Hour); err != nil || log.Committed(p0).At != 100 {
			t.Errorf("%v, committed %d", err, log.Committed(p0).At)
		}
	})
}

// TestUntilEndOfALogThatGrows: the end is that of the first assignment, also after the partition was away.
func TestUntilEndOfALogThatGrows(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(10)...)
		log.Append(p1, numbered(10)...)
		s := newSink()
		var open atomic.Bool
		s.fail = func(r *connector.Record, _ int) error {
			if r.Offset == 9 && !open.Load() {
				return connector.Systemic.Errorf("no space")
			}
			if r.Offset >= 100 { // behind the ends of both
				return connector.Systemic.Errorf("no space")
			}
			return nil
		}
		j := beginOn(t, log, loading(keyed{s}), connector.WithRetry(100*time.Millisecond, time.Second))
		j.consumer.Assign(p0, p1)
		time.Sleep(2 * time.Second)
		j.consumer.Revoke(t.Context(), p1)
		for range 30 {
			log.Append(p0, numbered(10)...)
			log.Append(p1, numbered(10)...)
			j.goesOn(time.Second) // what is blocked is waited for
		}
		j.consumer.Assign(p1)
		open.Store(true)
		produce, stop := context.WithCancel(t.Context())
		go func() {
			for produce.Err() == nil {
				log.Append(p0, numbered(50)...)
				time.Sleep(100 * time.Millisecond)
			}
		}()
		err := j.ends(time.Minute)
		stop()
		if err != nil || log.Committed(p0).At < 10 || log.Committed(p1).At < 10 {
			t.Errorf("%v, committed %d and %d", err, log.Committed(p0).At, log.Committed(p1).At)
		}
		time.Sleep(time.Second)
	})
}

// failing marks the records of p0 from an offset on.
func failing(from int64) connector.Handler {
	return connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
		for i, r := range b.Records() {
			if b.Source().Partition == p0 && r.Offset >= from {
				b.Fail(i, connector.Permanent.Errorf("no such column"))
			}
		}
		return nil
	})
}

func TestUntilEndSaysWhatHalted(t *testing.T) {
	c := newChain()
	c.rotation.Age = time.Hour
	for name, make := range map[string]func(connector.Consumer, ...connector.Option) (*connector.Connector, error){"loader": loading(unhurried(newSink(), time.Second)), "stager": staging(c)} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(30)...)
				log.Append(p1, numbered(2000)...)
				j := beginOn(t, log, make, connector.WithHandlers(failing(17)))
				j.consumer.Assign(p0, p1)
				err := j.ends(10 * time.Minute)
				if err == nil || !strings.Contains(err.Error(), "cars/0 halted at offset 17, its end is 30") || !strings.Contains(err.Error(), "no such column") || strings.Contains(err.Error(), "cars/1") {
					t.Errorf("%v", err)
				}
				if log.Committed(p0).At != 17 || log.Committed(p1).At != 2000 {
					t.Errorf("committed %d and %d; the others go on", log.Committed(p0).At, log.Committed(p1).At)
				}
			})
		})
	}
}

// TestUntilEndBehindTheEnd: what halts behind the end is the next job's trouble.
func TestUntilEndBehindTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(10)...)
		log.Append(p1, numbered(10)...)
		j := beginOn(t, log, loading(unhurried(newSink(), 10*time.Second)), connector.WithHandlers(failing(12)))
		j.consumer.Assign(p0, p1)
		log.Append(p0, numbered(10)...)
		if err := j.ends(time.Minute); err != nil {
			t.Error(err)
		}
		if at := log.Committed(p0).At; at < 10 {
			t.Errorf("committed %d", at)
		}
	})
}

func TestUntilEndSaysWhatWasNotCommitted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(10)...)
		c := connectortest.NewConsumer(log)
		c.CommitError = func([]connector.Offset) error { return errors.New("no coordinator") }
		j := begin(t, c, c, loading(newSink()))
		c.Assign(p0)
		err := j.ends(time.Minute)
		if err == nil || !strings.Contains(err.Error(), "cars/0 is committed up to offset -1, its end is 10: no coordinator") {
			t.Errorf("%v", err)
		}
	})
}

// TestUntilEndStopped: a job that was stopped before it was done didn't succeed.
func TestUntilEndStopped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(10)...)
		s := newSink()
		s.whole = func(int) error { return errors.New("busy") }
		j := beginOn(t, log, loading(s))
		j.goesOn(time.Hour) // it was assigned nothing, and nothing says that it will stay so
		j.consumer.Assign(p0)
		time.Sleep(time.Minute)
		j.stop()
		if err := j.ends(time.Minute); err == nil || !strings.Contains(err.Error(), "cars/0 is committed up to offset") {
			t.Errorf("%v", err)
		}
	})
	bubble(t, func(t *testing.T) {
		j := beginOn(t, connectortest.NewLog(), loading(newSink()))
		j.stop()
		if err := j.ends(time.Minute); err == nil || !strings.Contains(err.Error(), "before the group had assigned anything") {
			t.Errorf("%v", err)
		}
	})
}

// TestUntilEndWithNothingAssigned: a member of a group that has more of them than partitions ends when it is certain.
func TestUntilEndWithNothingAssigned(t *testing.T) {
	for _, nothing := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			log := connectortest.NewLog()
			log.Append(p0, numbered(10)...)
			m := &members{Consumer: connectortest.NewConsumer(log)}
			j := begin(t, m, m.Consumer, loading(newSink()))
			j.goesOn(time.Minute) // not a member yet
			m.say(connector.Report{Joined: !nothing, Nothing: nothing})
			j.goesOn(9 * time.Second)
			if err := j.ends(3 * time.Second); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestUntilEndKnowsOfWhatIsLookedUp: a partition that is assigned, and whose offsets aren't known yet, isn't forgotten.
func TestUntilEndKnowsOfWhatIsLookedUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p1, numbered(10)...)
		m := &members{Consumer: connectortest.NewConsumer(log)}
		j := begin(t, m, m.Consumer, loading(newSink()))
		m.say(connector.Report{Joined: true, Unknown: 2})
		j.goesOn(time.Hour)
		m.Assign(p0)
		m.say(connector.Report{Joined: true, Unknown: 1})
		j.goesOn(time.Hour)
		m.Assign(p1)
		m.say(connector.Report{Joined: true})
		if err := j.ends(2 * time.Second); err != nil || log.Committed(p1).At != 10 {
			t.Errorf("%v, committed %d", err, log.Committed(p1).At)
		}
	})
}

// TestUntilEndAfterARebalance: a partition that was taken away may come back, if who was to have it has gone.
func TestUntilEndAfterARebalance(t *testing.T) {
	for _, lost := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			log := connectortest.NewLog()
			log.Append(p0, numbered(10)...)
			log.Append(p1, numbered(10)...)
			j := beginOn(t, log, loading(unhurried(newSink(), 20*time.Second)), connector.WithDrainTimeout(time.Second))
			j.consumer.Assign(p0, p1)
			time.Sleep(15 * time.Second)
			if lost {
				j.consumer.Lose(p1)
			} else {
				j.consumer.Revoke(t.Context(), p1)
			}
			j.goesOn(8 * time.Second) // p0 is done
			j.consumer.Assign(p1)
			if err := j.ends(2 * time.Minute); err != nil || log.Committed(p1).At != 10 {
				t.Errorf("%v, committed %d", err, log.Committed(p1).At)
			}
		})
	}
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p1, numbered(10)...)
		s := newSink()
		s.whole = func(int) error { return errors.New("busy") }
		j := beginOn(t, log, loading(s), connector.WithDrainTimeout(time.Second))
		j.consumer.Assign(p0, p1)
		j.consumer.Lose(p1) // the other member has it
		j.goesOn(9 * time.Second)
		if err := j.ends(3 * time.Second); err != nil {
			t.Error(err)
		}
	})
}

// TestUntilEndBehindHoles: nothing comes of a partition whose last offsets hold no record, unless somebody looks.
func TestUntilEndBehindHoles(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, append(numbered(10), R{Value: "end", Offset: 99})...)
		m := &members{Consumer: connectortest.NewConsumer(log)}
		m.BatchSize = 3
		m.say(connector.Report{Joined: true})
		j := begin(t, m, m.Consumer, loading(newSink()), connector.WithHandlers(connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
			log.Cut(p0, 99) // the end that was seen is 100, and the last record is at 9
			return nil
		})))
		m.Assign(p0)
		j.goesOn(2 * time.Second)
		if got := m.asked(); len(got) > 0 {
			t.Errorf("asked for %v while records came", got)
		}
		j.goesOn(10 * time.Second)
		if got := m.asked(); len(got) < 2 || len(got) > 4 || got[0] != p0 {
			t.Errorf("asked for %v in 12 s", got)
		}
		log.Append(p0, R{Value: "more", Offset: 99})
		if err := j.ends(2 * time.Second); err != nil {
			t.Error(err)
		}
	})
}

// TestUntilEndOfATruncatedLog: what is gone is waited for by nobody.
func TestUntilEndOfATruncatedLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(40)...)
		j := beginOn(t, log, loading(newSink()), connector.WithGapPolicy(connector.GapLatest), connector.WithHandlers(connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
			log.Cut(p0, 5)
			time.Sleep(time.Second)
			return nil
		})))
		j.consumer.BatchSize = 10
		j.consumer.Assign(p0)
		if err := j.ends(time.Minute); err != nil {
			t.Errorf("%v, committed %d", err, log.Committed(p0).At)
		}
	})
}

// TestUntilEndWaitsForTheChain: the sink may stand before the group's offset.
func TestUntilEndWaitsForTheChain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(20)...)
		log.SetCommitted(connector.Offset{Partition: p0, At: 20})
		c := newChain()
		c.links[p0] = []link{{5, nil}}
		c.first = func(connector.Assignment) *connector.Position {
			time.Sleep(time.Minute) // it takes its time to find out
			return nil
		}
		j := beginOn(t, log, staging(c))
		j.consumer.Assign(p0)
		err := j.ends(2 * time.Minute)
		if got := fmt.Sprint(len(c.links[p0]), c.links[p0][len(c.links[p0])-1].next); err != nil || got != "2 20" {
			t.Errorf("%v: %s", err, got)
		}
	})
}
