package pattern

import (
	"math/big"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

// Numbers are compared as math/big compares them.
func TestCompareNumbers(t *testing.T) {
	texts := []string{"0", "-0", "0.0", "0e5", "1", "1.0", "10", "1e1", "100e-1", "0.01", "1e-2", "0.001e1", "-1", "-1.5", "-15e-1", "-2", "-100.5", "-0.05", "12.34", "1234e-2",
		"12.340", "0.1234E2", "12.35", "9", "10.5", "99999999999999999999", "1e20", "100000000000000000000", "9007199254740993", "9007199254740992.5", "1E+3", "1000", "0.000100"}
	for _, a := range texts {
		for _, b := range texts {
			x, _ := new(big.Rat).SetString(a)
			y, _ := new(big.Rat).SetString(b)
			d, e := decimalOf([]byte(a)), decimalOf([]byte(b))
			if got := d.compare(&e); got != x.Cmp(y) {
				t.Errorf("%s and %s: %d", a, b, got)
			}
		}
	}
	huge, tiny := decimalOf([]byte("1e99999999999999999999999")), decimalOf([]byte("1e-99999999999999999999999"))
	if one := decimalOf([]byte("1")); huge.compare(&one) != 1 || tiny.compare(&one) != -1 {
		t.Error("exponents of 23 digits")
	}
}

// Addresses are those of net/netip, and what Java reads besides.
func TestAddresses(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50_000 {
		text := randomAddress(r)
		want, err := netip.ParseAddr(text)
		got, ok := addressOf([]byte(text))
		if ok != (err == nil) || ok && got != want.Unmap() {
			t.Fatalf("%s: %v %t, want %v %v", text, got, ok, want, err)
		}
	}
	for text, want := range map[string]string{
		"010.0.0.001": "10.0.0.1", "::ffff:102:304": "1.2.3.4", "::FFFF:0102:0304": "1.2.3.4", "1:0:0:0:0:0:0:00008": "1::8",
	} {
		if got, ok := addressOf([]byte(text)); !ok || got.String() != want {
			t.Errorf("%s: %v %t, want %s", text, got, ok, want)
		}
	}
	for _, text := range []string{"", ".", ":", ":::", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "::1.2.3.4", "fe80::1%lo", "1:2:3:4:5:6:7:8:", ":1::", "10000::", "1234", "1:2:3:4:5:6:7::8:9"} {
		if got, ok := addressOf([]byte(text)); ok {
			t.Errorf("%s is %v", text, got)
		}
	}
}

// randomAddress is a text that is an address, or nearly.
func randomAddress(r *rand.Rand) string {
	var b strings.Builder
	if r.IntN(4) == 0 {
		for i := range 3 + r.IntN(3) {
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString([]string{"0", "1", "10", "255", "256", ""}[r.IntN(6)])
		}
		return b.String()
	}
	for range 1 + r.IntN(16) {
		b.WriteString([]string{"1", "ab", "F00", "0", ":", ":", ":", "::"}[r.IntN(8)])
	}
	text := b.String()
	for _, group := range strings.Split(text, ":") {
		if len(group) > 4 {
			return "::" // Java reads longer groups
		}
	}
	return text
}

// No form of a letter begins with or ends in another one: each step through a text has one way to go.
func TestForms(t *testing.T) {
	for r := rune(0); r <= 0x10FFFF; r++ {
		for _, l := range letters(string(r)) {
			for i, a := range l {
				for j, b := range l {
					if i != j && (strings.HasPrefix(string(a), string(b)) || strings.HasSuffix(string(a), string(b))) {
						t.Errorf("%U: %q and %q", r, a, b)
					}
				}
			}
		}
	}
}
