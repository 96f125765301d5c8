package cell

import (
	"encoding/binary"
	"math/bits"
	"strconv"

	"github.com/millrace/millrace/serde"
)

// MaxDigits is how many digits a Decimal may have: 256 bits hold them.
const MaxDigits = 76

// An Unscaled is a decimal as a whole number, without its point.
type Unscaled struct {
	neg    bool
	n      int // of digits; 0: the number is zero
	digits [MaxDigits]byte
}

// Set takes a number that has at most precision digits, scale of them behind the point. scratch grows as needed.
func (u *Unscaled) Set(v serde.Value, precision, scale int, scratch *[]byte) Refusal {
	if !isNumber(v) {
		return OtherKind
	}
	text, ok := v.Number()
	if !ok { // an Int64 or Float64 that wasn't parsed
		var err error
		text, err = v.AppendJSON((*scratch)[:0])
		*scratch = text[:0]
		if err != nil {
			return TooLarge // NaN or an infinity
		}
	}
	return u.parse(text, precision, scale)
}

// parse takes a number's JSON text. Zeros at either end are no digits.
func (u *Unscaled) parse(text []byte, precision, scale int) Refusal {
	i, zeros, exp, point := 0, 0, 0, false // zeros: held back until another digit follows
	if u.neg = text[0] == '-'; u.neg {
		i++
	}
	u.n = 0
	for ; i < len(text) && text[i]|0x20 != 'e'; i++ {
		c := text[i]
		if c == '.' {
			point = true
			continue
		}
		if point {
			exp--
		}
		if c == '0' {
			if u.n > 0 {
				zeros++
			}
			continue
		}
		if u.n+zeros >= precision {
			return Longer
		}
		for ; zeros > 0; zeros-- {
			u.add('0')
		}
		u.add(c)
	}
	if u.n == 0 {
		return Taken
	}
	if i < len(text) {
		e, err := strconv.Atoi(string(text[i+1:]))
		if err != nil || e > 1<<30 || e < -1<<30 {
			return Longer
		}
		exp += e
	}
	switch exp += zeros + scale; {
	case exp < 0:
		return Finer
	case u.n+exp > precision:
		return Longer
	}
	for range exp {
		u.add('0')
	}
	return Taken
}

func (u *Unscaled) add(c byte) {
	u.digits[u.n] = c
	u.n++
}

// Int64 is the number, which has at most 18 digits.
func (u *Unscaled) Int64() int64 {
	n := int64(0)
	for _, c := range u.digits[:u.n] {
		n = n*10 + int64(c-'0')
	}
	if u.neg {
		return -n
	}
	return n
}

// BigEndian is the number in two's complement. Its last bytes are those of shorter numbers.
func (u *Unscaled) BigEndian() (b [32]byte) {
	var words [4]uint64 // the last is the highest
	for _, c := range u.digits[:u.n] {
		carry := uint64(c - '0')
		for i := range words {
			high, low := bits.Mul64(words[i], 10)
			var over uint64
			words[i], over = bits.Add64(low, carry, 0)
			carry = high + over
		}
	}
	if u.neg {
		carry := uint64(1)
		for i := range words {
			words[i], carry = bits.Add64(^words[i], 0, carry)
		}
	}
	for i, w := range words {
		binary.BigEndian.PutUint64(b[24-8*i:], w)
	}
	return b
}

// AppendShortest appends the number in two's complement, big-endian, with as few bytes as hold it: at least one.
func (u *Unscaled) AppendShortest(dst []byte) []byte {
	b := u.BigEndian()
	i, sign := 0, byte(int8(b[0])>>7) // 0 or 0xff
	for i < len(b)-1 && b[i] == sign && (b[i+1]^sign)&0x80 == 0 {
		i++
	}
	return append(dst, b[i:]...)
}

// AppendText appends the number with scale digits behind the point: 12.50.
func (u *Unscaled) AppendText(dst []byte, scale int) []byte {
	digits := u.digits[:u.n]
	switch {
	case u.n == 0:
		digits = []byte{'0'}
	case u.neg:
		dst = append(dst, '-')
	}
	return serde.AppendScaled(dst, digits, scale)
}
