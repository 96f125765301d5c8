package connectjson

import (
	"bytes"
	"encoding/hex"
	"math"
	"strconv"
	"time"

	"github.com/millrace/millrace/serde"
)

const nanosOfDay = 24 * 60 * 60 * int64(time.Second)

// time writes a date, a time of day or a timestamp.
func (e *encoder) time(n *node, name serde.Name, v serde.Value) error {
	x, err := wholeNumber(n, v)
	if err != nil {
		return err
	}
	if n.logical == date {
		e.w.Date(name, int32(x))
		return nil
	}
	if n.logical == timestamp && e.epoch {
		e.w.Int64(name, x)
		return nil
	}
	if n.logical == timeOfDay && (x < 0 || x >= nanosOfDay/int64(n.scale)) {
		return misfitf("%d is no time of a day", x)
	}
	us, rest := x, int64(0)
	switch n.scale {
	case milli:
		if x > math.MaxInt64/1000 || x < math.MinInt64/1000 {
			return misfitf("%d milliseconds are out of the range of timestamps", x)
		}
		us = x * 1000
	case nano:
		us, rest = x/1000, x%1000
	}
	switch {
	case rest != 0 && n.logical == timeOfDay:
		return e.copyTime(name, x, "15:04:05.000000000")
	case rest != 0:
		return e.copyTime(name, x, "2006-01-02T15:04:05.000000000Z")
	case n.logical == timeOfDay:
		e.w.Time(name, us)
	default:
		e.w.Timestamp(name, us)
	}
	return nil
}

// copyTime writes what is finer than a microsecond as text.
func (e *encoder) copyTime(name serde.Name, ns int64, layout string) error {
	e.buf = time.Unix(0, ns).UTC().AppendFormat(e.buf[:0], layout)
	return e.copy(name, serde.String, e.buf)
}

// zonedTimestamp writes a timestamp of RFC 3339. What is none, or is finer than a microsecond, stays a string.
func (e *encoder) zonedTimestamp(name serde.Name, v serde.Value) error {
	s, ok := v.Text()
	if !ok {
		return misfitf("got %s, want a timestamp as a string", v.Kind())
	}
	ts, err := time.Parse(time.RFC3339Nano, string(s))
	if e.epoch || err != nil || ts.Nanosecond()%1000 != 0 {
		return e.text(name, s)
	}
	e.w.Timestamp(name, ts.UnixMicro())
	return nil
}

// uuid writes a UUID of 32 hexadecimal digits in five groups. What is none stays a string.
func (e *encoder) uuid(name serde.Name, v serde.Value) error {
	s, ok := v.Text()
	if !ok {
		return misfitf("got %s, want a UUID as a string", v.Kind())
	}
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return e.text(name, s)
	}
	var digits [32]byte
	var u [16]byte
	copy(digits[:8], s[:8])
	copy(digits[8:12], s[9:13])
	copy(digits[12:16], s[14:18])
	copy(digits[16:20], s[19:23])
	copy(digits[20:], s[24:])
	if _, err := hex.Decode(u[:], digits[:]); err != nil {
		return e.text(name, s)
	}
	e.w.Copy(name, serde.UUID, u[:])
	return nil
}

// Limits of a decimal's digits, as those of a number in a JSON document.
const (
	maxUnscaled = 425  // bytes of an unscaled value: 1,024 digits
	maxDigits   = 1024 // of a number
)

// decimal writes the decimal that bytes hold, or a number if the converter's decimal.format is NUMERIC.
func (e *encoder) decimal(name serde.Name, v serde.Value, scale int) error {
	var err error
	switch v.Kind() {
	case serde.Int64, serde.Float64, serde.Decimal:
		err = e.rescale(v, scale)
	default:
		err = e.unscaled(v, scale)
	}
	if err != nil {
		return err
	}
	return e.copy(name, serde.Decimal, e.number)
}

// variableDecimal writes a decimal that comes with its scale.
func (e *encoder) variableDecimal(n *node, name serde.Name, v serde.Value) error {
	if v.Kind() != serde.Object {
		return mismatch(n, v)
	}
	scale, err := wholeNumber(n.fields[0].node, v.Field("scale"))
	if err != nil {
		return in("scale", err)
	}
	if scale > maxScale || scale < -maxScale {
		return in("scale", misfitf("%d is out of the range from %d to %d", scale, -maxScale, maxScale))
	}
	return e.decimal(name, v.Field("value"), int(scale))
}

// unscaled makes e.number of a big-endian two's complement in base64.
func (e *encoder) unscaled(v serde.Value, scale int) error {
	b, err := e.unbase64(v)
	if err != nil {
		return err
	}
	if len(b) == 0 || len(b) > maxUnscaled {
		return misfitf("a decimal has %d bytes, want 1 to %d", len(b), maxUnscaled)
	}
	e.number = serde.AppendDecimal(e.number[:0], b, scale)
	return nil
}

// scaled makes e.number of an integer's digits and a scale, as BigDecimal.toPlainString does.
func (e *encoder) scaled(digits []byte, scale int) {
	out := e.number[:0]
	if digits[0] == '-' {
		out, digits = append(out, '-'), digits[1:]
	}
	e.number = serde.AppendScaled(out, digits, scale)
}

// rescale makes e.number of a number's text with exactly the digits behind the point that scale says.
func (e *encoder) rescale(v serde.Value, scale int) error {
	text, ok := v.Number()
	if !ok {
		return misfitf("the number has no text")
	}
	mantissa, exponent := text, 0
	if at := bytes.IndexAny(text, "eE"); at >= 0 {
		var err error
		if exponent, err = strconv.Atoi(string(text[at+1:])); err != nil || exponent > maxDigits || exponent < -maxDigits {
			return misfitf("the exponent of a decimal is beyond %d", maxDigits)
		}
		mantissa = text[:at]
	}
	negative := mantissa[0] == '-'
	whole, fraction, _ := bytes.Cut(bytes.TrimPrefix(mantissa, []byte{'-'}), []byte{'.'})
	digits := append(append(append(e.buf[:0], '-'), whole...), fraction...)
	for has := len(fraction) - exponent; has != scale; {
		switch {
		case has < scale:
			digits, has = append(digits, '0'), has+1
		case len(digits) == 1:
			has--
		case digits[len(digits)-1] == '0':
			digits, has = digits[:len(digits)-1], has-1
		default:
			return misfitf("the decimal has more than %d digits behind the point", scale)
		}
	}
	e.buf = digits
	first := 1 // digit that counts
	for first < len(digits) && digits[first] == '0' {
		first++
	}
	switch {
	case first == len(digits):
		digits = append(digits[:0], '0')
	case negative:
		first--
		digits[first] = '-'
		digits = digits[first:]
	default:
		digits = digits[first:]
	}
	e.scaled(digits, scale)
	return nil
}
