package connector

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// A stage writes a partition's outputs into ranges of a Stager. Only the worker goroutine uses it.
type stage struct {
	p        *partition
	rotation Rotation
	at       Position
	staged   Staged
	size     Size
	buffered atomic.Int64 // size.Buffered, for the poller
	r        Range
	clock    *time.Timer // fires when the range is old enough
	stop     error       // why the partition has to stop at stopAt; nil if it hasn't
	stopAt   int64
	pressure chan struct{} // capacity 1: the byte budget is used up
}

func newStage(p *partition) *stage {
	clock := time.NewTimer(time.Hour)
	clock.Stop()
	return &stage{p: p, rotation: p.route.stager.Rotation(p.Topic), clock: clock, pressure: make(chan struct{}, 1)}
}

// timer is the channel of the range's age; nil without a stage.
func (s *stage) timer() <-chan time.Time {
	if s == nil {
		return nil
	}
	return s.clock.C
}

// squeezed is signalled when memory is needed; nil without a stage.
func (s *stage) squeezed() <-chan struct{} {
	if s == nil {
		return nil
	}
	return s.pressure
}

// recover asks the sink where the partition stands, and returns the offset to read from.
func (s *stage) recover(ctx context.Context) (int64, error) {
	err := s.p.retrier(ctx, fmt.Sprintf("recover %s", s.p.Partition), func(ctx context.Context) (err error) {
		s.at, err = s.p.route.stager.Recover(ctx, s.p.Assignment)
		return err
	})
	if err != nil {
		return 0, err
	}
	s.p.recovered()
	s.reset()
	s.p.ledger.moveTo(s.at.ReadFrom, s.at.Meta)
	return s.at.ReadFrom, nil
}

// reset begins an empty range at the position.
func (s *stage) reset() {
	s.clock.Stop()
	s.p.c.share.charge(-s.size.Buffered)
	s.staged, s.size = nil, Size{}
	s.buffered.Store(0)
	s.r = Range{From: s.at.ReadFrom, Next: s.at.ReadFrom, First: -1, Last: -1}
	s.p.status.set(func(st *PartitionStatus) { st.Staged = 0 })
}

// add encodes a handled batch into the range, buries what failed, and commits the range if it is time.
func (s *stage) add(ctx context.Context, b *Batch, pass *pass) error {
	if s.staged == nil {
		if err := s.begin(ctx); err != nil {
			return err
		}
	}
	if s.stop != nil && b.source.Next > s.stopAt {
		return s.finish(ctx, b, pass)
	}
	if err := s.encode(ctx, b, pass, b.source.Next); err != nil {
		return err
	}
	switch {
	case s.rotation.Adaptive && s.size.Full > 0 && s.size.Full >= s.size.Open:
		return s.rotate(ctx, RotateSize)
	case s.due():
		return s.rotate(ctx, RotateAge)
	}
	select {
	case <-s.pressure:
		return s.rotate(ctx, RotateMemory)
	default:
		return nil
	}
}

// encode adds the outputs to the range, which speaks for all offsets below next then.
func (s *stage) encode(ctx context.Context, b *Batch, pass *pass, next int64) error {
	view := pass.view(pass.outputs)
	size, err := s.staged.Add(ctx, view)
	s.p.c.count(MetricLoads, s.p.Partition, 1)
	if err != nil {
		return s.again(ctx, fmt.Errorf("stage %s from offset %d: %w", s.p.Partition, b.firstOffset(), err))
	}
	written := int64(len(view.records))
	for i, err := range view.failed {
		if err != nil {
			written--
			pass.failures = append(pass.failures, newFailure(pass.source, pass.fetched, &view.records[i], StageLoad, err))
		}
	}
	if stuck, err := s.p.bury(ctx, pass.failures); err != nil {
		if stuck == nil || ctx.Err() != nil {
			return err
		}
		// The range can't speak for this record, and holds later ones: drop it, read again, and commit what is below.
		s.stop, s.stopAt = err, stuck.Record.Offset
		return s.again(ctx, Lost.Wrap(err))
	}
	if s.r.First < 0 {
		s.r.First = b.firstOffset()
	}
	for i := range b.records {
		if o := b.records[i].Offset; o < next {
			s.r.Last, s.r.Read = o, s.r.Read+1
		}
	}
	s.r.Next = next
	s.r.Written += written
	s.r.Filtered += int64(pass.filtered)
	s.r.Emitted += int64(pass.emitted)
	s.r.Buried += int64(len(pass.failures))
	s.p.c.share.charge(size.Buffered - s.size.Buffered)
	s.size = size
	s.buffered.Store(size.Buffered)
	if s.p.c.share.full() {
		s.p.c.squeeze()
	}
	s.p.status.set(func(st *PartitionStatus) { st.Staged = s.r.Read })
	pass.recycle(view.records, nil)
	return nil
}

