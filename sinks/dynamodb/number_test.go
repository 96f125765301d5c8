package dynamodb

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

const (
	ones38 = "11111111111111111111111111111111111111"
	ones39 = ones38 + "1"
)

func TestNumbers(t *testing.T) {
	tests := []struct{ in, want string }{
		{"0", "0"}, {"-0", "0"}, {"0.000", "0"}, {"0E400", "0"}, {"-0e-400", "0"},
		{"1", "1"}, {"-1", "-1"}, {"1.50", "1.50"}, {"40.409264", "40.409264"}, {"1767225600123", "1767225600123"},
		{"9223372036854775807", "9223372036854775807"}, {"-9223372036854775808", "-9223372036854775808"},
		{"18446744073709551615", "18446744073709551615"}, {"0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"},
		{"1e2", "100"}, {"1E+2", "100"}, {"100e-2", "1"}, {"-1.25e-3", "-0.00125"}, {"12E-131", "1.2E-130"}, {"1E-130", "1E-130"}, {"-1E-130", "-1E-130"},
		{"9.9999999999999999999999999999999999999E+125", "9.9999999999999999999999999999999999999E125"},
		{"-9.9999999999999999999999999999999999999E+125", "-9.9999999999999999999999999999999999999E125"},
		{"99E124", "9.9E125"}, {"1" + strings.Repeat("0", 125), "1E125"},
		{ones38, ones38}, {"-" + ones38, "-" + ones38}, {ones38 + "0000000000", "1." + ones38[1:] + "E47"}, {"0." + ones38, "0." + ones38},
		{"0.0000000" + ones38, "1." + ones38[1:] + "E-8"}, {"1." + strings.Repeat("0", 60), "1"}, {"0." + strings.Repeat("0", 60) + "1", "1E-61"},
		{"1e" + strings.Repeat("0", 500) + "3", "1000"},
	}
	for _, test := range tests {
		v := parse(t, test.in)
		out, size, err := appendValue([]byte("x"), v, nil, 1)
		if want := `x{"N":"` + test.want + `"}`; err != nil || string(out) != want {
			t.Errorf("%s: %s, %v; want %s", test.in, out, err, want)
			continue
		}
		if !sameNumber(test.in, test.want) && test.want != "0" || size != decimalSize(test.in) {
			t.Errorf("%s: %s isn't equal, or its size isn't %d", test.in, test.want, size)
		}
	}
}

func TestNumbersRefused(t *testing.T) {
	tests := []struct{ in, want string }{
		{ones39, "of 39 significant digits; DynamoDB holds 38"},
		{"-0." + ones39, "of 39 significant digits"},
		{"1." + strings.Repeat("0", 37) + "1", "of 39 significant digits"},
		{ones39 + "e-10", "of 39 significant digits"},
		{"1E126", "1E126; the largest of DynamoDB's are 1E-130 to 9.9"},
		{"-1E126", "-1E126; the largest"}, {"1E400", "1E400; the largest"}, {"10E125", "10E125; the largest"},
		{"1" + strings.Repeat("0", 126), "; the largest"}, {"1e99999999999999999999", "; the largest"},
		{"1E-131", "1E-131; the smallest"}, {"0.9E-130", "0.9E-130; the smallest"}, {"-1e-99999999999999999999", "; the smallest"},
		{"0." + strings.Repeat("0", 130) + "1", "; the smallest"}, {"1e-2147483648", "; the smallest"},
	}
	for _, test := range tests {
		b := one(t, "k", `{"a":{"b":[`+test.in+`]}}`)
		out, size, err := whole(compiled(t, nil), []byte("x"), b, 0)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "item (value): attribute a.b[0] is the number") ||
			connector.ClassOf(err) != connector.Permanent || string(out) != "x" || size != 0 {
			t.Errorf("%.50s: %.100s, %d, %v; want %s", test.in, out, size, err, test.want)
		}
		if storable(test.in) {
			t.Errorf("%s: the oracle would store it", test.in)
		}
	}
}

