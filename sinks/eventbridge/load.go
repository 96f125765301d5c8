package eventbridge

import (
	"context"
	"fmt"
	"slices"

	"github.com/millrace/millrace/connector"
)

// A delivery is one Load under way. Its memory is reused by later ones.
type delivery struct {
	request request
	todo    []int    // records that are in no request yet, in order
	keys    []uint64 // of each record of the batch, see Key; 0 for none
	waits   []wait
	reply   []byte
	taken   bool // EventBridge took an event
}

// A wait is a key whose records can't be sent before one that failed.
type wait struct {
	key uint64
	err error
}

// Load sends the records as events, in requests of at most 10 entries and max_request bytes, one after the other. Records whose entries failed are marked;
// those of the same key that follow are marked too, unsent. When a whole request fails, the rest isn't tried.
//
// When ctx ends, Load returns at once; what became of the request under way isn't known then.
func (s *Sink) Load(ctx context.Context, b *connector.Batch) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("send events to %s: %w", s.place, err)
	}
	d := s.scratch.Get().(*delivery)
	defer s.release(d)
	d.begin(s, b)
	for {
		s.fill(ctx, b, d)
		if len(d.request.items) == 0 {
			return nil
		}
		if err := s.send(ctx, b, d); err != nil {
			return d.stop(b, err)
		}
	}
}

func (d *delivery) begin(s *Sink, b *connector.Batch) {
	d.todo, d.keys, d.taken = d.todo[:0], slices.Grow(d.keys[:0], b.Len())[:b.Len()], false
	for i := range b.Records() {
		d.todo = append(d.todo, i)
		d.keys[i] = 0
		if key, ok := s.Key(b, i); ok {
			d.keys[i] = max(key, 1)
		}
	}
}

// release keeps the memory for other Loads, unless it is more than most need.
func (s *Sink) release(d *delivery) {
	if cap(d.request.body) > 4*s.maxRequest {
		return
	}
	clear(d.waits)
	d.waits, d.request.hasSpill = d.waits[:0], false
	s.scratch.Put(d)
}

// fill makes the next request: of the records that are left those, in order, whose keys it doesn't hold yet. An entry may fail alone, and the
// next of its key in the same request would overtake it.
func (s *Sink) fill(ctx context.Context, b *connector.Batch, d *delivery) {
	r := &d.request
	r.begin(s.head)
	left := d.todo[:0]
	for n, i := range d.todo {
		if r.full() {
			left = append(left, d.todo[n:]...)
			break
		}
		if err := d.waitsFor(d.keys[i]); err != nil {
			b.Fail(i, behind(err))
		} else if r.holds(d.keys, d.keys[i]) {
			left = append(left, i)
		} else if err := s.add(ctx, r, b, i); err != nil {
			d.fail(b, i, err)
		}
	}
	d.todo = left
}

// send sends the request. If EventBridge refuses it for an entry, it doesn't always say for which: each is sent alone then, so that only that one fails. After
// an error, nothing is known of the request's items.
func (s *Sink) send(ctx context.Context, b *connector.Batch, d *delivery) error {
	r := &d.request
	err := s.post(ctx, b, d, r.body, r.items)
	a := refusal(err)
	switch {
	case a == nil:
		return err
	case len(r.items) == 1:
		d.fail(b, r.items[0].record, refused(a, err))
		return nil
	}
	items := r.items
	for n, it := range items {
		r.items = items[n:]
		alone := slices.Concat(s.head, r.body[it.from:it.to])
		err := s.post(ctx, b, d, alone, items[n:n+1])
		if a := refusal(err); a != nil {
			d.fail(b, it.record, refused(a, err))
		} else if err != nil {
			return err
		}
	}
	return nil
}

// post makes one call, of a body without its end.
func (s *Sink) post(ctx context.Context, b *connector.Batch, d *delivery, body []byte, items []item) error {
	if err := s.pace.wait(ctx); err != nil {
		return fmt.Errorf("send events to %s: %w", s.place, err)
	}
	var err error
	if d.reply, err = s.client.Call(ctx, opPut, append(body, "]}"...), d.reply[:0]); err != nil {
		return err
	}
	return s.settle(b, d, items, d.reply)
}

// settle marks the records whose entries failed. An error means that nothing is known of any of them.
func (s *Sink) settle(b *connector.Batch, d *delivery, items []item, reply []byte) error {
	if accepted(reply, len(items)) {
		d.taken = true
		return nil
	}
	results, err := s.parse(reply, len(items))
	if err != nil {
		return err
	}
	for n, r := range results {
		if err := s.err(r); err != nil {
			d.fail(b, items[n].record, err)
		} else {
			d.taken = true
		}
	}
	return nil
}

// fail marks the i-th record. If it is tried again, those of its key have to wait for it.
func (d *delivery) fail(b *connector.Batch, i int, err error) {
	b.Fail(i, err)
	if d.keys[i] != 0 && connector.ClassOf(err) != permanent {
		d.waits = append(d.waits, wait{d.keys[i], err})
	}
}

// waitsFor is the error of the record that those of a key wait for, nil if there is none.
func (d *delivery) waitsFor(key uint64) error {
	for _, w := range d.waits {
		if w.key == key {
			return w.err
		}
	}
	return nil
}

// stop ends a Load after a request that failed as a whole: nothing that isn't sent yet would fare better. If no event was taken, the error is that of the whole Load.
func (d *delivery) stop(b *connector.Batch, err error) error {
	if !d.taken {
		return err
	}
	for _, it := range d.request.items {
		b.Fail(it.record, err)
	}
	if d.request.hasSpill {
		b.Fail(d.request.spill.record, err)
	}
	for _, i := range d.todo {
		b.Fail(i, err)
	}
	return nil
}
