package kafka

import (
	"math/bits"
	"sync"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
)

// A batch holds at most this many records and about this many raw bytes, so that it is worth a handler's call and
// no more memory hangs together than needed. A larger record is a batch of its own.
const (
	batchRecords = 1024
	batchBytes   = 1 << 20
)

// What a record and a header take beside their bytes.
const (
	recordSize = int64(unsafe.Sizeof(connector.Record{}))
	headerSize = int64(unsafe.Sizeof(connector.Header{}))
)

// A sizedPool keeps slices by the power of two of their capacity.
type sizedPool[T any] struct {
	sizes [64]sync.Pool // of *[]T
}

// get returns an empty slice with room for n. Small ones stay small: many topics make batches of few records, and
// room for 64 of franz-go's in each was twice the memory of what they hold.
func (p *sizedPool[T]) get(n int) []T {
	size := bits.Len(uint(max(n, 4) - 1))
	if s, ok := p.sizes[size].Get().(*[]T); ok {
		return (*s)[:0]
	}
	return make([]T, 0, 1<<size)
}

func (p *sizedPool[T]) put(s []T) {
	if size := bits.Len(uint(cap(s))) - 1; cap(s) == 1<<size {
		p.sizes[size].Put(&s)
	}
}

// recordPool keeps franz-go's records. They go back as soon as they are converted, long before their
// bytes may: decompressed bytes are left to the garbage collector, which measured the same as pooling them.
type recordPool struct{ sizedPool[kgo.Record] }

func (p *recordPool) GetRecords(n int) []kgo.Record { return p.get(n) }
func (p *recordPool) PutRecords(s []kgo.Record)     { p.put(s) }

// slabs keeps what batches hold until they are released.
type slabs struct {
	records sizedPool[connector.Record]
	bytes   sizedPool[byte]
}

// A converter makes batches of one partition of a fetch.
type converter struct {
	*slabs
	source connector.Source // of each batch, but for Next and Bytes
	copies bool             // raw bytes are copied: they lie in a buffer shared with other partitions
}

// batches converts a partition's records from offset from on, and hands franz-go's back to their pool. A control
// record gives nothing but its place: the last batch's Next is behind it, in an empty batch if need be.
func (c converter) batches(out []*connector.Batch, rs []*kgo.Record, from int64) []*connector.Batch {
	for len(rs) > 0 && rs[0].Offset < from {
		rs[0].Recycle()
		rs = rs[1:]
	}
	for len(rs) > 0 {
		n, data, bytes, headers := 0, 0, 0, 0
		for n < len(rs) && data < batchRecords {
			r := rs[n]
			if !r.Attrs.IsControl() {
				size := len(r.Key) + len(r.Value)
				for _, h := range r.Headers {
					size += len(h.Key) + len(h.Value)
				}
				if data > 0 && bytes+size > batchBytes {
					break
				}
				data, bytes, headers = data+1, bytes+size, headers+len(r.Headers)
			}
			n++
		}
		c.source.Next = rs[n-1].Offset + 1
		if n < len(rs) {
			c.source.Next = rs[n].Offset
		}
		out = append(out, c.batch(rs[:n], data, bytes, headers))
		rs = rs[n:]
	}
	return out
}

// batch converts records that are known to fit: data of them, the rest are control records.
func (c converter) batch(rs []*kgo.Record, data, bytes, headers int) *connector.Batch {
	if data == 0 {
		for _, r := range rs {
			r.Recycle()
		}
		return connector.NewBatch(c.source, nil, nil)
	}
	records := c.records.get(data)
	var room []connector.Header
	if headers > 0 {
		room = make([]connector.Header, 0, headers)
	}
	var mem memory
	if c.copies {
		mem.own = c.bytes.get(bytes)
	}
	records = records[:data]
	i := 0
	for _, r := range rs {
		if r.Attrs.IsControl() {
			r.Recycle()
			continue
		}
		to := &records[i]
		i++
		to.RawKey, to.RawValue, to.Offset = mem.keep(r.Key), mem.keep(r.Value), r.Offset
		to.Timestamp, to.LogAppendTime = r.Timestamp.UnixMilli(), r.Attrs.TimestampType() == 1
		if len(r.Headers) > 0 {
			at := len(room)
			for _, h := range r.Headers {
				room = append(room, connector.Header{Name: h.Key, Value: mem.keep(h.Value)})
			}
			to.Headers = room[at:len(room):len(room)]
		}
		r.Recycle()
	}
	c.source.Bytes = int64(cap(records))*recordSize + int64(cap(room))*headerSize + int64(max(bytes, cap(mem.own)))
	return connector.NewBatch(c.source, records, func() {
		clear(records)
		c.records.put(records)
		if mem.own != nil {
			c.bytes.put(mem.own)
		}
	})
}

// memory is what a batch's raw bytes lie in: its own copy of them, which has room for all, or what franz-go made.
type memory struct{ own []byte }

func (m *memory) keep(b []byte) []byte {
	if m.own == nil || b == nil {
		return b
	}
	at := len(m.own)
	m.own = append(m.own, b...)
	return m.own[at:len(m.own):len(m.own)]
}
