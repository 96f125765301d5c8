package connector

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/failpoint"
	"github.com/millrace/millrace/serde"
)

// A lane is one of a partition's ordered queues in front of a Loader. It makes one call
// at a time, with as many waiting outputs as one Load may have. Outputs whose call failed
// are loaded again, they alone; later ones with the same key wait behind them.
type lane struct {
	p      *partition
	limits Limits
	keyed  bool
	done   chan struct{}
	tape   *serde.Tape
	view   []Record // of the call under way

	mu     sync.Mutex
	queue  []item
	closed bool
	wake   chan struct{} // capacity 1

	// The lane goroutine's own.
	retry    []failed  // in order
	held     []item    // taken from the queue, waiting behind a failed one of their key
	attempts []uint8   // of the outputs that are tried again now
	troubled bool      // something failed since retry was empty
	row      int       // calls in a row that failed as a whole, or, without keys, in part
	paused   time.Time // after such a one, nothing is tried before
}

// A failed output is tried again when its own wait is over: a key that fails for long slows no other.
type failed struct {
	item
	attempt uint8 // failures of its key in a row, before
	due     time.Time
}

// assignLanes starts the partition's lanes when it first needs them, and queues a batch's outputs.
func (p *partition) assignLanes(ctx context.Context, e *entry, view *Batch) {
	if p.lanes == nil {
		p.startLanes(ctx)
	}
	keyer, _ := p.route.loader.(Keyer)
	for i := range e.outputs {
		r := &e.outputs[i]
		it := item{e: e, i: int32(i), bytes: int32(min(len(r.RawKey)+len(r.RawValue), math.MaxInt32))}
		n := i * len(p.lanes) / len(e.outputs) // neighbours fill a call
		if keyer != nil {
			if key, ok := keyer.Key(view, i); ok {
				it.key = max(key, 1)
				n = int(it.key >> 32 % uint64(len(p.lanes))) // the high bits: sinks may use the low ones
			}
		}
		p.sorted[n] = append(p.sorted[n], it)
	}
	for n, items := range p.sorted {
		p.lanes[n].put(items)
		clear(items)
		p.sorted[n] = items[:0]
	}
}

func (p *partition) startLanes(ctx context.Context) {
	limits := p.route.limits
	n := 1
	_, keyed := p.route.loader.(Keyer)
	if keyed {
		n = max(1, limits.InFlight/max(1, len(*p.c.parts.Load())))
	}
	p.sorted = make([][]item, n)
	p.loading.Store(int32(n))
	for range n {
		l := &lane{p: p, limits: limits, keyed: keyed, tape: serde.NewTape(), wake: make(chan struct{}, 1), done: make(chan struct{})}
		p.lanes = append(p.lanes, l)
		go l.run(ctx)
	}
}

func (l *lane) put(items []item) {
	if len(items) == 0 {
		return
	}
	l.mu.Lock()
	l.queue = append(l.queue, items...)
	l.mu.Unlock()
	l.signal()
}

// close lets the lane end when all that it was given is done.
func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.signal()
}

func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lane) run(ctx context.Context) {
	defer close(l.done)
	for {
		items, again := l.take()
		if len(items) == 0 {
			if l.finished() || !l.wait(ctx) {
				return
			}
			continue
		}
		if !l.p.route.enter(ctx) {
			return
		}
		if !again { // else it was begun before
			items = l.p.frontier.begin(items)
		}
		if len(items) == 0 {
			l.p.route.leave()
			continue
		}
		view, err := l.load(ctx, items)
		l.p.route.leave() // the dead letter may take its time: others load meanwhile
		failed, whole := items, err != nil
		if !whole {
			failed, err = l.sort(ctx, view, items)
		}
		if l.p.fenced.Load() {
			l.p.c.count(MetricLateAcks, l.p.Partition, int64(len(items)-len(failed)))
			return
		}
		if ClassOf(err) == Fatal {
			l.p.c.fail(fmt.Errorf("%s: %w", l.p.Partition, err))
			return
		}
		l.settle(items, failed, again, whole, err)
	}
}

func (l *lane) finished() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed && len(l.queue) == 0 && len(l.retry) == 0 && len(l.held) == 0
}

// wait sleeps until there is something to do. It reports false when the partition is fenced.
func (l *lane) wait(ctx context.Context) bool {
	var due <-chan time.Time
	if len(l.retry) > 0 {
		next := l.retry[0].due
		for _, f := range l.retry[1:] {
			if f.due.Before(next) {
				next = f.due
			}
		}
		if next.Before(l.paused) {
			next = l.paused
		}
		t := time.NewTimer(time.Until(next))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-l.wake:
	case <-due:
	}
	return true
}

