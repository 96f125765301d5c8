package connector

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// A partition is one assignment of a partition, from its assignment to its fence. A worker
// goroutine takes the batches that the poller queues, transforms them and hands them on: to lanes
// (a Loader) or into a range (a Stager). Nothing of it outlives the fence but late acks, which are counted and dropped.
type partition struct {
	Assignment
	c        *Connector
	route    *route
	cancel   context.CancelFunc // ends the context of all its work, at the fence
	close    context.CancelFunc // ends the context of what hasn't begun, at the drain
	log      *slog.Logger
	steps    transform
	ledger   *ledger
	stage    *stage                           // with a Stager
	lanes    []*lane                          // with a Loader
	frontier frontier                         // of the lanes
	sorted   [][]item                         // scratch memory: a batch's outputs by lane
	watch    *watch                           // for the breaker; nil without one
	skips    []int64                          // offsets that operators skipped; the worker's own
	renew    func(a Assignment) (work func()) // begins the partition again in its place, which has ended. Called under c.mu
	loading  atomic.Int32                     // lanes
	failing  atomic.Int32                     // lanes of which the last call failed as a whole
	paused   atomic.Bool                      // by an operator
	fenced   atomic.Bool
	done     chan struct{} // the worker has ended
	halted   chan struct{} // closed: nothing more is taken in, because of an error that stays
	gone     chan struct{} // closed: fenced

	next    int64        // the worker's own: offset after what it has taken
	reached atomic.Int64 // offset after what it has processed; -1 before it begins, and while a range is mended
	// The poller's own.
	reading bool // Seek and Resume were done: what Poll returns from now on belongs to this assignment

	mu       sync.Mutex
	queue    []*Batch
	gap      *PartitionError // behind all that is queued
	held     atomic.Int64    // bytes of batches queued or under way
	largest  atomic.Int64    // bytes of the most that one Poll returned
	low      atomic.Int64    // while paused for being far over its share: resume below; else 0
	wake     chan struct{}   // capacity 1
	drain    chan struct{}   // closed: stop intake, finish what has begun
	draining bool

	// Guarded by c.mu, the ownership lock.
	committed int64
	meta      string

	status statusCell
}

// newPartition makes a partition that is owned. Called under c.mu.
func newPartition(c *Connector, a Assignment, r *route) *partition {
	p := &partition{
		Assignment: a, c: c, route: r,
		log:    c.log.With("topic", a.Topic, "partition", a.ID),
		ledger: newLedger(a.Start),
		wake:   make(chan struct{}, 1), drain: make(chan struct{}), done: make(chan struct{}), halted: make(chan struct{}), gone: make(chan struct{}),
		committed: a.Committed, meta: a.Meta,
	}
	if _, w := p.windowed(); w != nil || r.stager != nil {
		// Until handlers and sink have said where the partition stands, the group keeps what they said before.
		p.ledger.moveTo(a.Start, a.Meta)
	}
	p.reached.Store(-1)
	p.steps = transform{key: c.key, value: c.value, handlers: r.handlers, maxRecord: c.maxRecord, buffers: &c.buffers, again: p.again}
	p.watch, p.skips = c.watch(a.Partition), c.wishes.skips(a)
	p.paused.Store(c.wishes.isPaused(a.Partition))
	p.status.paused = p.paused.Load()
	p.status.begin(a, time.Now())
	return p
}

// halt stops the partition for good, until it is resumed or assigned again. Others go on.
func (p *partition) halt(err error) {
	if p.status.halt(err) {
		close(p.halted)
		p.log.Error("partition stopped", "error", err)
		p.c.command(func() { p.c.pause(p) })
	}
}

// enqueue takes over a batch from the poller.
func (p *partition) enqueue(b *Batch) {
	p.hold(b.source.Bytes)
	p.mu.Lock()
	taken := !p.draining
	if taken {
		p.queue = append(p.queue, b)
	}
	p.mu.Unlock()
	if !taken {
		p.drop(b)
		return
	}
	p.signal()
}

func (p *partition) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// enqueueGap notes that the Consumer can't read on.
func (p *partition) enqueueGap(e *PartitionError) {
	p.mu.Lock()
	p.gap = e
	p.mu.Unlock()
	p.signal()
}

// dequeue is the next batch, or the gap behind the last one. Both are nil if there is nothing.
func (p *partition) dequeue() (*Batch, *PartitionError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		gap := p.gap
		p.gap = nil
		return nil, gap
	}
	b := p.queue[0]
	p.queue[0] = nil
	p.queue = p.queue[1:]
	return b, nil
}

