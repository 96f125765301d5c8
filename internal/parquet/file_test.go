package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	oracle "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace/millrace/internal/table"
)

// A wantSlot is a place in a column: levels, and a value as PLAIN has it without its length, nil for none.
type wantSlot struct {
	rep, def uint8
	value    []byte
}

// A wantChunk is what a chunk has to hold.
type wantChunk []wantSlot

func (l *leaf) add(s wantSlot) {
	if s.value == nil {
		l.null(s.rep, s.def)
		return
	}
	v := s.value
	switch l.column.physical {
	case format.Boolean:
		l.bool(s.rep, v[0] == 1)
	case format.Int32:
		l.int32(s.rep, int32(binary.LittleEndian.Uint32(v)))
	case format.Int64:
		l.int64(s.rep, int64(binary.LittleEndian.Uint64(v)))
	case format.Float:
		l.float32(s.rep, float32At(v))
	case format.Double:
		l.float64(s.rep, float64At(v))
	default:
		if len(v)%2 == 1 && l.width == 0 {
			l.end(append(l.begin(s.rep), v...))
			return
		}
		l.bytes(s.rep, v)
	}
}

// wide is a schema of all kinds, each required, nullable, in lists and in maps of lists.
func wide() *table.Schema {
	types := []table.Type{
		{Kind: table.JSON}, {Kind: table.Bool}, {Kind: table.Int32}, {Kind: table.Int64}, {Kind: table.Float32}, {Kind: table.Float64},
		{Kind: table.Decimal, Precision: 9, Scale: 2}, {Kind: table.Decimal, Precision: 18, Scale: 18}, {Kind: table.Decimal, Precision: 38, Scale: 0},
		{Kind: table.String}, {Kind: table.Bytes}, {Kind: table.Fixed, Size: 5}, {Kind: table.Fixed, Size: 100}, {Kind: table.UUID}, {Kind: table.Date}, {Kind: table.TimeMillis},
		{Kind: table.TimeMicros}, {Kind: table.TimestampMillis}, {Kind: table.TimestampMicros, Local: true},
	}
	s := &table.Schema{Name: "wide", Rest: "_rest"}
	for i, t := range types {
		name := fmt.Sprintf("%02d_%s", i, t.Kind)
		null := t
		null.Nullable = true
		list := table.Type{Kind: table.List, Nullable: true, Elem: &null}
		s.Fields = append(s.Fields,
			table.Field{Name: name, Type: t},
			table.Field{Name: name + "_null", Type: null},
			table.Field{Name: name + "_list", Type: list},
			table.Field{Name: name + "_deep", Type: table.Type{Kind: table.Struct, Nullable: true, Fields: []table.Field{
				{Name: "map", Type: table.Type{Kind: table.Map, Elem: &list}}}}})
	}
	return s
}

// A filling is a file that is written and what it has to hold.
type filling struct {
	bytes  []byte
	groups [][]wantChunk // row group, column
}

// fill writes row groups of so many rows each.
func fill(t testing.TB, x *Encoder, seed uint64, groups ...int) filling {
	t.Helper()
	f := x.File()
	generators := make([]generator, len(f.leaves))
	for i := range generators {
		generators[i] = generator{c: f.leaves[i].column, r: rand.New(rand.NewPCG(seed, uint64(i))), style: (i + int(seed)) % styles}
	}
	var w filling
	var scratch []byte
	r := rand.New(rand.NewPCG(seed, 1<<40))
	for _, n := range groups {
		want := make([]wantChunk, len(f.leaves))
		for range n {
			if r.IntN(9) == 0 {
				failRow(f, generators, r)
			}
			for i := range f.leaves {
				row := generators[i].row()
				want[i] = append(want[i], row...)
				for _, s := range row {
					f.leaves[i].add(s)
				}
			}
			if err := f.endRow(); err != nil {
				t.Fatal(err)
			}
		}
		p := bytes.Clone(f.Block(&scratch))
		if !bytes.Equal(p, f.Block(&scratch)) {
			t.Error("Block differs when it is called again")
		}
		w.bytes = append(w.bytes, p...)
		w.groups = append(w.groups, want)
		f.Next(len(p), int64(r.IntN(2))<<20)
	}
	end := bytes.Clone(f.End(&scratch))
	if !bytes.Equal(end, f.End(&scratch)) {
		t.Error("End differs when it is called again")
	}
	w.bytes = append(w.bytes, end...)
	return w
}

