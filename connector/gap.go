package connector

import (
	"context"
	"fmt"
)

// A gap is an offset to read that isn't in the log: the log holds start to end-1.
type gap struct {
	from, start, end int64
	recreated        bool   // from is of a topic of the same name that was deleted
	why              string // what happened, for people
}

// missing is the gap at an offset, nil if the log holds the offset or ends right before it.
func (p *partition) missing(from, start, end int64) *gap {
	g := &gap{from: from, start: start, end: end}
	switch {
	case from < start:
		g.why = fmt.Sprintf("offsets %d to %d of %s are gone: the log starts at %d now, because they expired or were deleted before they were read",
			from, start-1, p.Partition, start)
	case from > end:
		g.why = fmt.Sprintf("%s was truncated: it ends at offset %d, but offset %d was to be read next, so records were lost in Kafka and others may stand in their place",
			p.Partition, end, from)
	default:
		return nil
	}
	return g
}

// otherLog is the gap of a topic that was deleted and created again since the group's offset was committed.
func (p *partition) otherLog() *gap {
	holds := "is empty"
	if p.LogStart < p.LogEnd {
		holds = fmt.Sprintf("holds %d to %d", p.LogStart, p.LogEnd-1)
	}
	return &gap{
		from: p.Committed, start: p.LogStart, end: p.LogEnd, recreated: true,
		why: fmt.Sprintf("the topic of %s was deleted and created again since offset %d was committed, so this offset is of another log; the new one %s",
			p.Partition, p.Committed, holds),
	}
}

// to is where a policy that goes on goes on.
func (g *gap) to(policy GapPolicy) int64 {
	if policy == GapLatest {
		return g.end
	}
	return g.start
}

// back reports whether offsets that were read already stand for other records now, or for none.
func (g *gap) back() bool { return !g.recreated && g.from > g.end }

// refuse is why the partition can't go on behind a gap, of class Permanent; nil if it may.
func (p *partition) refuse(g *gap) error {
	switch {
	case p.stage != nil && p.stage.mending():
		return Permanent.Errorf("%s; they are needed to write a file again that the sink has lost, from offsets %d to %d, and no setting of on_gap makes up for that: "+
			"put the file back, or choose another chain (the setting chain), which writes everything again", g.why, p.stage.at.ReadFrom, p.stage.at.Until-1)
	case p.stage != nil && g.back():
		return Permanent.Errorf("%s; on_gap: %s can't help, because the sink has written up to there: "+
			"go back with millrace rewind, or choose another chain (the setting chain), which writes everything again", g.why, p.c.onGap)
	case p.c.onGap == GapFail:
		way := fmt.Sprintf("set on_gap to earliest (at offset %d) or to latest (at offset %d)", g.to(GapEarliest), g.to(GapLatest))
		if g.recreated {
			way += ", or say where to begin in it with millrace move"
		}
		return Permanent.Errorf("%s; on_gap: fail stops here: to go on, %s", g.why, way)
	}
	return nil
}

// pass leaves a record of the gap, before any offset moves, and returns where to go on.
func (p *partition) pass(ctx context.Context, g *gap) (to int64, _ error) {
	to = g.to(p.c.onGap)
	err := fmt.Errorf("%s; on_gap: %s goes on at offset %d", g.why, p.c.onGap, to)
	p.log.Error("going on behind a gap", "from", g.from, "to", to, "on_gap", string(p.c.onGap), "error", err)
	if err := p.buryGap(ctx, g.from, to, err); err != nil {
		return 0, err
	}
	p.c.count(MetricGaps, p.Partition, 1)
	if g.back() {
		p.c.ends.cut(p.Partition, g.end)
	}
	return to, nil
}

// skip returns the offset to go on at instead of from, if from isn't in the log and the policy lets the partition go on.
func (p *partition) skip(ctx, intake context.Context, from, start, end int64) (int64, error) {
	g := p.missing(from, start, end)
	if g == nil {
		return from, nil
	}
	if err := p.refuse(g); err != nil {
		return 0, err
	}
	to, err := p.pass(intake, g)
	if err != nil {
		return 0, err
	}
	if p.stage != nil {
		return p.stage.skip(ctx, to)
	}
	p.moveTo(to, g.back())
	return to, nil
}

// moveTo lets the group's offset be set to one that no batch led to. back allows a lower one than what is committed.
func (p *partition) moveTo(at int64, back bool) {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if back {
		p.committed = -1
		p.skips = nil // others stand at these offsets
		delete(p.c.wishes.skipped, skipKey{p.Partition, p.TopicID})
	}
	_, meta := p.ledger.watermark()
	p.ledger.moveTo(at, meta)
}

// beginAnew gives up the offset of a topic that was deleted, if the policy allows it.
func (p *partition) beginAnew(ctx context.Context) error {
	g := p.otherLog()
	if err := p.refuse(g); err != nil {
		return err
	}
	to, err := p.pass(ctx, g)
	if err != nil {
		return err
	}
	p.Recreated, p.Committed, p.Meta, p.Start = false, -1, "", to
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	p.committed, p.meta = -1, ""
	p.ledger.moveTo(to, "")
	return nil
}

// passOver goes on behind a gap that the Consumer found, once all that was read before it is durable.
func (p *partition) passOver(ctx, intake context.Context, e *PartitionError) error {
	from := p.next
	if p.stage != nil {
		if err := p.stage.rotate(ctx, RotateDrain); err != nil {
			return err
		}
		from = p.stage.r.Next
	} else if err := p.settle(ctx); err != nil {
		return err
	}
	if p.over() {
		return nil
	}
	to, err := p.skip(ctx, intake, from, e.LogStart, e.LogEnd)
	if err != nil {
		return err
	}
	p.forget(to)
	p.next = to
	p.c.restart(p, to)
	return nil
}

// settle waits until what was read is durable, or the partition stops.
func (p *partition) settle(ctx context.Context) error {
	for !p.ledger.idle() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.drain:
			return nil
		case <-p.halted:
			return nil
		case <-p.ledger.changed:
		}
	}
	return nil
}

// forget drops open windows all of whose records will be read again, from an offset on.
func (p *partition) forget(from int64) {
	if _, w := p.windowed(); w != nil {
		if hold, _, ok := w.Hold(p.Partition); ok && from <= hold {
			w.Reset(p.Partition)
			p.noteHold()
		}
	}
}
