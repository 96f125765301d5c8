package staging

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
	"github.com/millrace/millrace/internal/lines"
	"github.com/millrace/millrace/sinks/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// options are those of a sink with one file per key.
func options(t testing.TB, store chain.Store, path string) Options {
	t.Helper()
	p, err := CompilePath(path, DefaultNaming())
	if err != nil {
		t.Fatal(err)
	}
	codec, err := lines.NewCodec(lines.Gzip, 0)
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Store: store, Place: "mem://b", Prefix: "data", Chain: "main", Path: p,
		Format:   EncodeLines(lines.JSON, codec),
		Rotation: DefaultRotate().Rotation(), MaxOpen: 1000, MaxKey: 1024,
	}
}

// assignment is of partition 0 of the topic cars, whose group has committed nothing.
func assignment() connector.Assignment {
	return connector.Assignment{
		Partition: connector.Partition{Topic: "cars"}, ClusterID: "test", TopicID: connectortest.TopicID(),
		Connector: "c", Group: "g", Plan: "p", Committed: -1,
	}
}

func link(t testing.TB, m *chaintest.Memory, seq int64) *chain.Link {
	t.Helper()
	a := assignment()
	id := chain.ID{Prefix: "data", Chain: "main", Cluster: a.ClusterID, TopicID: a.TopicID}
	body, ok := m.Objects()[id.Key(seq)]
	if !ok {
		t.Fatalf("there is no link %d", seq)
	}
	l, err := chain.DecodeLink(body, seq)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// again is a Retrier that repeats at once, up to 100 times.
func again(ctx context.Context, _ string, try func(context.Context) error) error {
	var err error
	for range 100 {
		if err = try(ctx); err == nil || ctx.Err() != nil || final(err) {
			return err
		}
	}
	return err
}

func final(err error) bool {
	switch connector.ClassOf(err) {
	case connector.Lost, connector.Permanent, connector.Fatal:
		return true
	}
	return false
}

// ranging is a range on its way.
type ranging struct {
	connector.Staged
	at connector.Position
}

func begin(t testing.TB, s *Stager, a connector.Assignment) ranging {
	t.Helper()
	at, err := s.Recover(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return follow(t, s, at)
}

func follow(t testing.TB, s *Stager, at connector.Position) ranging {
	t.Helper()
	g, err := s.Stage(t.Context(), connector.Partition{Topic: "cars"}, at, again)
	if err != nil {
		t.Fatal(err)
	}
	return ranging{g, at}
}

func (g ranging) add(t testing.TB, rs ...connectortest.R) connector.Size {
	t.Helper()
	b := connectortest.Batch(t, "cars", 0, rs...)
	size, err := g.Add(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Len() {
		if err := b.Err(i); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
	return size
}

func (g ranging) to(next int64) connector.Range {
	return connector.Range{From: g.at.ReadFrom, Next: next, First: g.at.ReadFrom, Last: next - 1, Reason: connector.RotateAge}
}

func (g ranging) commit(t testing.TB, next int64) connector.Position {
	t.Helper()
	pos, err := g.Commit(t.Context(), g.to(next))
	if err != nil {
		t.Fatal(err)
	}
	return pos
}

// numbered are records with the offsets from to to-1, whose keys are every of keys in turn, and whose values are their offsets.
func numbered(from, to int, keys ...string) []connectortest.R {
	var rs []connectortest.R
	for i := from; i < to; i++ {
		rs = append(rs, connectortest.R{Key: keys[i%len(keys)], Value: fmt.Sprint(i), Offset: int64(i)})
	}
	return rs
}

func expand(t testing.TB, name string, body []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(body)
	var err error
	switch {
	case strings.HasSuffix(name, ".gz"):
		r, err = gzip.NewReader(r)
	case strings.HasSuffix(name, ".zst"):
		r, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	rows, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return rows
}

// data is the rows of all visible files, by name.
func data(t testing.TB, m *chaintest.Memory) map[string][]string {
	t.Helper()
	got := map[string][]string{}
	for name, body := range m.Objects() {
		if !strings.Contains(name, "/"+chain.Folder+"/") {
			got[name] = strings.Split(strings.TrimSuffix(string(expand(t, name, body)), "\n"), "\n")
		}
	}
	return got
}

// rows are those of all files, sorted.
func rows(t testing.TB, m *chaintest.Memory) []string {
	t.Helper()
	return slices.Sorted(func(yield func(string) bool) {
		for _, rows := range data(t, m) {
			for _, row := range rows {
				if !yield(row) {
					return
				}
			}
		}
	})
}

func counted(from, to int) []string {
	var want []string
	for i := from; i < to; i++ {
		want = append(want, fmt.Sprint(i))
	}
	slices.Sort(want)
	return want
}

func TestConformance(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"small":     func(*Options) {},
		"parts":     func(o *Options) { o.PartSize = 200 },
		"big parts": func(o *Options) { o.PartSize = 5 << 20 },
		"few":       func(o *Options) { o.Rotation.Records, o.MaxOpen = 3, 2 },
		"tiny":      func(o *Options) { o.Rotation.Size, o.PartSize = 1, 200 },
		"by position": func(o *Options) {
			o.Path, _ = CompilePath("data/{value.key}/{position:%020d}", DefaultNaming())
		},
	} {
		for _, forget := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", forgets ", forget), func(t *testing.T) {
				sinktest.RunStager(t, sinktest.StagerHarness{
					ExactlyOnce: true,
					Open: func(t testing.TB) sinktest.Store {
						return openStore(t, chaintest.Options{MinPart: 200, Forget: forget}, func(s chain.Store) chain.Store { return s }, change)
					},
				})
			})
		}
	}
}

// unconditional is a store that overwrites what is there.
type unconditional struct{ chain.Store }

func (unconditional) Put(context.Context, string, []byte) error { return errors.ErrUnsupported }

func TestConformanceWithoutLinks(t *testing.T) {
	sinktest.RunStager(t, sinktest.StagerHarness{
		Open: func(t testing.TB) sinktest.Store {
			return openStore(t, chaintest.Options{}, func(s chain.Store) chain.Store { return unconditional{s} }, func(o *Options) {
				o.Path, _ = CompilePath("data/{value.key}/{position:%020d}", DefaultNaming())
			})
		},
	})
}

func openStore(t testing.TB, o chaintest.Options, wrap func(chain.Store) chain.Store, change func(*Options)) sinktest.Store {
	m := chaintest.NewMemory(o)
	var mu sync.Mutex
	var next connector.Class
	failing := false
	view := m.View(func(call, _ string) chaintest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if !failing || call == "Begin" || call == "Get" {
			return chaintest.Fault{}
		}
		failing = false
		return chaintest.Fault{Fate: chaintest.Refused, Class: next}
	})
	open := func(view *chaintest.Memory) *Stager {
		c := options(t, wrap(view), "data/{value.key}/")
		change(&c)
		return New(c)
	}
	return sinktest.Store{
		Stager: open(view),
		Reopen: func(testing.TB) connector.Stager { return open(m.View(nil)) },
		Read: func() ([]sinktest.File, error) {
			var files []sinktest.File
			for name, rows := range data(t, m) {
				f := sinktest.File{Name: name}
				for _, row := range rows {
					d, err := sinktest.Parse([]byte(row))
					if err != nil {
						return nil, err
					}
					f.Records = append(f.Records, d)
				}
				files = append(files, f)
			}
			return files, nil
		},
		Fail: func(c connector.Class) bool {
			mu.Lock()
			defer mu.Unlock()
			next, failing = c, true
			return true
		},
	}
}

