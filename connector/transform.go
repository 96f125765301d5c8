package connector

import (
	"context"
	"errors"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/millrace/millrace/serde"
)

// A transform decodes batches and passes them through the handlers. Each step works on a view of what
// it is given. It is repeated, on a new view, for the records that failed only, until each record is
// an output, filtered, or can never be processed: a step that succeeded for a
// record is never applied to it again.
type transform struct {
	key, value serde.Decoder
	handlers   []Handler
	maxRecord  int64
	buffers    *sync.Pool // of *[]Record
	// again waits before the next attempt; it reports false if there is to be none.
	again func(ctx context.Context, attempt int, err error) bool
}

// A pass is one batch on its way through a transform.
type pass struct {
	*transform
	source  *Source
	fetched []Record // as they came; nil for records that a windowed handler made
	tape    *serde.Tape

	outputs  []Record
	inPlace  bool      // attempts work on the outputs themselves
	failures []Failure // permanent ones
	filtered int
	emitted  int
	skipped  int             // records that operators skipped
	children map[int32]int32 // by origin: how many records were emitted from it
}

// begin starts the pass of a batch that was fetched.
func (t *transform) begin(b *Batch, tape *serde.Tape) *pass {
	p := &pass{transform: t, source: &b.source, fetched: b.records, tape: tape, outputs: b.records}
	p.takeFailed(b)
	return p
}

// run decodes the records and passes them through all handlers. It fails when ctx ends, when no
// further attempt is to be made, or with a fatal error.
func (p *pass) run(ctx context.Context) error {
	// Decoding works on the records as they were fetched: it can be repeated, and it spares a copy.
	p.inPlace = true
	err := p.step(ctx, StageValue, p.decode)
	p.inPlace = false
	if err != nil {
		return err
	}
	return p.handle(ctx, 0)
}

// handle passes the outputs so far through the handlers from the first-th on.
func (p *pass) handle(ctx context.Context, first int) error {
	for _, h := range p.handlers[first:] {
		if err := p.step(ctx, StageHandle, h.Handle); err != nil {
			return err
		}
	}
	return nil
}

type stageError struct {
	stage Stage
	error
}

func (e stageError) Unwrap() error { return e.error }

// decode sets the records' values.
func (p *pass) decode(ctx context.Context, b *Batch) error {
	for i := range b.records {
		r := &b.records[i]
		if err := p.checkSize(r); err != nil {
			b.Fail(i, err)
			continue
		}
		var err error
		if r.Key, err = p.key.Decode(ctx, b.tape, b.source.Topic, r.RawKey); err != nil {
			b.Fail(i, decodeError(StageKey, "key", err))
			continue
		}
		if r.Value, err = p.value.Decode(ctx, b.tape, b.source.Topic, r.RawValue); err != nil {
			b.Fail(i, decodeError(StageValue, "value", err))
		}
	}
	return nil
}

// decodeError: bytes that can't be decoded stay so, except where the decoder couldn't find out.
func decodeError(stage Stage, what string, err error) error {
	err = fmt.Errorf("%s: %w", what, err)
	var c *classified
	var u *serde.Unavailable
	if !errors.As(err, &c) && !errors.As(err, &u) {
		err = Permanent.Wrap(err)
	}
	return stageError{stage, err}
}

func (p *pass) checkSize(r *Record) error {
	n := int64(len(r.RawKey) + len(r.RawValue))
	for _, h := range r.Headers {
		n += int64(len(h.Name) + len(h.Value))
	}
	if n <= p.maxRecord {
		return nil
	}
	return stageError{StageValue, Permanent.Errorf("the record has %d bytes; max_record allows %d", n, p.maxRecord)}
}

// step applies one function to the outputs so far and replaces them.
func (p *pass) step(ctx context.Context, stage Stage, apply func(context.Context, *Batch) error) error {
	in := p.outputs
	if len(in) == 0 {
		return nil
	}
	var slots []slot // per record of in, once an attempt has left some to be repeated
	todo := in
	var index []int // of todo's records in in; nil: todo is in
	for attempt := 0; ; attempt++ {
		view, err := p.attempt(ctx, todo, apply)
		var again []int
		if err == nil {
			again, err = p.unsettled(view)
		}
		if err == nil && slots == nil {
			p.settle(view, in, stage)
			return nil
		}
		if view != nil {
			if slots == nil {
				slots = make([]slot, len(in))
			}
			for i := range view.records {
				at := i
				if index != nil {
					at = index[i]
				}
				slots[at] = slot{view, i}
			}
		}
		if err == nil {
			p.settle(gather(slots, p.view(nil)), in, stage)
			return nil
		}
		if ClassOf(err) == Fatal || ctx.Err() != nil || !p.again(ctx, attempt, err) {
			return err
		}
		if view == nil {
			continue // the attempt failed as a whole: the same records once more
		}
		todo, index = pick(todo, index, again)
	}
}

// A slot is where a record's last attempt left its marks.
type slot struct {
	view *Batch
	i    int
}

// gather makes one view of the marks of several attempts, in the order of the partition.
func gather(slots []slot, all *Batch) *Batch {
	for i, s := range slots {
		all.records = append(all.records, s.view.records[s.i])
		if err := s.view.Err(s.i); err != nil {
			if all.failed == nil {
				all.failed = make([]error, len(slots))
			}
			all.failed[i] = err
		}
		if s.view.Filtered(s.i) {
			if all.filtered == nil {
				all.filtered = make([]bool, len(slots))
			}
			all.filtered[i] = true
		}
		for _, e := range s.view.emitted {
			if e.at == s.i {
				all.emitted = append(all.emitted, emission{i, e.record})
			}
		}
	}
	return all
}

