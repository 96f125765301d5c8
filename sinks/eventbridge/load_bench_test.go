package eventbridge

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// nullBus takes everything unread.
func nullBus(t testing.TB) *httptest.Server {
	t.Helper()
	answers := make([]string, maxEntries+1)
	for n := range answers {
		one := `{"EventId":"11710aed-b79e-4468-a20b-bb3c0c3b4860"}`
		answers[n] = `{"Entries":[` + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + `],"FailedEntryCount":0}`
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			_, _ = io.WriteString(w, answers[strings.Count(string(body), `,"EventBusName":`)])
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// BenchmarkLoad sends 100 flat records of 237 bytes, each of another key, in ten requests to a server in this process. Its time and memory hold those of the server.
func BenchmarkLoad(b *testing.B) {
	d := &double{Server: nullBus(b)}
	s := d.open(b, func(c *Config) { c.CheckBus = false })
	batch := flatBatch(b, loadRecords)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Load(b.Context(), batch); err != nil || batch.Err(0) != nil {
			b.Fatal(err, batch.Err(0))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*loadRecords), "ns/record")
}

// BenchmarkFill is what a Load does besides its calls.
func BenchmarkFill(b *testing.B) {
	d := &double{Server: nullBus(b)}
	s := d.open(b, func(c *Config) { c.CheckBus = false })
	batch := flatBatch(b, loadRecords)
	x := &delivery{}
	b.ReportAllocs()
	for b.Loop() {
		x.begin(s, batch)
		for s.fill(b.Context(), batch, x); len(x.request.items) > 0; s.fill(b.Context(), batch, x) {
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*loadRecords), "ns/record")
}

func flatBatch(t testing.TB, n int) *connector.Batch {
	rs := make([]connectortest.R, n)
	for i := range rs {
		rs[i] = connectortest.R{Key: fmt.Sprint("vehicle-", i), Value: flatRecord}
	}
	return connectortest.Batch(t, "cars", 0, rs...)
}

// BenchmarkAnswer compares the scan with parsing.
func BenchmarkAnswer(b *testing.B) {
	one := `{"EventId":"11710aed-b79e-4468-a20b-bb3c0c3b4860"}`
	reply := []byte(`{"Entries":[` + strings.TrimSuffix(strings.Repeat(one+",", 10), ",") + `],"FailedEntryCount":0}`)
	b.Run("scan", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !accepted(reply, 10) {
				b.Fatal("not accepted")
			}
		}
	})
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var a answer
			if err := json.Unmarshal(reply, &a); err != nil || len(a.Entries) != 10 {
				b.Fatal(err)
			}
		}
	})
}
