package rule

import (
	"math/big"
	"strconv"
	"strings"
)

// Limits of decimals: digits of an operand or of an exact result, and the exponent.
// What lies outside isn't calculated with, so that "1e999999999" costs nothing.
const (
	maxDigits   = 1_000
	maxExponent = 1_000_000_000
	divDigits   = 34 // of a quotient, as IEEE 754 decimal128
)

// A decimal is coef * 10^exp.
type decimal struct {
	coef   big.Int
	exp    int64
	digits int // of coef, without leading zeros; 0 for zero
}

// parseDecimal reads a number as JSON writes it, if it is within the limits.
func parseDecimal(s []byte) (*decimal, bool) {
	negative := len(s) > 0 && s[0] == '-'
	if negative || len(s) > 0 && s[0] == '+' {
		s = s[1:]
	}
	var digits []byte
	point, seen, exp := false, false, int64(0)
	i := 0
scan:
	for ; i < len(s); i++ {
		switch ch := s[i]; {
		case ch >= '0' && ch <= '9':
			seen = true
			if point {
				exp--
			}
			if len(digits) > 0 || ch != '0' {
				digits = append(digits, ch)
			}
			if len(digits) > 10*maxDigits || exp < -maxExponent {
				return nil, false
			}
		case ch == '.' && !point:
			point = true
		default:
			break scan
		}
	}
	if !seen {
		return nil, false
	}
	if i < len(s) {
		if s[i] != 'e' && s[i] != 'E' {
			return nil, false
		}
		e, err := strconv.ParseInt(string(s[i+1:]), 10, 64)
		if err != nil || e > maxExponent || e < -maxExponent {
			return nil, false
		}
		exp += e
	}
	d := &decimal{exp: exp, digits: len(digits)}
	if len(digits) == 0 {
		d.exp = 0
		return d, true
	}
	d.coef.SetString(string(digits), 10)
	if negative {
		d.coef.Neg(&d.coef)
	}
	return d, true
}

func (d *decimal) count() *decimal {
	d.digits = 0
	if d.coef.Sign() != 0 {
		d.digits = len(new(big.Int).Abs(&d.coef).String())
	} else {
		d.exp = 0
	}
	return d
}

// cmp is -1, 0 or 1.
func (d *decimal) cmp(o *decimal) int {
	sign, other := d.coef.Sign(), o.coef.Sign()
	if sign != other {
		return compareInts(sign, other)
	}
	if sign == 0 {
		return 0
	}
	if a, b := d.exp+int64(d.digits), o.exp+int64(o.digits); a != b {
		if a > b {
			return sign
		}
		return -sign
	}
	// The exponents differ by no more than the numbers of digits now.
	if d.exp >= o.exp {
		return scaled(&d.coef, d.exp-o.exp).Cmp(&o.coef)
	}
	return d.coef.Cmp(scaled(&o.coef, o.exp-d.exp))
}

func compareInts(a, b int) int {
	if a < b {
		return -1
	}
	return 1
}

// scaled is x * 10^n.
func scaled(x *big.Int, n int64) *big.Int {
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(n), nil)
	return p.Mul(p, x)
}

func (d *decimal) add(o *decimal) (*decimal, bool) {
	switch {
	case d.digits == 0:
		return o, o.digits <= maxDigits
	case o.digits == 0:
		return d, d.digits <= maxDigits
	}
	low := min(d.exp, o.exp)
	if max(d.exp+int64(d.digits), o.exp+int64(o.digits))-low >= maxDigits {
		return nil, false
	}
	r := &decimal{exp: low}
	r.coef.Add(scaled(&d.coef, d.exp-low), scaled(&o.coef, o.exp-low))
	return r.count(), true
}

func (d *decimal) mul(o *decimal) (*decimal, bool) {
	if d.digits+o.digits > maxDigits || d.exp+o.exp > maxExponent || d.exp+o.exp < -maxExponent {
		return nil, false
	}
	r := &decimal{exp: d.exp + o.exp}
	r.coef.Mul(&d.coef, &o.coef)
	return r.count(), true
}