// pick chooses the records to repeat, and says where they stand in the step's input.
func pick(todo []Record, index, again []int) ([]Record, []int) {
	records, at := make([]Record, len(again)), make([]int, len(again))
	for k, i := range again {
		records[k], at[k] = todo[i], i
		if index != nil {
			at[k] = index[i]
		}
	}
	return records, at
}

func (p *pass) view(records []Record) *Batch {
	return &Batch{source: *p.source, tape: p.tape, records: records}
}

// guarded calls apply. A panic is an error for ever: a record that makes a decoder or a handler panic would stop the process
// after each restart, and all other partitions with it. What Go can't recover, such as a stack that overflows, limits prevent.
func guarded(ctx context.Context, view *Batch, apply func(context.Context, *Batch) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = Permanent.Errorf("panic%s: %.256s", panicked(), fmt.Sprint(r))
		}
	}()
	return apply(ctx, view)
}

// panicked is where the panic that is being recovered came from, " at file.go:12", as far as it is known.
func panicked() string {
	callers := make([]uintptr, 16)
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers)])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") && f.File != "" {
			return fmt.Sprintf(" at %s:%d", path.Base(f.File), f.Line)
		}
		if !more {
			return ""
		}
	}
}

// attempt applies the function to a view of the records. An error without a view means that none of them was processed.
func (p *pass) attempt(ctx context.Context, records []Record, apply func(context.Context, *Batch) error) (*Batch, error) {
	if !p.inPlace {
		records = append(p.buffer(), records...)
	}
	view := p.view(records)
	err := guarded(ctx, view, apply)
	if err == nil {
		return view, nil
	}
	if ClassOf(err) != Permanent {
		return nil, err
	}
	// Refused for ever as a whole: find out for which records that is true.
	view = p.view(slices.Clone(records))
	for i := range records {
		one := p.view([]Record{records[i]})
		err := guarded(ctx, one, apply)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil {
			err = one.Err(0)
		}
		if err != nil {
			view.Fail(i, err)
			continue
		}
		view.records[i] = one.records[0]
		if one.Filtered(0) {
			view.Filter(i)
		}
		for _, e := range one.emitted {
			view.emitted = append(view.emitted, emission{i, e.record})
		}
	}
	return view, nil
}

// unsettled lists the records that are to be tried again, with the error that decides about the wait.
func (p *pass) unsettled(view *Batch) (again []int, cause error) {
	for i, err := range view.failed {
		if err == nil || ClassOf(err) == Permanent {
			continue
		}
		again = append(again, i)
		if cause == nil || ClassOf(err) > ClassOf(cause) {
			cause = err
		}
	}
	return again, cause
}

// settle takes over a view in which every record is an output, filtered, or failed for ever.
func (p *pass) settle(view *Batch, in []Record, stage Stage) {
	p.recycle(in, view.records)
	if view.failed == nil && view.filtered == nil && view.emitted == nil {
		p.outputs = view.records
		return
	}
	emitted := view.emitted
	if len(emitted) > 0 {
		slices.SortStableFunc(emitted, func(a, b emission) int { return a.at - b.at })
		if p.children == nil {
			p.children = make(map[int32]int32)
		}
	}
	out := view.records[:0]
	if len(emitted) > 0 || p.borrowed(out[:1]) {
		out = p.buffer()
	}
	for i := range view.records {
		r := view.records[i]
		n := 0
		for n < len(emitted) && emitted[n].at == i {
			n++
		}
		children := emitted[:n]
		emitted = emitted[n:]
		if err := view.Err(i); err != nil {
			p.fail(&r, stage, err)
			continue
		}
		if !view.Filtered(i) {
			out = append(out, r)
		} else if n == 0 {
			p.filtered++
		}
		for k := range children {
			c := children[k].record
			p.children[c.origin]++
			c.Index = p.children[c.origin]
			out = append(out, c)
		}
		p.emitted += n
	}
	p.outputs = out
}

// cut drops the outputs from an offset on: the partition stops there.
func (p *pass) cut(offset int64) {
	for i := range p.outputs {
		if p.outputs[i].Offset >= offset {
			p.outputs = p.outputs[:i]
			return
		}
	}
}

// first is the failure with the lowest offset, nil if there is none.
func (p *pass) first() *Failure {
	var low *Failure
	for i := range p.failures {
		if f := &p.failures[i]; low == nil || f.Record.Offset < low.Record.Offset {
			low = f
		}
	}
	return low
}

// fail notes that a record can never be processed.
func (p *pass) fail(r *Record, stage Stage, err error) {
	var s stageError
	if errors.As(err, &s) {
		stage = s.stage
	}
	p.failures = append(p.failures, newFailure(p.source, p.fetched, r, stage, err))
}

// newFailure describes a failed record by what was fetched.
func newFailure(s *Source, fetched []Record, r *Record, stage Stage, err error) Failure {
	rec := *r
	if fetched != nil {
		rec = fetched[r.origin]
		rec.Index = r.Index
	}
	return Failure{Source: s, Record: &rec, Stage: stage, Err: err, ID: string(appendID(nil, s.TopicID, s.ID, r))}
}

func (p *pass) buffer() []Record {
	if b, ok := p.buffers.Get().(*[]Record); ok {
		return (*b)[:0]
	}
	return nil
}

// borrowed reports whether the records are those that were fetched, which belong to the batch.
func (p *pass) borrowed(records []Record) bool {
	return len(p.fetched) > 0 && &records[0] == &p.fetched[0]
}

// recycle keeps the memory of records for later passes, unless it is the batch's, or goes on in kept.
func (p *pass) recycle(records, kept []Record) {
	if len(records) > 0 && !p.borrowed(records) && (len(kept) == 0 || &records[0] != &kept[0]) {
		p.buffers.Put(&records)
	}
}
