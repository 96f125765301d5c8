package parquet

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	oracle "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/table"
)

func text(name string) *table.Schema {
	return &table.Schema{Fields: []table.Field{{Name: name, Type: table.Type{Kind: table.String, Nullable: true}}}}
}

func TestEmptyFile(t *testing.T) {
	f := encoder(t, wide(), Options{CreatedBy: "millrace version 1", Metadata: map[string]string{"b": "2", "a": "1"}}).File()
	var scratch []byte
	if p := f.Block(&scratch); len(p) > 0 {
		t.Errorf("an empty row group has %d bytes", len(p))
	}
	f.Next(0, 0)
	got := openOracle(t, f.End(&scratch))
	if n := len(got.RowGroups()); got.NumRows() != 0 || n != 0 || len(got.Metadata().ColumnOrders) != len(f.leaves) {
		t.Errorf("%d rows in %d row groups", got.NumRows(), n)
	}
	if m := got.Metadata(); m.CreatedBy != "millrace version 1" || fmt.Sprint(m.KeyValueMetadata) != "[{a 1} {b 2}]" {
		t.Errorf("by %q, with %v", m.CreatedBy, m.KeyValueMetadata)
	}
}

func TestManyColumns(t *testing.T) {
	s := &table.Schema{}
	for i := range 10_000 {
		kind := []table.Kind{table.Int64, table.String, table.Bool}[i%3]
		s.Fields = append(s.Fields, table.Field{Name: fmt.Sprintf("c%d", i), Type: table.Type{Kind: kind, Nullable: i%2 == 0}})
	}
	x := encoder(t, s, Options{})
	check(t, fill(t, x, 1, 3, 1), x)
}

func TestNoBounds(t *testing.T) {
	x := encoder(t, wide(), Options{NoBounds: true, PageSize: 1000})
	w := fill(t, x, 1, 300)
	f := openOracle(t, w.bytes)
	for i, c := range f.RowGroups()[0].ColumnChunks() {
		if !slices.EqualFunc(slices.Concat(pagesOf(t, c)...), w.groups[0][i], sameWantSlot) {
			t.Errorf("column %d differs", i)
		}
		m := f.Metadata().RowGroups[0].Columns[i]
		if s := m.MetaData.Statistics; s.MinValue != nil || s.MaxValue != nil || s.NullCount != nullsOf(w.groups[0][i]) || m.ColumnIndexOffset != 0 || m.OffsetIndexOffset != 0 {
			t.Errorf("column %d has %+v", i, s)
		}
	}
}

// TestDictionaries says which columns have a dictionary, in how many of their pages.
func TestDictionaries(t *testing.T) {
	for name, c := range map[string]struct {
		value            func(i int) string
		plain            bool
		indexed, entries int
	}{
		"one":          {func(int) string { return "the same value" }, false, 10, 1},
		"few":          {func(i int) string { return fmt.Sprint("value ", i%100) }, false, 10, 100},
		"few, plain":   {func(i int) string { return fmt.Sprint("value ", i%100) }, true, 0, 0},
		"unique":       {func(i int) string { return fmt.Sprint("value ", i) }, false, 0, 0},
		"pairs":        {func(i int) string { return fmt.Sprint("value ", i/2) }, false, 10, 5000},
		"rarely twice": {func(i int) string { return fmt.Sprint("value ", i*3/5) }, false, 0, 0},
		"few at first": {func(i int) string { return fmt.Sprint("value ", min(i, i%100+i/5000*i)) }, false, 5, 100},
		"outgrown":     {func(i int) string { return fmt.Sprintf("%0500d", i/8) }, false, 8, 1000}, // 125 entries of 504 bytes a page
	} {
		t.Run(name, func(t *testing.T) {
			x := encoder(t, text("a"), Options{Plain: c.plain, PageSize: 1 << 20})
			f := x.File()
			var want wantChunk
			for i := range 10_000 {
				s := wantSlot{def: 1, value: []byte(c.value(i))}
				want = append(want, s)
				f.leaves[0].add(s)
				if err := f.endRow(); err != nil {
					t.Fatal(err)
				}
				if i%1000 == 999 {
					f.finish(&f.leaves[0])
				}
			}
			if n := f.leaves[0].chunk.dictionary.n; n != c.entries {
				t.Errorf("the dictionary has %d entries, want %d", n, c.entries)
			}
			w := filling{groups: [][]wantChunk{{want}}}
			var scratch []byte
			w.bytes = bytes.Clone(f.Block(&scratch))
			f.Next(len(w.bytes), 0)
			w.bytes = append(w.bytes, f.End(&scratch)...)
			check(t, w, x)
			indexed, pages := 0, 0
			for _, e := range openOracle(t, w.bytes).Metadata().RowGroups[0].Columns[0].MetaData.EncodingStats {
				if e.PageType == format.DataPage {
					pages += int(e.Count)
					if e.Encoding == format.RLEDictionary {
						indexed += int(e.Count)
					}
				}
			}
			if indexed != c.indexed || pages != 10 {
				t.Errorf("%d pages of %d are indexed, want %d of 10", indexed, pages, c.indexed)
			}
		})
	}
}

