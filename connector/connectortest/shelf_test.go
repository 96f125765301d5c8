package connectortest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/connector"
)

// A shelf is a keyed store that keeps the newest record of each key: an offset below that of the row is passed over. It
// outlives the processes, and judges what they ask for.
type shelf struct {
	mu      sync.Mutex
	rows    map[string]int64 // the newest offset of each key
	arrived map[place]bool   // records that were applied, or passed over for being older
	errs    []string
}

// A place is where a record lies.
type place struct {
	partition int32
	offset    int64
}

func newShelf() *shelf { return &shelf{rows: map[string]int64{}, arrived: map[place]bool{}} }

func (s *shelf) apply(key string, at place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrived[at] = true
	if row, ok := s.rows[key]; !ok || at.offset > row {
		s.rows[key] = at.offset
	}
}

func (s *shelf) complain(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, fmt.Sprintf(format, args...))
}

// A counter is the shelf as one process gets to it. It knows what it has promised to whom, since a partition was assigned.
type counter struct {
	*shelf
	play *loaderPlay
	dead *atomic.Bool

	mu    sync.Mutex
	terms map[connector.Partition]*term
}

// A term is one assignment of a partition.
type term struct {
	at   map[string]int64 // by key: the last offset that was promised to be durable
	from int64
}

// begin starts a term: what was promised before may be asked for again.
func (c *counter) begin(p connector.Partition, from int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.terms[p] = &term{at: map[string]int64{}, from: from}
}

func (c *counter) term(p connector.Partition) *term {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.terms[p]
}

// Key: each record has the key of its own car, but for every seventh, whose order doesn't matter.
func (c *counter) Key(b *connector.Batch, i int) (uint64, bool) {
	if loose(b.At(i).Offset) {
		return 0, false
	}
	h := fnv.New64a()
	_, _ = h.Write(b.At(i).RawKey)
	return h.Sum64(), true
}

func loose(offset int64) bool { return offset%7 == 6 }

// ordered: what is buried has no order either.
func ordered(offset int64) bool { return !loose(offset) && !poison(offset) && !filtered(offset) }

func (c *counter) Limits() connector.Limits {
	return connector.Limits{Records: 7, InFlight: 6, Timeout: 6 * time.Second}
}

// Load takes its time, and answers what the play says.
func (c *counter) Load(ctx context.Context, b *connector.Batch) error {
	p := b.Source().Partition
	term := c.term(p)
	if ctx.Err() != nil {
		return ctx.Err() // of a partition that was fenced before the call began
	}
	c.judge(term, b)
	fate := c.play.fate(b.Len() > 1)
	time.Sleep(fate.after)
	if c.dead.Load() || fate.refused || !fate.deaf && ctx.Err() != nil {
		return connector.Retryable.Errorf("refused on purpose")
	}
	if fate.poisoned && poisoned(b) {
		return connector.Permanent.Errorf("one of the records is bad")
	}
	done := c.place(term, b, fate)
	if fate.late > 0 {
		time.AfterFunc(fate.late, func() {
			for key, at := range done {
				c.apply(key, at)
			}
		})
		return connector.Retryable.Errorf("no answer: it is applied later")
	}
	for key, at := range done {
		c.apply(key, at)
	}
	if fate.silent {
		return connector.Retryable.Errorf("no answer: it was applied")
	}
	c.promise(term, b)
	return nil
}

// place decides about each record.
func (c *counter) place(term *term, b *connector.Batch, fate fate) map[string]place {
	done := map[string]place{}
	waiting := map[string]bool{} // behind one of the same key
	for i := range b.Len() {
		r := b.At(i)
		key := string(r.RawKey)
		switch {
		case poison(r.Offset):
			b.Fail(i, connector.Permanent.Errorf("this record is bad"))
		case fate.partly && c.play.intN(3) == 0 || waiting[key] && !loose(r.Offset):
			b.Fail(i, connector.Retryable.Errorf("this record has to wait"))
			waiting[key] = waiting[key] || !loose(r.Offset)
		default:
			// The last of a key counts, as in a store that is asked for all at once.
			done[string(r.RawKey)+loosely(r.Offset)] = place{b.Source().ID, r.Offset}
			c.shelf.mu.Lock()
			c.arrived[place{b.Source().ID, r.Offset}] = fate.late == 0 || c.arrived[place{b.Source().ID, r.Offset}]
			c.shelf.mu.Unlock()
		}
	}
	return done
}

