package rule

import (
	"math"
	"strconv"

	"github.com/millrace/millrace/serde"
)

func absolute(f *frame, c *callSite, args []val) val {
	v := args[0]
	if !v.numeric() {
		return f.wrong(c, 0, v, "a number")
	}
	if compareNumbers(v, integer(0)) == less {
		return f.arithmetic(subtract, integer(0), v, c.args[0])
	}
	return v
}

// rounded gives an integer where it fits.
func (f *frame) rounded(c *callSite, args []val, to func(float64) float64) val {
	v := args[0]
	switch v.kind {
	case serde.Int64:
		return v
	case serde.Float64:
		return wholeFloat(to(v.float()))
	case serde.Decimal:
		d := decimalOf(v)
		if d == nil {
			return f.failf("%s(): %s has too many digits", c.name, show(c.args[0]))
		}
		return f.settle(d.whole(to))
	}
	return f.wrong(c, 0, v, "a number")
}

func wholeFloat(x float64) val {
	if math.Abs(x) <= exactInt {
		return integer(int64(x))
	}
	return number(x)
}

// round is to the nearest integer, or to a number of digits behind the point; halves go away from zero.
func round(f *frame, c *callSite, args []val) val {
	if len(args) == 1 {
		return f.rounded(c, args, math.Round)
	}
	v, digits := args[0], args[1]
	if digits.kind != serde.Int64 || digits.int() < 0 || digits.int() > 15 {
		return f.failf("round(): the number of digits is an integer from 0 to 15")
	}
	switch v.kind {
	case serde.Int64:
		return v
	case serde.Float64, serde.Decimal:
		d := decimalOf(v)
		if d == nil {
			return f.failf("round(): %s isn't a finite number of a reasonable size", show(c.args[0]))
		}
		d.exp += digits.int()
		d = d.whole(math.Round)
		d.exp -= digits.int()
		if v.kind == serde.Decimal {
			return f.settle(d)
		}
		x, _ := strconv.ParseFloat(string(d.append(nil)), 64)
		return number(x)
	}
	return f.wrong(c, 0, v, "a number")
}

// extreme is the least or greatest of its arguments, or of the elements of its only argument.
func (f *frame) extreme(c *callSite, args []val, better ordering) val {
	if len(args) == 1 && args[0].kind == serde.Array {
		best := null
		for e := range args[0].v.Elements() {
			v := f.load(e)
			if !v.numeric() {
				return f.failf("%s(): an element of %s is %s, not a number", c.name, show(c.args[0]), describe(v.kind))
			}
			if !f.spend(1) {
				return fail
			}
			if best.kind == serde.Null || compareNumbers(v, best) == better {
				best = v
			}
		}
		return best
	}
	for i, v := range args {
		if !v.numeric() {
			return f.wrong(c, i, v, "a number")
		}
	}
	best := args[0]
	for _, v := range args[1:] {
		if compareNumbers(v, best) == better {
			best = v
		}
	}
	return best
}