func TestBloomFilters(t *testing.T) {
	s := wide()
	o := Options{PageSize: 4000}
	x := encoder(t, s, o)
	for _, c := range x.tree.columns {
		if c.physical != format.Boolean {
			o.Bloom = append(o.Bloom, dotted(c.path))
		}
	}
	x = encoder(t, s, o)
	w := fill(t, x, 3, 500, 20)
	check(t, w, x)
	f := openOracle(t, w.bytes)
	for g, group := range f.RowGroups() {
		for i, chunk := range group.ColumnChunks() {
			b := chunk.BloomFilter()
			if x.tree.columns[i].bloom != (b != nil) {
				t.Fatalf("column %d: a bloom filter: %v", i, b != nil)
			}
			if b == nil {
				continue
			}
			for _, s := range w.groups[g][i] {
				if s.value == nil {
					continue
				}
				if ok, err := b.Check(oracleValue(s.value, &x.tree.columns[i])); err != nil || !ok {
					t.Fatalf("the filter of %s lacks %x: %v", dotted(x.tree.columns[i].path), s.value, err)
				}
			}
		}
	}
}

// oracleValue is a value as the oracle has it.
func oracleValue(v []byte, c *column) oracle.Value {
	switch c.physical {
	case format.Int32:
		return oracle.Int32Value(int32(word(v, 4)))
	case format.Int64:
		return oracle.Int64Value(int64(word(v, 8)))
	case format.Float:
		return oracle.FloatValue(float32At(v))
	case format.Double:
		return oracle.DoubleValue(float64At(v))
	case format.FixedLenByteArray:
		return oracle.FixedLenByteArrayValue(v)
	}
	return oracle.ByteArrayValue(v)
}

// TestLargeBloomFilter has more values than the largest filter is sharp for.
func TestLargeBloomFilter(t *testing.T) {
	var b bloomFilter
	r := rand.New(rand.NewPCG(1, 2))
	var hashes []uint64
	for range 2 * maxInHashes {
		hashes = append(hashes, r.Uint64())
	}
	for range 2 {
		for _, h := range hashes[:maxInHashes/2] {
			b.add(h)
		}
	}
	if b.full != nil || b.held() > 16*maxInHashes+1<<20 {
		t.Errorf("%d values make a full filter: %d bytes", maxInHashes/2, b.held())
	}
	for _, h := range hashes {
		b.add(h)
	}
	if len(b.full) != maxBloom/32 {
		t.Fatalf("the filter has %d blocks", len(b.full))
	}
	for _, h := range hashes {
		if !b.full.Check(h) {
			t.Fatal("a value is lost")
		}
	}
	hits := 0
	for range 10_000 {
		if b.full.Check(r.Uint64()) {
			hits++
		}
	}
	if hits > 3000 {
		t.Errorf("%d of 10000 other values are found", hits)
	}
}

func TestPackLetsMemoryGo(t *testing.T) {
	x := encoder(t, wide(), Options{})
	f := x.File()
	g := make([]generator, len(f.leaves))
	for i := range g {
		g[i] = generator{c: f.leaves[i].column, r: rand.New(rand.NewPCG(1, uint64(i))), style: i % styles}
	}
	want := make([]wantChunk, len(g))
	var scratch []byte
	for n := range 1500 {
		for i := range g {
			row := g[i].row()
			want[i] = append(want[i], row...)
			for _, s := range row {
				f.leaves[i].add(s)
			}
		}
		if err := f.endRow(); err != nil {
			t.Fatal(err)
		}
		if n%500 == 499 {
			before := f.Held()
			f.Pack(before)
			if f.Held() != before {
				t.Error("Pack did something within its bound")
			}
			f.Pack(before / 2)
			if after := f.Held(); after >= before || f.buffers > int64(2*smallPage*len(g)) || f.pending > int64(smallPage*len(g)) {
				t.Errorf("%d of %d bytes are held after Pack, %d pending", after, before, f.pending)
			}
		}
	}
	if f.Encoded() < 1000 || f.Rows() != 1500 {
		t.Errorf("%d rows, %d bytes", f.Rows(), f.Encoded())
	}
	guess := f.Encoded()
	p := bytes.Clone(f.Block(&scratch))
	if n := int64(len(p)); guess < n*2/3 || guess > n*3/2 {
		t.Errorf("%d bytes were expected of %d", guess, n)
	}
	f.Next(len(p), 0)
	if f.Encoded() != 0 || f.Rows() != 1500 {
		t.Errorf("%d bytes, %d rows after Next", f.Encoded(), f.Rows())
	}
	if held := f.Held(); held > int64(1000*len(g)) {
		t.Errorf("%d bytes are held after Next", held)
	}
	check(t, filling{append(p, f.End(&scratch)...), [][]wantChunk{want}}, x)
}

