package parquet

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	oracle "github.com/parquet-go/parquet-go"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// wholeFile ends a file of one row group.
func wholeFile(f *File) []byte {
	var scratch []byte
	file := bytes.Clone(f.Block(&scratch))
	f.Next(len(file), 0)
	return append(file, f.End(&scratch)...)
}

// readLeaves reads the slots of all leaves of a file by parquet-go.
func readLeaves(t testing.TB, s *table.Schema, file []byte) [][]levelled {
	t.Helper()
	f, err := oracle.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := newTree(s)
	if err != nil {
		t.Fatal(err)
	}
	leaves := make([][]levelled, len(tree.columns))
	for _, group := range f.RowGroups() {
		rows := group.Rows()
		for buf := make([]oracle.Row, 10); err == nil; {
			var n int
			n, err = rows.ReadRows(buf)
			for _, row := range buf[:n] {
				for _, v := range row {
					i := v.Column()
					leaves[i] = append(leaves[i], levelled{text: oracleText(&tree.columns[i], v), rep: uint8(v.RepetitionLevel()), def: uint8(v.DefinitionLevel())})
				}
			}
		}
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if err = rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return leaves
}

// oracleText is valueText of a value that parquet-go read.
func oracleText(c *column, v oracle.Value) string {
	switch {
	case v.IsNull():
		return "NULL"
	case v.Kind() == oracle.Boolean:
		return fmt.Sprint(v.Boolean())
	case v.Kind() == oracle.Int32:
		return fmt.Sprint(v.Int32())
	case v.Kind() == oracle.Int64:
		return fmt.Sprint(v.Int64())
	case v.Kind() == oracle.Float:
		return fmt.Sprint(v.Float())
	case v.Kind() == oracle.Double:
		return fmt.Sprint(v.Double())
	case c.kind == table.String || c.kind == table.JSON:
		return string(v.ByteArray())
	}
	return hex.EncodeToString(v.ByteArray())
}

func newFile(t testing.TB, s *table.Schema, o Options) *File {
	t.Helper()
	x, err := New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return x.File()
}

// TestShredReadBack: what parquet-go reads of a file is what the values were, for random schemas. Pages are so small that they end within most files;
// rows that fail are no part of it.
func TestShredReadBack(t *testing.T) {
	schemas := 300
	if raced {
		schemas = 40
	}
	r := &source{Rand: rand.New(rand.NewPCG(3, 4))}
	for range schemas {
		s := r.schema()
		f := newFile(t, s, Options{PageSize: 100})
		var want []string
		for range 30 {
			r.left = r.IntN(10) - 5
			text, w := r.object(s.Fields)
			err := f.Add(fromJSON(t, text)(serde.NewTape()))
			if bad := strings.Contains(text, spoilt); bad != (err != nil) {
				t.Fatalf("%s: %v", text, err)
			}
			if err == nil {
				want = append(want, w)
			}
			if f.Rows() != int64(len(want)) {
				t.Fatalf("%d rows; want %d", f.Rows(), len(want))
			}
		}
		if len(want) > 0 {
			sameRows(t, assembleRows(s, readLeaves(t, s, wholeFile(f))), want)
		}
	}
}

// TestCounts: rows that failed count nowhere.
func TestCounts(t *testing.T) {
	s := &table.Schema{Fields: []table.Field{nullable("a", table.Int32)}, Rest: "_rest"}
	kept := newFile(t, s, Options{})
	lost := newFile(t, &table.Schema{Fields: s.Fields}, Options{})
	for _, f := range []*File{kept, lost} {
		for _, row := range []string{`{"a":1,"b":2}`, `{"b":2,"a":"x"}`, `{}`, `null`, `{"c":1}`} {
			err := f.Add(fromJSON(t, row)(serde.NewTape()))
			if (err != nil) != (row == `null` || strings.Contains(row, "x")) {
				t.Errorf("%s: %v", row, err)
			}
		}
	}
	if kept.Rested() != 2 || kept.Dropped() != 0 || lost.Rested() != 0 || lost.Dropped() != 2 || kept.Rows() != 3 || lost.Rows() != 3 {
		t.Errorf("%d rested, %d dropped; without a column for the rest %d, %d; %d and %d rows", kept.Rested(), kept.Dropped(), lost.Rested(), lost.Dropped(), kept.Rows(), lost.Rows())
	}
	sameRows(t, assembleRows(s, readLeaves(t, s, wholeFile(kept))), []string{`{"a":"1","_rest":"{\"b\":2}"}`, `{"a":null,"_rest":null}`, `{"a":null,"_rest":"{\"c\":1}"}`})
}

// A row goes into the file without an allocation for it, but for pages.
func TestAddAllocations(t *testing.T) {
	for name, r := range benchRecords() {
		f := newFile(t, r.schema, Options{PageSize: maxPageSize})
		v := fromJSON(t, r.json)(serde.NewTape())
		n := testing.AllocsPerRun(5000, func() {
			if err := f.Add(v); err != nil {
				t.Fatal(err)
			}
		})
		if n >= 1 { // the leaves grow now and then: AllocsPerRun rounds down
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
