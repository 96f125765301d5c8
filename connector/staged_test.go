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
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// chain is a Stager double that is exactly-once as the real chains are: ranges are put in order, by
// sequence number, and who comes second loses.
type chain struct {
	mu       sync.Mutex
	rotation connector.Rotation
	links    map[connector.Partition][]link
	commit   func(p connector.Partition, attempt int) error // asked before each Commit
	applied  func(p connector.Partition) error              // asked after a Commit was applied: a lost reply
	attempts map[connector.Partition]int
	ranges   []connector.Range
	aborted  int
	buffered int64 // what Size says per record
	recovers int
	refuse   func(r *connector.Record) error

	assigned []connector.Assignment                           // what Recover was called with
	first    func(a connector.Assignment) *connector.Position // asked by Recover; nil: the chain's end
	after    func(r connector.Range) *connector.Position      // asked by Commit; nil: the chain's end
	mended   []string
	sizing   func(lines int) connector.Size // what Add says
}

type link struct {
	next  int64
	lines []string
}

func newChain() *chain {
	return &chain{links: map[connector.Partition][]link{}, attempts: map[connector.Partition]int{}, rotation: connector.Rotation{Age: 10 * time.Second}}
}

func (c *chain) Rotation(string) connector.Rotation { return c.rotation }

func (c *chain) Recover(_ context.Context, a connector.Assignment) (connector.Position, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recovers++
	c.assigned = append(c.assigned, a)
	if c.first != nil {
		if at := c.first(a); at != nil {
			return *at, nil
		}
	}
	return c.position(a.Partition, a.Start), nil
}

func (c *chain) position(p connector.Partition, start int64) connector.Position {
	links := c.links[p]
	if len(links) == 0 {
		return connector.Position{ReadFrom: start, Meta: "seq -1"}
	}
	return connector.Position{At: int64(len(links)), ReadFrom: links[len(links)-1].next, Meta: fmt.Sprintf("seq %d", len(links)-1)}
}

func (c *chain) Stage(_ context.Context, p connector.Partition, at connector.Position, _ connector.Retrier) (connector.Staged, error) {
	return &stagedLink{c: c, p: p, at: at}, nil
}

type stagedLink struct {
	c     *chain
	p     connector.Partition
	at    connector.Position
	lines []string
	mine  bool
	r     *connector.Range
}

func (s *stagedLink) Add(_ context.Context, b *connector.Batch) (connector.Size, error) {
	for i, r := range b.Records() {
		if s.c.refuse != nil {
			if err := s.c.refuse(r); err != nil {
				b.Fail(i, err)
				continue
			}
		}
		s.lines = append(s.lines, text(r.Value))
	}
	if s.c.sizing != nil {
		return s.c.sizing(len(s.lines)), nil
	}
	size := connector.Size{Open: 1, Buffered: s.c.buffered * int64(len(s.lines))}
	if n := s.c.rotation.Records; n > 0 && int64(len(s.lines)) >= n {
		size.Full = 1
	}
	return size, nil
}

func (s *stagedLink) Commit(_ context.Context, r connector.Range) (connector.Position, error) {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.r != nil && *s.r != r {
		return connector.Position{}, connector.Fatal.Errorf("a commit was repeated with another range: %+v, then %+v", *s.r, r)
	}
	s.r = &r
	c.attempts[s.p]++
	if c.commit != nil {
		if err := c.commit(s.p, c.attempts[s.p]); err != nil {
			return connector.Position{}, err
		}
	}
	if !s.mine {
		if int64(len(c.links[s.p])) != s.at.At && r.Reason != connector.RotateMend {
			return connector.Position{}, connector.Lost.Errorf("link %d of %s is another's", s.at.At, s.p)
		}
		if r.Reason == connector.RotateMend {
			c.mended = append(c.mended, s.lines...)
		} else {
			c.links[s.p] = append(c.links[s.p], link{r.Next, s.lines})
		}
		c.ranges = append(c.ranges, r)
		s.mine = true
	}
	if c.applied != nil {
		if err := c.applied(s.p); err != nil {
			return connector.Position{}, err
		}
	}
	if c.after != nil {
		if at := c.after(r); at != nil {
			return *at, nil
		}
	}
	return c.position(s.p, 0), nil
}

func (s *stagedLink) Abort(context.Context) error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.c.aborted++
	return nil
}

// spans are the ranges that were committed.
func (c *chain) spans() []connector.Range {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.ranges)
}

