package eventbridge

import (
	"context"

	"github.com/millrace/millrace/connector"
)

// A request is one call of PutEvents.
type request struct {
	body  []byte // up to the last entry
	items []item
	size  int // bytes by EventBridge's count

	spill     item // an entry that found no room: the next request begins with it
	spillText []byte
	hasSpill  bool
}

// An item is the entry of one record.
type item struct {
	record   int // index in the batch
	from, to int // in the body
	size     int // bytes by EventBridge's count
}

// begin empties the request, but for the entry that found no room in the one before.
func (r *request) begin(head []byte) {
	r.body, r.items, r.size = append(r.body[:0], head...), r.items[:0], 0
	if r.hasSpill {
		r.body, r.hasSpill = append(r.body, r.spillText...), false
		r.take(item{record: r.spill.record, from: len(head), to: len(r.body), size: r.spill.size})
	}
}

func (r *request) take(it item) {
	r.items = append(r.items, it)
	r.size += it.size
}

// holds reports whether a record of a key is in the request.
func (r *request) holds(keys []uint64, key uint64) bool {
	for _, it := range r.items {
		if key != 0 && keys[it.record] == key {
			return true
		}
	}
	return false
}

// full: nothing more is added to the request.
func (r *request) full() bool { return r.hasSpill || len(r.items) == maxEntries }

// add appends the entry of the i-th record, or keeps it for the next request.
func (s *Sink) add(ctx context.Context, r *request, b *connector.Batch, i int) error {
	end := len(r.body)
	if len(r.items) > 0 {
		r.body = append(r.body, ',')
	}
	it := item{record: i, from: len(r.body)}
	var e entry
	body, err := s.event(ctx, r.body, &e, b, i)
	if err != nil {
		r.body = body[:end]
		return err
	}
	it.to, it.size = len(body), e.size
	if len(r.items) > 0 && r.size+it.size > s.maxRequest {
		r.spillText, r.spill, r.hasSpill = append(r.spillText[:0], body[it.from:]...), it, true
		r.body = body[:end]
		return nil
	}
	r.body = body
	r.take(it)
	return nil
}
