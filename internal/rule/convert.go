package rule

import (
	"encoding/base64"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/serde"
)

func toInt(f *frame, c *callSite, args []val) val {
	v := args[0]
	switch v.kind {
	case serde.Int64:
		return integer(v.int())
	case serde.Float64:
		x := math.Trunc(v.float())
		if x >= -(1<<63) && x < 1<<63 {
			return integer(int64(x))
		}
		return f.failf("int(): %s is out of range", show(c.args[0]))
	case serde.Decimal:
		if d, ok := parseDecimal(v.text); ok {
			if n, ok := d.truncated(); ok {
				return integer(n)
			}
		}
		return f.failf("int(): %s is out of range", show(c.args[0]))
	case serde.String:
		if n, err := strconv.ParseInt(string(v.text[:min(len(v.text), 100)]), 10, 64); err == nil {
			return integer(n)
		}
		return f.failf("int(): the text of %s isn't an integer", show(c.args[0]))
	case serde.Timestamp, serde.Date:
		return integer(floorDiv(v.int(), 1000))
	}
	return f.wrong(c, 0, v, "a number, a text or a time")
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// jsonNumber reports whether s is a number as JSON writes it; a sign + is allowed besides.
func jsonNumber(s []byte) bool {
	_, ok := parseDecimal(s)
	return ok && s[len(s)-1] != '.' && s[0] != '.'
}

func toFloat(f *frame, c *callSite, args []val) val {
	v := args[0]
	switch v.kind {
	case serde.Float64:
		return number(v.float())
	case serde.Int64:
		return number(float64(v.int()))
	case serde.Decimal, serde.String:
		if v.kind == serde.String && !jsonNumber(v.text) {
			return f.failf("float(): the text of %s isn't a number", show(c.args[0]))
		}
		x, err := strconv.ParseFloat(string(v.text), 64)
		if err != nil {
			return f.failf("float(): %s is out of range", show(c.args[0]))
		}
		return number(x)
	}
	return f.wrong(c, 0, v, "a number or a text")
}

func toDecimal(f *frame, c *callSite, args []val) val {
	v := args[0]
	switch v.kind {
	case serde.Int64, serde.Float64, serde.Decimal:
		d := decimalOf(v)
		if d == nil {
			return f.failf("decimal(): %s isn't a finite number of a reasonable size", show(c.args[0]))
		}
		return f.settle(d)
	case serde.String:
		if !jsonNumber(v.text) {
			return f.failf("decimal(): the text of %s isn't a number", show(c.args[0]))
		}
		d, _ := parseDecimal(v.text)
		return f.settle(d)
	}
	return f.wrong(c, 0, v, "a number or a text")
}

func toString(f *frame, c *callSite, args []val) val {
	v := args[0]
	switch v.kind {
	case serde.String:
		return text(v.text)
	case serde.Null:
		return f.wrong(c, 0, v, "a value")
	case serde.Bytes:
		if !f.read(len(v.text)) {
			return fail
		}
		if !utf8.Valid(v.text) {
			return f.failf("string(): the bytes of %s aren't UTF-8 (use toBase64)", show(c.args[0]))
		}
		return text(v.text)
	case serde.Array, serde.Object:
		return toJSON(f, c, args)
	}
	from := len(f.buf)
	if v.whole() {
		return text(f.textOf(v.v))
	}
	f.buf = f.appendText(f.buf, v)
	return f.made(from)
}

// date makes a time of milliseconds since 1970, or of a text: RFC 3339 or a date alone, in UTC.
func date(f *frame, c *callSite, args []val) val {
	v := args[0]
	switch v.kind {
	case serde.Timestamp:
		return v
	case serde.Date:
		return val{kind: serde.Timestamp, bits: v.bits}
	case serde.Int64:
		us, overflow := product(v.int(), 1000)
		if overflow {
			return f.failf("date(): %s is out of range", show(c.args[0]))
		}
		return val{kind: serde.Timestamp, bits: uint64(us)}
	case serde.String:
		s := string(v.text[:min(len(v.text), 64)])
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t, err = time.Parse(time.DateOnly, s)
		}
		if err != nil {
			return f.failf("date(): the text of %s is neither like 2006-01-02T15:04:05Z nor like 2006-01-02", show(c.args[0]))
		}
		return val{kind: serde.Timestamp, bits: uint64(t.UnixMicro())}
	}
	return f.wrong(c, 0, v, "milliseconds, a text or a time")
}

func toJSON(f *frame, c *callSite, args []val) val {
	v, ok := f.store(args[0])
	if !ok {
		return fail
	}
	from := len(f.buf)
	out, err := v.AppendJSON(f.buf)
	if err != nil {
		return f.failf("%s(): %s: %w", c.name, show(c.args[0]), err)
	}
	f.buf = out
	if !f.grow(len(out) - from) {
		return fail
	}
	return text(out[from:len(out):len(out)])
}

func fromJSON(f *frame, c *callSite, args []val) val {
	if !f.texts(c, args) || !f.grow(16*len(args[0].text)) {
		return fail
	}
	v, err := f.tape.JSON(append([]byte(nil), args[0].text...), serde.Limits{})
	if err != nil {
		return f.failf("fromJSON(): %s: %w", show(c.args[0]), err)
	}
	return f.load(v)
}

func toBase64(f *frame, c *callSite, args []val) val {
	v := args[0]
	if v.kind != serde.String && v.kind != serde.Bytes {
		return f.wrong(c, 0, v, "a text or bytes")
	}
	if !f.grow(base64.StdEncoding.EncodedLen(len(v.text))) {
		return fail
	}
	from := len(f.buf)
	f.buf = base64.StdEncoding.AppendEncode(f.buf, v.text)
	return text(f.buf[from:len(f.buf):len(f.buf)])
}

// fromBase64 gives bytes; string() makes a text of them.
func fromBase64(f *frame, c *callSite, args []val) val {
	if !f.texts(c, args) || !f.grow(len(args[0].text)) {
		return fail
	}
	from := len(f.buf)
	out, err := base64.StdEncoding.AppendDecode(f.buf, args[0].text)
	if err != nil {
		return f.failf("fromBase64(): the text of %s isn't base64", show(c.args[0]))
	}
	f.buf = out
	return val{kind: serde.Bytes, text: out[from:len(out):len(out)]}
}