// empty drops what is queued: it will be read again, by whoever owns the partition then.
func (p *partition) empty() {
	p.mu.Lock()
	queue := p.queue
	p.queue, p.gap = nil, nil
	p.mu.Unlock()
	for _, b := range queue {
		p.drop(b)
	}
}

// drop gives the memory of a batch back that was enqueued.
func (p *partition) drop(b *Batch) {
	p.c.drop(b)
	p.free(b.source.Bytes)
}

// hold notes that the partition holds n bytes more.
func (p *partition) hold(n int64) {
	p.held.Add(n)
	p.c.queued.Add(n)
}

// free notes that the partition holds n bytes less.
func (p *partition) free(n int64) {
	held := p.held.Add(-n)
	queued := p.c.queued.Add(-n)
	if p.hungry() || queued+n > p.c.pool && queued <= p.c.pool {
		p.c.feed()
	}
	if low := p.low.Load(); low > 0 && held < low && p.low.CompareAndSwap(low, 0) {
		p.c.command(func() { p.c.adjust(p) })
	}
}

// replete reports whether the partition holds its part of the budget: one that waits for its sink or for the dead letter must
// leave room for the others.
func (p *partition) replete() bool {
	return p.held.Load() > max(p.c.pool/int64(len(*p.c.parts.Load())+1), 2*p.largest.Load())
}

// hungry reports whether the partition has less than a fetch to work on. What is only held for failed records is none, unless the
// sink takes nothing at all.
func (p *partition) hungry() bool {
	work := p.held.Load()
	if !p.down() {
		work -= p.ledger.stalled.Load()
	}
	return work <= p.largest.Load()
}

// block tells the ledger of outputs that are blocked, or no longer.
func (p *partition) block(items []item, by int) {
	if len(items) == 0 {
		return
	}
	p.ledger.block(items, by)
	p.passBy()
}

// passBy lets the partition go on where only blocked outputs are left of what it holds.
func (p *partition) passBy() {
	if p.ledger.stalled.Load() == 0 {
		return
	}
	p.ledger.signal()
	if p.hungry() {
		p.c.feed()
	}
}

// stop asks the worker to finish what it has begun.
func (p *partition) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.draining {
		p.draining = true
		close(p.drain)
		p.frontier.close()
		p.close()
	}
}

// fence ends the assignment: nothing of it is committed from now on. Called under c.mu.
func (p *partition) fence() {
	if !p.fenced.Swap(true) {
		close(p.gone)
	}
	p.cancel()
	p.stop()
}

// work is the worker goroutine. ctx ends at the fence, intake when nothing more is to be begun.
func (p *partition) work(ctx, intake context.Context) {
	defer close(p.done)
	defer p.empty()
	if err := p.consume(ctx, intake); err != nil && !p.over() {
		if ClassOf(err) == Fatal {
			p.c.fail(err)
		}
		p.halt(err)
	}
	p.empty()
	if p.stage != nil && p.status.state() == StateHalted {
		p.stage.end(ctx) // nothing of it will be committed any more, and others need the memory
	}
	<-p.drain // what has begun goes on until the partition goes
	if p.stage != nil {
		p.stage.end(ctx)
	}
	for _, l := range p.lanes {
		l.close()
	}
	for _, l := range p.lanes {
		<-l.done
	}
	p.ledger.abandon()
	for _, h := range p.route.handlers {
		if w, ok := h.(Windowed); ok {
			w.Reset(p.Partition)
		}
	}
}

// consume recovers and then processes batches until drain, fence or an error that stops the partition.
func (p *partition) consume(ctx, intake context.Context) error {
	if err := p.watch.open(); err != nil {
		return err
	}
	from, err := p.recover(ctx, intake)
	if err != nil {
		return err
	}
	p.next = from
	p.c.start(p, from)
	ticks := p.windowTicks(ctx)
	for {
		p.reach()
		b, gap := p.dequeue()
		if p.over() {
			if b != nil {
				p.drop(b)
			}
			return ctx.Err()
		}
		switch {
		case b != nil:
			err = p.process(ctx, intake, b)
		case gap != nil:
			err = p.passOver(ctx, intake, gap)
		default:
			err = p.await(ctx, intake, ticks)
		}
		if err != nil {
			return err
		}
	}
}

// await waits for a batch, and does what is due meanwhile.
func (p *partition) await(ctx, intake context.Context, ticks <-chan time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.drain:
	case <-p.halted:
	case <-p.wake:
	case <-ticks:
		return p.closeWindows(ctx, intake)
	case <-p.stage.timer():
		return p.stage.rotate(ctx, RotateAge)
	case <-p.stage.squeezed():
		return p.stage.rotate(ctx, RotateMemory)
	case <-p.stage.quiet():
		return p.stage.seal(ctx)
	}
	return nil
}

