package rule

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"

	"github.com/millrace/millrace/internal/rule/ast"
	"github.com/millrace/millrace/serde"
)

// exactInt is the magnitude up to which a float64 holds every integer.
const exactInt = 1 << 53

func small(n int64) bool { return -exactInt <= n && n <= exactInt }

func compare(a, b int64) ordering {
	switch {
	case a < b:
		return less
	case a > b:
		return greater
	}
	return same
}

func compareFloats(a, b float64) ordering {
	switch {
	case a < b:
		return less
	case a > b:
		return greater
	case a == b:
		return same
	}
	return unordered
}

// compareNumbers compares by what the numbers are, whatever their types.
func compareNumbers(a, b val) ordering {
	switch {
	case a.kind == serde.Int64 && b.kind == serde.Int64:
		return compare(a.int(), b.int())
	case a.kind == serde.Float64 && b.kind == serde.Float64:
		return compareFloats(a.float(), b.float())
	case a.kind == serde.Int64 && b.kind == serde.Float64 && small(a.int()):
		return compareFloats(float64(a.int()), b.float())
	case a.kind == serde.Float64 && b.kind == serde.Int64 && small(b.int()):
		return compareFloats(a.float(), float64(b.int()))
	}
	x, y := decimalOf(a), decimalOf(b)
	if x == nil || y == nil { // an infinity or a NaN
		return compareFloats(nearest(a), nearest(b))
	}
	return ordering(x.cmp(y))
}

// nearest is a number as a float64.
func nearest(v val) float64 {
	switch v.kind {
	case serde.Int64:
		return float64(v.int())
	case serde.Float64:
		return v.float()
	}
	x, _ := strconv.ParseFloat(string(v.text), 64)
	return x
}

// decimalOf is a number as a decimal, a float64 by its shortest text; nil where it isn't finite.
func decimalOf(v val) *decimal {
	var room [32]byte
	s := v.text
	switch v.kind {
	case serde.Int64:
		s = strconv.AppendInt(room[:0], v.int(), 10)
	case serde.Float64:
		if x := v.float(); math.IsInf(x, 0) || math.IsNaN(x) {
			return nil
		}
		s = appendFloat(room[:0], v.float())
	}
	d, ok := parseDecimal(s)
	if !ok {
		return nil
	}
	return d
}

// wholeNumber is a number as an int64, if it is one.
func wholeNumber(v val) (int64, bool) {
	switch v.kind {
	case serde.Int64:
		return v.int(), true
	case serde.Float64:
		x := v.float()
		return int64(x), x == math.Trunc(x) && math.Abs(x) <= exactInt
	case serde.Decimal:
		if d, ok := parseDecimal(v.text); ok {
			return d.int64()
		}
	}
	return 0, false
}

// An arithmetic is an operator on two numbers.
type arithmetic byte

const (
	add      arithmetic = '+'
	subtract arithmetic = '-'
	multiply arithmetic = '*'
	divide   arithmetic = '/'
	modulo   arithmetic = '%'
	power    arithmetic = '^'
)

// arithmetic calculates. n is the operator's node, for messages.
func (f *frame) arithmetic(op arithmetic, a, b val, n ast.Node) val {
	switch {
	case a.kind == serde.Int64 && b.kind == serde.Int64:
		return f.integers(op, a.int(), b.int(), n)
	case !a.numeric() || !b.numeric():
		return f.notNumbers(op, a, b, n)
	case a.kind == serde.Decimal || b.kind == serde.Decimal,
		a.kind == serde.Int64 && !small(a.int()), b.kind == serde.Int64 && !small(b.int()):
		return f.decimals(op, a, b, n)
	}
	x, y := nearest(a), nearest(b)
	switch op {
	case add:
		return f.finite(x+y, n)
	case subtract:
		return f.finite(x-y, n)
	case multiply:
		return f.finite(x*y, n)
	case divide:
		if y == 0 {
			return f.failf("%s: division by zero", show(n))
		}
		return f.finite(x/y, n)
	case power:
		return f.finite(math.Pow(x, y), n)
	}
	return f.failf("%s: %% takes integers (use int())", show(n))
}

