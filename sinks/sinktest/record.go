package sinktest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	jsonserde "github.com/millrace/millrace/serde/json"
)

// A Raw is a record as Kafka holds it, before decoding. A nil key or value is Kafka's null.
type Raw struct {
	Key, Value []byte
	Headers    []connector.Header
}

// A Delivery is a record that a destination holds, by the key and the sequence number
// that the suite made it with. Sequence numbers count from 0 for each key.
type Delivery struct {
	Key string
	Seq int
}

// Record is what the suites write unless a harness has a Record of its own: a key, and a JSON
// object with the members key (text), seq (integer), lng and lat (seq thousandths of a degree) and note (text).
func Record(key string, seq int) Raw {
	degrees := strconv.FormatFloat(float64(seq)/1000, 'f', 3, 64)
	value := fmt.Sprintf(`{"key":%q,"seq":%d,"lng":%s,"lat":%s,"note":"record %d of \u006bey %s"}`, key, seq, degrees, degrees, seq, key)
	return Raw{
		Key:     []byte(key),
		Value:   []byte(value),
		Headers: []connector.Header{{Name: "trace", Value: []byte(key + "-" + strconv.Itoa(seq))}},
	}
}

// Parse reads a value of Record back, for destinations that store the whole value.
func Parse(value []byte) (Delivery, error) {
	var v struct {
		Key  *string
		Seq  *int
		Note string
	}
	if err := json.Unmarshal(value, &v); err != nil {
		return Delivery{}, fmt.Errorf("parse stored value %q: %w", value, err)
	}
	if v.Key == nil || v.Seq == nil {
		return Delivery{}, fmt.Errorf("parse stored value %q: key or seq is missing", value)
	}
	if note := fmt.Sprintf("record %d of key %s", *v.Seq, *v.Key); v.Note != note {
		return Delivery{}, fmt.Errorf("parse stored value %q: note is %q, want %q", value, v.Note, note)
	}
	return Delivery{Key: *v.Key, Seq: *v.Seq}, nil
}

// clone copies everything, so that a check may overwrite the copy.
func (r Raw) clone() Raw {
	c := Raw{Key: cloneBytes(r.Key), Value: cloneBytes(r.Value)}
	for _, h := range r.Headers {
		c.Headers = append(c.Headers, connector.Header{Name: h.Name, Value: cloneBytes(h.Value)})
	}
	return c
}

func cloneBytes(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}

const topic = "sinktest.cars"

func partition(id int32) connector.Partition { return connector.Partition{Topic: topic, ID: id} }

// borrowed is a batch whose memory belongs to the suite, which spoils it after the call that borrowed it.
type borrowed struct {
	*connector.Batch
	raws   []Raw
	before []image
}

// image is what of a record a sink must leave alone.
type image struct {
	key, value, headers           string
	offset, timestamp             int64
	index                         int32
	logAppendTime, hasKey, hasVal bool
}

// spoil overwrites all bytes and resets the tape: what a Connector does when the next fetch reuses the memory.
func (b *borrowed) spoil() {
	for _, r := range b.raws {
		scramble(r.Key)
		scramble(r.Value)
		for _, h := range r.Headers {
			scramble(h.Value)
		}
	}
	if t := b.Tape(); t != nil {
		t.Reset()
	}
}

func scramble(b []byte) {
	for i := range b {
		b[i] = '#'
	}
}

func imageOf(r *connector.Record) image {
	return image{
		key: show(r.RawKey, r.Key), value: show(r.RawValue, r.Value), headers: fmt.Sprintf("%q", r.Headers),
		offset: r.Offset, timestamp: r.Timestamp, index: r.Index, logAppendTime: r.LogAppendTime,
		hasKey: r.RawKey != nil, hasVal: r.RawValue != nil,
	}
}

func show(raw []byte, v serde.Value) string {
	text, err := v.AppendJSON(nil)
	return fmt.Sprintf("%q %v %s %v", raw, v.Kind(), text, err)
}

// untouched fails the test where the sink changed a record.
func (b *borrowed) untouched(t testing.TB) {
	t.Helper()
	if b.Len() != len(b.before) {
		t.Errorf("the sink changed the number of records from %d to %d", len(b.before), b.Len())
		return
	}
	for i, want := range b.before {
		if got := imageOf(b.At(i)); got != want {
			t.Errorf("the sink modified record %d: %+v, was %+v", i, got, want)
		}
	}
}

// newBatch decodes copies of raws, keys as text and values as JSON, at the offsets from on.
func newBatch(t testing.TB, p connector.Partition, from int64, raws []Raw) *borrowed {
	t.Helper()
	b := &borrowed{}
	records := make([]connector.Record, len(raws))
	for i, r := range raws {
		r = r.clone()
		b.raws = append(b.raws, r)
		records[i] = connector.Record{
			RawKey: r.Key, RawValue: r.Value, Headers: r.Headers,
			Offset: from + int64(i), Timestamp: 1_700_000_000_000 + from + int64(i),
		}
	}
	source := connector.Source{Partition: p, TopicID: [16]byte{1, 2, 3}, Connector: "sinktest", Next: from + int64(len(raws))}
	b.Batch = connector.NewBatch(source, records, nil)
	values, err := jsonserde.New(jsonserde.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	b.Decode(t.Context(), serde.StringDecoder{}, values)
	for i := range b.Len() {
		if err := b.Err(i); err != nil {
			t.Fatalf("record %d, %q, never gets to a sink: %v", i, raws[i].Value, err)
		}
		b.before = append(b.before, imageOf(b.At(i)))
	}
	return b
}