// div is the quotient with divDigits digits, the last rounded half to even.
func (d *decimal) div(o *decimal) (*decimal, bool) {
	if d.digits > maxDigits || o.digits > maxDigits {
		return nil, false
	}
	if d.digits == 0 {
		return d, true
	}
	shift := int64(max(0, divDigits+2+o.digits-d.digits))
	r := &decimal{exp: d.exp - o.exp - shift}
	rest := new(big.Int)
	r.coef.QuoRem(scaled(&d.coef, shift), &o.coef, rest)
	if rest.Sign() != 0 { // a digit that keeps the quotient off the middle between two others
		r.coef.Mul(&r.coef, big.NewInt(10))
		r.coef.Add(&r.coef, big.NewInt(int64(d.coef.Sign()*o.coef.Sign())))
		r.exp--
	}
	r.count().round(divDigits)
	if r.exp > maxExponent || r.exp < -maxExponent {
		return nil, false
	}
	return r, true
}

// round keeps n digits, the last rounded half to even, and drops zeros at the end.
func (d *decimal) round(n int) {
	ten := big.NewInt(10)
	if d.digits > n {
		unit := scaled(big.NewInt(1), int64(d.digits-n))
		rest := new(big.Int)
		sign := int64(d.coef.Sign())
		d.coef.QuoRem(&d.coef, unit, rest)
		rest.Abs(rest).Lsh(rest, 1)
		if c := rest.Cmp(unit); c > 0 || c == 0 && d.coef.Bit(0) == 1 {
			d.coef.Add(&d.coef, big.NewInt(sign))
		}
		d.exp += int64(d.digits - n)
	}
	rest, q := new(big.Int), new(big.Int)
	for d.coef.Sign() != 0 && d.exp < 0 {
		if q.QuoRem(&d.coef, ten, rest); rest.Sign() != 0 {
			break
		}
		d.coef.Set(q)
		d.exp++
	}
	d.count()
}

// int64 is the decimal as an integer, if it is one that fits.
func (d *decimal) int64() (int64, bool) {
	switch {
	case d.digits == 0:
		return 0, true
	case d.exp+int64(d.digits) > 19 || d.exp+int64(d.digits) <= 0:
		return 0, false
	case d.exp >= 0:
		x := scaled(&d.coef, d.exp)
		return x.Int64(), x.IsInt64()
	}
	x, rest := new(big.Int).QuoRem(&d.coef, scaled(big.NewInt(1), -d.exp), new(big.Int))
	return x.Int64(), rest.Sign() == 0 && x.IsInt64()
}

// truncated is the decimal without its fraction, if that fits an int64.
func (d *decimal) truncated() (int64, bool) {
	switch {
	case d.exp+int64(d.digits) <= 0:
		return 0, true
	case d.exp+int64(d.digits) > 19:
		return 0, false
	case d.exp >= 0:
		return d.int64()
	}
	x := new(big.Int).Quo(&d.coef, scaled(big.NewInt(1), -d.exp))
	return x.Int64(), x.IsInt64()
}

// whole is the decimal rounded to an integer as to, one of math's functions, does.
func (d *decimal) whole(to func(float64) float64) *decimal {
	if d.exp >= 0 || d.digits == 0 {
		return d
	}
	r := &decimal{}
	fraction := 0.25 * float64(d.coef.Sign()) // stands for what is cut off: less than, equal to or more than a half
	if d.exp+int64(d.digits) >= 0 {
		unit := scaled(big.NewInt(1), -d.exp)
		rest := new(big.Int)
		r.coef.QuoRem(&d.coef, unit, rest)
		if rest.Sign() == 0 {
			return r.count()
		}
		fraction = [...]float64{0.25, 0.5, 0.75}[1+rest.Abs(rest).Lsh(rest, 1).Cmp(unit)] * float64(d.coef.Sign())
	}
	r.coef.Add(&r.coef, big.NewInt(int64(to(fraction))))
	return r.count()
}

// append writes the decimal as JSON reads it.
func (d *decimal) append(dst []byte) []byte {
	digits := new(big.Int).Abs(&d.coef).String()
	if d.coef.Sign() < 0 {
		dst = append(dst, '-')
	}
	point := int64(len(digits)) + d.exp // digits before the point
	switch {
	case d.exp >= 0 && point <= 40:
		dst = append(dst, digits...)
		for range d.exp {
			dst = append(dst, '0')
		}
		return dst
	case d.exp < 0 && point > 0:
		dst = append(dst, digits[:point]...)
		dst = append(dst, '.')
		return append(dst, digits[point:]...)
	case d.exp < 0 && point > -10:
		dst = append(dst, "0."...)
		for range -point {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	digits = digits[:1] + strings.TrimRight(digits[1:], "0")
	dst = append(dst, digits[0])
	if len(digits) > 1 {
		dst = append(dst, '.')
		dst = append(dst, digits[1:]...)
	}
	dst = append(dst, 'e')
	return strconv.AppendInt(dst, point-1, 10)
}
