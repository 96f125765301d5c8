package serde

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// AppendJSON appends v as JSON (RFC 8259) in one line: what was parsed from JSON and not
// changed is copied as it was written, without its white space if it had a raw newline. Bytes are
// base64 strings, Dates, Times and Timestamps RFC 3339 strings, UUIDs hexadecimal strings.
//
// Text that isn't UTF-8, NaN, an infinity, a Missing value and a year that RFC 3339 can't write are errors; dst comes back as it was.
func (v Value) AppendJSON(dst []byte) ([]byte, error) {
	if v.d == nil {
		return dst, errors.New("write JSON: the value is missing")
	}
	v.node() // not stale
	out, err := v.d.appendJSON(dst, v.i)
	if err != nil {
		return dst, fmt.Errorf("write JSON: %w", err)
	}
	return out, nil
}

// AppendText appends v as a template shows it: strings and bytes bare, numbers and bools as in
// JSON, dates and times by RFC 3339, null and Missing as nothing, arrays and objects as JSON.
func (v Value) AppendText(dst []byte) ([]byte, error) {
	if v.d == nil {
		return dst, nil
	}
	n := v.node()
	switch n.kind {
	case Null:
		return dst, nil
	case String, Bytes:
		return append(dst, v.d.plain(n)...), nil
	case Date, Time, Timestamp:
		out, err := appendTime(dst, n)
		if err != nil {
			return dst, fmt.Errorf("write text: %w", err)
		}
		return out, nil
	case UUID:
		return AppendUUID(dst, [16]byte(v.d.text(n))), nil
	}
	return v.AppendJSON(dst)
}

// appendJSON appends node i of d, which is no reference.
func (d *doc) appendJSON(dst []byte, i uint32) ([]byte, error) {
	n := &d.nodes[i]
	if n.flag&flagRaw != 0 {
		switch {
		case n.kind == String:
			return append(dst, d.span(n.flag, n.off-1, n.n+2)...), nil
		case n.flag&flagNewline != 0:
			return appendCompact(dst, d.text(n)), nil
		}
		return append(dst, d.text(n)...), nil
	}
	var err error
	switch n.kind {
	case Null:
		return append(dst, "null"...), nil
	case Bool:
		return strconv.AppendBool(dst, n.x != 0), nil
	case Int64:
		return strconv.AppendInt(dst, int64(n.x), 10), nil
	case Float64:
		if n.n == singlePrecision {
			return AppendFloat32(dst, float32(math.Float64frombits(n.x)))
		}
		return AppendFloat64(dst, math.Float64frombits(n.x))
	case Decimal:
		return append(dst, d.text(n)...), nil
	case String:
		return appendQuoted(dst, d.text(n))
	case Bytes:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, d.text(n))
		return append(dst, '"'), nil
	case Date, Time, Timestamp:
		if dst, err = appendTime(append(dst, '"'), n); err != nil {
			return nil, err
		}
		return append(dst, '"'), nil
	case UUID:
		return append(AppendUUID(append(dst, '"'), [16]byte(d.text(n))), '"'), nil
	case Array:
		return d.appendArray(dst, i)
	}
	return d.appendObject(dst, i)
}

// appendArray appends an array that wasn't parsed from JSON.
func (d *doc) appendArray(dst []byte, i uint32) ([]byte, error) {
	var err error
	dst = append(dst, '[')
	end, element := uint32(d.nodes[i].x), 0
	for j := i + 1; j < end; j = d.after(j) {
		if dst, err = d.appendMember(dst, j); err != nil {
			return nil, fmt.Errorf("element %d: %w", element, err)
		}
		dst = append(dst, ',')
		element++
	}
	return closed(dst, ']'), nil
}

func (d *doc) appendObject(dst []byte, i uint32) ([]byte, error) {
	var err error
	dst = append(dst, '{')
	for j, end := i+1, uint32(d.nodes[i].x); j < end; {
		m := &d.nodes[j]
		if text, next := d.unchanged(j, end); next > j {
			dst = append(append(dst, text...), ',')
			j = next
			continue
		}
		if dst, err = d.appendName(dst, m); err != nil {
			return nil, fmt.Errorf("member name %.100q: %w", d.name(m), err)
		}
		if dst, err = d.appendMember(dst, j); err != nil {
			return nil, fmt.Errorf("member %.100q: %w", d.name(m), err)
		}
		dst = append(dst, ',')
		j = d.after(j)
	}
	return closed(dst, '}'), nil
}