// TestRowTooLarge takes back a row that doesn't fit a page.
func TestRowTooLarge(t *testing.T) {
	x := encoder(t, &table.Schema{Fields: []table.Field{{Name: "n", Type: table.Type{Kind: table.Int32}}, {Name: "a", Type: table.Type{Kind: table.Bytes}}}}, Options{PageSize: 500})
	x.maxPage = 1000
	f := x.File()
	add := func(v []byte) error {
		f.leaves[0].int32(0, 7)
		f.leaves[1].bytes(0, v)
		return f.endRow()
	}
	large := make([]byte, x.maxPage)
	for _, v := range [][]byte{[]byte("a"), large, []byte("b"), large} {
		if err := add(v); (err != nil) != (len(v) > 1) {
			t.Fatal(err)
		} else if err != nil && (connector.ClassOf(err) != connector.Permanent || !strings.Contains(err.Error(), "column a")) {
			t.Error(err)
		}
	}
	var scratch []byte
	p := bytes.Clone(f.Block(&scratch))
	f.Next(len(p), 0)
	n := wantSlot{value: []byte{7, 0, 0, 0}}
	check(t, filling{append(p, f.End(&scratch)...), [][]wantChunk{{{n, n}, {{value: []byte("a")}, {value: []byte("b")}}}}}, x)
}

// TestEncoderIsShared writes the same file from many goroutines.
func TestEncoderIsShared(t *testing.T) {
	for _, c := range []string{Snappy, Zstd, Gzip} {
		x := encoder(t, wide(), Options{Compression: c, PageSize: 2000, Bloom: []string{"09_string"}})
		want := fill(t, x, 5, 200, 100)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if got := fill(t, x, 5, 200, 100); !bytes.Equal(got.bytes, want.bytes) {
					t.Errorf("%s: files mix", c)
				}
			})
		}
		wg.Wait()
	}
}

func TestOpenFileIsSmall(t *testing.T) {
	x := encoder(t, vehicles(), Options{})
	const n = 1000
	files := make([]*File, n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range files {
		files[i] = x.File()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := int64(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("an empty file of 13 columns holds %d bytes, %d by its own count", each, files[0].Held())
	if each > 13*1024 {
		t.Errorf("an empty file of 13 columns holds %d bytes", each)
	}
	runtime.KeepAlive(files)
}

func TestOptions(t *testing.T) {
	for want, o := range map[string]Options{
		"no compression \"lz4\"":    {Compression: "lz4"},
		"no level 23":               {Compression: Zstd, Level: 23},
		"no level 1":                {Compression: Snappy, Level: 1},
		"no level -1":               {Compression: Gzip, Level: -1},
		"size of -1":                {PageSize: -1},
		"size of 67108865":          {PageSize: maxPageSize + 1},
		"no column \"b\"":           {Bloom: []string{"b"}},
		"no use for a bloom filter": {Bloom: []string{"01_boolean"}},
	} {
		if _, err := New(wide(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want %s", o, err, want)
		}
	}
}

// TestColumnOfNullsIsSmall has no memory for the levels of a column that is always or never null.
func TestColumnOfNullsIsSmall(t *testing.T) {
	x := encoder(t, vehicles(), Options{})
	f := x.File()
	for range maxPageRows - 1 {
		for i := range f.leaves {
			l := &f.leaves[i]
			switch {
			case l.column.physical == format.Boolean:
				l.bool(0, true)
			default:
				l.null(0, 0)
			}
		}
		if err := f.endRow(); err != nil {
			t.Fatal(err)
		}
	}
	if f.buffers > 2*maxPageRows {
		t.Errorf("the buffers hold %d bytes", f.buffers)
	}
}
