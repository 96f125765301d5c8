package envelope

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// A Record is what an envelope holds.
type Record struct {
	Topic     string // "" if the envelope doesn't say
	Partition int32  // -1 if it doesn't say
	Offset    int64  // -1 if it doesn't say
	Timestamp int64  // milliseconds since 1970-01-01T00:00Z; connector.NoTimestamp if there is none
	Key       []byte // nil: null
	Value     []byte // nil: null, a tombstone
	Headers   []connector.Header

	room []byte // what isn't borrowed
}

// Read takes an envelope of either form apart into dst, whose memory it uses again. Keys, values and headers may be borrowed from v: they are
// valid for as long as v is, and until dst is used again. Members that no envelope has are passed over. An error is Permanent.
func Read(v serde.Value, dst *Record) error {
	if v.Kind() != serde.Object {
		return connector.Permanent.Errorf("envelope: expected an object, found %s", v.Kind())
	}
	r := reader{Record: dst, topic: dst.Topic}
	*dst = Record{Partition: -1, Offset: -1, Timestamp: connector.NoTimestamp, Headers: dst.Headers[:0], room: dst.room[:0]}
	for name, x := range v.Members() {
		if err := r.member(name, x); err != nil {
			return connector.Permanent.Errorf("envelope: member %s: %w", name, err)
		}
	}
	if !r.key && !r.value {
		return connector.Permanent.Errorf("envelope: there is neither a key nor a value: was it written with envelope: true?")
	}
	return nil
}

// A reader knows which members it has seen.
type reader struct {
	*Record
	key, value bool
	topic      string // of the envelope before
}

var errTwice = errors.New("it is there as a text and as base64")

func (r *reader) member(name string, v serde.Value) (err error) {
	switch name {
	case "topic":
		if v.Kind() != serde.String {
			return unexpected(v.IsNull(), v, "a string")
		}
		text, _ := v.Text()
		r.Topic = again(r.topic, text)
	case "partition":
		n, err := whole(v, math.MaxInt32)
		r.Partition = int32(n)
		return err
	case "offset":
		r.Offset, err = whole(v, math.MaxInt64)
	case "timestamp":
		r.Timestamp, err = millis(v)
	case inKeyNames.plain, inKeyNames.base64:
		if r.key {
			return errTwice
		}
		r.key = true
		r.Key, err = r.bytes(v, name == inKeyNames.base64)
	case inValueNames.plain, inValueNames.base64:
		if r.value {
			return errTwice
		}
		r.value = true
		r.Value, err = r.bytes(v, name == inValueNames.base64)
	case "headers":
		return r.headers(v)
	}
	return err
}

// bytes are what a key, a value or a header's value stands for. encoded: a text of it is base64.
func (r *reader) bytes(v serde.Value, encoded bool) (b []byte, err error) {
	from := len(r.room)
	text, ok := v.Text()
	switch {
	case v.IsNull():
		return nil, nil
	case encoded && v.Kind() == serde.String:
		if r.room, err = base64.StdEncoding.AppendDecode(r.room, text); err != nil {
			return nil, fmt.Errorf("it isn't base64: %w", err)
		}
	case encoded && !ok:
		return nil, fmt.Errorf("expected a base64 text, found %s", v.Kind())
	case ok:
		if text == nil {
			text = []byte{} // empty, not null
		}
		return text[:len(text):len(text)], nil
	default:
		if r.room, err = v.AppendText(r.room); err != nil {
			return nil, err
		}
	}
	if b = r.room[from:len(r.room):len(r.room)]; b == nil {
		b = []byte{}
	}
	return b, nil
}

func (r *reader) headers(v serde.Value) error {
	if v.Kind() != serde.Array {
		return unexpected(v.IsNull(), v, "a list")
	}
	n := 0
	for h := range v.Elements() {
		if err := r.header(h); err != nil {
			return fmt.Errorf("header %d: %w", n, err)
		}
		n++
	}
	return nil
}

func (r *reader) header(v serde.Value) (err error) {
	if v.Kind() != serde.Object {
		return unexpected(false, v, "an object")
	}
	var h connector.Header
	before := "" // the name of this header in the envelope before
	if n := len(r.Headers); n < cap(r.Headers) {
		before = r.Headers[:n+1][n].Name
	}
	named, valued := false, false
	for name, x := range v.Members() {
		switch name {
		case headerName:
			text, ok := x.Text()
			if !ok {
				return fmt.Errorf("its name: %w", unexpected(false, x, "a string"))
			}
			h.Name, named = again(before, text), true
		case inValueNames.plain, inValueNames.base64:
			if valued {
				return errTwice
			}
			valued = true
			if h.Value, err = r.bytes(x, name == inValueNames.base64); err != nil {
				return fmt.Errorf("%.100q: %w", h.Name, err)
			}
		}
	}
	if !named {
		return errors.New("it has no name")
	}
	r.Headers = append(r.Headers, h)
	return nil
}

// again is a text as a string: the one before if that is the same, as topics and names of headers mostly are.
func again(before string, text []byte) string {
	if before == string(text) {
		return before
	}
	return string(text)
}

// unexpected is nil where a value may be left out.
func unexpected(fine bool, v serde.Value, want string) error {
	if fine {
		return nil
	}
	return fmt.Errorf("expected %s, found %s", want, v.Kind())
}

// whole is a number from 0 to most, -1 for null.
func whole(v serde.Value, most int64) (int64, error) {
	if v.IsNull() {
		return -1, nil
	}
	n, ok := v.Int64()
	if !ok || n < 0 || n > most {
		return -1, fmt.Errorf("expected an integer from 0 to %d", most)
	}
	return n, nil
}

// millis is a timestamp in milliseconds. What is finer is cut off, as Kafka has no finer ones.
func millis(v serde.Value) (int64, error) {
	if v.IsNull() {
		return connector.NoTimestamp, nil
	}
	if us, ok := v.Micros(); ok && v.Kind() == serde.Timestamp {
		return time.UnixMicro(us).UnixMilli(), nil
	}
	if v.Kind() == serde.String {
		text, _ := v.Text()
		ts, err := time.Parse(time.RFC3339Nano, string(text))
		if err != nil {
			return connector.NoTimestamp, errors.New("expected a time such as 2026-01-31T08:00:00.123Z")
		}
		return ts.UnixMilli(), nil
	}
	ms, ok := v.Int64()
	if !ok || ms < connector.NoTimestamp {
		return connector.NoTimestamp, errors.New("expected a timestamp, or an integer of milliseconds since 1970")
	}
	return ms, nil
}