func (c *chain) all(p connector.Partition) (lines []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.links[p] {
		lines = append(lines, l.lines...)
	}
	return lines
}

func staging(s connector.Stager) func(connector.Consumer, ...connector.Option) (*connector.Connector, error) {
	return func(c connector.Consumer, opts ...connector.Option) (*connector.Connector, error) {
		return connector.NewStaged(c, s, opts...)
	}
}

func wantOnce(t *testing.T, got []string, n int) {
	t.Helper()
	if len(got) != n {
		t.Errorf("%d lines, want %d", len(got), n)
	}
	for i, v := range got {
		if v != fmt.Sprintf("v%d", i) {
			t.Fatalf("line %d is %s: lost, repeated or out of order", i, v)
		}
	}
}

func TestAQuietTopicIsCommittedByAge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(3)...)
		c := newChain()
		r := start(t, log, staging(c))
		r.consumer.Assign(p0)
		time.Sleep(5*time.Second - 1)
		if n := len(c.all(p0)); n != 0 {
			t.Errorf("%d lines are visible before half of the age", n)
		}
		time.Sleep(6 * time.Second) // and a commit
		wantOnce(t, c.all(p0), 3)
		if o := log.Committed(p0); o.At != 3 || o.Meta != "seq 0" {
			t.Errorf("committed %+v", o)
		}
		time.Sleep(time.Hour)
		if len(c.ranges) != 1 || c.ranges[0] != (connector.Range{From: 0, Next: 3, First: 0, Last: 2, Read: 3, Written: 3, Reason: connector.RotateAge}) {
			t.Errorf("ranges %+v: want one, none for an idle partition", c.ranges)
		}
	})
}

func TestStagedRangesSurviveCrashes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(1000)...)
		c := newChain()
		c.rotation = connector.Rotation{Age: time.Second, Records: 30, Adaptive: true}
		for crash := range 20 {
			r := start(t, log, staging(c), connector.WithCommitInterval(50*time.Millisecond))
			n := 0
			c.commit = func(connector.Partition, int) error {
				if n++; n == crash%5 {
					return errors.New("503")
				}
				return nil
			}
			c.applied = func(connector.Partition) error {
				if crash%3 == 0 && n == 2 {
					return errors.New("reply lost")
				}
				return nil
			}
			r.consumer.Assign(p0)
			time.Sleep(time.Duration(crash) * 7 * time.Millisecond)
			r.consumer.Lose(p0) // as after kill -9: nothing more is committed
			_ = r.stop()
		}
		c.commit, c.applied = nil, nil
		r := start(t, log, staging(c))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 1000)
		wantOnce(t, c.all(p0), 1000)
	})
}

func TestTwoOwnersOfAPartitionLoseNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		c := newChain()
		c.rotation.Age = time.Second
		a := start(t, log, staging(c))
		b := start(t, log, staging(c))
		// Both believe that they own it; the second one really does.
		a.consumer.Assign(p0)
		time.Sleep(300 * time.Millisecond)
		b.consumer.Assign(p0)
		for i := range 100 {
			log.Append(p0, R{Value: fmt.Sprintf("v%d", i)})
			time.Sleep(170 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		wantOnce(t, c.all(p0), 100)
		if c.aborted == 0 {
			t.Error("nobody lost a race: the test shows nothing")
		}
	})
}

func TestARangeIsCommittedOnRevokeAndShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(10)...)
		c := newChain()
		a := start(t, log, staging(c), connector.WithCommitInterval(time.Hour))
		a.consumer.Assign(p0)
		time.Sleep(time.Second)
		a.consumer.Revoke(t.Context(), p0)
		wantOnce(t, c.all(p0), 10)
		if at := log.Committed(p0).At; at != 10 {
			t.Errorf("committed %d when the revoke returned", at)
		}
		log.Append(p0, R{Value: "v10"}, R{Value: "v11"})
		b := start(t, log, staging(c), connector.WithCommitInterval(time.Hour))
		b.consumer.Assign(p0)
		time.Sleep(time.Second)
		_ = b.stop()
		wantOnce(t, c.all(p0), 12)
		if at := log.Committed(p0).At; at != 12 || c.ranges[1].Reason != connector.RotateDrain {
			t.Errorf("committed %d, ranges %+v", at, c.ranges)
		}
	})
}

