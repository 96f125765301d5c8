package serde

import (
	"math"
	"math/big"
	"math/bits"
	"slices"
	"strconv"
)

// AppendDecimal appends a number in two's complement, of at least one byte, exactly, as BigDecimal.toPlainString
// does in Java: 12.50. Who calls it bounds the length, with which its time grows faster. For scales see AppendScaled.
func AppendDecimal(dst, number []byte, scale int) []byte {
	if len(number) > 16 {
		return appendLongDecimal(dst, number, scale)
	}
	negative := number[0] >= 0x80
	var high, low uint64
	if negative {
		high, low = math.MaxUint64, math.MaxUint64
	}
	for _, c := range number {
		high, low = high<<8|low>>56, low<<8|uint64(c)
	}
	if negative {
		dst = append(dst, '-')
		var borrow uint64
		low, borrow = bits.Sub64(0, low, 0)
		high, _ = bits.Sub64(0, high, borrow)
	}
	var digits [39]byte // of 1<<127
	at := len(digits)
	for high > 0 {
		var rest uint64
		high, rest = high/1e19, high%1e19
		low, rest = bits.Div64(rest, low, 1e19)
		for range 19 {
			at--
			digits[at] = byte('0' + rest%10)
			rest /= 10
		}
	}
	var room [20]byte
	first := strconv.AppendUint(room[:0], low, 10)
	at -= len(first)
	copy(digits[at:], first)
	return AppendScaled(dst, digits[at:], scale)
}

// appendLongDecimal takes numbers of any length.
func appendLongDecimal(dst, number []byte, scale int) []byte {
	x := new(big.Int).SetBytes(number)
	if number[0] >= 0x80 {
		x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(8*len(number))))
		x.Neg(x)
		dst = append(dst, '-')
	}
	return AppendScaled(dst, x.Append(nil, 10), scale)
}

// AppendScaled appends the digits of a number, without zeros before it, with the last scale of them behind the point. A scale below 0 stands for zeros at the end.
func AppendScaled(dst, digits []byte, scale int) []byte {
	whole := len(digits) - scale
	dst = slices.Grow(dst, len(digits)+max(scale, -scale)+2)
	switch {
	case scale > 0 && whole > 0:
		dst = append(append(dst, digits[:whole]...), '.')
		return append(dst, digits[whole:]...)
	case scale > 0:
		dst = append(dst, '0', '.')
		for range -whole {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	dst = append(dst, digits...)
	if len(digits) == 1 && digits[0] == '0' {
		return dst
	}
	for range -scale {
		dst = append(dst, '0')
	}
	return dst
}
