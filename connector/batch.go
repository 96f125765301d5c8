package connector

import (
	"context"
	"iter"
	"math"

	"github.com/millrace/millrace/serde"
)

// A Source says where the records of a Batch come from.
type Source struct {
	Partition
	TopicID   [16]byte // Kafka's id of the topic: a topic created again has another
	Connector string   // name of the Connector; a Consumer leaves it empty
	Next      int64    // offset to read after this batch: past control records and holes
	End       int64    // the partition's end offset when the batch was fetched; 0 = not known
	Bytes     int64    // memory that the batch holds until it is released
}

// A Batch is a run of records of one partition, in offset order.
//
// What a Handler or a Loader gets is a view: it may mark records (Fail, Filter,
// Emit) and replace a record's Key, Value, Headers and Timestamp, and when an attempt is
// repeated, it starts from a new view. A Batch is used by one goroutine at a time.
type Batch struct {
	source  Source
	records []Record
	tape    *serde.Tape
	release func()

	filtered []bool  // nil until the first Filter
	failed   []error // nil until the first Fail
	emitted  []emission
}

type emission struct {
	at     int
	record Record
}

// NewBatch makes the batch that a Consumer hands over. The records are in
// offset order and belong to the batch; release, which may be nil, is called once,
// from any goroutine, when nobody borrows them any more.
func NewBatch(s Source, records []Record, release func()) *Batch {
	for i := range records {
		records[i].origin = int32(i)
	}
	return &Batch{source: s, records: records, release: release}
}

// Source says where the records come from.
func (b *Batch) Source() *Source { return &b.source }

// Len is the number of records in the view, those marked included.
func (b *Batch) Len() int { return len(b.records) }

// At is the i-th record of the view, for the time of the call that got b.
func (b *Batch) At(i int) *Record { return &b.records[i] }

// Records yields the records that are neither failed nor filtered.
func (b *Batch) Records() iter.Seq2[int, *Record] {
	return func(yield func(int, *Record) bool) {
		for i := range b.records {
			if b.filtered != nil && b.filtered[i] || b.failed != nil && b.failed[i] != nil {
				continue
			}
			if !yield(i, &b.records[i]) {
				return
			}
		}
	}
}

// Tape is where handlers make values. It lives as long as the batch.
func (b *Batch) Tape() *serde.Tape { return b.tape }

// AppendID appends the i-th record's id, "<topic id hex>-<partition>-<offset>-<index>", which is the same at every attempt and after every restart.
func (b *Batch) AppendID(dst []byte, i int) []byte {
	return appendID(dst, b.source.TopicID, b.source.ID, &b.records[i])
}

// Fail marks the i-th record as not processed. The class of err (see ClassOf)
// decides whether it is tried again or goes to the dead letter.
func (b *Batch) Fail(i int, err error) {
	if b.failed == nil {
		b.failed = make([]error, len(b.records))
	}
	b.failed[i] = err
}

// Err is what Fail said of the i-th record, or nil.
func (b *Batch) Err(i int) error {
	if b.failed == nil {
		return nil
	}
	return b.failed[i]
}

// Filter drops the i-th record: it is done, and no later stage sees it. For handlers.
func (b *Batch) Filter(i int) {
	if b.filtered == nil {
		b.filtered = make([]bool, len(b.records))
	}
	b.filtered[i] = true
}

// Filtered reports whether Filter dropped the i-th record.
func (b *Batch) Filtered(i int) bool { return b.filtered != nil && b.filtered[i] }

// Emit adds a record made from the i-th one, behind it and behind those emitted
// from it before. Its Key, Value, Headers and Timestamp are r's; its offset, raw
// bytes and id are those of its origin, with an index that counts the
// origin's emissions. The origin itself goes on too, unless filtered. For handlers.
func (b *Batch) Emit(i int, r Record) {
	o := &b.records[i]
	r.RawKey, r.RawValue, r.Offset, r.LogAppendTime, r.origin = o.RawKey, o.RawValue, o.Offset, o.LogAppendTime, o.origin
	b.emitted = append(b.emitted, emission{i, r})
}

// Decode sets the records' values by decoders, on a new Tape; a record that can't be decoded is marked
// failed. Connectors do this themselves: it is for tests of handlers and sinks.
func (b *Batch) Decode(ctx context.Context, key, value serde.Decoder) {
	b.tape = serde.NewTape()
	p := &pass{transform: &transform{key: key, value: value, maxRecord: math.MaxInt64}}
	_ = p.decode(ctx, b) // marks; never fails
}

func (b *Batch) firstOffset() int64 {
	if len(b.records) == 0 {
		return b.source.Next
	}
	return b.records[0].Offset
}
