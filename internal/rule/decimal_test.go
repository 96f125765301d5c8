package rule

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func decimalFrom(t interface{ Fatalf(string, ...any) }, s string) *decimal {
	d, ok := parseDecimal([]byte(s))
	if !ok {
		t.Fatalf("%s isn't read", s)
	}
	return d
}

func TestDivisionRounds(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"10000000000000000000000000000000001", "2", "5000000000000000000000000000000000"},
		{"10000000000000000000000000000000003", "2", "5000000000000000000000000000000002"},
		{"-10000000000000000000000000000000003", "2", "-5000000000000000000000000000000002"},
		{"1", "3", "0.3333333333333333333333333333333333"},
		{"2", "3", "0.6666666666666666666666666666666667"},
		{"-2", "3", "-0.6666666666666666666666666666666667"},
		{"1e500", "1e-500", "1e1000"},
		{"0", "7", "0"},
		{"100", "8", "12.5"},
	} {
		q, ok := decimalFrom(t, c.a).div(decimalFrom(t, c.b))
		if !ok || string(q.append(nil)) != c.want {
			t.Errorf("%s / %s = %s, want %s", c.a, c.b, q.append(nil), c.want)
		}
	}
}

// Decimals agree with big.Rat, and are read as they are written.
func TestDecimalOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.StringMatching(`-?[0-9]{1,25}(\.[0-9]{1,25})?(e-?[0-9]{1,2})?`).Draw(t, "a")
		b := rapid.StringMatching(`-?[0-9]{1,25}(\.[0-9]{1,25})?(e-?[0-9]{1,2})?`).Draw(t, "b")
		x, y := decimalFrom(t, a), decimalFrom(t, b)
		p, _ := new(big.Rat).SetString(a)
		q, _ := new(big.Rat).SetString(b)
		if x.cmp(y) != p.Cmp(q) {
			t.Fatalf("compare %s and %s: %d", a, b, x.cmp(y))
		}
		same := func(what string, d *decimal, want *big.Rat) {
			got, ok := new(big.Rat).SetString(string(d.append(nil)))
			if !ok || got.Cmp(want) != 0 {
				t.Fatalf("%s %s %s = %s", a, what, b, d.append(nil))
			}
		}
		same("itself", x, p)
		product, _ := x.mul(y)
		same("*", product, new(big.Rat).Mul(p, q))
		if q.Sign() != 0 {
			quotient, _ := x.div(y)
			got, _ := new(big.Rat).SetString(string(quotient.append(nil)))
			exact := new(big.Rat).Quo(p, q)
			off := new(big.Rat).Sub(got, exact)
			// At most half a unit of the 34th digit: 5e-34 of the quotient.
			limit := new(big.Rat).Mul(exact, new(big.Rat).SetFrac(big.NewInt(5), new(big.Int).Exp(big.NewInt(10), big.NewInt(34), nil)))
			if off.Abs(off).Cmp(limit.Abs(limit)) > 0 {
				t.Fatalf("%s / %s = %s", a, b, quotient.append(nil))
			}
		}
		sum, _ := x.add(y)
		same("+", sum, new(big.Rat).Add(p, q))
	})
}