// TestRequests: what a small file costs, and a link.
func TestRequests(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	s := New(options(t, m, "data/{key}/"))
	g := begin(t, s, assignment())
	before := m.Calls()
	g.add(t, numbered(0, 20, "a", "b")...)
	pos := g.commit(t, 20)
	calls := m.Calls()
	for call, n := range before {
		if calls[call] -= n; calls[call] == 0 {
			delete(calls, call)
		}
	}
	if want := map[string]int{"Begin": 2, "Write": 2, "Seal": 2, "Complete": 2, "Put": 1}; !maps.Equal(calls, want) {
		t.Errorf("calls %v, want %v", calls, want)
	}
	if hint, ok := chain.DecodeHint(pos.Meta); !ok || hint.Seq != 1 || pos.At != 2 || pos.ReadFrom != 20 {
		t.Errorf("position %+v", pos)
	}
}

// TestLink: a link says what its files hold.
func TestLink(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{MinPart: 100})
	o := options(t, m, "data/{key}/")
	o.PartSize, o.Rotation.Records = 100, 400
	s := New(o)
	g := begin(t, s, assignment())
	g.add(t, numbered(5, 1500, "a", "b")...)
	r := g.to(1507)
	r.Read, r.Written, r.Filtered, r.Buried, r.Emitted = 1, 2, 3, 4, 5
	if _, err := g.Commit(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	l := link(t, m, 1)
	if l.Kind != chain.KindData || l.From != 0 || l.Next != 1507 || l.First != 0 || l.Last != 1506 || l.Plan != "p" || l.Made == "" ||
		l.Owner != (chain.Owner{Connector: "c", Group: "g", Cluster: "test"}) || l.Counts != (chain.Counts{Read: 1, Written: 2, Filtered: 3, Buried: 4, Emitted: 5}) {
		t.Errorf("%+v", l)
	}
	if len(l.Objects) != 4 {
		t.Errorf("%d objects", len(l.Objects))
	}
	checkObjects(t, m, l)
	for _, o := range l.Objects {
		if rows := data(t, m)[o.Key]; rows[0] != fmt.Sprint(o.First) || rows[len(rows)-1] != fmt.Sprint(o.Last) {
			t.Errorf("%s holds rows %s to %s, and the link says %+v", o.Key, rows[0], rows[len(rows)-1], o)
		}
		if tail := fmt.Sprintf("-0000000001-%s.json.gz", o.Tail); !strings.HasSuffix(o.Key, tail) || !o.Unique {
			t.Errorf("the key %s doesn't end in %s", o.Key, tail)
		}
	}
}

