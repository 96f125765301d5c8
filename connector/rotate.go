package connector

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/failpoint"
)

// due reports whether the range is old enough, for a partition that is never idle.
func (s *stage) due() bool {
	select {
	case <-s.clock.C:
		return true
	default:
		return false
	}
}

// begin stages the range of a batch, which is its first.
func (s *stage) begin(ctx context.Context) error {
	began := time.Now()
	if err := s.open(ctx); err != nil {
		return err
	}
	failpoint.Here("stage.after")
	if s.rotation.Age > 0 && !s.mending() {
		s.clock.Reset(max(0, s.age-time.Since(began)))
		s.age = s.rotation.Age
	}
	return nil
}

// open asks the sink for a range.
func (s *stage) open(ctx context.Context) error {
	failpoint.Here("stage.before")
	return s.p.retrier(ctx, fmt.Sprintf("begin a range of %s", s.p.Partition), func(ctx context.Context) (err error) {
		s.staged, err = s.p.route.stager.Stage(ctx, s.p.Partition, s.at, s.p.retrier)
		return err
	})
}

// rotate commits the range, unless it speaks for nothing or has to reach further. If another process won, the partition
// starts over where the sink stands.
func (s *stage) rotate(ctx context.Context, reason RotateReason) error {
	if s.staged == nil || s.r.Next == s.r.From || s.mending() != (reason == RotateMend) {
		return nil
	}
	read := s.r.Next
	if err := s.commit(ctx, reason); err != nil {
		return s.again(ctx, err)
	}
	s.rest()
	if reason == RotateMend || s.at.ReadFrom != read {
		s.p.c.restart(s.p, s.at.ReadFrom)
	}
	return nil
}

// seal commits an empty range behind one that nothing followed for long.
func (s *stage) seal(ctx context.Context) error {
	if s.staged != nil {
		return nil // a range is on its way
	}
	read := s.r.Next
	if err := s.open(ctx); err != nil {
		return err
	}
	failpoint.Here("seal.before")
	if err := s.commit(ctx, RotateSeal); err != nil {
		return s.again(ctx, err)
	}
	failpoint.Here("seal.after")
	if s.at.ReadFrom != read {
		s.p.c.restart(s.p, s.at.ReadFrom)
	}
	return nil
}

// skip commits a range of its own for offsets that are gone, and returns where to read from: behind them, or
// where the sink stands if another process won.
func (s *stage) skip(ctx context.Context, to int64) (int64, error) {
	if err := s.open(ctx); err != nil {
		return 0, err
	}
	s.r.Next = to
	failpoint.Here("gap.before")
	if err := s.commit(ctx, RotateGap); err != nil {
		if err := s.anew(ctx, err); err != nil {
			return 0, err
		}
		return s.at.ReadFrom, nil
	}
	failpoint.Here("gap.after")
	s.rest()
	return s.at.ReadFrom, nil
}

// commit makes what the range speaks for durable; the group's offset may follow.
func (s *stage) commit(ctx context.Context, reason RotateReason) error {
	s.r.Reason = reason
	what := fmt.Sprintf("commit offsets %d to %d of %s", s.r.From, s.r.Next-1, s.p.Partition)
	if s.r.Next == s.r.From {
		what = fmt.Sprintf("commit a seal at offset %d of %s", s.r.Next, s.p.Partition)
	}
	var at Position
	failpoint.Here("range.before")
	err := s.p.retrier(ctx, what, func(ctx context.Context) (err error) {
		at, err = s.staged.Commit(ctx, s.r)
		return err
	})
	if err != nil {
		return err
	}
	failpoint.Here("range.after")
	s.count(reason, &at)
	if reason != RotateMend {
		s.p.written(int(s.r.Written))
	}
	s.take(at)
	return nil
}

// count counts a commit and what it made visible.
func (s *stage) count(reason RotateReason, at *Position) {
	count := func(m Metric, n int64) {
		s.p.c.count(m, s.p.Partition, n)
		s.p.c.count(m.of(string(reason)), s.p.Partition, n)
	}
	count(MetricRotations, 1)
	count(MetricFiles, int64(s.size.Open+s.size.Full))
	var bytes int64
	for _, size := range at.Files {
		bytes += size
		s.p.c.count(MetricFileSizes.of(sizeKind(size)), s.p.Partition, 1)
	}
	count(MetricFileBytes, bytes)
	s.p.c.count(MetricRested, s.p.Partition, at.Rested)
	s.p.c.count(MetricDropped, s.p.Partition, at.Dropped)
}

// sizeKind is the kind of MetricFileSizes that a file of size bytes counts for.
func sizeKind(size int64) string {
	for _, most := range []int64{1, 16, 64, 128, 256, 512} {
		if size <= most<<20 {
			return strconv.FormatInt(most, 10) + "MiB"
		}
	}
	return "more"
}

// again drops the range and reads again from where the sink stands, if the error allows it.
func (s *stage) again(ctx context.Context, err error) error {
	if err := s.anew(ctx, err); err != nil {
		return err
	}
	s.p.c.restart(s.p, s.at.ReadFrom)
	return nil
}

// anew drops the range and asks the sink where it stands, if the error allows it.
func (s *stage) anew(ctx context.Context, err error) error {
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
	s.p.countRetries(err, 1)
	s.abort(ctx)
	s.reset()
	if !sleep(ctx, s.p.c.retry.wait(0, err)) {
		return ctx.Err()
	}
	return s.recover(ctx)
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
	if s.staged != nil && s.r.Next > s.r.From && !s.mending() && ctx.Err() == nil && s.p.status.state() != StateHalted {
		if err := s.commit(ctx, RotateDrain); err != nil {
			s.p.log.Warn("not committed before the partition went; it will be read again", "error", err)
		}
	}
	s.abort(ctx)
	s.reset()
}
