package pattern

import (
	"testing"

	"github.com/millrace/millrace/serde"
)

const post = `{"detail-type":[{"prefix":"kafka-connect-notification"}],"detail":{"value":{"eventType":["suspiciousActivity"],"amount":[{"numeric":[">",100]}]}}}`

func transaction(t testing.TB, kind, amount string) serde.Value {
	return event(t, []byte(`{"source":"kafka-connect.fraud","detail-type":"kafka-connect-notifications","detail":{"topic":"notifications","partition":3,
		"offset":123456,"timestamp":1700000000123,"timestampType":"CreateTime","headers":[],"key":"k","value":{"id":"7f1c","account":"123456789012","merchant":"café",
		"currency":"EUR","country":"FR","eventType":"`+kind+`","amount":`+amount+`,"items":[{"sku":"a","n":1},{"sku":"b","n":2}]}}}`))
}

// BenchmarkMatch is one event against three fields.
func BenchmarkMatch(b *testing.B) {
	p := compile(b, post)
	for name, e := range map[string]serde.Value{
		"matches": transaction(b, "suspiciousActivity", "250.75"),
		"differs": transaction(b, "login", "250.75"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Match(e)
			}
		})
	}
}

// Matching allocates nothing, whatever the operator.
func TestAllocations(t *testing.T) {
	p := compile(t, post)
	e := transaction(t, "suspiciousActivity", "250.75")
	if n := testing.AllocsPerRun(100, func() { p.Match(e) }); n != 0 {
		t.Errorf("%v allocations for an event", n)
	}
	for _, r := range rows(t) {
		p, e := compile(t, string(r.Pattern)), event(t, r.Event)
		if n := testing.AllocsPerRun(10, func() { p.Match(e) }); n != 0 {
			t.Errorf("%s: %v allocations", r.Rule, n)
		}
	}
}