// unchanged is the JSON text of members j to next-1 of a made object: those that follow one
// another in a parsed object too. next is j if there are none.
func (d *doc) unchanged(j, end uint32) (text []byte, next uint32) {
	m := &d.nodes[j]
	if m.flag&flagNameThere == 0 {
		return nil, j
	}
	there := d.t.doc(uint32(m.x >> 32))
	first := &there.nodes[uint32(m.x)]
	if there.src == nil || there.nodes[0].flag&(flagRaw|flagNewline) != flagRaw || first.flag&flagNameBuf != 0 {
		return nil, j
	}
	at := uint32(m.x)
	for j++; j < end; j++ {
		m, next := &d.nodes[j], there.after(at)
		if m.flag&flagNameThere == 0 || m.x != uint64(there.index)<<32|uint64(next) {
			break
		}
		at = next
	}
	last := &there.nodes[at]
	to := last.off + last.n
	if last.kind == String {
		to++ // its quote
	}
	return there.src[first.name-1 : to], j
}

// closed ends a container: its last comma becomes c.
func closed(dst []byte, c byte) []byte {
	if dst[len(dst)-1] == ',' {
		dst[len(dst)-1] = c
		return dst
	}
	return append(dst, c)
}

// appendName appends the name of n and a colon.
func (d *doc) appendName(dst []byte, n *node) ([]byte, error) {
	if n.flag&flagNameQuoted != 0 {
		return append(dst, d.t.buf[n.name-1:n.name+uint32(n.nameLen)+2]...), nil
	}
	dst, err := appendQuoted(dst, d.name(n))
	return append(dst, ':'), err
}

// appendMember appends node i, which may be a reference.
func (d *doc) appendMember(dst []byte, i uint32) ([]byte, error) {
	if n := &d.nodes[i]; n.kind == Missing {
		d, i = d.t.doc(uint32(n.x>>32)), uint32(n.x)
	}
	return d.appendJSON(dst, i)
}

// appendTime appends a Date, a Time or a Timestamp by RFC 3339, with as many decimals as it has.
func appendTime(dst []byte, n *node) ([]byte, error) {
	switch n.kind {
	case Time:
		return AppendTimeOfDay(dst, int64(n.x))
	case Date:
		return AppendDate(dst, int64(n.x))
	}
	return AppendTimestamp(dst, int64(n.x))
}

// appendQuoted appends s as a JSON string.
func appendQuoted(dst, s []byte) ([]byte, error) {
	dst = append(dst, '"')
	if plainText(s) {
		return append(append(dst, s...), '"'), nil
	}
	clean, wide, i := 0, false, 0 // s[clean:i] is to be copied
	for i < len(s) {
		if i+8 <= len(s) {
			w := binary.LittleEndian.Uint64(s[i:])
			wide = wide || w&highs != 0
			m := syntactic(w)
			if m == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(m) >> 3
		}
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			wide = wide || c >= utf8.RuneSelf
			i++
			continue
		}
		dst = append(dst, s[clean:i]...)
		dst = appendEscape(dst, c)
		i++
		clean = i
	}
	if wide && !utf8.Valid(s) {
		at := InvalidUTF8(s)
		return nil, fmt.Errorf("the text isn't UTF-8: byte 0x%02X at %d", s[at], at)
	}
	dst = append(dst, s[clean:]...)
	return append(dst, '"'), nil
}

// plainText reports whether s is the same as a JSON string's content, and ASCII. Most texts are.
func plainText(s []byte) bool {
	if len(s) < 8 {
		return plainASCII(borrow(s))
	}
	for i := 0; i < len(s)-8; i += 8 {
		if special(binary.LittleEndian.Uint64(s[i:])) != 0 {
			return false
		}
	}
	return special(binary.LittleEndian.Uint64(s[len(s)-8:])) == 0
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	const hexDigits = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// appendCompact appends checked JSON text without its white space.
func appendCompact(dst, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case ' ', '\t', '\n', '\r':
		case '"':
			start := i
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			dst = append(dst, text[start:i+1]...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
