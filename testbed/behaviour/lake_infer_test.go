//go:build testbed

package behaviour

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/testbed"
)

// strangerAt is what the record of a number has that the first ones didn't: a member without a column (every tenth), or a text in a column of
// numbers (every hundredth).
func strangerAt(seq int64) (rested, conflict bool) { return seq%10 == 3, seq%100 == 7 }

// produceStrangers writes n records from first on, all of them plain if plain is set.
func (l *lake) produceStrangers(first, n int64, plain bool) {
	l.t.Helper()
	client := l.kafka.Client(l.t, kgo.DefaultProduceTopic(l.topic), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	defer client.Close()
	var records []*kgo.Record
	for seq := first; seq < first+n; seq++ {
		rested, conflict := strangerAt(seq)
		value := fmt.Sprintf(`{"seq":%d,"car":"c%d","speed":%d,"pos":{"lng":1.5}}`, seq, seq%7, seq%130)
		switch {
		case plain:
		case rested:
			value = fmt.Sprintf(`{"seq":%d,"car":"c%d","speed":%d,"pos":{"lng":1.5,"alt":%d},"new":["x"]}`, seq, seq%7, seq%130, seq)
		case conflict:
			value = fmt.Sprintf(`{"seq":%d,"car":"c%d","speed":"fast","pos":{"lng":1.5}}`, seq, seq%7)
		}
		records = append(records, &kgo.Record{Value: []byte(value)})
	}
	if err := client.ProduceSync(l.t.Context(), records...).FirstErr(); err != nil {
		l.t.Fatal(err)
	}
}

// Three processes that start at once infer the columns of plain JSON: all write the same, also one that starts later. What comes later without a column
// goes to _rest, what doesn't fit its column to the dead letter, both are counted, and nothing is lost.
func TestColumnsInferred(t *testing.T) {
	const before, after = 6_000, 30_000
	l := newLake(t, 6)
	dead := l.kafka.Topic(t, 1)
	config := l.config(`path: "{topic}/{partition}/", format: parquet`, fmt.Sprintf("dead_letter: {kafka: {topic: %s}}\nbreaker: none", dead))
	l.file = config
	d := &deployment{t: t, config: config}
	l.produceStrangers(0, before, true)
	pods := []*pod{d.start(), d.start(), d.start()}
	l.written(before)
	if kept := l.keptColumns(); len(kept) != 1 {
		t.Fatalf("the columns are kept in %q, want one object", kept)
	}
	pods[0].stop()
	pods[0] = d.start()
	l.produceStrangers(before, after, false)
	l.written(before + after)
	var wantRested, wantDead int64
	for seq := int64(before); seq < before+after; seq++ {
		rested, conflict := strangerAt(seq)
		if rested {
			wantRested++
		} else if conflict {
			wantDead++
		}
	}
	var rested, buried float64
	for _, p := range pods {
		rested += p.metric("millrace_rows_rested_total")
		buried += p.metric("millrace_records_buried_total")
		p.stop()
	}
	if rested != float64(wantRested) || buried != float64(wantDead) {
		t.Errorf("the metrics count %g rows with a rest and %g dead letters, want %d and %d", rested, buried, wantRested, wantDead)
	}
	l.verify()
	l.checkDead(dead, wantDead)
	l.checkInferred(before+after-wantDead, wantRested)
}

// checkDead: the dead letters say which column didn't take which value.
func (l *lake) checkDead(topic string, want int64) {
	l.t.Helper()
	letters := badReadAll(l.t, l.kafka, topic)
	if int64(len(letters)) != want {
		l.t.Errorf("%d dead letters, want %d", len(letters), want)
	}
	for _, letter := range letters {
		why := ""
		for _, h := range letter.Headers {
			if h.Key == badPrefix+"exception.message" {
				why = string(h.Value)
			}
		}
		if !strings.Contains(why, "column speed is int64; the value is a string") || !strings.Contains(string(letter.Value), `"fast"`) {
			l.t.Fatalf("a dead letter says %q of %s", why, letter.Value)
		}
	}
}

// checkInferred: all files have the same columns, and each row what it was written with.
func (l *lake) checkInferred(rows, rested int64) {
	l.t.Helper()
	dir := l.download()
	const columns = "seq int64, car string, speed int64, pos struct<lng: double>, _rest string"
	for _, f := range shapes(l.t, dir) {
		if got := strings.Join(f.Columns, ", "); got != columns {
			l.t.Errorf("%s has the columns %s, want %s", f.Name, got, columns)
		}
	}
	var found struct {
		Rows []struct {
			Seq, Speed int64
			Rest       *string `json:"_rest"`
		}
	}
	testbed.ReadLake(l.t, &found, "rows", "duckdb", dir)
	last, rests := int64(-1), int64(0)
	for _, r := range found.Rows {
		if r.Seq <= last || r.Speed != r.Seq%130 {
			l.t.Fatalf("seq %d, speed %d behind seq %d", r.Seq, r.Speed, last)
		}
		last = r.Seq
		if r.Rest == nil {
			continue
		}
		rests++
		if *r.Rest != fmt.Sprintf(`{"new":["x"],"pos":{"alt":%d}}`, r.Seq) && *r.Rest != fmt.Sprintf(`{"pos":{"alt":%d},"new":["x"]}`, r.Seq) {
			l.t.Fatalf("seq %d: the rest is %s", r.Seq, *r.Rest)
		}
	}
	l.t.Logf("%d rows, %d of them with a rest", len(found.Rows), rests)
	if int64(len(found.Rows)) != rows || rests != rested {
		l.t.Errorf("%d rows, %d of them with a rest; want %d and %d", len(found.Rows), rests, rows, rested)
	}
}

// A topic of few records doesn't wait for more: its columns are inferred from what there is.
func TestColumnsInferredOfFew(t *testing.T) {
	l := newLake(t, 2)
	l.produceStrangers(0, 10, true)
	p := l.start(l.config(`path: "{topic}/{partition}/", format: parquet, schema: {wait: 1s}, rotate: {age: 3s}`, ""))
	l.written(10)
	p.stop()
	l.verify()
	l.checkInferred(10, 0)
}
