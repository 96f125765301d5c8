package avro

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Eight bytes of a text are looked at as one word.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks some byte of w if one of them is a quote, a backslash, a control character, or from 0x80.
func special(w uint64) uint64 {
	return (((w ^ '"'*ones) - ones) | ((w ^ '\\'*ones) - ones) | (w - 0x20*ones) | w) & highs
}

// appendText appends s as the inside of a JSON string, and the closing quote. It fails if s isn't UTF-8.
func appendText(dst, s []byte) ([]byte, bool) {
	if plainText(s) {
		dst = append(dst, s...)
		return append(dst, '"'), true
	}
	if !utf8.Valid(s) {
		return dst, false
	}
	clean := 0 // s[clean:i] is to be copied
	for i, c := range s {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = appendEscape(append(dst, s[clean:i]...), c)
		clean = i + 1
	}
	dst = append(dst, s[clean:]...)
	return append(dst, '"'), true
}

// plainText reports whether s is ASCII and the same as a JSON string's inside.
func plainText(s []byte) bool {
	if len(s) < 8 {
		for _, c := range s {
			if c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
				return false
			}
		}
		return true
	}
	for i := 0; i < len(s)-8; i += 8 {
		if special(binary.LittleEndian.Uint64(s[i:])) != 0 {
			return false
		}
	}
	return special(binary.LittleEndian.Uint64(s[len(s)-8:])) == 0
}

// validText reports whether s is UTF-8. Most texts are short and ASCII.
func validText(s []byte) bool {
	if len(s) >= 8 {
		wide := binary.LittleEndian.Uint64(s[len(s)-8:])
		for i := 0; i < len(s)-8; i += 8 {
			wide |= binary.LittleEndian.Uint64(s[i:])
		}
		return wide&highs == 0 || utf8.Valid(s)
	}
	wide := byte(0)
	for _, c := range s {
		wide |= c
	}
	return wide < utf8.RuneSelf || utf8.Valid(s)
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
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

const hexDigits = "0123456789abcdef"

// quoted is s, which is UTF-8, as a JSON string.
func quoted(s string) string {
	text, _ := appendText([]byte{'"'}, []byte(s))
	return string(text)
}

// appendFloat writes f, which is a float32 if size is 32, as serde.Value does: the shortest text that is f.
func appendFloat(dst []byte, f float64, size int) []byte {
	a := math.Abs(f)
	if size == 64 && a < 1e9 {
		// If a/1e6 is correctly rounded to f, the digits of n are f's shortest text: they are at most 15, and no two
		// decimals of so few digits are the same float64 (DBL_DIG of IEEE 754).
		if n := int64(a*1e6 + 0.5); n > 0 && float64(n)/1e6 == a {
			if f < 0 {
				dst = append(dst, '-')
			}
			return appendMillionths(dst, uint64(n))
		}
	}
	format := byte('f')
	if a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, size)
}

func appendMillionths(dst []byte, n uint64) []byte {
	dst = strconv.AppendUint(dst, n/1e6, 10)
	rest := n % 1e6
	if rest == 0 {
		return dst
	}
	digits := [7]byte{'.'}
	put2(digits[1:], rest/1e4)
	put2(digits[3:], rest/1e2%100)
	put2(digits[5:], rest%100)
	end := len(digits)
	for digits[end-1] == '0' {
		end--
	}
	return append(dst, digits[:end]...)
}

// Days since 1970-01-01 of the first and the last date that RFC 3339 can write.
const (
	firstDay = -719528 // 0000-01-01
	lastDay  = 2932896 // 9999-12-31
)

const maxTimeText = len("2006-01-02T15:04:05.123456789Z")

// appendDate writes a day from firstDay to lastDay.
func appendDate(dst []byte, days int64) []byte {
	var b [10]byte
	putDate(&b, days)
	return append(dst, b[:]...)
}

