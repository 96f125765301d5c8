//go:build !no_traces

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/json"
)

// A receiver is a collector that keeps spans.
type receiver struct {
	mu    sync.Mutex
	spans []*tracepb.Span
	asked []string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	var got collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &got); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, q.URL.Path)
	for _, rs := range got.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			r.spans = append(r.spans, ss.Spans...)
		}
	}
}

// TestTracesContinue produces records with and without traceparent: each sampled one gets a span whose parent is its producer's,
// and the dead letter's copy has the header that it came with.
func TestTracesContinue(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "off")
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "cars", "cars-dlq"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics("cars-dlq"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	parent := func(i, sampled int) string { return fmt.Sprintf("00-%032x-%016x-%02x", i+1, 100+i, sampled) }
	const n = 30
	for i := range n {
		r := &kgo.Record{Topic: "cars", Key: []byte("secret-key"), Value: []byte("1")}
		if i%3 > 0 {
			r.Headers = []kgo.RecordHeader{{Key: "traceparent", Value: []byte(parent(i, i%3-1))}}
		}
		if i == 2 {
			r.Value = []byte("{")
		}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	var got receiver
	server := httptest.NewServer(&got)
	defer server.Close()
	b := newBench()
	b.command.plugins = config.NewRegistry(
		config.Source("kafka", kafkaDefaults),
		config.DeadLetterBeside("kafka", kafka.DefaultDeadLetterConfig, openDeadLetter),
		config.Loader("fake", func() fakeSink { return fakeSink{bench: b} }),
		config.DecoderOf("json", json.DefaultConfig, json.New),
		config.PlainDecoder("string", serde.StringDecoder{}),
	)
	file := write(t, "name: a\nsource: {kafka: {topics: [cars], brokers: ["+strings.Join(cluster.ListenAddrs(), ",")+"]}}\ndecode: {value: json}\ndead_letter: {kafka: cars-dlq}\nsink: fake\n")
	ended := make(chan int, 1)
	go func() { ended <- b.run("--traces", server.URL, file) }()
	for len(b.values()) < n-1 {
		select {
		case code := <-ended:
			t.Fatalf("exit code %d\n%s", code, b.errs.String())
		case <-time.After(time.Millisecond):
		}
	}
	buried := client.PollFetches(t.Context()).Records()
	if len(buried) != 1 || !slices.ContainsFunc(buried[0].Headers, func(h kgo.RecordHeader) bool { return h.Key == "traceparent" && string(h.Value) == parent(2, 1) }) {
		t.Errorf("dead letters %v", buried)
	}
	b.signals <- syscall.SIGTERM
	if code := <-ended; code != exitDone {
		t.Errorf("exit code %d\n%s", code, b.errs.String())
	}
	var parents, want []string
	for _, s := range got.spans {
		parents = append(parents, fmt.Sprintf("00-%x-%x-01", s.TraceId, s.ParentSpanId))
		if s.Name != "cars receive" || strings.Contains(s.String(), "secret-key") {
			t.Errorf("span %s", s)
		}
	}
	for i := 2; i < n; i += 3 {
		want = append(want, parent(i, 1))
	}
	if slices.Sort(parents); !slices.Equal(parents, want) {
		t.Errorf("parents %q\nwant    %q", parents, want)
	}
	if slices.ContainsFunc(got.asked, func(path string) bool { return path != "/v1/traces" }) {
		t.Errorf("asked for %q", got.asked)
	}
}

func TestTracesNeedAURL(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "off")
	file := write(t, "name: a\nsource: fake\nsink: fake\n")
	for _, bad := range []string{"localhost:4318", "grpc://localhost", "http://"} {
		b := newBench()
		if code := b.run("--traces", bad, file); code != exitUsage || !strings.Contains(b.errs.String(), "--traces needs the URL of a collector") {
			t.Errorf("%s: exit code %d\n%s", bad, code, b.errs.String())
		}
	}
}