func TestMemoryPressureCommitsEarly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		for i := range 100 {
			log.Append(p0, R{Value: fmt.Sprintf("v%d", i)})
		}
		c := newChain()
		c.rotation.Age = 24 * time.Hour
		c.buffered = 1000
		r := start(t, log, staging(c), connector.WithBudget(connector.NewBudget(25_000)))
		r.consumer.Assign(p0)
		r.wait("progress", func() bool { return r.state(p0).Position == 100 })
		if len(c.ranges) < 2 || c.ranges[0].Reason != connector.RotateMemory {
			t.Errorf("ranges %+v", c.ranges)
		}
		_ = r.stop()
		wantOnce(t, c.all(p0), 100)
	})
}

// A fetch that unpacks to most of the budget doesn't close the files that grow beside it: the queue is worked off.
func TestALargeFetchClosesNoFiles(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		ps := []connector.Partition{{Topic: "t", ID: 0}, {Topic: "t", ID: 1}, {Topic: "t", ID: 2}, {Topic: "t", ID: 3}}
		for _, p := range ps {
			log.Append(p, numbered(100)...)
		}
		c := newChain()
		c.rotation.Age = 24 * time.Hour
		c.buffered = 5
		r := start(t, log, staging(c), connector.WithBudget(connector.NewBudget(80_000)))
		r.consumer.Size = 6_600 // of a batch of 10 records: four, and as much in the client, are most of all
		r.consumer.Assign(ps...)
		r.wait("progress", func() bool {
			for _, p := range ps {
				if r.state(p).Position != 100 {
					return false
				}
			}
			return true
		})
		if len(c.ranges) > 8 { // of 40 batches: when the queue is empty, the next fetch may want the room
			t.Errorf("%d ranges were committed, the first %+v", len(c.ranges), c.ranges[0])
		}
		_ = r.stop()
		for _, p := range ps {
			wantOnce(t, c.all(p), 100)
		}
	})
}

// Batches that lie ready aren't unpacked into files while those take the whole budget already.
func TestNothingIsUnpackedWhileMemoryIsShort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const budget, perRecord = 100_000, 1000
		log := connectortest.NewLog()
		ps := []connector.Partition{{Topic: "t", ID: 0}, {Topic: "t", ID: 1}, {Topic: "t", ID: 2}, {Topic: "t", ID: 3}}
		for _, p := range ps {
			log.Append(p, numbered(400)...)
		}
		c := newChain()
		c.rotation.Age = 24 * time.Hour
		c.buffered = perRecord // ten times what the record took in its batch
		tries := 0
		var calm atomic.Bool
		c.commit = func(connector.Partition, int) error {
			if tries++; tries%3 != 0 && !calm.Load() {
				return errors.New("not now") // so that commits take time
			}
			return nil
		}
		var most atomic.Int64
		var r *rig
		c.refuse = func(*connector.Record) error {
			most.Store(max(most.Load(), r.c.Status().Held))
			return nil
		}
		r = start(t, log, staging(c), connector.WithBudget(connector.NewBudget(budget)))
		r.consumer.Size = 100
		r.consumer.Assign(ps...)
		r.wait("progress", func() bool {
			for _, p := range ps {
				if r.state(p).Position != 400 {
					return false
				}
			}
			return true
		})
		calm.Store(true)
		time.Sleep(time.Minute)
		_ = r.stop()
		// Each of four workers may be some batches ahead, while the queue is worked off; without waiting they hold 2.3 budgets.
		if most := most.Load(); most > budget*9/5 {
			t.Errorf("%d bytes were held, of a budget of %d", most, budget)
		}
		for _, p := range ps {
			wantOnce(t, c.all(p), 400)
		}
	})
}

// A partition that stops lets go of what it staged, which nobody would commit: the others need the memory.
func TestAStoppedPartitionHoldsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(50)...)
		c := newChain()
		c.rotation.Age = 24 * time.Hour
		c.buffered = 1000
		r := start(t, log, staging(c))
		r.consumer.Assign(p0)
		r.wait("progress", func() bool { return r.state(p0).Position == 50 })
		if held := r.c.Status().Held; held < 50*1000 {
			t.Fatalf("%d bytes are held, want those of 50 records", held)
		}
		r.consumer.PollErrors <- &connector.PartitionError{Partition: p0, Err: connector.Permanent.Errorf("the log is damaged")}
		log.Append(p0, R{Value: "next"}) // so that the poll returns
		r.wait("the stop", func() bool { return r.state(p0).State == connector.StateHalted })
		time.Sleep(time.Second)
		if held := r.c.Status().Held; held >= 50*1000 {
			t.Errorf("%d bytes are held by a partition that stopped", held)
		}
	})
}

