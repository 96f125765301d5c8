package parquet

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/table"
)

func TestLongBounds(t *testing.T) {
	a, ff, e := strings.Repeat("a", 63), strings.Repeat("\xff", 80), strings.Repeat("é", 40)
	for _, c := range []struct {
		kind                              table.Kind
		least, greatest, wantMin, wantMax string
	}{
		{table.String, "", "x", "", "x"},
		{table.String, "", "", "", ""},
		{table.String, a + "b", a + "b", a + "b", a + "b"},
		{table.String, a + "bc", a + "bc", a + "b", a + "c"},
		{table.String, e, e, e[:64], e[:62] + "ê"},
		{table.String, "a" + e, "a" + e, "a" + e[:62], "a" + e[:60] + "ê"}, // not half an é
		{table.String, a + "𝄞", a + "𝄞", a, a[:62] + "b"},
		{table.String, a + "\x7fx", a + "\x7fx", a + "\x7f", a + "\u0080"}, // a byte more than maxBound, still a bound
		{table.String, "a" + strings.Repeat("\U0010ffff", 20), "a" + strings.Repeat("\U0010ffff", 20), "a" + strings.Repeat("\U0010ffff", 15), "b"},
		{table.String, a[:61] + "\ud7ffx", a[:61] + "\ud7ffx", a[:61] + "\ud7ff", a[:61] + "\ue000"},
		{table.JSON, strings.Repeat("\U0010ffff", 20), strings.Repeat("\U0010ffff", 20), "none", "none"},
		{table.Bytes, ff, "x", ff[:64], "x"},
		{table.Bytes, "a" + ff, "a" + ff, "a" + ff[:63], "b"},
		{table.Bytes, "a", ff, "none", "none"},
		{table.String, "a", ff, "none", "none"}, // not UTF-8: byte by byte
	} {
		b := shorten([]byte(c.least), []byte(c.greatest), c.kind)
		if c.wantMin == "none" {
			if b.min != nil || b.max != nil {
				t.Errorf("%q: %q, %q; want none", c.greatest, b.min, b.max)
			}
			continue
		}
		if b.min == nil || string(b.min) != c.wantMin || string(b.max) != c.wantMax {
			t.Errorf("%q, %q: %q, %q; want %q, %q", c.least, c.greatest, b.min, b.max, c.wantMin, c.wantMax)
		}
		if bytes.Compare(b.min, []byte(c.least)) > 0 || bytes.Compare(b.max, []byte(c.greatest)) < 0 {
			t.Errorf("%q, %q: %q, %q are no bounds", c.least, c.greatest, b.min, b.max)
		}
	}
}

// TestCompare sorts numbers as each order has them.
func TestCompare(t *testing.T) {
	numbers := []int64{math.MinInt32, -70_000, -257, -256, -255, -1, 0, 1, 127, 128, 255, 256, 70_000, math.MaxInt32}
	encode := map[order]func(n int64) []byte{
		orderInt32:   func(n int64) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(int32(n))) },
		orderInt64:   func(n int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) },
		orderFloat32: func(n int64) []byte { return binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(n))) },
		orderFloat64: func(n int64) []byte { return binary.LittleEndian.AppendUint64(nil, math.Float64bits(float64(n))) },
		orderSigned:  func(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) },
		orderBytes:   func(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n-math.MinInt32)) },
	}
	for o, encode := range encode {
		for _, a := range numbers {
			for _, b := range numbers {
				if got := o.compare(encode(a), encode(b)); got != cmp.Compare(a, b) {
					t.Errorf("order %d compares %d with %d as %d", o, a, b, got)
				}
			}
		}
	}
}

// TestNotANumber has pages and columns of nothing but NaN.
func TestNotANumber(t *testing.T) {
	f64, f32 := table.Type{Kind: table.Float64}, table.Type{Kind: table.Float32}
	x := encoder(t, &table.Schema{Fields: []table.Field{{Name: "a", Type: f64}, {Name: "b", Type: f32}, {Name: "c", Type: f64}, {Name: "d", Type: f32}}}, Options{})
	f := x.File()
	want := make([]wantChunk, 4)
	for i := range 4 {
		n := math.NaN()
		for k := range f.leaves {
			if k >= 2 && i%2 == 0 {
				n = float64(i) // columns c and d have a page of numbers, and one without
			}
			s := wantSlot{value: binary.LittleEndian.AppendUint64(nil, math.Float64bits(n))}
			if k%2 == 1 {
				s.value = binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(n)))
			}
			want[k] = append(want[k], s)
			f.leaves[k].add(s)
		}
		if err := f.endRow(); err != nil {
			t.Fatal(err)
		}
		for k := range f.leaves {
			f.finish(&f.leaves[k])
		}
	}
	var scratch []byte
	p := bytes.Clone(f.Block(&scratch))
	f.Next(len(p), 0)
	check(t, filling{append(p, f.End(&scratch)...), [][]wantChunk{want}}, x)
}

// TestUnboundedPage has a page with a value that no short one is above: the chunk has no bounds then, and no column index.
func TestUnboundedPage(t *testing.T) {
	f := encoder(t, &table.Schema{Fields: []table.Field{{Name: "a", Type: table.Type{Kind: table.Bytes}}}}, Options{}).File()
	for _, v := range []string{"a", strings.Repeat("\xff", 65), "b"} {
		f.leaves[0].bytes(0, []byte(v))
		if err := f.endRow(); err != nil {
			t.Fatal(err)
		}
		f.finish(&f.leaves[0])
	}
	var scratch []byte
	p := bytes.Clone(f.Block(&scratch))
	f.Next(len(p), 0)
	c := openOracle(t, append(p, f.End(&scratch)...)).Metadata().RowGroups[0].Columns[0]
	if s := c.MetaData.Statistics; s.MinValue != nil || s.MaxValue != nil || c.ColumnIndexOffset != 0 || c.OffsetIndexOffset == 0 {
		t.Errorf("the chunk has bounds %q and %q, a column index at %d, an offset index at %d", s.MinValue, s.MaxValue, c.ColumnIndexOffset, c.OffsetIndexOffset)
	}
}
