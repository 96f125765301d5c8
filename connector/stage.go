package connector

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/failpoint"
)

// A stage writes a partition's outputs into ranges of a Stager. Only the worker goroutine uses it.
type stage struct {
	p         *partition
	rotation  Rotation
	at        Position
	staged    Staged
	size      Size
	buffered  atomic.Int64 // size.Buffered, for the poller
	r         Range
	age       time.Duration // of the next range: the first one of an assignment is shortened
	clock     *time.Timer   // fires when the range is old enough
	silence   *time.Timer   // fires when a seal is due
	noted     time.Time     // when a Size.Note was last logged
	stop      error         // why the partition has to stop at stopAt; nil if it hasn't
	stopAt    int64
	pressure  chan struct{} // capacity 1: the byte budget is used up
	squeezing atomic.Bool   // pressure was signalled for the range
}

func newStage(p *partition) *stage {
	s := &stage{
		p: p, rotation: p.route.stager.Rotation(p.Topic), pressure: make(chan struct{}, 1),
		clock: time.NewTimer(time.Hour), silence: time.NewTimer(time.Hour),
	}
	s.clock.Stop()
	s.silence.Stop()
	s.age = firstAge(p.Partition, s.rotation.Age)
	return s
}

// firstAge is the age of the first range of an assignment, from half of it to nearly all, so that partitions that were
// assigned together don't commit together. Partitions of a topic are spread evenly, by multiples of the golden ratio.
func firstAge(p Partition, age time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = io.WriteString(h, p.Topic)
	phase := h.Sum64() + uint64(p.ID)*0x9e3779b97f4a7c15
	return age/2 + time.Duration(float64(age/2)*(float64(phase>>11)/(1<<53)))
}

// timer is the channel of the range's age; nil without a stage.
func (s *stage) timer() <-chan time.Time {
	if s == nil {
		return nil
	}
	return s.clock.C
}

// quiet is the channel of the seal that is due; nil without a stage.
func (s *stage) quiet() <-chan time.Time {
	if s == nil {
		return nil
	}
	return s.silence.C
}

// squeezed is signalled when memory is needed; nil without a stage.
func (s *stage) squeezed() <-chan struct{} {
	if s == nil {
		return nil
	}
	return s.pressure
}

// mending reports whether the sink asked for a range that it needs once more. Such a range ends where the sink said, for
// no other reason, and isn't counted: its records were counted the first time.
func (s *stage) mending() bool { return s.at.Until > s.at.ReadFrom }

// bound is the offset at which reading has to end; ok is false if it hasn't.
func (s *stage) bound() (offset int64, ok bool) {
	switch {
	case s.mending():
		return s.at.Until, true
	case s.stop != nil:
		return s.stopAt, true
	}
	return 0, false
}

// trim drops the records at and behind the bound from a batch that was fetched.
func (s *stage) trim(b *Batch) {
	end, ok := s.bound()
	if !ok {
		return
	}
	for i := range b.records {
		if b.records[i].Offset >= end {
			b.records = b.records[:i]
			return
		}
	}
}

// recover asks the sink where the partition stands.
func (s *stage) recover(ctx context.Context) error {
	var at Position
	err := s.p.retrier(ctx, fmt.Sprintf("recover %s", s.p.Partition), func(ctx context.Context) (err error) {
		at, err = s.p.route.stager.Recover(ctx, s.p.Assignment)
		return err
	})
	if err != nil {
		return err
	}
	s.p.recovered()
	s.take(at)
	s.rest()
	return nil
}

// take begins an empty range at a position of the sink.
func (s *stage) take(at Position) {
	for _, note := range at.Notes {
		s.p.log.Warn("the sink has something to say", "note", note)
	}
	s.at = at
	s.reset()
	if s.stop != nil && at.ReadFrom > s.stopAt {
		s.stop = nil // another process got past it
	}
	if !s.mending() {
		failpoint.Here("ledger.before")
		s.p.ledger.moveTo(at.ReadFrom, at.Meta)
	}
}

// rest begins to wait for the seal.
func (s *stage) rest() {
	if s.rotation.Seal > 0 && !s.mending() {
		s.silence.Reset(s.rotation.Seal)
	}
}

// reset begins an empty range at the position.
func (s *stage) reset() {
	s.clock.Stop()
	s.silence.Stop()
	s.p.c.share.charge(-s.size.Buffered)
	s.staged, s.size = nil, Size{}
	s.buffered.Store(0)
	select {
	case <-s.pressure: // it was meant for what is gone
	default:
	}
	s.squeezing.Store(false)
	s.r = Range{From: s.at.ReadFrom, Next: s.at.ReadFrom, First: -1, Last: -1}
	s.p.status.set(func(st *PartitionStatus) { st.Staged = 0 })
}