func TestRangesCountWhatBecameOfRecords(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(20)...)
		log.Append(p0, R{Value: "bad \xff"})
		c := newChain()
		c.refuse = func(r *connector.Record) error {
			if text(r.Value) == "v7" {
				return connector.Permanent.Errorf("no")
			}
			return nil
		}
		dead := &connectortest.DeadLetter{}
		h := connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
			for i, r := range b.Records() {
				switch {
				case r.Offset%5 == 0:
					b.Filter(i)
				case r.Offset == 6:
					b.Emit(i, *r)
				}
			}
			return nil
		})
		r := start(t, log, staging(c), connector.WithHandlers(h), connector.WithDeadLetter(dead))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 21)
		want := connector.Range{From: 0, Next: 21, First: 0, Last: 20, Read: 21, Written: 16, Filtered: 4, Buried: 2, Emitted: 1, Reason: connector.RotateAge}
		if len(c.ranges) != 1 || c.ranges[0] != want {
			t.Errorf("ranges %+v\nwant   %+v", c.ranges, want)
		}
		if len(dead.Buried()) != 2 {
			t.Errorf("buried %d", len(dead.Buried()))
		}
	})
}

func TestWithoutDeadLetterARangeEndsAtTheRecord(t *testing.T) {
	for _, where := range []string{"decode", "stage"} {
		t.Run(where, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := connectortest.NewLog()
				log.Append(p0, numbered(25)...)
				bad := R{Value: "bad \xff"}
				c := newChain()
				if where == "stage" {
					bad = R{Value: "bad"}
					c.refuse = func(r *connector.Record) error {
						if text(r.Value) == "bad" {
							return connector.Permanent.Errorf("not a line")
						}
						return nil
					}
				}
				log.Append(p0, bad)
				log.Append(p0, numbered(25)...)
				r := start(t, log, staging(c))
				r.consumer.Assign(p0)
				r.waitCommitted(p0, 25)
				wantOnce(t, c.all(p0), 25)
				r.wait("the halt", func() bool { return r.state(p0).State == connector.StateHalted })
				if st := r.state(p0); !strings.Contains(st.Error, "offset 25") {
					t.Errorf("status %+v", st)
				}
				_ = r.stop()
				wantOnce(t, c.all(p0), 25)
			})
		})
	}
}

func TestFilteredRangesAreCommittedToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(25)...)
		c := newChain()
		none := connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
			for i := range b.Records() {
				b.Filter(i)
			}
			return nil
		})
		r := start(t, log, staging(c), connector.WithHandlers(none))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 25)
		if len(c.ranges) != 1 || c.ranges[0].Filtered != 25 || c.ranges[0].Next != 25 {
			t.Errorf("ranges %+v", c.ranges)
		}
	})
}

func TestAFailingCommitIsRepeatedWithTheSameRange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := connectortest.NewLog()
		log.Append(p0, numbered(10)...)
		c := newChain()
		c.commit = func(_ connector.Partition, n int) error {
			if n < 6 {
				if at := log.Committed(p0).At; at > 0 {
					t.Errorf("the group's offset is %d before the range is durable", at)
				}
				log.Append(p0, R{Value: fmt.Sprintf("v%d", 9+n)})
				return errors.New("SlowDown")
			}
			return nil
		}
		c.commit = slowCommits(c.commit)
		c.applied = func(connector.Partition) error {
			if c.attempts[p0] == 6 {
				return errors.New("reply lost")
			}
			return nil
		}
		r := start(t, log, staging(c))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 15)
		wantOnce(t, c.all(p0), 15)
		if c.recovers != 1 {
			t.Errorf("recovered %d times: a retryable error must not drop the range", c.recovers)
		}
		if !slices.IsSortedFunc(c.ranges, func(a, b connector.Range) int { return int(a.From - b.From) }) {
			t.Errorf("ranges %+v", c.ranges)
		}
	})
}

// slowCommits lets the committer tick while a range is being committed.
func slowCommits(next func(connector.Partition, int) error) func(connector.Partition, int) error {
	return func(p connector.Partition, n int) error {
		time.Sleep(3 * time.Second)
		return next(p, n)
	}
}
