package handlers_test

import (
	"os"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/handlers"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/json"
)

func eventPattern(text string) handlers.EventPattern {
	c := handlers.DefaultEventPattern()
	c.Pattern = text
	return c
}

// The rule of AWS's post on sending records of MSK to EventBridge.
const postedPattern = `{
  "detail": {"value": {"eventType": ["suspiciousActivity"], "source": ["transactionAnalyzer"]}},
  "detail-type": [{"prefix": "kafka-connect-notification"}]
}`

func TestEventPattern(t *testing.T) {
	rs := []R{
		{Key: "a", Value: `{"eventType":"suspiciousActivity","source":"transactionAnalyzer","n":1e2}`},
		{Key: "b", Value: `{"eventType":"login","source":"transactionAnalyzer"}`},
		{Key: "c", Value: `{"source":"transactionAnalyzer"}`},
		{Key: "d", NullValue: true},
		{Key: "e", Value: `"suspiciousActivity"`},
		{Key: "f", Value: `{"eventType":["x","suspiciousActivity"],"source":"transactionAnalyzer"}`},
	}
	h := open(t, eventPattern(postedPattern))
	out, failed := through(t, "notifications", []connector.Handler{h}, rs...)
	expect(t, "outputs", out, []string{`0.0 "a" {"eventType":"suspiciousActivity","source":"transactionAnalyzer","n":1e2}`, `3.0 "d" null`, `5.0 "f" `})
	expect(t, "failures", failed, nil)
	out, _ = through(t, "orders", []connector.Handler{h}, rs...)
	expect(t, "of another topic", out, []string{`3.0 "d" null`})
	c := eventPattern(`{"detail":{"value":[null]}}`)
	c.Tombstones = handlers.Apply
	out, _ = through(t, "orders", []connector.Handler{open(t, c)}, rs...)
	expect(t, "tombstones", out, []string{`3.0 "d" null`})
}

