package cell

import (
	"encoding/base64"
	"math"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// isNumber reports whether v is a number of any kind.
func isNumber(v serde.Value) bool {
	k := v.Kind()
	return k == serde.Int64 || k == serde.Float64 || k == serde.Decimal
}

// Bool is what a Bool holds.
func Bool(v serde.Value) (bool, Refusal) {
	b, ok := v.Bool()
	return b, OtherKind.unless(ok)
}

// Integer is what a column holds whose values are integers in files: an Int32 or Int64, days of a Date, and milliseconds or microseconds of a time or a
// timestamp. Those of Int32, Date and TimeMillis have 32 bits.
func Integer(k table.Kind, v serde.Value) (int64, Refusal) {
	n, ok := v.Int64()
	switch k {
	case table.Int64:
		return n, notInteger(ok, v)
	case table.Int32:
		return int32Of(n, ok, v)
	case table.Date:
		return date(n, ok, v)
	case table.TimeMillis:
		return timeOfDay(n, ok, v, microsPerMilli)
	case table.TimeMicros:
		return timeOfDay(n, ok, v, 1)
	case table.TimestampMillis:
		return timestamp(n, ok, v, microsPerMilli)
	case table.TimestampMicros:
		return timestamp(n, ok, v, 1)
	}
	return 0, OtherKind
}

// notInteger is Taken if ok, which says that v is an integer.
func notInteger(ok bool, v serde.Value) Refusal {
	switch {
	case ok:
		return Taken
	case isNumber(v):
		return NotInteger
	}
	return OtherKind
}

func int32Of(n int64, ok bool, v serde.Value) (int64, Refusal) {
	switch {
	case ok && n == int64(int32(n)):
		return n, Taken
	case ok || isNumber(v):
		return 0, TooLarge
	}
	return 0, OtherKind
}

// Float64 is what a Float64 holds: the nearest to a number. None but an infinity becomes one.
func Float64(v serde.Value) (float64, Refusal) {
	f, ok := v.Float64()
	switch {
	case ok:
		return f, Taken
	case isNumber(v):
		return 0, TooLarge
	}
	return 0, OtherKind
}

// Float32 is what a Float32 holds: the nearest to a number. None but an infinity becomes one.
func Float32(v serde.Value) (float32, Refusal) {
	f, why := Float64(v)
	if x := float64(float32(f)); math.IsInf(x, 0) && x != f {
		return 0, TooLarge
	}
	return float32(f), why
}

// Text is what a String holds. It is borrowed of v, or written to scratch, which grows as needed.
func Text(v serde.Value, scratch *[]byte) ([]byte, Refusal) {
	switch v.Kind() {
	case serde.String:
		text, _ := v.Text()
		return text, NotUTF8.unless(utf8.Valid(text)) // those that handlers made weren't checked
	case serde.Date, serde.Time, serde.Timestamp, serde.UUID:
		text, err := v.AppendText((*scratch)[:0])
		*scratch = text[:0]
		return text, NoText.unless(err == nil)
	}
	return nil, OtherKind
}

// Package state: an encoding is constant; Strict copies it.
var strictBase64 = base64.StdEncoding.Strict()

// Bytes is what a Bytes holds. It is borrowed of v, or a text decoded to scratch, which grows as needed.
func Bytes(v serde.Value, scratch *[]byte) ([]byte, Refusal) {
	text, ok := v.Text()
	if !ok {
		return nil, OtherKind
	}
	if v.Kind() == serde.Bytes {
		return text, Taken
	}
	b, err := strictBase64.AppendDecode((*scratch)[:0], text)
	*scratch = b[:0]
	return b, NotBase64.unless(err == nil && strictBase64.EncodedLen(len(b)) == len(text)) // it passes over line breaks
}

// Fixed is what a Fixed of so many bytes holds, as Bytes.
func Fixed(v serde.Value, size int, scratch *[]byte) ([]byte, Refusal) {
	b, why := Bytes(v, scratch)
	if why == Taken && len(b) != size {
		why = OtherSize
	}
	return b, why
}

// UUID is what a UUID holds.
func UUID(v serde.Value) ([16]byte, Refusal) {
	if u, ok := v.UUID(); ok {
		return u, Taken
	}
	if v.Kind() != serde.String {
		return [16]byte{}, OtherKind
	}
	text, _ := v.Text()
	u, ok := serde.ParseUUID(text)
	return u, NotUUID.unless(ok)
}
