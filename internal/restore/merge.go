package restore

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/envelope"
)

// A head is an object that is read, with its next record.
type head struct {
	object *chain.Object
	index  int // of the object among those of the span
	rows   Rows
	n      int64 // rows that were read
	record envelope.Record
}

// next reads the next record; io.EOF if there is none.
func (h *head) next() error {
	before := h.record.Offset
	v, err := h.rows.Next()
	if errors.Is(err, io.EOF) {
		if h.n != h.object.Rows {
			return fmt.Errorf("%s has %d rows, and its link says %d", h.object.Key, h.n, h.object.Rows)
		}
		return io.EOF
	}
	h.n++
	if err == nil {
		err = envelope.Read(v, &h.record)
		if err != nil && h.n == 1 {
			err = fmt.Errorf("its rows are no envelopes (setting envelope): keys, headers, timestamps and the order across files can't be restored; --values-only restores values alone: %w", err)
		}
	}
	if err != nil {
		return fmt.Errorf("row %d of %s: %w", h.n, h.object.Key, err)
	}
	switch at := h.record.Offset; {
	case at < 0:
		return connector.Permanent.Errorf("row %d of %s has no offset in its envelope, so that the order across files can't be restored; --values-only restores values alone", h.n, h.object.Key)
	case at < h.object.First || at > h.object.Last:
		return connector.Permanent.Errorf("row %d of %s has offset %d, and its link says that it has %d to %d", h.n, h.object.Key, at, h.object.First, h.object.Last)
	case h.n > 1 && at < before:
		return connector.Permanent.Errorf("row %d of %s has offset %d behind %d: its rows aren't in order", h.n, h.object.Key, at, before)
	}
	return nil
}

// heads is a heap: the lowest offset is at 0, and of equal ones, which handlers emitted, that of the first object.
type heads []*head

func (h heads) Len() int { return len(h) }
func (h heads) Less(i, j int) bool {
	if a, b := h[i].record.Offset, h[j].record.Offset; a != b {
		return a < b
	}
	return h[i].index < h[j].index
}
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)   { *h = append(*h, x.(*head)) }
func (h *heads) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// records calls each for the records of a span, by offset. An object is open from the first of its offsets to the last.
func (s *span) records(ctx context.Context, store chain.Store, each func(*envelope.Record) error) (err error) {
	var open heads
	defer func() {
		for _, h := range open {
			err = errors.Join(err, h.rows.Close())
		}
	}()
	waiting := s.holding()
	for index := 0; len(waiting) > 0 || len(open) > 0; {
		if len(waiting) > 0 && (len(open) == 0 || waiting[0].First <= open[0].record.Offset) {
			o := waiting[0]
			waiting = waiting[1:]
			h, err := s.begin(ctx, store, o)
			if err != nil {
				return err
			}
			if h == nil { // it has no rows
				continue
			}
			h.index = index
			index++
			heap.Push(&open, h)
			continue
		}
		h := open[0]
		if at := h.record.Offset; at >= s.next {
			return nil
		} else if at >= s.from {
			if err := each(&h.record); err != nil {
				return err
			}
		}
		switch err := h.next(); {
		case err == nil:
			heap.Fix(&open, 0)
		case errors.Is(err, io.EOF):
			heap.Pop(&open)
			if err := h.rows.Close(); err != nil {
				return err
			}
		default:
			return err
		}
	}
	return nil
}

// begin opens an object and reads its first record; nil if it has none.
func (s *span) begin(ctx context.Context, store chain.Store, o *chain.Object) (*head, error) {
	rows, err := s.open(ctx, store, o, false)
	if err != nil {
		return nil, err
	}
	h := &head{object: o, rows: rows}
	switch err := h.next(); {
	case errors.Is(err, io.EOF):
		return nil, rows.Close()
	case err != nil:
		return nil, errors.Join(err, rows.Close())
	}
	return h, nil
}

func (s *span) open(ctx context.Context, store chain.Store, o *chain.Object, plain bool) (Rows, error) {
	rows, err := OpenRows(ctx, store, o, plain)
	switch {
	case errors.Is(err, chain.ErrMissing):
		return nil, missing(o, s.newest)
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", o.Key, err)
	}
	return rows, nil
}

// values calls each for the values of a span's objects, one object after the other. Their records have no more than the value.
func (s *span) values(ctx context.Context, store chain.Store, each func(*envelope.Record) error) error {
	for _, o := range s.holding() {
		if err := s.objectValues(ctx, store, o, each); err != nil {
			return err
		}
	}
	return nil
}

func (s *span) objectValues(ctx context.Context, store chain.Store, o *chain.Object, each func(*envelope.Record) error) (err error) {
	rows, err := s.open(ctx, store, o, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var text []byte
	for n := int64(0); ; n++ {
		v, err := rows.Next()
		if errors.Is(err, io.EOF) {
			if n != o.Rows {
				return fmt.Errorf("%s has %d rows, and its link says %d", o.Key, n, o.Rows)
			}
			return nil
		}
		if err == nil {
			text, err = v.AppendText(text[:0])
		}
		if err != nil {
			return fmt.Errorf("row %d of %s: %w", n+1, o.Key, err)
		}
		if err := each(&envelope.Record{Partition: -1, Offset: -1, Timestamp: connector.NoTimestamp, Value: text}); err != nil {
			return err
		}
	}
}
