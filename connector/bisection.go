package connector

import "context"

// A bisection finds out which records of a call are refused when it was refused for ever as a whole: it loads halves, and halves
// of those that are refused as well. One record among n costs about 2*log2(n) calls.
type bisection struct {
	l       *lane
	view    *Batch // where the failed records are marked
	items   []item
	waiting map[uint64]error // by key: a record of it is tried again, and those behind it wait
	down    error            // the sink takes nothing at the moment
}

// load loads the items from an index up to before another, those that have to wait apart.
func (b *bisection) load(ctx context.Context, from, to int) {
	var at []int
	part := &Batch{source: b.view.source, tape: b.l.tape}
	for i := from; i < to; i++ {
		if err := b.wait(b.items[i]); err != nil {
			b.fail(i, err)
			continue
		}
		at = append(at, i)
		part.records = append(part.records, *b.items[i].record())
	}
	if len(at) == 0 {
		return
	}
	err := b.l.call(ctx, part)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err() // it may say anything now
	}
	switch {
	case err == nil:
		for k, i := range at {
			if err := part.Err(k); err != nil {
				b.fail(i, err)
			}
		}
	case ClassOf(err) == Permanent && len(at) > 1:
		half := at[len(at)/2]
		b.load(ctx, from, half)
		b.load(ctx, half, to)
	default:
		if len(at) > 1 || ctx.Err() != nil || ClassOf(err) != Retryable && ClassOf(err) != Permanent {
			b.down = err
		}
		for _, i := range at {
			b.fail(i, err)
		}
	}
}

// wait is why an item isn't loaded now; nil if it is.
func (b *bisection) wait(it item) error {
	if b.down != nil {
		return b.down
	}
	return b.waiting[it.key]
}

// fail marks an item. Behind one that is tried again, those of its key wait.
func (b *bisection) fail(i int, err error) {
	b.view.Fail(i, err)
	if it := b.items[i]; ClassOf(err) != Permanent && (it.key != 0 || !b.l.keyed) {
		b.waiting[it.key] = err
	}
}