// finish commits what lies below the offset at which the partition has to stop, and stops it.
func (s *stage) finish(ctx context.Context, b *Batch, pass *pass) error {
	pass.cut(s.stopAt)
	kept := pass.failures[:0]
	for _, f := range pass.failures {
		if f.Record.Offset < s.stopAt {
			kept = append(kept, f)
		}
	}
	pass.failures = kept
	if err := s.encode(ctx, b, pass, s.stopAt); err != nil {
		return err
	}
	if err := s.rotate(ctx, RotateDrain); err != nil {
		return err
	}
	return s.stop
}

// due reports whether the range is old enough, for a partition that is never idle.
func (s *stage) due() bool {
	select {
	case <-s.clock.C:
		return true
	default:
		return false
	}
}

func (s *stage) begin(ctx context.Context) error {
	err := s.p.retrier(ctx, fmt.Sprintf("begin a range of %s", s.p.Partition), func(ctx context.Context) (err error) {
		s.staged, err = s.p.route.stager.Stage(ctx, s.p.Partition, s.at, s.p.retrier)
		return err
	})
	if err == nil && s.rotation.Age > 0 {
		s.clock.Reset(s.rotation.Age)
	}
	return err
}

// rotate commits the range. If another process won, the partition starts over where the sink stands.
func (s *stage) rotate(ctx context.Context, reason RotateReason) error {
	if s.staged == nil {
		return nil
	}
	if err := s.commit(ctx, reason); err != nil {
		return s.again(ctx, err)
	}
	return nil
}

// commit makes what the range speaks for durable; the group's offset may follow.
func (s *stage) commit(ctx context.Context, reason RotateReason) error {
	s.r.Reason = reason
	what := fmt.Sprintf("commit offsets %d to %d of %s", s.r.From, s.r.Next-1, s.p.Partition)
	var at Position
	err := s.p.retrier(ctx, what, func(ctx context.Context) (err error) {
		at, err = s.staged.Commit(ctx, s.r)
		return err
	})
	if err != nil {
		return err
	}
	s.at = at
	s.p.c.count(MetricRotations, s.p.Partition, 1)
	s.p.written(int(s.r.Written))
	s.p.ledger.moveTo(at.ReadFrom, at.Meta)
	s.reset()
	return nil
}

// again drops the range and starts over where the sink stands, if the error allows it.
func (s *stage) again(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if c := ClassOf(err); c == Fatal || c == Permanent {
		s.abort(ctx)
		s.reset()
		return err
	}
	s.p.log.Warn("the range is dropped and read again", "error", err)
	s.p.trouble(err)
	s.p.c.count(MetricRetries, s.p.Partition, 1)
	s.abort(ctx)
	s.reset()
	if !sleep(ctx, s.p.c.retry.wait(0, err)) {
		return ctx.Err()
	}
	from, err := s.recover(ctx)
	if err != nil {
		return err
	}
	s.p.c.restart(s.p, from)
	return nil
}

// abort drops what is staged. That it may fail is no loss: it is invisible.
func (s *stage) abort(ctx context.Context) {
	if s.staged == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.p.c.commitTimeout)
	defer cancel()
	if err := s.staged.Abort(ctx); err != nil {
		s.p.log.Warn("can't remove what was staged", "error", err)
	}
	s.staged = nil
}

// end commits what is staged when the partition is drained, or drops it when it is fenced.
func (s *stage) end(ctx context.Context) {
	if s.staged != nil && ctx.Err() == nil && s.p.status.state() != StateHalted {
		if err := s.commit(ctx, RotateDrain); err != nil {
			s.p.log.Warn("not committed before the partition went; it will be read again", "error", err)
		}
	}
	s.abort(ctx)
	s.reset()
}
