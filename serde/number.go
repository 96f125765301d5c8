package serde

import (
	"math/bits"
	"strconv"
)

// A parsed number becomes Int64 if it is written as an integer that fits, Float64 if
// the shortest text of the nearest float64 is the same number, and Decimal otherwise.
// All numbers of at most 15 significant digits within float64's normal range
// are Float64 (DBL_DIG of IEEE 754), so that only longer ones need the test.

const sureDigits = 15

// A numberShape is a number as digits * 10^exp, without zeros at either end.
type numberShape struct {
	neg    bool
	digits [20]byte
	n      int  // digits; 0: the number is zero
	long   bool // there are more digits than fit
	exp    int
}

// shapeOf takes a number's JSON text apart.
func shapeOf(text []byte) (s numberShape) {
	i := 0
	if i < len(text) && text[i] == '-' {
		s.neg = true
		i++
	}
	zeros, point := 0, false // zeros: held back until another digit follows
	for ; i < len(text); i++ {
		c := text[i]
		if c == '.' {
			point = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		if point {
			s.exp--
		}
		if c == '0' {
			if s.n > 0 {
				zeros++
			}
			continue
		}
		for ; zeros > 0; zeros-- {
			s.add('0')
		}
		s.add(c)
	}
	s.exp += zeros
	if i < len(text) { // e or E
		e, err := strconv.Atoi(borrow(text[i+1:]))
		if err != nil || e > 1<<30 || e < -1<<30 {
			e = 1 << 30
			if text[i+1] == '-' {
				e = -e
			}
		}
		s.exp += e
	}
	return s
}

func (s *numberShape) add(c byte) {
	if s.n == len(s.digits) {
		s.long = true
		return
	}
	s.digits[s.n] = c
	s.n++
}

// classify says whether a number that isn't an integer is a Float64 or a Decimal.
func classify(text []byte) Kind {
	s := shapeOf(text)
	if s.n == 0 {
		return Float64
	}
	if s.long || s.n > 17 {
		return Decimal
	}
	if s.n <= sureDigits && s.exp > -290 && s.exp < 290 {
		return Float64
	}
	f, ok := nearest(text)
	if !ok {
		return Decimal
	}
	var room [32]byte
	back := shapeOf(strconv.AppendFloat(room[:0], f, 'e', -1, 64))
	if back != s {
		return Decimal
	}
	return Float64
}

// nearest is the float64 nearest to the number; ok is false where that is an infinity.
func nearest(text []byte) (f float64, ok bool) {
	if len(text) <= sureDigits+1 {
		if f, ok = exactQuotient(text); ok {
			return f, true
		}
	}
	f, err := strconv.ParseFloat(borrow(text), 64)
	return f, err == nil
}

// exactQuotient converts a number without exponent, of at most 15 digits or no decimals: an integer below 1e16 by a power of ten. Where both
// have a float64, the division rounds once, to the nearest (W. Clinger, How to Read Floating Point Numbers Accurately, 1990).
func exactQuotient(text []byte) (float64, bool) {
	u, point, neg := uint64(0), len(text)-1, text[0] == '-'
	for i, c := range text {
		switch {
		case c-'0' <= 9:
			u = u*10 + uint64(c-'0')
		case c == '.':
			point = i
		case i > 0 || c != '-':
			return 0, false
		}
	}
	f := float64(u) / tenTo[len(text)-1-point]
	if neg {
		f = -f
	}
	return f, true
}

var tenTo = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// exactInt is the number as an int64, if it is one.
func exactInt(text []byte) (int64, bool) {
	s := shapeOf(text)
	if s.n == 0 {
		return 0, true
	}
	if s.long || s.exp < 0 || s.n+s.exp > 19 {
		return 0, false
	}
	var u uint64
	for _, c := range s.digits[:s.n] {
		u = u*10 + uint64(c-'0')
	}
	for range s.exp {
		u *= 10
	}
	return signed(u, s.neg)
}

// signed is u with a sign, if that is an int64. u has at most 19 digits.
func signed(u uint64, neg bool) (int64, bool) {
	if neg {
		return -int64(u), u <= 1<<63
	}
	return int64(u), u <= 1<<63-1
}

// number parses the number at i to node p and returns the index behind it. It reads up to 16
// digits before the point and 16 behind it, eight characters at a time, and converts integers. longNumber does the rest.
func (s *scanner) number(p *node, i int) (int, error) {
	src, start := s.src, i
	neg := src[i] == '-'
	if neg {
		i++
	}
	w := word(src, i)
	m := nondigits(w)
	whole := bits.TrailingZeros64(m) >> 3
	if whole == 0 || whole > 1 && byte(w) == '0' {
		return s.longNumber(p, start)
	}
	i += whole
	u := uint64(0)
	if whole == 8 {
		u = leading(w, 8)
		w = word(src, i)
		m = nondigits(w)
		whole = bits.TrailingZeros64(m) >> 3
		i += whole
		u *= pow10[whole]
	}
	if i >= len(src) {
		return s.longNumber(p, start)
	}
	c := src[i]
	if c != '.' {
		u += leading(w, whole)
		if c-'0' <= 9 || c|0x20 == 'e' || neg && u == 0 || i-start > s.limits.NumberLen {
			return s.longNumber(p, start)
		}
		if neg {
			u = -u
		}
		p.kind, p.flag, p.off, p.n, p.x = Int64, flagRaw|s.nameFlag, uint32(start), uint32(i-start), u
		return i, nil
	}
	i++
	fraction := i
	if m &= m - 1; m != 0 && whole < 8 { // the word holds the end too
		i += bits.TrailingZeros64(m)>>3 - whole - 1
	} else {
		m = nondigits(word(src, i))
		n := bits.TrailingZeros64(m) >> 3
		i += n
		if n == 8 {
			i += bits.TrailingZeros64(nondigits(word(src, i))) >> 3
		}
	}
	if i >= len(src) || i == fraction || src[i]-'0' <= 9 || src[i]|0x20 == 'e' || i-start > s.limits.NumberLen {
		return s.longNumber(p, start)
	}
	fl := flagRaw
	if i-start > sureDigits+1 {
		fl |= flagUnsure
	}
	p.kind, p.flag, p.off, p.n = Float64, fl|s.nameFlag, uint32(start), uint32(i-start)
	return i, nil
}

func (s *scanner) longNumber(p *node, i int) (int, error) {
	kind, fl, x, end, err := number(s.src, i, &s.limits)
	p.kind, p.flag, p.off, p.n, p.x = kind, fl|s.nameFlag, uint32(i), uint32(end-i), x
	return end, err
}

var pow10 = [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}

// nondigits marks the characters of w that are no digits, exactly up to the first that isn't ASCII.
func nondigits(w uint64) uint64 {
	w ^= '0' * ones // digits become 0 to 9
	return ((w + 0x76*ones) | w) & highs
}

// leading is the number that the first n of the 8 characters of w are, 0 if there are none: pairs of digits are joined, then pairs of pairs.
func leading(w uint64, n int) uint64 {
	w = w << (64 - 8*n) & (0x0F * ones)
	w = w * (10<<8 + 1) >> 8 & 0x00FF00FF00FF00FF
	w = w * (100<<16 + 1) >> 16 & 0x0000FFFF0000FFFF
	return w * (10000<<32 + 1) >> 32
}

// number checks the number at i and returns what its node holds, and where it ends.
// It is the scanner's slow path, for what shortNumber doesn't read.
func number(src []byte, i int, l *Limits) (kind Kind, fl flag, x uint64, end int, err error) {
	start, neg := i, src[i] == '-'
	if neg {
		i++
	}
	first := i
	i = digits(src, i)
	switch {
	case i == first:
		return Missing, 0, 0, 0, unexpected(src, i, "a digit", "inside a number")
	case src[first] == '0' && i > first+1:
		return Missing, 0, 0, 0, invalid(first, "expected no digit after a leading 0")
	}
	whole := i
	if i < len(src) && src[i] == '.' {
		i++
		if j := digits(src, i); j > i {
			i = j
		} else {
			return Missing, 0, 0, 0, unexpected(src, i, "a digit after the decimal point", "inside a number")
		}
	}
	if i < len(src) && src[i]|0x20 == 'e' {
		i++
		if i < len(src) && (src[i] == '+' || src[i] == '-') {
			i++
		}
		if j := digits(src, i); j > i {
			i = j
		} else {
			return Missing, 0, 0, 0, unexpected(src, i, "a digit of the exponent", "inside a number")
		}
	}
	if i-start > l.NumberLen {
		return Missing, 0, 0, 0, invalid(start, "a number of "+strconv.Itoa(i-start)+" characters is longer than the limit of "+strconv.Itoa(l.NumberLen))
	}
	if i > whole {
		return Float64, flagRaw | flagUnsure, 0, i, nil
	}
	if whole-first <= 19 {
		var u uint64
		for _, c := range src[first:whole] {
			u = u*10 + uint64(c-'0')
		}
		if u == 0 && neg {
			return Float64, flagRaw, 0, i, nil
		}
		if n, ok := signed(u, neg); ok {
			return Int64, flagRaw, uint64(n), i, nil
		}
	}
	return Decimal, flagRaw, 0, i, nil
}

func digits(src []byte, i int) int {
	for i < len(src) && src[i]-'0' <= 9 {
		i++
	}
	return i
}