func (f *frame) notNumbers(op arithmetic, a, b val, n ast.Node) val {
	left, right := show(n), show(n)
	if n, ok := n.(*ast.BinaryNode); ok {
		left, right = show(n.Left), show(n.Right)
	}
	if a.numeric() {
		a, left = b, right
	}
	hint := ""
	switch {
	case a.kind == serde.String && b.kind != a.kind && op == add:
		hint = " (use string() to join texts, float() or int() to add)"
	case a.kind == serde.String:
		hint = " (use float(" + left + ") or int(" + left + "))"
	case a.kind == serde.Null:
		hint = " (use " + left + " ?? 0)"
	case a.kind == serde.Timestamp || a.kind == serde.Date:
		hint = " (use int(" + left + "), in milliseconds)"
	}
	return f.failf("%s: %s is %s, not a number%s", show(n), left, describe(a.kind), hint)
}

func (f *frame) finite(x float64, n ast.Node) val {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return f.failf("%s: the result isn't a finite number", show(n))
	}
	return number(x)
}

func (f *frame) integers(op arithmetic, a, b int64, n ast.Node) val {
	overflow := false
	var r int64
	switch op {
	case add:
		r = a + b
		overflow = (a > 0 && b > 0 && r < 0) || (a < 0 && b < 0 && r >= 0)
	case subtract:
		r = a - b
		overflow = (a >= 0 && b < 0 && r < 0) || (a < 0 && b > 0 && r >= 0)
	case multiply:
		r, overflow = product(a, b)
	case power:
		if b < 0 {
			return f.finite(math.Pow(float64(a), float64(b)), n)
		}
		r, overflow = raise(a, b)
	case divide, modulo:
		if b == 0 {
			return f.failf("%s: division by zero", show(n))
		}
		if op == divide {
			return f.quotient(a, b, n)
		}
		r = a % b
	}
	if overflow {
		return f.failf("%s: integer overflow (use float() where the exact number doesn't matter)", show(n))
	}
	return integer(r)
}

func product(a, b int64) (r int64, overflow bool) {
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	negative := (a < 0) != (b < 0)
	switch {
	case hi != 0 || lo > 1<<63 || lo == 1<<63 && !negative:
		return 0, true
	case negative:
		return -int64(lo), false
	}
	return int64(lo), false
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

func raise(a, b int64) (r int64, overflow bool) {
	r = 1
	for b > 0 {
		if b&1 == 1 {
			if r, overflow = product(r, a); overflow {
				return 0, true
			}
		}
		if b >>= 1; b > 0 {
			if a, overflow = product(a, a); overflow {
				return 0, true
			}
		}
	}
	return r, false
}

// quotient is the float64 nearest to a/b, or an integer where that is exact and a float64 isn't.
func (f *frame) quotient(a, b int64, n ast.Node) val {
	if a == math.MinInt64 && b == -1 {
		return f.failf("%s: integer overflow", show(n))
	}
	if a%b == 0 && !small(a/b) {
		return integer(a / b)
	}
	if small(a) && small(b) {
		return number(float64(a) / float64(b))
	}
	x, _ := new(big.Rat).SetFrac(big.NewInt(a), big.NewInt(b)).Float64()
	return number(x)
}

func (f *frame) decimals(op arithmetic, a, b val, n ast.Node) val {
	x, y := decimalOf(a), decimalOf(b)
	if x == nil || y == nil {
		return f.failf("%s: not a finite number of a reasonable size", show(n))
	}
	if !f.spend(64 + len(a.text)*4 + len(b.text)*4) {
		return fail
	}
	var r *decimal
	ok := false
	switch op {
	case add:
		r, ok = x.add(y)
	case subtract:
		y.coef.Neg(&y.coef)
		r, ok = x.add(y)
	case multiply:
		r, ok = x.mul(y)
	case divide:
		if y.coef.Sign() == 0 {
			return f.failf("%s: division by zero", show(n))
		}
		r, ok = x.div(y)
	default:
		return f.failf("%s: %c isn't defined for decimals (use float() or int())", show(n), op)
	}
	if !ok {
		return f.failf("%s: the exact result has more than %d digits (use float())", show(n), maxDigits)
	}
	return f.settle(r)
}

// settle is a decimal as a val: an integer where it is one.
func (f *frame) settle(d *decimal) val {
	if i, ok := d.int64(); ok {
		return integer(i)
	}
	from := len(f.buf)
	f.buf = d.append(f.buf)
	v := f.made(from)
	if v.kind != failed {
		v.kind = serde.Decimal
	}
	return v
}

// appendFloat writes a float64 as JSON does: shortest, with an exponent where it is very large or small.
func appendFloat(dst []byte, x float64) []byte {
	format := byte('f')
	if abs := math.Abs(x); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, x, format, -1, 64)
}