func (p *partition) over() bool {
	select {
	case <-p.drain:
		return true
	case <-p.halted:
		return true
	case <-p.gone:
		return true
	default:
		return false
	}
}

// recover finds the offset to read from.
func (p *partition) recover(ctx, intake context.Context) (int64, error) {
	if p.Recreated {
		if err := p.beginAnew(intake); err != nil {
			return 0, err
		}
	}
	for _, h := range p.route.handlers {
		if w, ok := h.(Windowed); ok {
			w.Restore(p.Partition, p.Meta)
		}
	}
	from, end := p.Start, p.LogEnd
	if p.stage != nil {
		if err := p.stage.recover(intake); err != nil {
			return 0, err
		}
		// Another process may have written further since the end was looked up: behind it only the brokers know what is there.
		from = p.stage.at.ReadFrom
		end = max(end, from)
	}
	return p.skip(ctx, intake, from, p.LogStart, end)
}

// process transforms a batch and hands its outputs on.
func (p *partition) process(ctx, intake context.Context, b *Batch) error {
	p.next = b.source.Next
	if p.stage != nil {
		p.stage.trim(b)
	}
	n, bytes := len(b.records), rawBytes(b.records)
	p.c.count(MetricRead, p.Partition, int64(n))
	p.c.count(MetricReadBytes, p.Partition, bytes)
	p.status.read(&b.source, b.records, bytes)
	b.source.Connector = p.c.name
	tape := p.c.tape()
	pass := p.steps.begin(b, tape)
	pass.leaveOut(p.skips)
	if err := pass.run(intake); err != nil {
		p.drop(b)
		return fmt.Errorf("%s from offset %d: %w", p.Partition, b.firstOffset(), err)
	}
	p.recovered()
	p.noteHold()
	mending := p.stage != nil && p.stage.mending()
	if !mending {
		p.count(pass)
		p.watch.read(n)
	}
	if f := pass.first(); f != nil && p.c.dead == nil && !mending {
		pass.cut(f.Record.Offset)
		pass.failures = []Failure{*f}
	}
	values := int64(tape.Bytes())
	p.hold(values)
	p.c.share.charge(values)
	free := func() {
		p.c.tapes.Put(tape)
		p.c.share.charge(-values)
		p.free(values)
		p.drop(b)
	}
	if p.stage != nil {
		err := p.stage.add(ctx, b, pass)
		free()
		if err != nil {
			return err
		}
		return p.stage.relieve(ctx)
	}
	e := &entry{outputs: pass.outputs, fetched: b.records, first: b.firstOffset(), next: b.source.Next, bytes: b.source.Bytes + values}
	e.finish = func() {
		pass.recycle(e.outputs, nil)
		free()
	}
	return p.spread(ctx, e, pass)
}

func rawBytes(rs []Record) (n int64) {
	for i := range rs {
		n += int64(len(rs[i].RawKey) + len(rs[i].RawValue))
	}
	return n
}

func (p *partition) count(pass *pass) {
	p.c.count(MetricFiltered, p.Partition, int64(pass.filtered))
	p.c.count(MetricEmitted, p.Partition, int64(pass.emitted))
	p.status.set(func(s *PartitionStatus) { s.Filtered += int64(pass.filtered); s.Emitted += int64(pass.emitted) })
}

// leastAhead is how many outputs may always wait, so that a lane's calls are full although keys aren't spread evenly.
const leastAhead = 4096

// spread enters a handled batch in the ledger, gives its outputs to the lanes, and buries what failed.
func (p *partition) spread(ctx context.Context, e *entry, pass *pass) error {
	p.ledger.add(e)
	if len(e.outputs) > 0 {
		p.assignLanes(ctx, e, pass.view(e.outputs))
	}
	if stuck, err := p.bury(ctx, pass.failures); err != nil {
		if stuck != nil {
			p.ledger.stick(e, stuck.Record.Offset)
		}
		return err
	}
	p.ledger.seal(e)
	// Handle no further ahead than the lanes can use, or the budget allows: raw batches are smaller than handled ones.
	ahead := max(leastAhead, 4*len(p.lanes)*p.route.limits.Records)
	for {
		waiting, moving := p.ledger.load()
		if p.down() {
			moving = waiting
		}
		if waiting == 0 || moving <= ahead && !p.c.full() && !p.replete() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.drain:
			return nil
		case <-p.ledger.changed:
		}
	}
}