// take chooses the outputs of the next call: those to be tried again whose wait is over, else what
// has queued up, except behind a failed record.
func (l *lane) take() (items []item, again bool) {
	now := time.Now()
	if now.Before(l.paused) {
		return nil, false
	}
	if items = l.due(now); len(items) > 0 {
		return items, true
	}
	if len(l.retry) == 0 && len(l.held) == 0 {
		return l.next(), false
	}
	if l.row > 0 && len(l.retry) > 0 {
		return nil, false
	}
	return l.unblocked(), false
}

// due takes the failed outputs whose wait is over out of retry, none before an earlier one of its key.
func (l *lane) due(now time.Time) (items []item) {
	if len(l.retry) == 0 {
		return nil
	}
	room, waiting := l.room(), map[uint64]time.Time{} // by key: when the first that waits is due
	rest := l.retry[:0]
	l.attempts = l.attempts[:0]
	for _, f := range l.retry {
		before, behind := waiting[f.key]
		if behind = behind && (f.key != 0 || !l.keyed); behind && f.due.Before(before) {
			f.due = before // or wait would end at once, again and again, with nothing to do
		}
		if behind || now.Before(f.due) || !room.take(f.item) {
			waiting[f.key] = f.due
			rest = append(rest, f)
			continue
		}
		items, l.attempts = append(items, f.item), append(l.attempts, f.attempt)
	}
	clear(l.retry[len(rest):])
	l.retry = rest
	return items
}

// unblocked takes what isn't behind a failed output of its key: first of those held back, then of the queue.
func (l *lane) unblocked() (items []item) {
	room := l.room()
	blocked := l.blocked()
	held := l.held[:0]
	for _, it := range l.held {
		if blocked[it.key] || !room.take(it) {
			blocked[it.key] = true
			held = append(held, it)
			continue
		}
		items = append(items, it)
	}
	clear(l.held[len(held):])
	l.held = held
	l.p.block(items, -1)
	before := len(l.held)
	l.mu.Lock()
	for len(l.queue) > 0 {
		it := l.queue[0]
		if it.key != 0 && blocked[it.key] {
			l.held = append(l.held, it)
		} else if room.take(it) {
			items = append(items, it)
		} else {
			break
		}
		l.queue = l.queue[1:]
	}
	l.mu.Unlock()
	l.p.block(l.held[before:], 1)
	return items
}

// blocked are the keys of failed outputs.
func (l *lane) blocked() map[uint64]bool {
	keys := make(map[uint64]bool, len(l.retry))
	for _, f := range l.retry {
		if f.key != 0 {
			keys[f.key] = true
		}
	}
	return keys
}

// next is as much of the queue as one Load may have.
func (l *lane) next() []item {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.fit(l.queue)
	items := l.queue[:n:n]
	l.queue = l.queue[n:]
	return items
}

func (l *lane) room() room { return room{records: l.limits.Records, bytes: l.limits.Bytes} }

// fit is how many of the items one Load may have.
func (l *lane) fit(items []item) int {
	room := l.room()
	for n, it := range items {
		if !room.take(it) {
			return n
		}
	}
	return len(items)
}

// room is what one Load still has room for. It takes one record of any size.
type room struct {
	records int
	bytes   int64
	taken   bool
}

func (r *room) take(it item) bool {
	n := int64(it.bytes)
	if r.taken && (r.records == 0 || n > r.bytes) {
		return false
	}
	r.records, r.bytes, r.taken = r.records-1, r.bytes-n, true
	return true
}

// load makes one call, and more if it is refused for ever as a whole. The error says that none of the items is durable; else the view
// tells it of each.
func (l *lane) load(life context.Context, items []item) (view *Batch, err error) {
	l.tape.Reset()
	source := Source{Partition: l.p.Partition, TopicID: l.p.TopicID, Connector: l.p.c.name}
	l.view = l.view[:0]
	for _, it := range items {
		l.view = append(l.view, *it.record())
	}
	view = &Batch{source: source, tape: l.tape, records: l.view}
	failpoint.Here("load.before")
	err = l.call(life, view)
	failpoint.Here("load.after")
	switch {
	case err == nil:
		return view, nil
	case ClassOf(err) != Permanent:
		return view, err
	case len(items) == 1:
		view.Fail(0, err)
		return view, nil
	}
	view.failed = nil
	parts := bisection{l: l, view: view, items: items, waiting: map[uint64]error{}}
	half := len(items) / 2
	parts.load(life, 0, half)
	parts.load(life, half, len(items))
	return view, nil
}

