//go:build testbed

package behaviour

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
	"github.com/millrace/millrace/serde/glue"
	"github.com/millrace/millrace/testbed"
)

// An evolving topic gets records in waves, each of which is written with new versions of one schema.
type evolving struct {
	t        *testing.T
	registry *testbed.GlueRegistry
	lake     *lake
	name     string
	fields   string
	versions int
	last     [16]byte // id of the newest version
	next     int64    // number of the next record
}

// wave produces n records with so many new versions, in turn.
func (e *evolving) wave(versions int, n int64) {
	e.t.Helper()
	var encoders []*avro.Encoder
	var headers [][]byte
	for range versions {
		text := fmt.Sprintf(`{"type":"record","name":"R","fields":[{"name":"seq","type":"long"},{"name":"text","type":"string"}%s]}`, e.fields)
		id := ""
		if e.versions == 0 {
			id = e.registry.CreateSchema(e.t, e.name, testbed.GlueAvro, "BACKWARD", text)
		} else {
			id = e.registry.AddVersion(e.t, e.name, text)
		}
		e.fields += fmt.Sprintf(`,{"name":"f%d","type":["null","string"],"default":null}`, e.versions)
		e.versions++
		s, err := avro.Parse(text)
		if err != nil {
			e.t.Fatal(err)
		}
		encoder, err := avro.NewEncoder(s)
		if err != nil {
			e.t.Fatal(err)
		}
		parsed, err := glue.ParseID(id)
		if err != nil {
			e.t.Fatal(err)
		}
		e.last = parsed
		encoders, headers = append(encoders, encoder), append(headers, glue.AppendHeader(nil, parsed, false))
	}
	client := e.lake.kafka.Client(e.t, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	defer client.Close()
	tape, filler := serde.NewTape(), strings.Repeat("the quick brown fox ", 15)
	for range n {
		i := e.next % int64(versions)
		tape.Reset()
		v := tape.Object([]string{"seq", "text"}, []serde.Value{tape.Int64(e.next), tape.String(filler)})
		value, err := encoders[i].Append(headers[i][:len(headers[i]):len(headers[i])], v)
		if err != nil {
			e.t.Fatal(err)
		}
		client.Produce(e.t.Context(), &kgo.Record{Topic: e.lake.topic, Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				e.t.Error(err)
			}
		})
		e.next++
	}
	if err := client.Flush(e.t.Context()); err != nil {
		e.t.Fatal(err)
	}
}

// once checks that each record was written once.
func (e *evolving) once() {
	e.t.Helper()
	seen := make([]int, e.next)
	for _, key := range e.lake.objects() {
		for _, line := range e.lake.lines(key) {
			var r struct{ Seq int64 }
			if err := json.Unmarshal(line, &r); err != nil || r.Seq < 0 || r.Seq >= e.next {
				e.t.Fatalf("%s: %.100s: %v", key, line, err)
			}
			seen[r.Seq]++
		}
	}
	for seq, n := range seen {
		if n != 1 {
			e.t.Fatalf("record %d was written %d times", seq, n)
		}
	}
}

// The registry is down at the start, then slow, then throttling, then cuts connections, then down again, while records of ever new versions come: each
// record is in S3 once, none in the dead letter, and memory stays where it was.
func TestGlueRegistryFails(t *testing.T) {
	l := newLake(t, 4)
	dead := l.kafka.Topic(t, 1)
	registry := testbed.Moto(t).Registry(t)
	gateway := testbed.StartGlueGateway(t, registry.Endpoint)
	proxy := testbed.StartProxy(t, gateway.Endpoint)
	config := l.config(`path: "{topic}/{partition}/", rotate: {age: 1s}`, fmt.Sprintf("decode: {value: {glue: {region: %s, endpoint: %q, registry: %s, access_key: a, secret_key: b}}}\ndead_letter: {kafka: {topic: %s}}",
		registry.Region, proxy.URL(), registry.Name, dead))
	e := &evolving{t: t, registry: registry, lake: l, name: "r"}
	const perWave = 60_000

	proxy.Down(t)
	e.wave(5, perWave)
	p := l.start(config)
	p.says("retrying", "schema")
	time.Sleep(5 * time.Second) // backoff is under way
	if keys := l.objects(); len(keys) != 0 {
		t.Errorf("%d objects without a registry", len(keys))
	}
	proxy.Up(t)
	l.written(e.next)
	before := p.peak()

	for _, trouble := range []struct {
		name       string
		begin, end func()
	}{
		{"slow", func() { proxy.Slow(t, 3*time.Second) }, func() { time.Sleep(5 * time.Second); proxy.Heal(t) }},
		{"throttling", func() { gateway.ThrottleShare(0.8) }, func() { time.Sleep(3 * time.Second); gateway.Allow() }},
		{"cuts connections", func() { proxy.Reset(t) }, func() { time.Sleep(5 * time.Second); proxy.Heal(t) }},
		{"hangs", func() { proxy.Hang(t) }, func() { time.Sleep(12 * time.Second); proxy.Heal(t) }},
		{"down", func() { proxy.Down(t) }, func() { time.Sleep(5 * time.Second); proxy.Up(t) }},
	} {
		trouble.begin()
		e.wave(5, perWave)
		trouble.end()
		l.written(e.next)
		t.Logf("%s: all %d records are written; %d calls were refused so far", trouble.name, e.next, gateway.Refused())
	}
	peak := p.peak()
	status := p.log.String()
	p.stop()
	l.verify()

	e.once()
	ends, err := kadm.NewClient(l.kafka.Client(t)).ListEndOffsets(t.Context(), dead)
	if err != nil {
		t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset != 0 {
			t.Errorf("%d records are in the dead letter", o.Offset)
		}
	})
	calls := gateway.Calls()["GetSchemaVersion"]
	t.Logf("%d records of %d versions, %d calls of GetSchemaVersion, %d of them refused; peak %d MiB resident, %d after the first wave", e.next, e.versions, calls, gateway.Refused(), peak, before)
	if n := strings.Count(status, "a schema version is in use"); n != e.versions {
		t.Errorf("%d versions were logged, want %d", n, e.versions)
	}
	if calls > 60*e.versions {
		t.Errorf("%d calls for %d versions is a storm", calls, e.versions)
	}
	if peak > 256 {
		t.Errorf("peak %d MiB resident, want at most 256", peak)
	}
}