// add encodes a handled batch, which was trimmed, into the range, buries what failed, and commits the range if it is time.
func (s *stage) add(ctx context.Context, b *Batch, pass *pass) error {
	if b.source.Next <= s.r.Next {
		return nil // the range speaks for it already
	}
	if s.staged == nil {
		if err := s.begin(ctx); err != nil {
			return err
		}
	}
	end, bounded := s.bound()
	if bounded && b.source.Next >= end && s.mending() {
		return s.mended(ctx, b, pass, end)
	}
	if bounded && b.source.Next > end && !s.mending() {
		return s.finish(ctx, b, pass, end)
	}
	if dropped, err := s.encode(ctx, b, pass, b.source.Next); dropped || err != nil {
		return err
	}
	switch {
	case s.size.Due, s.rotation.Adaptive && s.size.Full > 0 && s.size.Full >= s.size.Open:
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

// encode adds the outputs to the range, which speaks for all offsets below next then. It reports whether the range was
// dropped instead, and reading begins anew.
func (s *stage) encode(ctx context.Context, b *Batch, pass *pass, next int64) (dropped bool, _ error) {
	view := pass.view(pass.outputs)
	failpoint.Here("add.before")
	size, err := s.staged.Add(ctx, view)
	s.p.c.count(MetricLoads, s.p.Partition, 1)
	if err != nil {
		return true, s.again(ctx, fmt.Errorf("stage %s from offset %d: %w", s.p.Partition, b.firstOffset(), err))
	}
	written := int64(len(view.records))
	for i, err := range view.failed {
		if err != nil {
			written--
			pass.failures = append(pass.failures, newFailure(pass.source, pass.fetched, &view.records[i], StageLoad, err))
		}
	}
	if dropped, err := s.bury(ctx, pass.failures); dropped || err != nil {
		return dropped, err
	}
	if n := len(b.records); n > 0 {
		if s.r.First < 0 {
			s.r.First = b.records[0].Offset
		}
		s.r.Last = b.records[n-1].Offset
		s.r.Read += int64(n)
	}
	s.r.Next = next
	s.r.Written += written
	s.r.Filtered += int64(pass.filtered)
	s.r.Emitted += int64(pass.emitted)
	s.r.Buried += int64(len(pass.failures) + pass.skipped)
	s.hold(size)
	failpoint.Here("add.after")
	pass.recycle(view.records, nil)
	return false, nil
}

// bury keeps what failed. What is mended was buried before.
func (s *stage) bury(ctx context.Context, fs []Failure) (dropped bool, _ error) {
	if s.mending() {
		return false, nil
	}
	bury := s.p.bury
	if s.stop != nil {
		inOrder(fs)
		bury = s.p.keep // they were buried before, and counted
	}
	stuck, err := bury(ctx, fs)
	if err == nil {
		return false, nil
	}
	if stuck == nil || ctx.Err() != nil {
		return true, err
	}
	// The range can't speak for this record, and holds later ones: drop it, read again, and commit what is below.
	s.stop, s.stopAt = err, stuck.Record.Offset
	return true, s.again(ctx, Lost.Wrap(err))
}

// hold notes what the range takes.
func (s *stage) hold(size Size) {
	if s.mending() {
		size.Buffered = 0 // a range that can't be cut short frees nothing if others wait for it
	}
	s.p.c.share.charge(size.Buffered - s.size.Buffered)
	s.size = size
	if size.Within > 0 && !s.mending() {
		s.clock.Reset(size.Within)
	}
	s.buffered.Store(size.Buffered)
	s.p.status.set(func(st *PartitionStatus) { st.Staged = s.r.Read })
	const often = 10 * time.Minute
	if now := time.Now(); size.Note != "" && (s.noted.IsZero() || now.Sub(s.noted) >= often) {
		s.noted = now
		s.p.log.Warn("the sink has something to say", "note", size.Note)
	}
}

// relieve waits while the budget is used up and ranges are about to be committed, maybe this one: what is queued stays
// packed meanwhile.
func (s *stage) relieve(ctx context.Context) error {
	for !s.mending() {
		full, freed := s.p.c.share.full()
		if !full || !s.p.c.squeeze() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.p.drain:
			return nil
		case <-s.p.halted:
			return nil
		case <-s.pressure:
			return s.rotate(ctx, RotateMemory)
		case <-freed:
		}
	}
	return nil
}

// mended commits a range that the sink asked for, and goes on where the sink says then.
func (s *stage) mended(ctx context.Context, b *Batch, pass *pass, end int64) error {
	if dropped, err := s.encode(ctx, b, pass, end); dropped || err != nil {
		return err
	}
	return s.rotate(ctx, RotateMend)
}

// finish commits what lies below the offset at which the partition has to stop, and stops it.
func (s *stage) finish(ctx context.Context, b *Batch, pass *pass, end int64) error {
	if dropped, err := s.encode(ctx, b, pass, end); dropped || err != nil {
		return err
	}
	if err := s.rotate(ctx, RotateDrain); err != nil {
		return err
	}
	return s.stop
}
