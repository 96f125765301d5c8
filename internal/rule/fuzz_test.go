package rule

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// FuzzRule compiles and evaluates any text on records of several shapes: nothing
// panics, and a second evaluation gives what the first gave.
func FuzzRule(f *testing.F) {
	for _, s := range []string{
		`value.lat != 0 && value.lng != 0`, `{car: value.car_id, km: value.distance_m / 1000}`,
		`value?.pos?.lat ?? value.tags[0] ?? 1.5e3`, `filter(value.items, .n > 1 and #index < 3) | map(.sku) | join(",")`,
		`let x = value.s; x[1:] + upper(x) matches "^a.*$"`, `reduce(1..9, #acc * #, 1) in [1, "a", nil, {a: b'x'}]`,
		`round(decimal("1.005"), 2) ** -2 % 3`, `headers["a"] ?: date(timestamp) > date("2026-01-01")`,
		`if value.a == value.b { 9007199254740993 } else { -0x10 }`, `fromJSON(toJSON(value)).a?.[0]`, `uniq(concat(value.nums, 1..4)) not in [[]]`,
	} {
		f.Add(s)
	}
	b := connectortest.Batch(f, "t", 0,
		connectortest.R{Key: "k", Value: flat, Headers: []connector.Header{{Name: "a", Value: []byte("\xff")}}},
		connectortest.R{NullKey: true, NullValue: true},
		connectortest.R{Value: `[1,"a",{"b":[[]]},null,1e400,-0.0,1E-7]`},
		connectortest.R{Value: `"text \u0000 é"`},
		connectortest.R{Value: `12345678901234567890.5`})
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Compile(text)
		if err != nil {
			if strings.Contains(err.Error(), "can't be compiled: ") {
				t.Fatalf("Compile panicked: %v", err)
			}
			return
		}
		for i := range b.Len() {
			first, err := evaluate(b, i, text)
			if err != nil && strings.Contains(err.Error(), "evaluation failed: ") {
				t.Fatalf("record %d: Eval panicked: %v", i, err)
			}
			again, errAgain := evaluate(b, i, text)
			if first != again || (err == nil) != (errAgain == nil) || err != nil && err.Error() != errAgain.Error() {
				t.Fatalf("record %d: %q, %v and then %q, %v", i, first, err, again, errAgain)
			}
			if _, err := e.Bool(b, i); err != nil && strings.Contains(err.Error(), "evaluation failed: ") {
				t.Fatalf("record %d: Bool panicked: %v", i, err)
			}
			if _, err := e.Text(nil, b, i); err != nil && strings.Contains(err.Error(), "evaluation failed: ") {
				t.Fatalf("record %d: Text panicked: %v", i, err)
			}
		}
	})
}
