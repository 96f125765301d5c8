package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
	"github.com/millrace/millrace/internal/envelope"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A shelf is a Memory whose objects can be read in parts, and which counts those that are read.
type shelf struct {
	*chaintest.Memory
	mu   sync.Mutex
	read map[string]int
}

func (s *shelf) Stat(ctx context.Context, key string) (chain.Stat, error) {
	body, err := s.Get(ctx, key)
	return chain.Stat{Size: int64(len(body))}, err
}

func (s *shelf) ReadRange(ctx context.Context, key string, p []byte, at int64) error {
	s.mu.Lock()
	s.read[key]++
	n := s.read[key]
	s.mu.Unlock()
	if n == 2 { // each object fails once
		return connector.Retryable.Errorf("the store is slow")
	}
	body, err := s.Get(ctx, key)
	if err == nil && copy(p, body[at:]) < len(p) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// A bench is a store with chains.
type bench struct {
	*testing.T
	shelf *shelf
	place chain.Place
	seqs  map[chain.ID]int64
	tails int
}

func newBench(t *testing.T) *bench {
	s := &shelf{Memory: chaintest.NewMemory(chaintest.Options{}), read: map[string]int{}}
	return &bench{T: t, shelf: s, place: chain.Place{Store: s, Name: "memory://", Prefix: "lake", Chain: "main"}, seqs: map[chain.ID]int64{}}
}

func (b *bench) id(topic byte, partition int32) chain.ID {
	return chain.ID{Prefix: "lake", Chain: "main", Cluster: "test", TopicID: [16]byte{topic}, Partition: partition}
}

func (b *bench) put(key string, body []byte) {
	b.Helper()
	if err := b.shelf.Put(b.Context(), key, body); err != nil {
		b.Fatal(err)
	}
}

// link puts a link, behind a root link if it is the first.
func (b *bench) link(id chain.ID, l chain.Link) {
	b.Helper()
	if b.seqs[id] == 0 && l.Kind != chain.KindRoot {
		b.link(id, chain.Link{Kind: chain.KindRoot, From: l.From, Next: l.From})
	}
	l.Version, l.Seq, l.Attempt = chain.Version, b.seqs[id], "a"
	b.put(id.Key(l.Seq), l.Encode())
	b.seqs[id]++
}

// write writes the records of offsets from to next-1, each into one of the objects, whose extensions are given.
func (b *bench) write(id chain.ID, from, next int64, exts ...string) {
	b.Helper()
	l := chain.Link{Kind: chain.KindData, From: from, Next: next, First: from, Last: next - 1}
	for i, ext := range exts {
		var rs []connector.Record
		for at := from; at < next; at++ {
			if int(at*7/3)%len(exts) == i {
				rs = append(rs, record(id.Partition, at))
			}
		}
		body := encode(b, ext, connector.Partition{Topic: "cars", ID: id.Partition}, rs)
		b.tails++
		key := fmt.Sprintf("lake/cars/%d/%d-%d%s", id.Partition, from, b.tails, ext)
		b.put(key, body)
		l.Objects = append(l.Objects, chain.Object{Key: key, Rows: int64(len(rs)), First: rs[0].Offset, Last: rs[len(rs)-1].Offset, Size: int64(len(body))})
	}
	b.link(id, l)
}

// record is a record with all that is hard to restore.
func record(partition int32, at int64) connector.Record {
	r := connector.Record{Offset: at, Timestamp: 1_700_000_000_123 + at, RawKey: fmt.Appendf(nil, "k%d-\xff\x00", at), RawValue: fmt.Appendf(nil, "v%d/%d\n\xfe", partition, at)}
	switch at % 7 {
	case 1:
		r.RawKey = nil
	case 2:
		r.RawValue = nil
	case 3:
		r.RawKey, r.RawValue = []byte{}, []byte{}
	case 4:
		r.Headers = []connector.Header{{Name: "h", Value: []byte("1")}, {Name: "h", Value: []byte{0xff}}, {Name: "", Value: nil}, {Name: "h", Value: []byte{}}}
	}
	return r
}

// A sink is a Producer that keeps what it gets.
type sink struct {
	mu   sync.Mutex
	got  map[int32][]string
	fail int64 // the record of this offset, if it isn't 0

	waiting []func()
}

func show(r *envelope.Record) string {
	text := func(b []byte) string {
		if b == nil {
			return "null"
		}
		return fmt.Sprintf("%q", b)
	}
	var headers []string
	for _, h := range r.Headers {
		headers = append(headers, h.Name+"="+text(h.Value))
	}
	return fmt.Sprintf("%d at %d: %s=%s %v", r.Offset, r.Timestamp, text(r.Key), text(r.Value), headers)
}

// Produce acknowledges nothing before Flush, unless the record is refused.
func (s *sink) Produce(ctx context.Context, partition int32, r *envelope.Record, acked func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.got == nil {
		s.got = map[int32][]string{}
	}
	s.got[partition] = append(s.got[partition], show(r))
	if s.fail != 0 && r.Offset == s.fail {
		s.acknowledge()
		acked(errors.New("the broker refuses it"))
		return
	}
	s.waiting = append(s.waiting, func() { acked(ctx.Err()) })
}

func (s *sink) acknowledge() {
	for _, acked := range slices.Backward(s.waiting) { // the worst order
		acked()
	}
	s.waiting = nil
}

func (s *sink) Flush(context.Context) error {
	s.acknowledge()
	return nil
}

func (b *bench) run(o *Options, s *sink) (*Report, error) {
	b.Helper()
	all, err := Plan(b.Context(), &b.place)
	if err != nil {
		return nil, err
	}
	chosen, err := Choose(b.Context(), &b.place, all, o)
	if err != nil {
		return nil, err
	}
	return Run(b.Context(), &b.place, chosen, o, s)
}

// check compares with the records of offsets from to next-1.
func (b *bench) check(s *sink, partition int32, from, next int64) {
	b.Helper()
	got := s.got[partition]
	if len(got) != int(next-from) {
		b.Fatalf("partition %d: %d records, want %d", partition, len(got), next-from)
	}
	for i := range got {
		r := record(partition, from+int64(i))
		want := show(&envelope.Record{Offset: r.Offset, Timestamp: r.Timestamp, Key: r.RawKey, Value: r.RawValue, Headers: r.Headers})
		if got[i] != want {
			b.Fatalf("partition %d: %s\nwant %s", partition, got[i], want)
		}
	}
}

func TestRestore(t *testing.T) {
	b := newBench(t)
	b.write(b.id(1, 0), 5, 60, ".json", ".json.gz", ".parquet", ".avro")
	b.write(b.id(1, 0), 60, 100, ".json.zst")
	b.write(b.id(1, 0), 100, 170, ".json.sz", ".parquet")
	b.write(b.id(1, 1), 0, 40, ".avro", ".avro")
	b.write(b.id(1, 2), 0, 300, ".own.parquet", ".parquet", ".own.parquet")
	var s sink
	report, err := b.run(&Options{}, &s)
	if err != nil {
		t.Fatal(err)
	}
	b.check(&s, 0, 5, 170)
	b.check(&s, 1, 0, 40)
	b.check(&s, 2, 0, 300)
	p := report.Partitions[0]
	if report.Records != 505 || len(report.Partitions) != 3 || p.Topic != "cars" || p.First != 5 || p.Last != 169 || p.Records != 165 || p.Objects != 7 || p.Bytes == 0 {
		t.Errorf("%+v %+v", report, p)
	}
	// A part of one partition.
	s = sink{}
	if _, err = b.run(&Options{Topic: "cars", Partitions: []int32{0}, From: 57, Next: 103}, &s); err != nil {
		t.Fatal(err)
	}
	b.check(&s, 0, 57, 103)
	if len(s.got) != 1 {
		t.Error(len(s.got))
	}
}

// What was written again counts once, as it was written last.
func TestRestoreRewound(t *testing.T) {
	b := newBench(t)
	id := b.id(1, 0)
	b.write(id, 0, 20, ".json", ".avro")
	b.link(id, chain.Link{Kind: chain.KindRewind, From: 20, Next: 5, Rewind: 2})
	b.write(id, 5, 12, ".parquet")
	var s sink
	report, err := b.run(&Options{}, &s)
	if err != nil {
		t.Fatal(err)
	}
	b.check(&s, 0, 0, 20)
	if notes := report.Partitions[0].Notes; len(notes) != 1 || !strings.Contains(notes[0], "rewound from 20 to 5") {
		t.Error(notes)
	}
	all, err := Plan(t.Context(), &b.place)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range all[0].spans {
		got = append(got, fmt.Sprintf("%d-%d of %d", s.from, s.next, len(s.objects)))
	}
	if want := "[0-5 of 2 5-12 of 1 12-20 of 2]"; fmt.Sprint(got) != want {
		t.Error(got)
	}
}

// An object is read only between the first and last of its offsets.
func TestRestoreOpensLate(t *testing.T) {
	b := newBench(t)
	id := b.id(1, 0)
	l := chain.Link{Kind: chain.KindData, From: 0, Next: 30}
	for i := range int64(3) {
		rs := []connector.Record{record(0, i*10), record(0, i*10+9)}
		key := fmt.Sprint("lake/", i, ".json")
		b.put(key, encodeLines(t, ".json", connector.Partition{Topic: "cars"}, rs))
		l.Objects = append(l.Objects, chain.Object{Key: key, Rows: 2, First: rs[0].Offset, Last: rs[1].Offset})
	}
	b.link(id, l)
	s := span{from: 0, next: 30, objects: l.Objects}
	err := s.records(t.Context(), b.shelf, func(r *envelope.Record) error {
		if n := len(b.shelf.read); n != int(r.Offset/10)+1 {
			t.Errorf("%d objects are read at offset %d", n, r.Offset)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRestoreFailedRecord(t *testing.T) {
	b := newBench(t)
	b.write(b.id(1, 0), 0, 50, ".json")
	s := sink{fail: 30}
	report, err := b.run(&Options{}, &s)
	if err == nil || !strings.Contains(err.Error(), "partition cars/0, offset 30: the broker refuses it") {
		t.Error(err)
	}
	if p := report.Partitions[0]; p.Records != 30 || p.Last != 29 || len(s.got[0]) != 31 {
		t.Errorf("%+v %d", p, len(s.got[0]))
	}
}

func TestRestoreValues(t *testing.T) {
	b := newBench(t)
	put := func(key, body string, first, last, rows int64) chain.Object {
		b.put(key, []byte(body))
		return chain.Object{Key: key, Rows: rows, First: first, Last: last}
	}
	b.link(b.id(1, 3), chain.Link{Kind: chain.KindData, From: 0, Next: 9, Objects: []chain.Object{
		put("b.txt", "three\n\nfour\n", 1, 7, 3),
		put("a.json", "{ \"a\" : 1 }\nnull\n", 0, 8, 2),
	}})
	var s sink
	report, err := b.run(&Options{ValuesOnly: true, Topics: map[[16]byte]string{{1}: "cars"}, Topic: "cars"}, &s)
	if err != nil || report.Records != 5 || report.Partitions[0].First != -1 || report.Partitions[0].Topic != "cars" {
		t.Fatal(report, err)
	}
	want := []string{`null="{ \"a\" : 1 }" []`, `null="null" []`, `null="three" []`, `null="" []`, `null="four" []`}
	for i := range want {
		if got := s.got[3][i]; got != "-1 at -1: "+want[i] {
			t.Errorf("%s, want %s", got, want[i])
		}
	}
	if _, err := b.run(&Options{}, &s); err == nil || !strings.Contains(err.Error(), "--values-only") {
		t.Error(err)
	}
}

func TestRestoreErrors(t *testing.T) {
	row := func(text string) func(*bench) {
		return func(b *bench) {
			b.put("o.json", []byte(text))
			b.link(b.id(1, 0), chain.Link{Kind: chain.KindData, From: 4, Next: 9, Objects: []chain.Object{{Key: "o.json", Rows: 2, First: 4, Last: 8}}})
		}
	}
	for _, test := range []struct {
		name, want string
		make       func(*bench)
	}{
		{"no chain", "there is no link in lake/_millrace/main/", func(*bench) {}},
		{"two topics", "choose one by --from-topic, by its name or id: cars (01000000000000000000000000000000), cars (02", func(b *bench) {
			b.write(b.id(1, 0), 0, 3, ".json")
			b.write(b.id(2, 0), 0, 3, ".json")
		}},
		{"gone", "o.json isn't there, and the newest link names it: start the connector, which completes it, or stop before it with --to-offset 4", func(b *bench) {
			row("")(b)
			b.shelf.Delete("o.json")
		}},
		{"gone long ago", "o.json isn't there: if it expired, begin behind it with --from-offset 9", func(b *bench) {
			row("")(b)
			b.write(b.id(1, 0), 9, 12, ".json")
			b.shelf.Delete("o.json")
		}},
		{"a hole", "link 1 is missing", func(b *bench) {
			b.write(b.id(1, 0), 0, 3, ".json")
			b.write(b.id(1, 0), 3, 5, ".json")
			b.shelf.Delete(b.id(1, 0).Key(1))
		}},
		{"no envelope", "its rows are no envelopes (setting envelope)", row("{\"a\":1}\n{}\n")},
		{"no JSON", "row 1 of o.json: line 1:", row("{\n")},
		{"no end", "row 2 of o.json: line 2 has no end", row("{\"offset\":4,\"value\":1}\n{")},
		{"few rows", "o.json has 1 rows, and its link says 2", row("{\"offset\":4,\"value\":1}\n")},
		{"no offset", "row 1 of o.json has no offset in its envelope", row("{\"value\":1}\n{\"value\":2}\n")},
		{"beyond", "row 2 of o.json has offset 9, and its link says that it has 4 to 8", row("{\"offset\":4,\"value\":1}\n{\"offset\":9,\"value\":1}\n")},
		{"no order", "row 2 of o.json has offset 5 behind 6", row("{\"offset\":6,\"value\":1}\n{\"offset\":5,\"value\":1}\n")},
		{"topic", `the record of offset 5 is of topic "b", not "a"`, row("{\"topic\":\"a\",\"offset\":4,\"value\":1}\n{\"topic\":\"b\",\"offset\":5,\"value\":1}\n")},
		{"format", `rows of format ".orc" can't be read back`, func(b *bench) {
			b.link(b.id(1, 0), chain.Link{Kind: chain.KindData, From: 4, Next: 9, Objects: []chain.Object{{Key: "o.orc", Rows: 2, First: 4, Last: 8}}})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			test.make(b)
			if _, err := b.run(&Options{}, &sink{}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Error(err)
			}
		})
	}
}

// Of an offset that several links hold, the newest counts.
func TestSpans(t *testing.T) {
	for _, test := range []struct {
		ranges [][2]int64 // of links, from and next; a rewind leads to one that begins below
		want   string
	}{
		{nil, "[]"},
		{[][2]int64{{0, 10}, {10, 20}}, "[0-10:0 10-20:1]"},
		{[][2]int64{{0, 10}, {0, 10}}, "[0-10:1]"},
		{[][2]int64{{0, 10}, {3, 6}}, "[0-3:0 3-6:1 6-10:0]"},
		{[][2]int64{{5, 10}, {0, 7}}, "[0-7:1 7-10:0]"},
		{[][2]int64{{5, 10}, {0, 3}}, "[0-3:1 5-10:0]"},
		{[][2]int64{{0, 10}, {10, 20}, {5, 8}, {8, 15}, {7, 9}}, "[0-5:0 5-7:2 7-9:4 9-15:3 15-20:1]"},
	} {
		var links []*chain.Link
		for i, r := range test.ranges {
			links = append(links, &chain.Link{Kind: chain.KindRewind}, &chain.Link{Kind: chain.KindData, From: r[0], Next: r[1], Objects: []chain.Object{{Rows: int64(i)}}})
		}
		got := []string{}
		for _, s := range spans(links) {
			got = append(got, fmt.Sprintf("%d-%d:%d", s.from, s.next, s.objects[0].Rows))
		}
		if fmt.Sprint(got) != test.want {
			t.Errorf("%v: %v, want %s", test.ranges, got, test.want)
		}
	}
}
