package connector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// UntilEnd lets Run return when each partition was read and made durable up to the end that it had when it was first assigned to this
// Connector, for jobs that run now and then. It waits for partitions that are retried, blocked or paused. One that went to another
// member is that member's. Run's error says which partitions halted before their end, or weren't read and committed up to it when
// ctx ended. A member that the group gives nothing ends as well, with nil, once that is certain; this takes a Consumer that is a Reporter.
func UntilEnd() Option { return func(s *settings) { s.untilEnd = true } }

const (
	endLook  = 200 * time.Millisecond // how often it is looked whether all is done
	endCalm  = 10 * time.Second       // the assignment has to stay as it is, before a member that has nothing, or lost something, goes
	endStill = 3 * time.Second        // nothing came of a partition: maybe nothing is there up to its end
)

// The ends are where UntilEnd stops.
type ends struct {
	mu      sync.Mutex
	at      map[Partition]end // never deleted: partitions come back
	taken   bool              // partitions went to other members
	changed time.Time         // when partitions last came or went
}

// An end is of a topic: one that was created again under the same name has another.
type end struct {
	topic  [16]byte
	offset int64
}

// assigned notes the ends of partitions that come for the first time.
func (e *ends) assigned(as []Assignment) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.at == nil {
		e.at = make(map[Partition]end)
	}
	for _, a := range as {
		if known, ok := e.at[a.Partition]; !ok || known.topic != a.TopicID {
			e.at[a.Partition] = end{a.TopicID, a.LogEnd}
		}
	}
	e.changed = time.Now()
}

// gone notes that partitions were taken away.
func (e *ends) gone() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.taken, e.changed = true, time.Now()
}

// cut lowers the end of a log that was truncated: what was there is read by nobody any more.
func (e *ends) cut(p Partition, offset int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if known, ok := e.at[p]; ok && offset < known.offset {
		e.at[p] = end{known.topic, offset}
	}
}

// of is a partition's end.
func (e *ends) of(p Partition) int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.at[p].offset
}

// calm reports whether the assignment has been as it is for long enough; moved, whether anything was taken away before.
func (e *ends) calm(since time.Time) (calm, moved bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.changed.After(since) {
		since = e.changed
	}
	return time.Since(since) >= endCalm, e.taken
}

// reach notes how far the worker has processed all. Only the worker calls it.
func (p *partition) reach() {
	at := p.next
	if p.stage != nil {
		at = p.stage.r.Next
		if p.stage.mending() {
			at = -1
		}
	}
	p.reached.Store(at)
}

// atEnd reports whether nothing up to the end is left to do but what the drain does.
func (p *partition) atEnd(end int64) bool {
	state := p.status.state()
	if state == StateHalted {
		return true
	}
	if p.reached.Load() < end {
		return false
	}
	if p.stage != nil && (state == StateRunning || state == StatePaused) {
		return true // the drain commits the open range
	}
	at, _ := p.ledger.watermark()
	return at >= end
}

// An endWatch looks whether all partitions are at their ends.
type endWatch struct {
	c      *Connector
	joined time.Time                // when the group was joined, as far as seen; zero before
	still  map[*partition]stillness // of those that aren't done
}

// A stillness is how long a partition has been where it is.
type stillness struct {
	at    int64
	since time.Time
}

// watchEnds closes the channel that it returns when all partitions are at their ends. It ends with ctx.
func (c *Connector) watchEnds(ctx context.Context) <-chan struct{} {
	if !c.untilEnd {
		return nil
	}
	ended := make(chan struct{})
	go func() {
		w := endWatch{c: c}
		t := time.NewTicker(endLook)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			if w.look(time.Now()) {
				close(ended)
				return
			}
		}
	}()
	return ended
}

// look reports whether all is done.
func (w *endWatch) look(now time.Time) bool {
	r := report(w.c.reporters.consumer) // first: a partition that it says is known is among parts
	parts := *w.c.parts.Load()
	if w.joined.IsZero() && (r != nil && (r.Joined || r.Nothing) || len(parts) > 0) {
		w.joined = now
	}
	if left := w.left(parts, now); left > 0 || r != nil && r.Unknown > 0 || w.joined.IsZero() {
		return false
	}
	calm, moved := w.c.ends.calm(w.joined)
	return calm || len(parts) > 0 && !moved
}

// left counts the partitions that aren't done. Where nothing comes, it lets the Consumer look whether there is anything.
func (w *endWatch) left(parts map[Partition]*partition, now time.Time) (left int) {
	before := w.still
	w.still = make(map[*partition]stillness)
	for _, p := range parts {
		if p.atEnd(w.c.ends.of(p.Partition)) {
			continue
		}
		left++
		s := before[p]
		if at := p.reached.Load(); s.since.IsZero() || s.at != at || p.held.Load() > 0 || p.status.state() != StateRunning {
			s = stillness{at, now}
		}
		if now.Sub(s.since) >= endStill {
			s.since = now
			w.c.probe(p.Partition)
		}
		w.still[p] = s
	}
	return left
}

// probe asks a Consumer to look whether there is anything at the position of a partition. If offsets up to the end hold no
// record, as after compaction, its next Poll returns a batch without records behind them. Brokers answer such a fetch with nothing.
func (c *Connector) probe(p Partition) {
	if prober, ok := c.consumer.(interface{ Probe(p Partition) }); ok {
		prober.Probe(p)
	}
}

// mostShort bounds how many partitions an error names.
const mostShort = 20

// short says which of the partitions that were owned aren't committed up to their ends; nil if all are, or without UntilEnd. They are drained.
// ended is nil without UntilEnd, and closed if all were done.
func (c *Connector) short(parts map[Partition]*partition, ended <-chan struct{}) error {
	if !c.untilEnd {
		return nil
	}
	var errs []error
	for _, k := range slices.SortedFunc(maps.Keys(parts), func(a, b Partition) int { return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID)) }) {
		if err := parts[k].short(c.ends.of(k)); err != nil {
			errs = append(errs, err)
		}
	}
	if n := len(errs) - mostShort; n > 0 {
		errs = append(errs[:mostShort], fmt.Errorf("and %d partitions more", n))
	}
	select {
	case <-ended:
	default:
		if len(parts) == 0 {
			errs = append(errs, errors.New("stopped before the group had assigned anything"))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("connector %s: not all was read up to the end: %w", c.name, errors.Join(errs...))
}

// short is why a drained partition isn't committed up to its end; nil if it is.
func (p *partition) short(end int64) error {
	p.c.mu.Lock()
	committed := p.committed
	p.c.mu.Unlock()
	if committed >= end {
		return nil
	}
	s := p.status.look(time.Now())
	switch {
	case s.State == StateHalted:
		return fmt.Errorf("%s halted at offset %d, its end is %d: %s", p.Partition, max(committed, p.Start), end, s.Error)
	case s.Error != "":
		return fmt.Errorf("%s is committed up to offset %d, its end is %d: %s", p.Partition, committed, end, s.Error)
	}
	return fmt.Errorf("%s is committed up to offset %d, its end is %d", p.Partition, committed, end)
}

// commitRanges waits until open ranges are committed, however long the sink takes for it, if all partitions are at their ends. ctx ends the
// wait. What partitions without ranges need is durable, and what they have begun besides is behind the end.
func (c *Connector) commitRanges(ctx context.Context, parts map[Partition]*partition, ended <-chan struct{}) {
	select {
	case <-ended:
	default:
		return
	}
	staged := make(map[Partition]*partition)
	for k, p := range parts {
		p.stop()
		if p.stage != nil {
			staged[k] = p
		}
	}
	finish(ctx, staged)
}