// Every part of an event that a pattern may look at is what the sink eventbridge sends.
func TestEventPatternFields(t *testing.T) {
	r := R{Key: "k1", Value: `{"type":"x","list":[1,2]}`, Timestamp: 1_700_000_000_123, Headers: []connector.Header{
		{Name: "trace", Value: []byte("t-1")}, {Name: "kind", Value: []byte("order")}, {Name: "raw", Value: []byte{0xff}}, {Name: "none"}}}
	other := R{Key: "k2", NullKey: true, Value: `{"type":"y","list":[]}`, Timestamp: -1}
	for _, c := range []struct {
		pattern string
		want    string // the keys of the records that are kept
	}{
		{`{"source":["kafka-connect.test"]}`, "k1 null"},
		{`{"source":["kafka-connect"]}`, ""},
		{`{"detail-type":["kafka-connect-orders"]}`, "k1 null"},
		{`{"detail-type":[{"anything-but":"kafka-connect-orders"}]}`, ""},
		{`{"detail":{"topic":["orders"],"partition":[3]}}`, "k1 null"},
		{`{"detail":{"partition":["3"]}}`, ""},
		{`{"detail":{"offset":[0]}}`, "k1"},
		{`{"detail":{"offset":[{"numeric":[">",0]}]}}`, "null"},
		{`{"detail":{"timestamp":[1700000000123]}}`, "k1"},
		{`{"detail":{"timestamp":[null]}}`, "null"},
		{`{"detail":{"timestampType":["CreateTime"]}}`, "k1"},
		{`{"detail":{"timestampType":["NoTimestampType"]}}`, "null"},
		{`{"detail":{"headers":{"kind":["order"]}}}`, "k1"},
		{`{"detail":{"headers":{"raw":{"base64":["/w=="]}}}}`, "k1"},
		{`{"detail":{"headers":{"none":[null]}}}`, "k1"},
		{`{"detail":{"headers":{"kind":[{"exists":false}]}}}`, "null"},
		{`{"detail":{"headers":{"kind":["order"],"trace":["t-1"]}}}`, ""},
		{`{"detail":{"key":["k1"]}}`, "k1"},
		{`{"detail":{"key":[null]}}`, "null"},
		{`{"detail":{"value":{"type":["x"]}}}`, "k1"},
		{`{"detail.value.type":["x"]}`, "k1"},
		{`{"detail":{"value":{"list":[2]}}}`, "k1"},
		{`{"detail":{"value":{"list":[{"exists":false}]}}}`, "null"},
		{`{"$or":[{"detail":{"key":["k1"]}},{"detail":{"value":{"type":["y"]}}}]}`, "k1 null"},
		{`{"source":["x"],"$or":[{"detail":{"key":["k1"]}},{"detail":{"value":{"type":["y"]}}}]}`, ""},
	} {
		b := connectortest.Batch(t, "orders", 3, r, other)
		b.Source().Connector = "test"
		if err := open(t, eventPattern(c.pattern)).Handle(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		var kept []string
		for i, r := range b.Records() {
			text, ok := r.Key.Text()
			if !ok {
				text = []byte("null")
			}
			kept = append(kept, string(text))
			if b.Err(i) != nil {
				t.Errorf("%s: %v", c.pattern, b.Err(i))
			}
		}
		if got := strings.Join(kept, " "); got != c.want {
			t.Errorf("%s keeps %q, want %q", c.pattern, got, c.want)
		}
	}
}

// LogAppendTime and a source that differs from record to record.
func TestEventPatternTexts(t *testing.T) {
	c := eventPattern(`{"source":["shop.de"],"detail-type":[{"suffix":"Placed"}],"detail":{"timestampType":["LogAppendTime"]}}`)
	c.Source, c.DetailType = "shop.{value.country}", "{value.type}"
	b := connectortest.Batch(t, "orders", 0,
		R{Value: `{"country":"de","type":"OrderPlaced"}`}, R{Value: `{"country":"fr","type":"OrderPlaced"}`}, R{Value: `{"country":"de","type":"OrderSent"}`}, R{Value: `{"type":"OrderPlaced"}`},
		R{Value: `{"country":"de","type":"LinePlaced"}`})
	for i := range b.Len() - 1 {
		b.At(i).LogAppendTime = true
	}
	if err := open(t, c).Handle(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, true, true, false, true} {
		if b.Filtered(i) != want {
			t.Errorf("record %d: filtered %t", i, b.Filtered(i))
		}
	}
	if err := b.Err(3); err == nil || connector.ClassOf(err) != connector.Permanent || !strings.Contains(err.Error(), `event_pattern: source: {value.country} of "shop.{value.country}": it is missing`) {
		t.Errorf("a record without country: %v", err)
	}
}

func TestEventPatternOfValues(t *testing.T) {
	c := eventPattern(`{"detail":{"eventType":["x"],"value":[{"exists":false}]}}`)
	c.Detail = "value"
	out, failed := through(t, "t", []connector.Handler{open(t, c)},
		R{Key: "a", Value: `{"eventType":"x"}`}, R{Key: "b", Value: `{"eventType":"x","value":1}`}, R{Key: "c", Value: `["x"]`}, R{Key: "d", NullValue: true})
	expect(t, "outputs", out, []string{`0.0 "a" `, `3.0 "d" null`})
	expect(t, "failures", failed, []string{`2.0 event_pattern: detail: the value is a list, and an event's detail must be an object; use detail: record`})
}

func TestEventPatternErrors(t *testing.T) {
	value := func(c handlers.EventPattern) handlers.EventPattern { c.Detail = "value"; return c }
	with := func(change func(c *handlers.EventPattern)) handlers.EventPattern {
		c := eventPattern(postedPattern)
		change(&c)
		return c
	}
	for _, c := range []struct {
		config handlers.EventPattern
		want   string
	}{
		{handlers.DefaultEventPattern(), `pattern: the pattern isn't JSON`},
		{eventPattern(`{"detail":{"value":{"n":[{"numeric":[">","1"]}]}}}`), `pattern: detail.value.n[0].numeric[1]: is "1", not a number`},
		{eventPattern(`{"detail":{"eventType":["x"]}}`), `pattern: detail.eventType: the detail has topic, partition, offset, timestamp, timestampType, headers, key, value; write detail.value.eventType`},
		{eventPattern(`{"detail":[{"exists":true}]}`), `pattern: detail: it is an object; name a field in it`},
		{eventPattern(`{"account":["123456789012"]}`), `pattern: account: not known before the event is sent`},
		{eventPattern(`{"detail":{"key":["k"]},"$or":[{"region":["eu-west-1"]},{"source":["x"]}]}`), `pattern: region: not known before`},
		{eventPattern(`{"time":[{"prefix":"2026"}]}`), `pattern: time: not known before`},
		{eventPattern(`{"resources":["x"]}`), `pattern: resources: not known before`},
		{eventPattern(`{"id":["x"]}`), `pattern: id: not known before`},
		{eventPattern(`{"version":["0"]}`), `pattern: version: not known before`},
		{eventPattern(`{"detailType":["x"]}`), `pattern: detailType: an event has no such field`},
		{eventPattern(`{"source":{"x":["y"]}}`), `pattern: source.x: source is a text and has no fields`},
		{value(eventPattern(`{"detail":[1]}`)), `pattern: detail: it is an object`},
		{with(func(c *handlers.EventPattern) { c.Detail = "values" }), `detail: "values" is neither record nor value`},
		{with(func(c *handlers.EventPattern) { c.Source = "" }), `source: is empty`},
		{with(func(c *handlers.EventPattern) { c.Source = "{nope}" }), `source: `},
		{with(func(c *handlers.EventPattern) { c.DetailType = "{value." }), `detail_type: `},
		{with(func(c *handlers.EventPattern) { c.Tombstones = "keep" }), `tombstones: "keep" is neither pass nor apply`},
	} {
		err := c.config.Validate()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", c.config.Pattern, err, c.want)
		}
	}
}

