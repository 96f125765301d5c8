package connector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
)

// A partition is one assignment of a partition, from its assignment to its fence. A worker
// goroutine takes the batches that the poller queues, transforms them and hands them on: to lanes
// (a Loader) or into a range (a Stager). Nothing of it outlives the fence but late acks, which are counted and dropped.
type partition struct {
	Assignment
	c      *Connector
	route  *route
	cancel context.CancelFunc // ends the context of all its work, at the fence
	close  context.CancelFunc // ends the context of what hasn't begun, at the drain
	log    *slog.Logger
	steps  transform
	ledger *ledger
	stage  *stage   // with a Stager
	lanes  []*lane  // with a Loader
	sorted [][]item // scratch memory: a batch's outputs by lane
	fenced atomic.Bool
	done   chan struct{} // the worker has ended
	halted chan struct{} // closed: nothing more is taken in, because of an error that stays
	gone   chan struct{} // closed: fenced

	// The poller's own.
	reading bool // Seek and Resume were done: what Poll returns from now on belongs to this assignment

	mu       sync.Mutex
	queue    []*Batch
	held     atomic.Int64  // bytes of batches queued or under way
	largest  atomic.Int64  // bytes of the most that one Poll returned
	low      atomic.Int64  // while paused for being far over its share: resume below; else 0
	wake     chan struct{} // capacity 1
	drain    chan struct{} // closed: stop intake, finish what has begun
	draining bool

	// Guarded by c.mu, the ownership lock.
	committed int64
	meta      string

	status statusCell
}

func newPartition(c *Connector, a Assignment, r *route) *partition {
	p := &partition{
		Assignment: a, c: c, route: r,
		log:    c.log.With("topic", a.Topic, "partition", a.ID),
		ledger: newLedger(a.Start),
		wake:   make(chan struct{}, 1), drain: make(chan struct{}), done: make(chan struct{}), halted: make(chan struct{}), gone: make(chan struct{}),
		committed: a.Committed, meta: a.Meta,
	}
	p.steps = transform{key: c.key, value: c.value, handlers: r.handlers, maxRecord: c.maxRecord, buffers: &c.buffers, again: p.again}
	p.status.set(func(s *PartitionStatus) {
		s.State = StateRecovering
		s.Position, s.Committed, s.End = a.Start, a.Committed, a.LogEnd
	})
	return p
}

// again waits before another attempt and shows the reason in status.
func (p *partition) again(ctx context.Context, attempt int, err error) bool {
	p.trouble(err)
	p.c.count(MetricRetries, p.Partition, 1)
	return sleep(ctx, p.c.retry.wait(attempt, err))
}

// trouble shows an error that is being retried. The first of a row is logged.
func (p *partition) trouble(err error) {
	state := StateRetrying
	if ClassOf(err) == Systemic {
		state = StateBlocked
	}
	if !p.status.trouble(state, err) {
		return
	}
	if state == StateBlocked {
		p.log.Error("blocked until this is changed; retrying", "error", err)
	} else {
		p.log.Warn("failed; retrying", "error", err)
	}
}

// recovered ends trouble.
func (p *partition) recovered() {
	if p.status.recovered() {
		p.log.Info("going on")
	}
}

// halt stops the partition for good, until it is assigned again. Others go on.
func (p *partition) halt(err error) {
	if p.status.halt(err) {
		close(p.halted)
		p.log.Error("partition stopped", "error", err)
		p.c.command(func() { p.c.pause(p) })
	}
}

// retrier is the Retrier for this partition.
func (p *partition) retrier(ctx context.Context, what string, try func(context.Context) error) error {
	for attempt := 0; ; attempt++ {
		err := try(ctx)
		if err == nil {
			if attempt > 0 {
				p.recovered()
			}
			return nil
		}
		err = fmt.Errorf("%s: %w", what, err)
		if c := ClassOf(err); c != Retryable && c != Systemic || ctx.Err() != nil {
			return err
		}
		if !p.again(ctx, attempt, err) {
			return errors.Join(err, ctx.Err())
		}
	}
}

// enqueue takes over a batch from the poller.
func (p *partition) enqueue(b *Batch) {
	p.held.Add(b.source.Bytes)
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

func (p *partition) dequeue() *Batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return nil
	}
	b := p.queue[0]
	p.queue[0] = nil
	p.queue = p.queue[1:]
	return b
}