// putDate counts in eras of 400 years of 146097 days, from 1 March 0000, so that a leap day is the last of its year.
func putDate(b *[10]byte, days int64) {
	z := uint64(days + 719468 + 146097) // one era more: nothing is negative
	era, day := z/146097, z%146097
	year := (day - day/1460 + day/36524 - day/146096) / 365
	day -= 365*year + year/4 - year/100
	month := (5*day + 2) / 153
	day -= (153*month + 2) / 5
	year += (era - 1) * 400
	if month += 3; month > 12 {
		month -= 12
		year++
	}
	put2(b[0:], year/100)
	put2(b[2:], year%100)
	put2(b[5:], month)
	put2(b[8:], day+1)
	b[4], b[7] = '-', '-'
}

// put2 writes two digits.
func put2(b []byte, n uint64) {
	b[0], b[1] = byte('0'+n/10), byte('0'+n%10)
}

// appendClock writes a time of day, with as many decimals as it has, or with nine.
func appendClock(dst []byte, ns int64, nine bool) []byte {
	var b [8]byte
	s := uint64(ns) / 1e9
	put2(b[0:], s/3600)
	put2(b[3:], s/60%60)
	put2(b[6:], s%60)
	b[2], b[5] = ':', ':'
	dst = append(dst, b[:]...)
	fraction := uint64(ns) % 1e9
	if fraction == 0 && !nine {
		return dst
	}
	digits := [10]byte{'.'}
	for i := 9; i > 0; i-- {
		digits[i] = byte('0' + fraction%10)
		fraction /= 10
	}
	n := len(digits)
	for !nine && digits[n-1] == '0' {
		n--
	}
	return append(dst, digits[:n]...)
}

// appendDateTime writes a date and a time of day without a zone.
func appendDateTime(dst []byte, days, ns int64, nine bool) []byte {
	dst = appendDate(dst, days)
	return appendClock(append(dst, 'T'), ns, nine)
}

func appendUUID(dst, u []byte) []byte {
	for i, c := range u[:16] {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}

const maxDurationText = len("P4294967295M4294967295DT4294967.295S")

// appendDuration writes months, days and milliseconds, each of 4 bytes, by ISO 8601: P1M2DT3.004S.
func appendDuration(dst, b []byte) []byte {
	months, days, ms := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	if months|days|ms == 0 {
		return append(dst, "PT0S"...)
	}
	dst = append(dst, 'P')
	if months > 0 {
		dst = append(strconv.AppendUint(dst, uint64(months), 10), 'M')
	}
	if days > 0 {
		dst = append(strconv.AppendUint(dst, uint64(days), 10), 'D')
	}
	if ms == 0 {
		return dst
	}
	dst = strconv.AppendUint(append(dst, 'T'), uint64(ms/1000), 10)
	if rest := ms % 1000; rest > 0 {
		digits := [4]byte{'.', byte('0' + rest/100), byte('0' + rest/10%10), byte('0' + rest%10)}
		n := len(digits)
		for digits[n-1] == '0' {
			n--
		}
		dst = append(dst, digits[:n]...)
	}
	return append(dst, 'S')
}

// withoutSigns is a number in two's complement without leading bytes that only repeat its sign.
func withoutSigns(b []byte) []byte {
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xFF && b[1] >= 0x80) {
		b = b[1:]
	}
	return b
}

// appendDecimal writes a number in two's complement, of at least one byte, exactly: 12.50. A scale below 0 stands for zeros at the end.
func appendDecimal(dst, number []byte, scale int) []byte {
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
	return appendPoint(dst, digits[at:], scale)
}

// appendLongDecimal takes time that grows faster than the length, which maxDecimal bounds.
func appendLongDecimal(dst, number []byte, scale int) []byte {
	x := new(big.Int).SetBytes(number)
	if number[0] >= 0x80 {
		x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(8*len(number))))
		x.Neg(x)
		dst = append(dst, '-')
	}
	return appendPoint(dst, x.Append(nil, 10), scale)
}

// appendPoint writes digits with the last scale of them behind the point.
func appendPoint(dst, digits []byte, scale int) []byte {
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
