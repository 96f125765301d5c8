package avro

import (
	"encoding/binary"
	"math/big"
	"strconv"

	"github.com/millrace/millrace/serde"
)

// encodeDecimal appends the exact number, or none: a number with more decimals or digits than the type has is refused.
func encodeDecimal(dst []byte, h *shape, v serde.Value) ([]byte, *misfit) {
	var room [64]byte
	d, ok := decimalOf(room[:0], v)
	if !ok {
		return nil, refused(h, v)
	}
	d = d.trim()
	zeros := d.exp + h.Scale
	switch {
	case len(d.digits) == 0:
		zeros = 0
	case zeros < 0:
		return nil, refuse("the value is %s; rounding it to the %d decimals of %s would change it", sample(v), h.Scale, h.title())
	case len(d.digits)+zeros > h.Precision:
		return nil, refuse("the value is %s; %s has %d digits, %d of them decimals", sample(v), h.title(), h.Precision, h.Scale)
	}
	d = d.pad(zeros)
	if h.Type == Fixed {
		return d.appendFixed(dst, h, v)
	}
	return d.append(dst), nil
}

// encodeBigDecimal appends bytes that hold the number without its point as bytes, and its scale as an int, which is what Java's
// BigDecimalConversion writes; the specification says no more than that it is so.
func encodeBigDecimal(dst []byte, h *shape, v serde.Value) ([]byte, *misfit) {
	var room [64]byte
	d, ok := decimalOf(room[:0], v)
	if !ok {
		return nil, refused(h, v)
	}
	if len(d.digits) == 0 {
		d.exp = min(max(d.exp, -maxPrecision), 0)
	}
	if d.exp > 0 && len(d.digits) > 0 {
		if d.exp > maxPrecision {
			return nil, refuse("the value is %s, which has more than %d digits", sample(v), maxPrecision)
		}
		d = d.pad(d.exp)
		d.exp = 0
	}
	if len(d.digits) > maxPrecision || d.exp < -maxPrecision {
		return nil, refuse("the value is %s, which has more than %d digits", sample(v), maxPrecision)
	}
	var inner [96]byte
	return encodeText(dst, binary.AppendVarint(d.append(inner[:0]), int64(-d.exp))), nil
}

// A decimal is digits * 10^exp, without zeros in front.
type decimal struct {
	neg    bool
	digits []byte // '0' to '9'
	exp    int
}

// decimalOf takes a number apart, or a text that is one.
func decimalOf(room []byte, v serde.Value) (d decimal, ok bool) {
	var text []byte
	switch v.Kind() {
	case serde.String:
		text, _ = v.Text()
	case serde.Int64, serde.Float64, serde.Decimal:
		if text, ok = v.Number(); !ok {
			var err error
			if text, err = v.AppendText(make([]byte, 0, 32)); err != nil { // NaN
				return d, false
			}
		}
	default:
		return d, false
	}
	return parseDecimal(room, text)
}

func parseDecimal(room, text []byte) (d decimal, ok bool) {
	d.digits = room
	i := 0
	if i < len(text) && text[i] == '-' {
		d.neg = true
		i++
	}
	digit, point := false, false
	for ; i < len(text); i++ {
		c := text[i]
		if c == '.' && !point && digit {
			point, digit = true, false
			continue
		}
		if c-'0' > 9 {
			break
		}
		digit = true
		if point {
			d.exp--
		}
		if c != '0' || len(d.digits) > 0 {
			d.digits = append(d.digits, c)
		}
	}
	if !digit {
		return d, false
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		e, err := strconv.Atoi(string(text[i+1:]))
		if err != nil || e > 1<<30 || e < -1<<30 {
			return d, false
		}
		d.exp += e
		i = len(text)
	}
	return d, i == len(text)
}

// trim takes zeros from the end. Like pad it returns what it makes, so that the digits can stay on the stack.
func (d decimal) trim() decimal {
	for n := len(d.digits); n > 0 && d.digits[n-1] == '0'; n = len(d.digits) {
		d.digits = d.digits[:n-1]
		d.exp++
	}
	return d
}

func (d decimal) pad(zeros int) decimal {
	for range zeros {
		d.digits = append(d.digits, '0')
	}
	return d
}

// small is the number of digits that an int64 always holds.
const small = 18

func (d decimal) int64() int64 {
	n := int64(0)
	for _, c := range d.digits {
		n = n*10 + int64(c-'0')
	}
	if d.neg {
		return -n
	}
	return n
}

// big is the digits' number in two's complement, the highest byte first, in as few bytes as hold it.
func (d decimal) big() []byte {
	n, _ := new(big.Int).SetString(string(d.digits), 10)
	if !d.neg {
		b := n.Bytes()
		if b[0]&0x80 != 0 {
			b = append([]byte{0}, b...)
		}
		return b
	}
	n.Sub(n, big.NewInt(1)) // -n is ^(n-1)
	b := n.Bytes()
	if len(b) == 0 || b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	for i := range b {
		b[i] = ^b[i]
	}
	return b
}

// append appends the digits' number as bytes with their length.
func (d decimal) append(dst []byte) []byte {
	if len(d.digits) > small {
		return encodeText(dst, d.big())
	}
	n := d.int64()
	size := 1
	for size < 8 && n>>(8*size-1) != n>>63 {
		size++
	}
	return appendHigh(append(dst, byte(2*size)), n, size)
}

// appendHigh appends the lowest size bytes of n, the highest first.
func appendHigh(dst []byte, n int64, size int) []byte {
	for size--; size >= 0; size-- {
		dst = append(dst, byte(n>>(8*size)))
	}
	return dst
}

func (d decimal) appendFixed(dst []byte, h *shape, v serde.Value) ([]byte, *misfit) {
	tooLarge := func() *misfit {
		return refuse("the value is %s, which the %d bytes of %s don't hold", sample(v), h.Size, h.title())
	}
	if len(d.digits) > small {
		b := d.big()
		if len(b) > h.Size {
			return nil, tooLarge()
		}
		for range h.Size - len(b) {
			dst = append(dst, byte(int8(b[0])>>7))
		}
		return append(dst, b...), nil
	}
	n := d.int64()
	if h.Size < 8 && (h.Size == 0 || n>>(8*h.Size-1) != n>>63) {
		return nil, tooLarge()
	}
	for size := h.Size; size > 8; size-- {
		dst = append(dst, byte(n>>63))
	}
	return appendHigh(dst, n, min(h.Size, 8)), nil
}
