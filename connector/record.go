package connector

import (
	"encoding/hex"
	"strconv"
	"time"

	"github.com/millrace/millrace/serde"
)

// A Partition names one partition of a topic.
type Partition struct {
	Topic string `json:"topic"`
	ID    int32  `json:"partition"`
}

func (p Partition) String() string { return p.Topic + "/" + strconv.Itoa(int(p.ID)) }

// A Header is a Kafka record header. Names may repeat; their order counts.
type Header struct {
	Name  string
	Value []byte
}

// A Record is one message on its way from a partition to a sink.
//
// RawKey and RawValue are Kafka's bytes and never change: the dead letter gets
// them, whatever handlers did. Key and Value are what the decoders made of them
// and what handlers replace. All of them are borrowed from the Batch: who keeps
// a Record longer than the call it came in clones what it needs.
type Record struct {
	Key, Value       serde.Value
	RawKey, RawValue []byte // nil is Kafka's null
	Headers          []Header
	Timestamp        int64 // milliseconds since 1970-01-01T00:00Z
	Offset           int64
	Index            int32 // 0 for the record itself, 1, 2, ... for those emitted from it
	LogAppendTime    bool  // the broker set Timestamp, not the producer

	origin int32 // index in the batch that was fetched
}

// Time is the Timestamp as a time in UTC.
func (r *Record) Time() time.Time { return time.UnixMilli(r.Timestamp).UTC() }

// NoTimestamp is the Timestamp of a record that has none (RecordBatch.NO_TIMESTAMP of Kafka's Java client).
const NoTimestamp = -1

// TimestampType says what Timestamp is, by the names of Kafka's Java client: CreateTime, LogAppendTime, or NoTimestampType.
func (r *Record) TimestampType() string {
	switch {
	case r.Timestamp == NoTimestamp:
		return "NoTimestampType"
	case r.LogAppendTime:
		return "LogAppendTime"
	}
	return "CreateTime"
}

// Tombstone reports whether Kafka holds a null value.
func (r *Record) Tombstone() bool { return r.RawValue == nil }

// Deleted reports whether the record is a tombstone still: no handler gave it a value.
func (r *Record) Deleted() bool { return r.Tombstone() && r.Value.IsNull() }

// Header is the value of the last header of a name, as the Java client's Headers.lastHeader has it. ok is false if there is none; a header may
// also have no value, nil.
func (r *Record) Header(name string) (value []byte, ok bool) {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Name == name {
			return r.Headers[i].Value, true
		}
	}
	return nil, false
}

// appendID appends "<topic id hex>-<partition>-<offset>-<index>".
func appendID(dst []byte, topic [16]byte, partition int32, r *Record) []byte {
	dst = hex.AppendEncode(dst, topic[:])
	dst = append(dst, '-')
	dst = strconv.AppendInt(dst, int64(partition), 10)
	dst = append(dst, '-')
	dst = strconv.AppendInt(dst, r.Offset, 10)
	dst = append(dst, '-')
	return strconv.AppendInt(dst, int64(r.Index), 10)
}
