package dynamodb

import (
	"fmt"
	"math"
	"strconv"

	"github.com/millrace/millrace/serde"
)

// Limits of numbers (developer guide, "Supported data types and naming rules"). The exponents are those of a number's first digit.
const (
	maxDigits   = 38
	maxExponent = 125
	minExponent = -130
)

const numberRange = "1E-130 to 9.9999999999999999999999999999999999999E+125, and the same below zero"

// A number is a number's text, taken apart. Digits are those that count: without the zeros before and behind them.
type number struct {
	text        []byte
	first, last int // index of the first digit and of the last, if digits isn't 0
	digits      int // 0: the number is zero
	exponent    int // of ten, at the first digit
	negative    bool
	scientific  bool // the text has an exponent
}

// readNumber takes the text of a JSON number apart. The number borrows it.
func readNumber(text []byte) number {
	n := number{text: text}
	first := 0
	if text[0] == '-' {
		n.negative = true
		first++
	}
	point := skipDigits(text, first)
	end := point
	if end < len(text) && text[end] == '.' {
		end = skipDigits(text, end+1)
	}
	n.scientific = end < len(text)
	for first < end && text[first] <= '0' { // a zero or the point
		first++
	}
	if first == end {
		return n
	}
	last := end - 1
	for text[last] <= '0' {
		last--
	}
	n.first, n.last, n.digits = first, last, last-first+1
	switch {
	case point < first:
		n.exponent = point - first
	case point < last:
		n.digits-- // the point is among them
		fallthrough
	default:
		n.exponent = point - first - 1
	}
	if n.scientific {
		n.exponent += readExponent(text[end+1:])
	}
	return n
}

// skipDigits is the index of what follows the digits at i.
func skipDigits(text []byte, i int) int {
	for i < len(text) && text[i]-'0' <= 9 {
		i++
	}
	return i
}

// readExponent is an exponent, or one that is out of every range with the same sign.
func readExponent(text []byte) int {
	e, err := strconv.Atoi(string(text))
	switch {
	case err == nil && e < math.MaxInt32 && e > -math.MaxInt32:
		return e
	case text[0] == '-':
		return -math.MaxInt32
	}
	return math.MaxInt32
}

// check refuses what DynamoDB can't hold exactly.
func (n *number) check() error {
	switch {
	case n.digits > maxDigits:
		return problem("is the number %s of %d significant digits; DynamoDB holds %d", cut(n.text), n.digits, maxDigits)
	case n.exponent > maxExponent:
		return problem("is the number %s; the largest of DynamoDB's are %s", cut(n.text), numberRange)
	case n.exponent < minExponent:
		return problem("is the number %s; the smallest of DynamoDB's are %s", cut(n.text), numberRange)
	}
	return nil
}

// size is the number of bytes that DynamoDB counts: one for sign and exponent, one for each two digits, which are those of a number to
// the base 100, and one that ends a negative number of less than 20 of those. Measured on DynamoDB Local; the guide says "approximately".
func (n *number) size() int {
	if n.digits == 0 {
		return 1
	}
	pairs := n.exponent>>1 - (n.exponent-n.digits+1)>>1 + 1
	if n.negative && pairs < 20 {
		pairs++
	}
	return 1 + pairs
}

// plain: the text is within the limits, because it is short, and how one writes a number. Others are written anew: DynamoDB would drop
// their zeros anyway.
func (n *number) plain() bool {
	return !n.scientific && len(n.text) <= maxDigits && (n.digits > 0 || len(n.text) == 1)
}

// appendCanonical appends the one text that equal numbers have: without zeros that don't count, and with an exponent only where
// there would be many of them.
func (n *number) appendCanonical(dst []byte) []byte {
	const fewZeros = 6
	if n.digits == 0 {
		return append(dst, '0')
	}
	if n.negative {
		dst = append(dst, '-')
	}
	switch {
	case n.exponent >= maxDigits || n.exponent < -fewZeros:
		dst = n.appendDigits(dst, 1)
		dst = append(dst, 'E')
		return strconv.AppendInt(dst, int64(n.exponent), 10)
	case n.exponent < 0:
		dst = append(dst, '0', '.')
		for range -n.exponent - 1 {
			dst = append(dst, '0')
		}
		return n.appendDigits(dst, n.digits)
	}
	dst = n.appendDigits(dst, n.exponent+1)
	for range n.exponent + 1 - n.digits {
		dst = append(dst, '0')
	}
	return dst
}

// appendDigits appends the digits, with a point behind so many of them if more follow.
func (n *number) appendDigits(dst []byte, whole int) []byte {
	at := 0
	for _, c := range n.text[n.first : n.last+1] {
		if c == '.' {
			continue
		}
		if at == whole {
			dst = append(dst, '.')
		}
		dst = append(dst, c)
		at++
	}
	return dst
}

// appendNumber appends the text of a number. Its digits are those of v, and canonical asks for the one text of equal numbers.
func appendNumber(dst []byte, v serde.Value, canonical bool) ([]byte, int, error) {
	if text, ok := v.Number(); ok {
		return appendDecimal(dst, text, canonical)
	}
	if f, ok := v.Float64(); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return dst, 0, problem("is %v, which DynamoDB can't hold", f)
	}
	from := len(dst)
	dst, err := v.AppendJSON(dst)
	if err != nil {
		return dst, 0, err
	}
	end := len(dst)
	dst, size, err := appendDecimal(dst, dst[from:], canonical) // behind what it reads
	return dst[:from+copy(dst[from:], dst[end:])], size, err
}

// appendDecimal is appendNumber of a number's JSON text.
func appendDecimal(dst, text []byte, canonical bool) ([]byte, int, error) {
	n := readNumber(text)
	if !canonical && n.plain() {
		return append(dst, text...), n.size(), nil
	}
	if err := n.check(); err != nil {
		return dst, 0, err
	}
	return n.appendCanonical(dst), n.size(), nil
}

// cut is a text as messages show it.
func cut(text []byte) string {
	const most = 64
	if len(text) > most {
		return fmt.Sprintf("%s...", text[:most])
	}
	return string(text)
}