// The forms in which a file has a pattern.
func TestEventPatternInFile(t *testing.T) {
	registry := config.NewRegistry(
		config.Source("queue", func(string) source { return source{} }),
		config.Loader("store", func() ends { return ends{} }),
		config.Handler("event_pattern", handlers.DefaultEventPattern),
	)
	for _, list := range []string{
		`- event_pattern: '{"detail": {"value": {"n": [{"numeric": [">", 1]}]}}}'`,
		"- event_pattern:\n    detail: value\n    source: shop\n    pattern: |\n      {\n        \"detail\": {\"n\": [{\"numeric\": [\">\", 1]}]}\n      }",
		`- event_pattern: {pattern: {file: testdata/rule.json}}`,
	} {
		f, err := registry.Parse("test.yaml", []byte("name: test\nsource: {queue: {}}\nhandlers:\n"+list+"\nsink: {store: {}}\n"), config.Environment{ReadFile: os.ReadFile})
		if err != nil {
			t.Errorf("%s: %v", list, err)
			continue
		}
		out, _ := through(t, "t", []connector.Handler{open(t, f.Connectors[0].Handlers[0].Config.(opener))}, R{Key: "a", Value: `{"n":1}`}, R{Key: "b", Value: `{"n":2}`})
		expect(t, list, out, []string{`1.0 "b" {"n":2}`})
	}
}

// BenchmarkEventPattern is the handler over batches of 500 records, decoded before.
func BenchmarkEventPattern(b *testing.B) {
	rs := make([]connectortest.R, 500)
	for i := range rs {
		rs[i] = R{Key: "k", Value: `{"id":"7f1c","account":"123456789012","currency":"EUR","eventType":"suspiciousActivity","source":"transactionAnalyzer","items":[{"sku":"a"}]}`}
	}
	h := open(b, eventPattern(postedPattern))
	decoder, err := json.New(json.DefaultConfig())
	if err != nil {
		b.Fatal(err)
	}
	batch := connectortest.Raw("notifications", 0, rs...)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%100 == 0 { // the tape grows with every pass
			b.StopTimer()
			batch.Decode(b.Context(), serde.StringDecoder{}, decoder)
			b.StartTimer()
		}
		if err := h.Handle(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rs)), "ns/record")
}