// loosely tells the rows of records whose order doesn't matter apart.
func loosely(offset int64) string {
	if loose(offset) {
		return "-" + strconv.FormatInt(offset, 10)
	}
	return ""
}

func poisoned(b *connector.Batch) bool {
	for i := range b.Len() {
		if poison(b.At(i).Offset) {
			return true
		}
	}
	return false
}

// judge checks the order of each key: a record is asked for when all before it of its key were promised, and never after it was promised itself.
func (c *counter) judge(term *term, b *connector.Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	within := map[string]int64{}
	for i := range b.Len() {
		r := b.At(i)
		if !ordered(r.Offset) {
			continue
		}
		key := string(r.RawKey)
		last, ok := within[key]
		if !ok {
			last, ok = term.at[key]
		}
		if !ok {
			last = term.from - 1
		}
		if next := c.play.following(b.Source().ID, key, last); next != r.Offset {
			c.complain("partition %d, key %s: offset %d is written, and %d comes next", b.Source().ID, key, r.Offset, next)
		}
		within[key] = r.Offset
	}
}

// promise notes what the answer says of each record.
func (c *counter) promise(term *term, b *connector.Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range b.Len() {
		r := b.At(i)
		if ordered(r.Offset) && b.Err(i) == nil {
			term.at[string(r.RawKey)] = max(r.Offset, term.at[string(r.RawKey)])
		}
	}
}

// A fate is what becomes of a call.
type fate struct {
	after    time.Duration // it takes so long
	deaf     bool          // it goes on although nobody waits for it any more
	refused  bool          // nothing was done
	silent   bool          // it was done, and says that it failed
	late     time.Duration // it says that it failed, and is done then
	partly   bool          // some records fail
	poisoned bool          // a bad record spoils the whole call
}

// check compares the shelf with what was sent.
func (p *loaderPlay) check() {
	buried := map[place]bool{}
	for _, f := range p.dead.Buried() {
		if f.Stage != connector.StageGap {
			buried[place{f.Source.ID, f.Record.Offset}] = true
		}
	}
	p.shelf.mu.Lock()
	defer p.shelf.mu.Unlock()
	lost, astray, rows := 0, 0, map[string]int64{}
	for id, keys := range p.keys {
		for offset, key := range keys {
			at := place{int32(id), int64(offset)}
			switch {
			case filtered(at.offset):
				if p.shelf.arrived[at] || buried[at] {
					astray++
				}
				continue
			case poison(at.offset):
				if p.shelf.arrived[at] {
					astray++
				}
				if !buried[at] {
					lost++
				}
				continue
			case buried[at]:
				astray++
			case !p.shelf.arrived[at]:
				lost++
			}
			rows[key+loosely(at.offset)] = at.offset
		}
	}
	stale := 0
	for key, offset := range rows {
		if p.shelf.rows[key] != offset {
			stale++
		}
	}
	p.t.Logf("%d rows: %d records lost, %d where they don't belong, %d rows of %d not the newest, %d offsets moved back; trace %016x",
		len(p.shelf.rows), lost, astray, stale, len(rows), p.regressions(), p.traced())
	if lost+astray+stale+p.regressions() > 0 || len(p.shelf.rows) != len(rows) {
		p.t.Error("the shelf doesn't hold what was sent")
	}
	if len(p.shelf.errs) > 0 {
		p.t.Errorf("%d times out of order:\n%s", len(p.shelf.errs), strings.Join(p.shelf.errs[:min(5, len(p.shelf.errs))], "\n"))
	}
}

// traced is the trace so far: processes that were left behind still draw.
func (p *loaderPlay) traced() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.trace.Sum64()
}

// regressions counts offsets that were committed below an earlier one.
func (p *loaderPlay) regressions() (n int) {
	last := map[connector.Partition]int64{}
	for _, o := range p.log.Commits() {
		if o.At < last[o.Partition] {
			n++
		}
		last[o.Partition] = max(o.At, last[o.Partition])
	}
	return n
}

var errRefused = errors.New("refused on purpose")