// call is one call of Load.
func (l *lane) call(life context.Context, view *Batch) error {
	ctx, cancel := context.WithTimeout(life, l.limits.Timeout)
	defer cancel()
	l.p.c.count(MetricLoads, l.p.Partition, 1)
	return l.p.route.loader.Load(ctx, view)
}

// sort acks what is durable, buries what never will be, and returns the rest.
func (l *lane) sort(ctx context.Context, view *Batch, items []item) (rest []item, cause error) {
	acked, buried := items, []item(nil)
	var failures []Failure
	if view.failed != nil {
		acked = make([]item, 0, len(items))
		for i, it := range items {
			err := view.failed[i]
			switch {
			case err == nil:
				acked = append(acked, it)
			case ClassOf(err) == Permanent:
				failures = append(failures, newFailure(&view.source, it.e.fetched, it.record(), StageLoad, err))
				buried = append(buried, it)
			default:
				rest = append(rest, it)
				if cause == nil || ClassOf(err) > ClassOf(cause) {
					cause = err
				}
			}
		}
	}
	l.p.watch.settled(len(acked) + len(buried))
	if _, err := l.p.bury(ctx, failures); err != nil {
		// They are never acked: the watermark stays at the first of them.
		if ctx.Err() == nil {
			l.p.halt(err)
		}
		buried = nil
	}
	if !l.p.fenced.Load() {
		l.p.written(len(acked))
		l.p.ledger.ack(acked)
		l.p.ledger.ack(buried)
		failpoint.Here("load.acked")
		l.p.passBy()
	}
	return rest, cause
}

// written counts records that are durable in the sink.
func (p *partition) written(n int) {
	if n == 0 {
		return
	}
	p.c.count(MetricWritten, p.Partition, int64(n))
	p.status.set(func(s *PartitionStatus) { s.Written += int64(n) })
}

// settle plans the next attempt.
func (l *lane) settle(items, rest []item, again, whole bool, err error) {
	if again {
		l.p.block(items, -1)
	}
	if len(rest) == 0 {
		if l.setRow(0); len(l.retry) == 0 && l.troubled {
			l.troubled = false
			l.p.recovered()
		}
		return
	}
	l.p.block(rest, 1)
	l.troubled = true
	l.p.trouble(err)
	l.p.countRetries(err, len(rest))
	all := l.plan(items, rest, again, whole || !l.keyed, err)
	if again {
		l.retry = append(all, l.retry...)
	} else {
		l.retry = append(l.retry, all...)
	}
}

// setRow notes how many calls in a row failed as a whole, and lets the partition know whether this lane gets anything through.
func (l *lane) setRow(n int) {
	switch {
	case l.row == 0 && n > 0:
		l.p.failing.Add(1)
	case l.row > 0 && n == 0:
		l.p.failing.Add(-1)
	}
	l.row = n
}

// down reports whether no lane gets anything through: to read on would only fill memory.
func (p *partition) down() bool {
	failing := p.failing.Load()
	return failing > 0 && failing == p.loading.Load()
}

// plan says when what is left of a call's items is due: together, and nothing else before, or each after its own failures.
func (l *lane) plan(items, rest []item, again, together bool, err error) []failed {
	now := time.Now()
	if together {
		l.paused = now.Add(l.p.c.retry.wait(l.row, err))
		l.setRow(l.row + 1)
	} else {
		l.setRow(0)
	}
	var waits [math.MaxUint8 + 1]time.Time // by attempt: those that failed together come together
	all := make([]failed, 0, len(rest))
	moved := map[uint64]bool{} // keys that got further
	for i, it := range items {
		if len(all) == len(rest) || it != rest[len(all)] {
			moved[it.key] = true
			continue
		}
		f := failed{item: it}
		if again && (it.key == 0 || !moved[it.key]) {
			f.attempt = l.attempts[i]
		}
		if !together {
			if waits[f.attempt].IsZero() {
				waits[f.attempt] = now.Add(l.p.c.retry.wait(int(f.attempt), err))
			}
			f.due = waits[f.attempt]
			f.attempt = min(f.attempt, math.MaxUint8-1) + 1
		}
		all = append(all, f)
	}
	return all
}