// checkObjects compares what a link says of its files with what is there.
func checkObjects(t testing.TB, m *chaintest.Memory, l *chain.Link) {
	t.Helper()
	for _, o := range l.Objects {
		body := m.Objects()[o.Key]
		if n := bytes.Count(expand(t, o.Key, body), []byte("\n")); int64(n) != o.Rows {
			t.Errorf("%s has %d rows, and the link says %d", o.Key, n, o.Rows)
		}
		if crc := fmt.Sprintf("%08x", crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))); crc != o.CRC || o.Size != int64(len(body)) {
			t.Errorf("%s has %d bytes and checksum %s, and the link says %d and %s", o.Key, len(body), crc, o.Size, o.CRC)
		}
	}
}

// TestSameBody: whatever becomes of calls, one link is put, and it is what was sent first.
func TestSameBody(t *testing.T) {
	for _, fate := range []chaintest.Fate{chaintest.Refused, chaintest.Silent, chaintest.Late} {
		for _, call := range []string{"Begin", "Write", "Seal", "Put", "Complete"} {
			m := chaintest.NewMemory(chaintest.Options{})
			armed := 0
			s := New(options(t, m.View(func(c, _ string) chaintest.Fault {
				if c != call || armed == 0 {
					return chaintest.Fault{}
				}
				armed--
				return chaintest.Fault{Fate: fate, After: 3}
			}), "data/{key}/"))
			g := begin(t, s, assignment())
			g.add(t, numbered(0, 20, "a")...)
			armed = 2
			var at connector.Position
			tries := 0
			for ; tries < 10; tries++ {
				var err error
				if at, err = g.Commit(t.Context(), g.to(20)); err == nil {
					break
				}
			}
			m.Land()
			if tries != 2 || at.At != 2 {
				t.Errorf("%s %v: position %+v after %d failures", call, fate, at, tries)
			}
			if got := rows(t, m); !slices.Equal(got, counted(0, 20)) {
				t.Errorf("%s %v: %q", call, fate, got)
			}
		}
	}
}