func TestFloats(t *testing.T) {
	tape := serde.NewTape()
	for _, test := range []struct {
		f    float64
		want string
	}{
		{0, "0"}, {math.Copysign(0, -1), "0"}, {0.1, "0.1"}, {1.0 / 3, "0.3333333333333333"}, {1e21, "1000000000000000000000"}, {1e22, "10000000000000000000000"},
		{1e100, "1E100"}, {-1.5e-7, "-1.5E-7"}, {123456789.123456, "123456789.123456"},
	} {
		out, _, err := appendValue(nil, tape.Float64(test.f), nil, 1)
		if want := `{"N":"` + test.want + `"}`; err != nil || string(out) != want {
			t.Errorf("%v: %s, %v; want %s", test.f, out, err, want)
		}
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64} {
		if out, _, err := appendValue(nil, tape.Float64(f), nil, 1); err == nil {
			t.Errorf("%v became %s", f, out)
		}
	}
	if _, _, err := appendValue(nil, tape.Float64(math.NaN()), nil, 1); err == nil || err.Error() != "is NaN, which DynamoDB can't hold" {
		t.Error(err)
	}
	w := tape.Write(nil, nil, 1)
	w.Float32(serde.Name{}, 0.1)
	single, err := w.Value(nil)
	if err != nil {
		t.Fatal(err)
	}
	if out, _, err := appendValue(nil, single, nil, 1); err != nil || string(out) != `{"N":"0.1"}` {
		t.Errorf("%s, %v", out, err)
	}
}

// Sizes as DynamoDB Local 2.6.1 counts: an item with such a number and a text is taken as long as both fit.
func TestNumberSizes(t *testing.T) {
	for text, want := range map[string]int{
		"0": 1, "1": 2, "-1": 3, "12": 2, "-12": 3, "123": 3, "1234": 3, "0.1": 2, "0.12": 2, "0.123": 3, "1.23": 3, "12.3": 3, "120": 3, "1200": 2,
		"1e10": 2, "1e11": 2, "1e100": 2, "1e125": 2, "1e-130": 2, "1.2e-130": 3, "-1e-130": 3, ones38[1:]: 20, ones38: 20, "-" + ones38: 21,
		ones38 + "0": 21, "-" + ones38 + "0": 21, "0." + ones38: 20, "0.0" + ones38: 21, "-0.0" + ones38: 21, "-0." + ones38: 21, "99": 2, "999": 3,
		"-9": 3, "10": 2, "100": 2, "0.5": 2, "0.05": 2, "7.7e-100": 3, "77e100": 2, "77e101": 3, "-77e100": 3,
	} {
		if got := textNumberSize([]byte(text)); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
		if got := decimalSize(text); got != want {
			t.Errorf("%s: %d by the oracle, want %d", text, got, want)
		}
	}
}

// Random numbers around the limits, written in several ways: what is stored is equal, has one canonical text, and nothing else is refused.
func TestRandomNumbers(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 1))
	tape := serde.NewTape()
	kept, refused := 0, 0
	for range 5_000 {
		text := randomNumber(random)
		v, err := tape.JSON([]byte(text), serde.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		out, size, err := appendNumber(nil, v, false)
		if (err == nil) != storable(text) {
			t.Fatalf("%s: %v; DynamoDB holds it: %v", text, err, storable(text))
		}
		if err != nil {
			refused++
			continue
		}
		kept++
		canonical, _, _ := appendNumber(nil, v, true)
		other, err := tape.JSON([]byte(rewritten(random, text)), serde.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := appendNumber(nil, other, true)
		if err != nil || string(again) != string(canonical) {
			t.Fatalf("%s is %s, but written in another way %s, %v", text, canonical, again, err)
		}
		if !sameNumber(text, string(out)) || !sameNumber(text, string(canonical)) || size != decimalSize(text) {
			t.Fatalf("%s became %s, %s of %d bytes", text, out, canonical, size)
		}
	}
	if kept < 1_000 || refused < 400 {
		t.Errorf("%d kept, %d refused: the test is lopsided", kept, refused)
	}
}

func randomNumber(random *rand.Rand) string {
	digits := make([]byte, 1+random.IntN(42))
	for i := range digits {
		digits[i] = byte('0' + random.IntN(10)*random.IntN(2))
	}
	sign := []string{"", "-"}[random.IntN(2)]
	whole := strings.TrimLeft(string(digits), "0")
	switch random.IntN(3) {
	case 0:
		return sign + "0." + strings.Repeat("0", random.IntN(100)) + string(digits)
	case 1:
		if whole != "" {
			return sign + whole
		}
	}
	return fmt.Sprintf("%s0.%se%d", sign, digits, random.IntN(300)-150)
}

// rewritten is the same number with another exponent and more zeros.
func rewritten(random *rand.Rand, text string) string {
	coefficient, exponent := coefficientOf(text)
	sign, digits := "", coefficient.String()
	if coefficient.Sign() < 0 {
		sign, digits = "-", digits[1:]
	}
	zeros := random.IntN(5)
	return fmt.Sprintf("%s0.%s%se%d", sign, digits, strings.Repeat("0", zeros), exponent+len(digits))
}

func parse(t testing.TB, text string) serde.Value {
	t.Helper()
	v, err := serde.NewTape().JSON([]byte(text), serde.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}
