package column

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"time"

	"github.com/millrace/millrace/serde"
)

// maxNumber is how many characters a number may have: the limit of numbers in JSON documents.
const maxNumber = 1024

// write reads text as a value of the field's type. It reports whether the text is one.
func (f *field) write(w *serde.Writer, t *serde.Tape, text []byte) bool {
	switch f.typ {
	case Int:
		n, ok := parseInt(text)
		w.Int64(f.name, n)
		return ok
	case Float:
		x, ok := parseFloat(text)
		w.Float64(f.name, x)
		return ok
	case Decimal:
		return writeDecimal(w, f.name, text)
	case Bool:
		b, ok := parseBool(text)
		w.Bool(f.name, b)
		return ok
	case Date:
		m, ok := f.times.parse(text)
		if ok {
			w.Date(f.name, int32(floorDiv(m.seconds, secondsOfDay)))
		}
		return ok
	case Time:
		m, ok := f.times.parse(text)
		if ok {
			writeTime(w, f.name, m)
		}
		return ok
	case Timestamp:
		m, ok := f.times.parse(text)
		if ok {
			writeTimestamp(w, f.name, m)
		}
		return ok
	case UUID:
		u, ok := parseUUID(text)
		w.Copy(f.name, serde.UUID, u[:])
		return ok
	case Bytes:
		b, ok := f.bytes(t, text)
		w.Copy(f.name, serde.Bytes, b)
		return ok
	}
	w.Copy(f.name, serde.String, text)
	return true
}

// parseInt reads an integer of 64 bits, with a sign and zeros in front.
func parseInt(text []byte) (int64, bool) {
	neg := false
	if len(text) > 1 && (text[0] == '-' || text[0] == '+') {
		neg = text[0] == '-'
		text = text[1:]
	}
	if len(text) == 0 || len(text) > maxNumber {
		return 0, false
	}
	most := uint64(math.MaxInt64)
	if neg {
		most++
	}
	u := uint64(0)
	for _, c := range text {
		d := uint64(c - '0')
		if d > 9 || u > (most-d)/10 {
			return 0, false
		}
		u = u*10 + d
	}
	if neg {
		return -int64(u), true
	}
	return int64(u), true
}

// parseFloat reads a number in decimal notation. NaN, infinities and hexadecimal numbers are none.
func parseFloat(text []byte) (float64, bool) {
	if len(text) > maxNumber {
		return 0, false
	}
	for _, c := range text {
		if c-'0' > 9 && c != '.' && c != '-' && c != '+' && c|0x20 != 'e' {
			return 0, false
		}
	}
	x, err := strconv.ParseFloat(string(text), 64)
	return x, err == nil
}

// writeDecimal writes a number as JSON does: without a plus sign and zeros in front, and with a digit on both sides of the point.
func writeDecimal(w *serde.Writer, name serde.Name, text []byte) bool {
	if len(text) > maxNumber {
		return false
	}
	number := text
	var room [64]byte
	neg := len(number) > 0 && number[0] == '-'
	if neg || len(number) > 0 && number[0] == '+' {
		number = number[1:]
	}
	whole := digits(number)
	rest := number[whole:]
	point, fraction := len(rest) > 0 && rest[0] == '.', 0
	if point {
		fraction = digits(rest[1:])
		rest = rest[1+fraction:]
	}
	if whole+fraction == 0 || !exponent(rest) {
		return false
	}
	for whole > 1 && number[0] == '0' {
		number = number[1:]
		whole--
	}
	out := room[:0]
	if neg {
		out = append(out, '-')
	}
	if whole == 0 {
		out = append(out, '0')
	}
	out = append(out, number[:whole]...)
	if fraction > 0 {
		out = append(out, number[whole:whole+1+fraction]...)
	}
	w.Copy(name, serde.Decimal, append(out, rest...))
	return true
}

// exponent reports whether b is an exponent or nothing.
func exponent(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if b[0]|0x20 != 'e' {
		return false
	}
	b = b[1:]
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		b = b[1:]
	}
	return len(b) > 0 && digits(b) == len(b)
}

// digits is how many digits b begins with.
func digits(b []byte) int {
	for i, c := range b {
		if c-'0' > 9 {
			return i
		}
	}
	return len(b)
}

func parseBool(text []byte) (b, ok bool) {
	var lower [5]byte
	if len(text) > len(lower) {
		return false, false
	}
	for i, c := range text {
		if c-'A' < 26 {
			c |= 0x20
		}
		lower[i] = c
	}
	switch string(lower[:len(text)]) {
	case "true", "t", "yes", "y", "1":
		return true, true
	case "false", "f", "no", "n", "0":
		return false, true
	}
	return false, false
}

// parseUUID reads a UUID as RFC 9562 writes it, or its 32 digits alone.
func parseUUID(text []byte) (u [16]byte, ok bool) {
	if len(text) != hex.EncodedLen(len(u)) {
		return serde.ParseUUID(text)
	}
	_, err := hex.Decode(u[:], text)
	return u, err == nil
}

// bytes unpacks text in the tape's memory. Hexadecimal may begin with \x, as PostgreSQL writes bytea, or with 0x.
func (f *field) bytes(t *serde.Tape, text []byte) ([]byte, bool) {
	if !f.hex {
		room := t.Keep(text)
		n, err := base64.StdEncoding.Decode(room, text)
		return room[:n], err == nil
	}
	if bytes.HasPrefix(text, []byte(`\x`)) || bytes.HasPrefix(text, []byte("0x")) {
		text = text[2:]
	}
	room := t.Keep(text)
	n, err := hex.Decode(room, text)
	return room[:n], err == nil
}

// writeTimestamp writes a moment, as a text where it is finer than a microsecond.
func writeTimestamp(w *serde.Writer, name serde.Name, m moment) {
	if m.nanos%1000 == 0 {
		w.Timestamp(name, m.seconds*1e6+m.nanos/1000)
		return
	}
	var room [40]byte
	w.Copy(name, serde.String, time.Unix(m.seconds, m.nanos).UTC().AppendFormat(room[:0], "2006-01-02T15:04:05.000000000Z"))
}

// writeTime is writeTimestamp for a time of day.
func writeTime(w *serde.Writer, name serde.Name, m moment) {
	if m.nanos%1000 == 0 {
		w.Time(name, m.seconds*1e6+m.nanos/1000)
		return
	}
	var room [40]byte
	w.Copy(name, serde.String, time.Unix(m.seconds, m.nanos).UTC().AppendFormat(room[:0], "15:04:05.000000000"))
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
