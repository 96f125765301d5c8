package avro

import (
	"github.com/millrace/millrace/serde"
)

const (
	msOfDay = 24 * 60 * 60 * 1000
	usOfDay = msOfDay * 1000
)

// begins enters a record.
func (in *input) begins(o *op, k, i int) *fault {
	if o.of.fail != "" {
		return in.bad(k, i, "%s", o.of.fail)
	}
	if f := in.enter(k, i); f != nil {
		return f
	}
	return in.room(k, i, o.of.parts)
}

func (in *input) noSymbol(o *op, k, i int, x int64) *fault {
	return in.bad(k, i, "there is no symbol %d, the enum has %d", x, len(o.of.symbols))
}

func (in *input) repeated(k, i int, key string) *fault {
	return in.bad(k, i, "the map has the key %.100q twice", key)
}

// notUTF8 is the fault of the text from i to end.
func (in *input) notUTF8(k, i, end int) *fault {
	at := i + serde.InvalidUTF8(in.data[i:end])
	if at < end {
		return in.bad(k, at, "the text isn't UTF-8: byte 0x%02X", in.data[at])
	}
	return in.bad(k, i, "the text isn't UTF-8")
}

// span is where the bytes lie that a text is made of. Behind it the next value begins.
func (in *input) span(o *op, x int64, k, i int) (from, end int, f *fault) {
	if o.code <= opUnion {
		if uint64(x) > uint64(len(in.data)-i) || int(x) > in.limits.TextLen {
			return 0, 0, in.tooMuch(k, i, x)
		}
		return i, i + int(x), nil
	}
	if int(o.n) > len(in.data)-i {
		return 0, 0, in.ends(k, i, "a fixed value", int(o.n))
	}
	return i, i + int(o.n), nil
}

// timeOfDay is x in microseconds.
func (in *input) timeOfDay(o *op, x int64, k, i int) (us int64, f *fault) {
	switch {
	case o.code == opTimeMillis && x >= 0 && x < msOfDay:
		return x * 1000, nil
	case o.code == opTimeMicros && x >= 0 && x < usOfDay:
		return x, nil
	case o.code == opTimeMillis:
		return 0, in.bad(k, i, "%d milliseconds are no time of a day", x)
	}
	return 0, in.bad(k, i, "%d microseconds are no time of a day", x)
}

// timeText appends a timestamp that is a text: one in nanoseconds, or one without a zone.
func (in *input) timeText(dst []byte, o *op, x int64, k, i int) ([]byte, *fault) {
	us, ok := micros(o, x)
	begin, err := len(dst), error(nil)
	if x%1000 != 0 && (o.code == opTimestampNanos || o.code == opLocalNanos) {
		dst, err = appendNanos(dst, x)
	} else {
		dst, err = serde.AppendTimestamp(dst, us)
	}
	if !ok || err != nil {
		return nil, in.bad(k, i, "the year of a local timestamp isn't from 0 to 9999")
	}
	if o.code != opTimestampNanos {
		dst = dst[:len(dst)-1] // Z
	}
	return dst, in.copies(k, i, len(dst)-begin)
}

// micros is a timestamp in microseconds; ok is false where int64 doesn't hold them. What nanoseconds have more is cut off.
func micros(o *op, x int64) (us int64, ok bool) {
	switch o.code {
	case opTimestampMillis, opLocalMillis:
		return x * 1000, x*1000/1000 == x
	case opTimestampNanos, opLocalNanos:
		return x / 1000, true
	}
	return x, true
}

// maxDecimal is the bytes of a number of maxPrecision digits.
const maxDecimal = 1701

// decimal appends the number that lies from from to end.
func (in *input) decimal(dst []byte, o *op, from, end, k int) ([]byte, *fault) {
	scale := int64(o.scale)
	number := in.data[from:end]
	if o.code == opBigDecimal {
		var f *fault
		if number, scale, f = in.bigDecimal(from, end, k); f != nil {
			return nil, f
		}
	}
	if len(number) == 0 {
		return nil, in.bad(k, from, "a decimal has no bytes")
	}
	number = withoutSigns(number)
	if len(number) > maxDecimal {
		return nil, in.bad(k, from, "a decimal of %d bytes has more than %d digits", len(number), maxPrecision)
	}
	begin := len(dst)
	dst = serde.AppendDecimal(dst, number, int(scale))
	return dst, in.copies(k, from, len(dst)-begin)
}

// bigDecimal takes a big-decimal apart: its digits as bytes and its scale as an int, as if they were fields (specification, Decimal, alternative
// representation).
func (in *input) bigDecimal(from, end, k int) (number []byte, scale int64, f *fault) {
	inner := input{data: in.data[:end], limits: in.limits}
	n, i, f := inner.integer(&op{long: true}, k, from)
	if f != nil {
		return nil, 0, f
	}
	if uint64(n) > uint64(end-i) {
		return nil, 0, inner.tooMuch(k, i, n)
	}
	number = in.data[i : i+int(n)]
	if scale, i, f = inner.integer(&op{}, k, i+int(n)); f != nil {
		return nil, 0, f
	}
	switch {
	case i != end:
		return nil, 0, in.bad(k, i, "%d bytes are left behind a big-decimal", end-i)
	case scale > maxPrecision || scale < -maxPrecision:
		return nil, 0, in.bad(k, i, "a big-decimal has the scale %d; %d to %d are possible", scale, -maxPrecision, maxPrecision)
	}
	return number, scale, nil
}

// floorDiv divides so that the rest isn't negative.
func floorDiv(x, y int64) (q, rest int64) {
	q, rest = x/y, x%y
	if rest < 0 {
		q, rest = q-1, rest+y
	}
	return q, rest
}