// empty drops what is queued: it will be read again, by whoever owns the partition then.
func (p *partition) empty() {
	p.mu.Lock()
	queue := p.queue
	p.queue = nil
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

// free notes that the partition holds n bytes less.
func (p *partition) free(n int64) {
	held := p.held.Add(-n)
	if held <= p.largest.Load() {
		select {
		case p.c.hungry <- struct{}{}:
		default:
		}
	}
	if low := p.low.Load(); low > 0 && held < low && p.low.CompareAndSwap(low, 0) {
		p.c.command(func() { p.c.resume(p) })
	}
}

// stop asks the worker to finish what it has begun.
func (p *partition) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.draining {
		p.draining = true
		close(p.drain)
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
	from, err := p.recover(intake)
	if err != nil {
		return err
	}
	if err := p.checkGap(from); err != nil {
		return err
	}
	p.c.start(p, from)
	ticks := p.windowTicks(ctx)
	for {
		b := p.dequeue()
		if b == nil {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-p.drain:
				return nil
			case <-p.halted:
				return nil
			case <-p.wake:
			case <-ticks:
				if err := p.closeWindows(ctx, intake); err != nil {
					return err
				}
			case <-p.stage.timer():
				if err := p.stage.rotate(ctx, RotateAge); err != nil {
					return err
				}
			case <-p.stage.squeezed():
				if err := p.stage.rotate(ctx, RotateMemory); err != nil {
					return err
				}
			}
			continue
		}
		if p.over() {
			p.drop(b)
			return nil
		}
		if err := p.process(ctx, intake, b); err != nil {
			return err
		}
	}
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
func (p *partition) recover(ctx context.Context) (int64, error) {
	for _, h := range p.route.handlers {
		if w, ok := h.(Windowed); ok {
			w.Restore(p.Partition, p.Meta)
		}
	}
	if p.route.stager == nil {
		return p.Start, nil
	}
	return p.stage.recover(ctx)
}

// checkGap refuses to go on past records that are gone.
func (p *partition) checkGap(from int64) error {
	switch {
	case from < p.LogStart && from >= 0:
		return Permanent.Errorf("offsets %d to %d of %s are gone: the group stands at %d, the partition begins at %d now (did retention pass, or were records deleted?); "+
			"to go on without them, set the group's offset to %d", from, p.LogStart-1, p.Partition, from, p.LogStart, p.LogStart)
	case from > p.LogEnd:
		return Permanent.Errorf("%s ends at offset %d, but the group stands at %d: the topic was truncated or created again; "+
			"to go on, set the group's offset to where reading is to begin", p.Partition, p.LogEnd, from)
	}
	return nil
}

// process transforms a batch and hands its outputs on.
func (p *partition) process(ctx, intake context.Context, b *Batch) error {
	n, bytes := len(b.records), rawBytes(b.records)
	p.c.count(MetricRead, p.Partition, int64(n))
	p.c.count(MetricReadBytes, p.Partition, bytes)
	p.status.set(func(s *PartitionStatus) {
		s.Position, s.End = b.source.Next, max(s.End, b.source.End)
		s.Read += int64(n)
		s.ReadBytes += bytes
	})
	b.source.Connector = p.c.name
	tape := p.c.tape()
	pass := p.steps.begin(b, tape)
	if err := pass.run(intake); err != nil {
		p.drop(b)
		return fmt.Errorf("%s from offset %d: %w", p.Partition, b.firstOffset(), err)
	}
	p.recovered()
	p.noteHold()
	p.count(pass)
	if f := pass.first(); f != nil && p.c.dead == nil {
		pass.cut(f.Record.Offset)
		pass.failures = []Failure{*f}
	}
	values := int64(tape.Bytes())
	p.held.Add(values)
	p.c.share.charge(values)
	free := func() {
		p.c.tapes.Put(tape)
		p.c.share.charge(-values)
		p.free(values)
		p.drop(b)
	}
	if p.stage != nil {
		defer free()
		return p.stage.add(ctx, b, pass)
	}
	e := &entry{outputs: pass.outputs, fetched: b.records, first: b.firstOffset(), next: b.source.Next}
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
	ahead := 4 * len(p.lanes) * p.route.limits.Records
	for {
		if n := p.ledger.load(); n == 0 || n <= ahead && !p.c.share.full() {
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

// bury writes failures to the dead letter, and waits until they are durable. If one of them can't be kept,
// it says which one: the partition stops there.
func (p *partition) bury(ctx context.Context, fs []Failure) (stuck *Failure, err error) {
	if len(fs) == 0 {
		return nil, nil
	}
	if p.c.dead == nil {
		return &fs[0], stoppedAt(&fs[0], errors.New("there is no dead_letter to bury it"))
	}
	err = p.buryAll(ctx, fs)
	if err != nil && ClassOf(err) == Permanent && len(fs) > 1 {
		for i := range fs {
			if err = p.buryAll(ctx, fs[i:i+1]); err != nil {
				fs = fs[i:]
				break
			}
		}
	}
	if err != nil {
		return &fs[0], stoppedAt(&fs[0], err)
	}
	return nil, nil
}

// stoppedAt is the error of a partition that can't get past a record.
func stoppedAt(f *Failure, why error) error {
	return fmt.Errorf("stopped at offset %d: record %s failed in %s: %w; %w", f.Record.Offset, f.ID, f.Stage, f.Err, why)
}

func (p *partition) buryAll(ctx context.Context, fs []Failure) error {
	err := p.retrier(ctx, fmt.Sprintf("write %d records to the dead letter", len(fs)), func(ctx context.Context) error {
		return p.c.dead.Bury(ctx, fs)
	})
	if err != nil {
		return err
	}
	p.c.count(MetricBuried, p.Partition, int64(len(fs)))
	last := fs[len(fs)-1]
	if p.status.buried(len(fs), last) {
		p.log.Warn("records are going to the dead letter", "offset", last.Record.Offset, "stage", last.Stage, "error", last.Err)
	}
	return nil
}