// failRow appends a part of a row and takes it back.
func failRow(f *File, generators []generator, r *rand.Rand) {
	n := r.IntN(len(f.leaves) + 1)
	for i := range f.leaves[:n] {
		g := generators[i] // a copy: what it counts is taken back too
		for _, s := range g.row() {
			f.leaves[i].add(s)
		}
	}
	if n < len(f.leaves) && f.leaves[n].width == 0 && f.leaves[n].column.physical == format.ByteArray {
		_ = append(f.leaves[n].begin(0), "half"...)
	}
	f.undoRow()
}

func openOracle(t testing.TB, file []byte) *oracle.File {
	t.Helper()
	f, err := oracle.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// pagesOf reads the slots of a chunk page by page.
func pagesOf(t testing.TB, chunk oracle.ColumnChunk) []wantChunk {
	t.Helper()
	var all []wantChunk
	pages := chunk.Pages()
	defer func() { _ = pages.Close() }()
	for {
		p, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		values := make([]oracle.Value, p.NumValues())
		n, err := p.Values().ReadValues(values)
		if n != len(values) || err != nil && !errors.Is(err, io.EOF) {
			t.Fatalf("%d values of %d: %v", n, len(values), err)
		}
		var slots wantChunk
		for _, v := range values {
			s := wantSlot{rep: uint8(v.RepetitionLevel()), def: uint8(v.DefinitionLevel())}
			if !v.IsNull() {
				s.value = v.AppendBytes([]byte{})
			}
			slots = append(slots, s)
		}
		all = append(all, slots)
	}
}

func sameWantSlot(a, b wantSlot) bool {
	return a.rep == b.rep && a.def == b.def && (a.value == nil) == (b.value == nil) && bytes.Equal(a.value, b.value)
}

// check reads a file back and compares all of it with what it has to hold.
func check(t *testing.T, w filling, x *Encoder) {
	t.Helper()
	f := openOracle(t, w.bytes)
	if len(f.RowGroups()) != len(w.groups) {
		t.Fatalf("%d row groups of %d", len(f.RowGroups()), len(w.groups))
	}
	for g, group := range f.RowGroups() {
		for i, chunk := range group.ColumnChunks() {
			c := &x.tree.columns[i]
			pages := pagesOf(t, chunk)
			got, want := slices.Concat(pages...), w.groups[g][i]
			if !slices.EqualFunc(got, want, sameWantSlot) {
				t.Fatalf("row group %d, column %s: %d slots differ from %d", g, dotted(c.path), len(got), len(want))
			}
			at := g*len(x.tree.columns) + i
			checkChunk(t, &f.Metadata().RowGroups[g].Columns[i], c, want)
			checkIndexes(t, f, at, c, pages)
		}
	}
}

// naive are the bounds of slots, without any shortening.
func naive(slots wantChunk, c *column) (least, greatest []byte) {
	for _, s := range slots {
		v := s.value
		switch {
		case v == nil, c.order == orderFloat32 && float32At(v) != float32At(v), c.order == orderFloat64 && float64At(v) != float64At(v):
			continue
		}
		if least == nil || c.order.compare(v, least) < 0 {
			least = v
		}
		if greatest == nil || c.order.compare(v, greatest) > 0 {
			greatest = v
		}
	}
	return least, greatest
}

// checkBounds compares bounds with the values that they are of.
func checkBounds(t *testing.T, what string, slots wantChunk, c *column, least, greatest []byte) {
	t.Helper()
	wantLeast, wantGreatest := naive(slots, c)
	if wantLeast == nil || c.width > maxBound {
		if len(least)+len(greatest) > 0 {
			t.Errorf("%s of %s has bounds %x and %x, and no values", what, dotted(c.path), least, greatest)
		}
		return
	}
	if len(wantLeast) == 0 && len(greatest) == 0 {
		return
	}
	exact := len(wantLeast) <= maxBound && len(wantGreatest) <= maxBound
	low, high := c.order.compare(least, wantLeast), c.order.compare(greatest, wantGreatest)
	if low > 0 || high < 0 || exact && (low != 0 || high != 0) || len(least) > maxBound || len(greatest) > maxBound {
		t.Errorf("%s of %s has bounds %x and %x, want %x and %x", what, dotted(c.path), least, greatest, wantLeast, wantGreatest)
	}
	switch c.order {
	case orderFloat32:
		if binary.LittleEndian.Uint32(least) == 0 || binary.LittleEndian.Uint32(greatest) == 1<<31 {
			t.Errorf("%s of %s has bounds %x and %x: the wrong zero", what, dotted(c.path), least, greatest)
		}
	case orderFloat64:
		if binary.LittleEndian.Uint64(least) == 0 || binary.LittleEndian.Uint64(greatest) == 1<<63 {
			t.Errorf("%s of %s has bounds %x and %x: the wrong zero", what, dotted(c.path), least, greatest)
		}
	}
}

func nullsOf(slots wantChunk) (n int64) {
	for _, s := range slots {
		if s.value == nil {
			n++
		}
	}
	return n
}

func checkChunk(t *testing.T, chunk *format.ColumnChunk, c *column, want wantChunk) {
	t.Helper()
	m := &chunk.MetaData
	if m.NumValues != int64(len(want)) || m.Statistics.NullCount != nullsOf(want) {
		t.Errorf("%s has %d values, %d nulls; want %d, %d", dotted(c.path), m.NumValues, m.Statistics.NullCount, len(want), nullsOf(want))
	}
	if !slices.Equal(m.PathInSchema, c.path) {
		t.Errorf("%s is at %s", dotted(c.path), m.PathInSchema)
	}
	checkBounds(t, "chunk", want, c, m.Statistics.MinValue, m.Statistics.MaxValue)
}

func checkIndexes(t *testing.T, f *oracle.File, at int, c *column, pages []wantChunk) {
	t.Helper()
	offsets := f.OffsetIndexes()[at]
	row := int64(0)
	for i, p := range pages {
		if got := offsets.PageLocations[i].FirstRowIndex; got != row {
			t.Errorf("page %d of %s begins at row %d, want %d", i, dotted(c.path), got, row)
		}
		for _, s := range p {
			if s.rep == 0 {
				row++
			}
		}
	}
	index := f.ColumnIndexes()[at]
	if len(index.NullPages) == 0 {
		for _, p := range pages {
			if least, _ := naive(p, c); least == nil && int(nullsOf(p)) < len(p) || c.width > maxBound {
				return // of NaN only, or too long: no index
			}
		}
		t.Errorf("%s has no column index", dotted(c.path))
		return
	}
	for i, p := range pages {
		if index.NullCounts[i] != nullsOf(p) || index.NullPages[i] != (int(nullsOf(p)) == len(p)) {
			t.Errorf("page %d of %s: %d nulls, want %d", i, dotted(c.path), index.NullCounts[i], nullsOf(p))
		}
		checkBounds(t, "page", p, c, index.MinValues[i], index.MaxValues[i])
	}
	checkOrder(t, &index, c)
}

func checkOrder(t *testing.T, x *format.ColumnIndex, c *column) {
	t.Helper()
	rising, falling := true, true
	for i := range x.NullPages {
		for k := range i {
			if !x.NullPages[i] && !x.NullPages[k] {
				low, high := c.order.compare(x.MinValues[k], x.MinValues[i]), c.order.compare(x.MaxValues[k], x.MaxValues[i])
				rising, falling = rising && low <= 0 && high <= 0, falling && low >= 0 && high >= 0
			}
		}
	}
	want := format.Unordered
	switch {
	case rising:
		want = format.Ascending
	case falling:
		want = format.Descending
	}
	if x.BoundaryOrder != want {
		t.Errorf("the pages of %s are %s, want %s", dotted(c.path), x.BoundaryOrder, want)
	}
}

func encoder(t testing.TB, s *table.Schema, o Options) *Encoder {
	t.Helper()
	x, err := New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestFilesReadBack(t *testing.T) {
	options := []Options{
		{},
		{PageSize: 500},
		{PageSize: 3000, Compression: Gzip},
		{PageSize: 2000, Compression: Zstd, Level: 3},
		{PageSize: 2000, Compression: None},
		{PageSize: 2000, Plain: true},
		{PageSize: 1},
	}
	for i := range 2 * len(options) {
		o := options[i%len(options)]
		x := encoder(t, wide(), o)
		rows := []int{1, 900, 2}
		if o.PageSize == 1 {
			rows = []int{30}
		}
		check(t, fill(t, x, uint64(i), rows...), x)
	}
}
