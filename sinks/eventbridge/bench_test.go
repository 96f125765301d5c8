package eventbridge

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// The flat record that the project's measurements use: 13 fields, 237 bytes.
const flatRecord = `{"vehicle_id":"WBA3A5C51CF256651","ts":1732190400123,"lat":48.137154,"lng":11.576124,"speed_kmh":83.5,"heading":271,"altitude":519.2,` +
	`"status":"DRIVING","engine_on":true,"fuel":0.62,"odometer":128734,"driver":"D-1842","trip":"T-90417-A2"}`

func BenchmarkEvent(b *testing.B) {
	nested := `{"trip":"T-1","points":[` + strings.TrimSuffix(strings.Repeat(flatRecord+",", 8), ",") + `]}`
	headers := []connector.Header{{Name: "trace-id", Value: []byte("4bf92f3577b34da6a3ce929d0e0e4736")}, {Name: "attempt", Value: []byte("1")}}
	value := func(c *Config) { c.Detail = detailValue }
	for _, bc := range []struct {
		name    string
		change  func(*Config)
		record  string
		headers []connector.Header
		handled bool
	}{
		{"record", nil, flatRecord, nil, false},
		{"record with id", func(c *Config) { c.ID = "id" }, flatRecord, nil, false},
		{"record with headers", nil, flatRecord, headers, false},
		{"record, headers guessed", func(c *Config) { c.Headers = headersConnect }, flatRecord, headers, false},
		{"record, made by a handler", nil, flatRecord, nil, true},
		{"record, nested", nil, nested, nil, false},
		{"value", value, flatRecord, nil, false},
		{"value with meta", func(c *Config) { c.Detail, c.Meta, c.ID = detailValue, true, "id" }, flatRecord, nil, false},
		{"value, time, type by path", func(c *Config) { c.Detail, c.Time, c.DetailType.Path = detailValue, "value.ts", "value.status" }, flatRecord, nil, false},
	} {
		b.Run(bc.name, func(b *testing.B) {
			s := shapeOf(b, bc.change)
			r := rec1(bc.record)
			r.Headers = bc.headers
			batch := batchOf(b, r)
			if bc.handled {
				rebuild(batch)
			}
			var e entry
			dst := make([]byte, 0, 16<<10)
			b.ReportAllocs()
			for b.Loop() {
				out, err := s.append(dst[:0], &e, batch, 0)
				if err != nil {
					b.Fatal(err)
				}
				dst = out
			}
			b.SetBytes(int64(len(dst)))
		})
	}
}

// rebuild makes the value anew, as a rule would.
func rebuild(b *connector.Batch) {
	var names []string
	var values []serde.Value
	for name, v := range b.At(0).Value.Members() {
		names, values = append(names, "x_"+name), append(values, v)
	}
	b.At(0).Value = b.Tape().Object(names, values)
}

func BenchmarkEscape(b *testing.B) {
	dst := make([]byte, 0, 32<<10)
	for name, text := range map[string][]byte{"flat": []byte(flatRecord), "text": []byte(`"` + strings.Repeat("x", 8000) + `"`)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = appendEscaped(dst[:0], text)
			}
		})
		b.Run(name+" as any text", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := serde.AppendString(dst[:0], text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
