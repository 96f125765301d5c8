package serde_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
)

func name(t testing.TB, s *serde.Names, text string) serde.Name {
	t.Helper()
	n, err := s.Add(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// decoded is a value of every kind, with objects and arrays inside each other.
func decoded(t testing.TB, tape *serde.Tape, s *serde.Schema) serde.Value {
	t.Helper()
	var names serde.Names
	id, pos, lat, tags, attrs, enum := name(t, &names, "id"), name(t, &names, "pos"), name(t, &names, "la\"t"), name(t, &names, "tags"),
		name(t, &names, "attrs"), name(t, &names, "DRIVING")
	src := []byte("keyBakı\x00\xff0123456789abcdef")
	w := tape.Write(src, &names, 100)
	root := w.Begin(serde.Name{}, serde.Object)
	w.Int64(id, 9007199254740993)
	at := w.Begin(pos, serde.Object)
	w.Float64(lat, -0.5)
	w.Float32(id, 0.1)
	w.End(at, 2)
	at = w.Begin(tags, serde.Array)
	w.Borrow(serde.Name{}, serde.String, 3, 5)
	inner := w.Begin(serde.Name{}, serde.Array)
	w.Null(serde.Name{})
	w.Bool(serde.Name{}, true)
	w.End(inner, 2)
	w.Copy(serde.Name{}, serde.Decimal, []byte("12.50"))
	w.Symbol(serde.Name{}, enum)
	w.End(at, 4)
	at = w.Begin(attrs, serde.Object)
	w.Borrow(serde.NameAt(0, 3), serde.Bytes, 8, 2)
	w.Borrow(enum, serde.UUID, 10, 16)
	w.End(at, 2)
	w.Timestamp(enum, 1790000000000000)
	w.Date(lat, 20700)
	w.Time(serde.NameAt(10, 4), 1_500_000)
	w.End(root, 7)
	v, err := w.Value(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const writtenJSON = `{"id":9007199254740993,"pos":{"la\"t":-0.5,"id":0.1},"tags":["Bakı",[null,true],12.50,"DRIVING"],` +
	`"attrs":{"key":"AP8=","DRIVING":"30313233-3435-3637-3839-616263646566"},"DRIVING":"2026-09-21T14:13:20Z","la\"t":"2026-09-04","0123":"00:00:01.5"}`

func TestWriter(t *testing.T) {
	tape, other := serde.NewTape(), serde.NewTape()
	schema := &serde.Schema{Name: "cars"}
	for range 3 { // on an empty tape, behind other values, after Reset
		for range 2 {
			v := decoded(t, tape, schema)
			expect := func(what string, v serde.Value, want string) {
				t.Helper()
				if got, err := v.AppendJSON(nil); err != nil || string(got) != want {
					t.Errorf("%s: %s (%v)\nwant %s", what, got, err, want)
				}
			}
			expect("written", v, writtenJSON)
			expect("cloned", tape.Clone(v), writtenJSON)
			expect("cloned elsewhere", other.Clone(v), writtenJSON)
			if v.Schema() != schema || v.Field("pos").Schema() != schema || tape.Clone(v).Schema() != nil {
				t.Error("the schema isn't known, or is where it shouldn't be")
			}
			if n, _ := v.Field("tags").Index(-1).Text(); string(n) != "DRIVING" {
				t.Errorf("the last tag is %q", n)
			}
			if f, _ := v.Field("pos").Field("id").Float64(); f != float64(float32(0.1)) {
				t.Errorf("the float is %v", f)
			}
			with, err := tape.With(v, []string{"pos", "new", "tags"}, []serde.Value{tape.Int64(1), v.Field("attrs"), {}})
			if err != nil {
				t.Fatal(err)
			}
			expect("changed", with, `{"id":9007199254740993,"pos":1,"attrs":{"key":"AP8=","DRIVING":"30313233-3435-3637-3839-616263646566"},`+
				`"DRIVING":"2026-09-21T14:13:20Z","la\"t":"2026-09-04","0123":"00:00:01.5","new":{"key":"AP8=","DRIVING":"30313233-3435-3637-3839-616263646566"}}`)
		}
		tape.Reset()
	}
}

// The members of a map have their names in what was decoded. They must not be taken for JSON text when an object is made of them.
func TestWriterNamesInTheSource(t *testing.T) {
	tape := serde.NewTape()
	w := tape.Write([]byte("abcdef"), nil, 10)
	at := w.Begin(serde.Name{}, serde.Object)
	w.Borrow(serde.NameAt(0, 1), serde.String, 1, 1)
	inner := w.Begin(serde.NameAt(2, 1), serde.Object)
	w.Borrow(serde.NameAt(3, 1), serde.String, 4, 1)
	w.End(inner, 1)
	w.End(at, 2)
	v, err := w.Value(nil)
	if err != nil {
		t.Fatal(err)
	}
	with, err := tape.With(v, []string{"z"}, []serde.Value{tape.Null()})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := with.AppendJSON(nil); err != nil || string(got) != `{"a":"b","c":{"d":"e"},"z":null}` {
		t.Errorf("%s %v", got, err)
	}
}

func TestWriterLimit(t *testing.T) {
	for _, most := range []int{1, 2, 256, 257, 4096, 5000} {
		tape := serde.NewTape()
		for _, n := range []int{most - 1, most} {
			w := tape.Write(nil, nil, most)
			at := w.Begin(serde.Name{}, serde.Array)
			if w.Room(most) || !w.Room(most-1) {
				t.Errorf("room after one of %d", most)
			}
			for i := range n {
				w.Int64(serde.Name{}, int64(i))
			}
			w.End(at, n)
			_, _ = w.Repeated(at)
			v, err := w.Value(nil)
			if over := n+1 > most; over != (err != nil) || err != nil && !strings.Contains(err.Error(), fmt.Sprintf("more than %d parts", most)) {
				t.Errorf("%d of %d: %v", n+1, most, err)
			} else if !over && v.Len() != n {
				t.Errorf("%d elements, want %d", v.Len(), n)
			}
		}
		if v := decoded(t, tape, nil); v.Len() != 7 {
			t.Error("the tape can't be used after a value that was too long")
		}
	}
}

func TestWriterRepeated(t *testing.T) {
	for _, count := range []int{0, 1, 2, 8, 9, 100} {
		for _, twice := range []bool{false, true} {
			tape := serde.NewTape()
			var names serde.Names
			var all []serde.Name
			for i := range count {
				all = append(all, name(t, &names, fmt.Sprint("n", i)))
			}
			again := name(t, &names, "n0")
			w := tape.Write(nil, &names, 1000)
			at := w.Begin(serde.Name{}, serde.Object)
			for _, n := range all {
				inner := w.Begin(n, serde.Object) // a name may come again inside
				for _, n := range all[:min(len(all), 3)] {
					w.Null(n)
				}
				w.End(inner, min(len(all), 3))
			}
			n := count
			if twice {
				w.Null(again)
				n++
			}
			w.End(at, n)
			got, ok := w.Repeated(at)
			if want := twice && count > 0; ok != want || ok && got != "n0" {
				t.Errorf("%d members, one twice %v: %q %v", count, twice, got, ok)
			}
		}
	}
}

func TestNames(t *testing.T) {
	var names serde.Names
	if _, err := names.Add(strings.Repeat("x", math.MaxUint16+1)); err == nil {
		t.Error("a name of 65536 bytes was taken")
	}
	if _, err := names.Add(strings.Repeat("x", math.MaxUint16)); err != nil {
		t.Error(err)
	}
}

func TestKeep(t *testing.T) {
	tape := serde.NewTape()
	var all [][]byte
	for i := range 100 {
		all = append(all, tape.Keep([]byte(fmt.Sprint("kept ", i))))
		tape.String(strings.Repeat("x", 1000))
	}
	for i, b := range all {
		if string(b) != fmt.Sprint("kept ", i) || cap(b) != len(b) {
			t.Errorf("%d: %q, capacity %d", i, b, cap(b))
		}
	}
}
