package table

import (
	"math"
	"strconv"

	"github.com/millrace/millrace/serde"
)

// numbers says what all numbers were so far.
type numbers struct {
	integers, floats, decimals bool // kinds of serde that there were
	inexact                    bool // an integer that float64 may not hold
	whole, scale               int  // digits before and behind the point, at most
}

const maxExact = 1 << 53 // float64 holds every integer up to there

func (s *numbers) add(v serde.Value) {
	var room [32]byte
	text, ok := v.Number()
	switch v.Kind() {
	case serde.Int64:
		s.integers = true
		n, _ := v.Int64()
		s.inexact = s.inexact || n > maxExact || n < -maxExact
		if !ok {
			text = strconv.AppendInt(room[:0], n, 10)
		}
	case serde.Float64:
		s.floats = true
		if f, _ := v.Float64(); !ok {
			text = strconv.AppendFloat(room[:0], f, 'e', -1, 64)
		}
	default:
		s.decimals = true
	}
	whole, scale := digits(text)
	s.whole, s.scale = max(s.whole, whole), max(s.scale, scale)
}

// typ makes t the type of all of them, or leaves it JSON.
func (s *numbers) typ(t *Type) {
	switch {
	case s.decimals && s.whole+s.scale <= HiveDigits:
		t.Kind, t.Precision, t.Scale = Decimal, HiveDigits, s.scale
	case s.decimals:
	case !s.floats:
		t.Kind = Int64
	case !s.integers || !s.inexact:
		t.Kind = Float64
	}
}

func (s *numbers) absorb(o *numbers) {
	s.integers, s.floats, s.decimals = s.integers || o.integers, s.floats || o.floats, s.decimals || o.decimals
	s.inexact = s.inexact || o.inexact
	s.whole, s.scale = max(s.whole, o.whole), max(s.scale, o.scale)
}

// digits is how many digits a number's text has before and behind the point, without zeros that don't matter. A text that isn't a number, as NaN is
// not, has more than any column.
func digits(text []byte) (whole, scale int) {
	first, last, n, point := -1, 0, 0, -1 // of the digits: the first and the last that isn't 0, their count, those before the point
	i := 0
	if i < len(text) && text[i] == '-' {
		i++
	}
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c == '.' && point < 0:
			point = n
			continue
		case c-'0' > 9:
		default:
			if c != '0' {
				last = n
				if first < 0 {
					first = n
				}
			}
			n++
			continue
		}
		break
	}
	if point < 0 {
		point = n
	}
	if i < len(text) { // e or E, or no number
		e, err := strconv.Atoi(string(text[i+1:]))
		if text[i]|0x20 != 'e' || err != nil || e > math.MaxInt16 || e < -math.MaxInt16 {
			if first < 0 && text[i]|0x20 == 'e' {
				return 0, 0
			}
			return math.MaxInt16, math.MaxInt16
		}
		point += e
	}
	if first < 0 {
		return 0, 0
	}
	return max(point-first, 0), max(last+1-point, 0)
}
