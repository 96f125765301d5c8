package pattern

import (
	"bytes"
	"cmp"
	"strconv"
)

// A number is a number of a pattern.
type number struct {
	decimal
	n     int64
	whole bool // it is n
}

// compare orders a scalar, which is a number, and n.
func (s *scalar) compare(n *number) int {
	if s.whole && n.whole {
		return cmp.Compare(s.n, n.n)
	}
	text := s.text
	if text == nil {
		var room [20]byte
		text = strconv.AppendInt(room[:0], s.n, 10)
	}
	d := decimalOf(text)
	return d.compare(&n.decimal)
}

// A decimal is a number in a JSON text: 0.digits * 10^exp. It borrows the text.
type decimal struct {
	sign   int    // -1, 0, 1
	digits []byte // from the first that isn't 0; they may hold a point
	exp    int64
}

// decimalOf takes the text of a JSON number apart.
func decimalOf(text []byte) decimal {
	d := decimal{sign: 1}
	if len(text) > 0 && text[0] == '-' {
		d.sign, text = -1, text[1:]
	}
	mantissa := text
	if i := bytes.IndexAny(text, "eE"); i >= 0 {
		mantissa, d.exp = text[:i], exponent(text[i+1:])
	}
	point := bytes.IndexByte(mantissa, '.')
	if point < 0 {
		point = len(mantissa)
	}
	first := 0
	for first < len(mantissa) && (mantissa[first] == '0' || mantissa[first] == '.') {
		first++
	}
	if first == len(mantissa) {
		return decimal{}
	}
	d.digits = mantissa[first:]
	d.exp += int64(point - first)
	if first > point {
		d.exp++ // the point isn't a digit
	}
	return d
}

// mostExponent bounds an exponent: nothing is lost between numbers that large, because no text has that many digits.
const mostExponent = 1 << 50

func exponent(text []byte) int64 {
	negative := len(text) > 0 && text[0] == '-'
	e := int64(0)
	for _, c := range text {
		if c >= '0' && c <= '9' && e < mostExponent {
			e = e*10 + int64(c-'0')
		}
	}
	if negative {
		return -e
	}
	return e
}

func (d *decimal) compare(e *decimal) int {
	switch {
	case d.sign != e.sign:
		return cmp.Compare(d.sign, e.sign)
	case d.exp != e.exp:
		return d.sign * cmp.Compare(d.exp, e.exp)
	}
	return d.sign * compareDigits(d.digits, e.digits)
}

// compareDigits compares digits that begin at the same place. They may hold points, which count for nothing.
func compareDigits(a, b []byte) int {
	for i, j := 0, 0; ; i, j = i+1, j+1 {
		if i < len(a) && a[i] == '.' {
			i++
		}
		if j < len(b) && b[j] == '.' {
			j++
		}
		if i >= len(a) && j >= len(b) {
			return 0
		}
		x, y := byte('0'), byte('0')
		if i < len(a) {
			x = a[i]
		}
		if j < len(b) {
			y = b[j]
		}
		if x != y {
			return cmp.Compare(x, y)
		}
	}
}
