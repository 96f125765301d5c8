package staging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
	"github.com/millrace/millrace/internal/parquet"
	"github.com/millrace/millrace/serde"
)

// tabular is the options of a sink of Parquet files.
func tabular(t testing.TB, m chain.Store, path string, change func(*Content)) Options {
	t.Helper()
	o, c := options(t, m, path), DefaultContent()
	c.Format.Parquet = new(Parquet)
	c.Schema.Sample = 3
	if change != nil {
		change(&c)
	}
	var err error
	if o.Format, err = c.Encoding(); err != nil {
		t.Fatal(err)
	}
	if err := c.Fill(&o, nil); err != nil {
		t.Fatal(err)
	}
	return o
}

// parquetRows are the rows of all visible files as JSON, by the file's first offset in its name.
func parquetRows(t testing.TB, m *chaintest.Memory) (files [][]string) {
	t.Helper()
	var keys []string
	for key := range m.Objects() {
		if strings.HasSuffix(key, ".parquet") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		body := m.Objects()[key]
		r, err := parquet.Open(bytes.NewReader(body), int64(len(body)))
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		tape := serde.NewTape()
		var rows []string
		for {
			v, err := r.Read(tape)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", key, err)
			}
			text, err := v.AppendJSON(nil)
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, string(text))
		}
		r.Close()
		files = append(files, rows)
	}
	return files
}

// written is a version of the schema of clicks.
func written(n int64, fields string) *serde.Schema {
	return &serde.Schema{Format: serde.Avro, Name: "Click", Version: n, Text: `{"type":"record","name":"Click","fields":[` + fields + `]}`}
}

var ( // Package state: schemas are told apart by their pointers.
	version1 = written(1, `{"name":"n","type":"int"}`)
	version2 = written(2, `{"name":"n","type":"long"},{"name":"b","type":"string","default":"x"}`)
	version3 = written(3, `{"name":"n","type":"string"}`)
)

// versioned are records with the offsets from to to-1, of the schemas in turn.
func versioned(t testing.TB, from, to int, schemas ...*serde.Schema) *connector.Batch {
	t.Helper()
	var rs []connectortest.R
	for i := from; i < to; i++ {
		value := fmt.Sprintf(`{"n":%d}`, i)
		switch schemas[i%len(schemas)] {
		case version2:
			value = fmt.Sprintf(`{"n":%d,"b":"y"}`, i)
		case version3:
			value = fmt.Sprintf(`{"n":"%d"}`, i)
		}
		rs = append(rs, connectortest.R{Value: value, Offset: int64(i)})
	}
	b := connectortest.Batch(t, "cars", 0, rs...)
	for i := range b.Len() {
		b.At(i).Value.SetSchema(schemas[(from+i)%len(schemas)])
	}
	return b
}

func addBatch(t testing.TB, g ranging, b *connector.Batch) {
	t.Helper()
	if _, err := g.Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for i := range b.Len() {
		if err := b.Err(i); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
}

// TestVersionsShareFiles: a new version begins a file, once; then old and new ones go on in it. What doesn't fit has its own.
func TestVersionsShareFiles(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	g := begin(t, New(tabular(t, m, "data/", nil)), assignment())
	addBatch(t, g, versioned(t, 0, 3, version1))
	addBatch(t, g, versioned(t, 3, 9, version1, version2))
	addBatch(t, g, versioned(t, 9, 11, version3))
	addBatch(t, g, versioned(t, 11, 13, version1, version2))
	g.commit(t, 13)
	want := [][]string{
		{`{"n":0}`, `{"n":1}`, `{"n":2}`},
		{`{"n":3,"b":"y"}`, `{"n":4,"b":"x"}`, `{"n":5,"b":"y"}`, `{"n":6,"b":"x"}`, `{"n":7,"b":"y"}`, `{"n":8,"b":"x"}`, `{"n":11,"b":"y"}`, `{"n":12,"b":"x"}`},
		{`{"n":"9"}`, `{"n":"10"}`},
	}
	if got := parquetRows(t, m); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// TestSampledRangeIsReadAgain: nothing is written before the columns are known, and nothing of it is committed.
func TestSampledRangeIsReadAgain(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	s := New(tabular(t, m, "data/", nil))
	sample := []connectortest.R{{Value: `{"a":1}`, Offset: 0}, {Value: `{"a":2,"b":true}`, Offset: 1}}
	more := connectortest.R{Value: `{"a":3,"c":"x"}`, Offset: 2}
	odd := connectortest.R{Value: `{"a":"four"}`, Offset: 3}

	g := begin(t, s, assignment())
	if size := g.add(t, sample...); size.Open != 0 || size.Buffered != 0 {
		t.Errorf("a sample is held: %+v", size)
	}
	if _, err := g.Add(t.Context(), connectortest.Batch(t, "cars", 0, more)); connector.ClassOf(err) != connector.Lost || !strings.Contains(err.Error(), "columns.json") {
		t.Fatalf("class %v: %v", connector.ClassOf(err), err)
	}
	g = begin(t, s, assignment())
	g.add(t, sample...)
	g.add(t, more)
	b := connectortest.Batch(t, "cars", 0, odd, connectortest.R{Value: `{"d":{"e":1}}`, Offset: 4})
	if _, err := g.Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := b.Err(0); connector.ClassOf(err) != connector.Permanent || !strings.Contains(fmt.Sprint(err), "column a") {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
	at := g.commit(t, 5)
	if at.Rested != 1 || at.Dropped != 0 || len(at.Files) != 1 || at.Files[0] == 0 {
		t.Errorf("%+v", at)
	}
	want := `[[{"a":1,"b":null,"c":null,"_rest":null} {"a":2,"b":true,"c":null,"_rest":null} {"a":3,"b":null,"c":"x","_rest":null} {"a":null,"b":null,"c":null,"_rest":"{\"d\":{\"e\":1}}"}]]`
	if got := fmt.Sprint(parquetRows(t, m)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestSampleIsCommitted: a commit before the sample is complete infers the columns and has the records read again.
func TestSampleIsCommitted(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	s := New(tabular(t, m, "data/", nil))
	r := connectortest.R{Value: `{"a":1}`, Offset: 0}
	g := begin(t, s, assignment())
	g.add(t, r)
	if _, err := g.Commit(t.Context(), g.to(1)); connector.ClassOf(err) != connector.Lost {
		t.Fatalf("class %v: %v", connector.ClassOf(err), err)
	}
	g = begin(t, New(tabular(t, m, "data/", nil)), assignment()) // another process: it finds what is kept
	g.add(t, r)
	g.commit(t, 1)
	if got := fmt.Sprint(parquetRows(t, m)); got != `[[{"a":1,"_rest":null}]]` {
		t.Error(got)
	}
}

// TestMendWithColumns: files that are lost are written again with the columns that they had, also where a newer version of the
// schema was known to who began them.
func TestMendWithColumns(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	var dead atomic.Bool
	view := m.View(func(call, _ string) chaintest.Fault {
		if dead.Load() || call == "Complete" {
			dead.Store(true)
			return chaintest.Fault{Fate: chaintest.Refused}
		}
		return chaintest.Fault{}
	})
	s := New(tabular(t, view, "data/", nil))
	other := assignment()
	other.ID = 1
	if _, err := s.Recover(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	known, err := s.Stage(t.Context(), other.Partition, connector.Position{At: 1}, again)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := known.Add(t.Context(), versioned(t, 0, 1, version2)); err != nil {
		t.Fatal(err)
	}
	g := begin(t, s, assignment())
	addBatch(t, g, versioned(t, 0, 9, version1, version3, version2)) // the first one of version 1
	if _, err := g.Commit(t.Context(), g.to(9)); err == nil {
		t.Fatal("the process didn't die")
	}
	for _, o := range link(t, m, 1).Objects {
		m.DropUpload(o.Upload)
	}
	mender := New(tabular(t, m, "data/", nil)) // knows nothing of versions
	mend := func() error {
		g := begin(t, mender, assignment())
		for _, b := range []*connector.Batch{versioned(t, 0, 1, version1, version3, version2), versioned(t, 1, 9, version1, version3, version2)} {
			if _, err := g.Add(t.Context(), b); err != nil {
				return err
			}
		}
		_, err := g.Commit(t.Context(), connector.Range{From: 0, Next: 9, Reason: connector.RotateMend})
		return err
	}
	if err := mend(); connector.ClassOf(err) != connector.Lost {
		t.Fatalf("a file can't change its columns: class %v: %v", connector.ClassOf(err), err)
	}
	if err := mend(); err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{`{"n":0,"b":"x"}`, `{"n":2,"b":"y"}`, `{"n":3,"b":"x"}`, `{"n":5,"b":"y"}`, `{"n":6,"b":"x"}`, `{"n":8,"b":"y"}`},
		{`{"n":"1"}`, `{"n":"4"}`, `{"n":"7"}`},
	}
	if got := parquetRows(t, m); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// TestEnvelopeRows: with an envelope a tombstone has a row too, in the file of the rows before it.
func TestEnvelopeRows(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	g := begin(t, New(tabular(t, m, "data/", func(c *Content) { c.Envelope.Fields = []string{"offset", "key", "value"} })), assignment())
	g.add(t, connectortest.R{Key: "k", Value: `{"a":1}`, Offset: 7}, connectortest.R{NullKey: true, Value: `{"a":2}`}, connectortest.R{Value: `{"a":2}`}, connectortest.R{Key: "k", NullValue: true})
	g.commit(t, 11)
	want := `[[{"offset":7,"key":"k","value":{"a":1},"_rest":null} {"offset":8,"key":null,"value":{"a":2},"_rest":null} {"offset":9,"key":"","value":{"a":2},"_rest":null} {"offset":10,"key":"k","value":null,"_rest":null}]]`
	if got := fmt.Sprint(parquetRows(t, m)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestAnnounced: files are announced with their columns before they can be seen, and again if the commit is.
func TestAnnounced(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	var announced []string
	fail := true
	o := options(t, m, "data/kind={value.kind}/")
	o.Announce = func(_ context.Context, s connector.Source, files []Announced) ([]string, error) {
		if n := len(data(t, m)); n != 0 {
			t.Errorf("%d files can be seen", n)
		}
		for _, f := range files {
			key, _, _ := strings.Cut(f.Key, "/"+s.Topic+"+")
			announced = append(announced, key+" "+f.Columns.Fields[0].Name)
		}
		if fail {
			fail = false
			return nil, connector.Systemic.Errorf("no right to create partitions")
		}
		return []string{"a note"}, nil
	}
	c := DefaultContent()
	c.Schema.Sample = 1
	if err := c.Fill(&o, nil); err != nil {
		t.Fatal(err)
	}
	g := begin(t, New(o), assignment())
	g.add(t, connectortest.R{Value: `{"kind":1}`, Offset: 0}, connectortest.R{Value: `{"kind":2}`}, connectortest.R{Value: `{"kind":1,"new":1}`})
	if _, err := g.Commit(t.Context(), g.to(3)); connector.ClassOf(err) != connector.Systemic {
		t.Errorf("class %v: %v", connector.ClassOf(err), err)
	}
	if at := g.commit(t, 3); !slices.Equal(at.Notes, []string{"a note"}) {
		t.Errorf("notes %q", at.Notes)
	}
	if want := []string{"data/kind=1 kind", "data/kind=2 kind", "data/kind=1 kind", "data/kind=2 kind"}; !slices.Equal(announced, want) {
		t.Errorf("%q", announced)
	}
	if n := len(data(t, m)); n != 2 {
		t.Errorf("%d files", n)
	}
}

// TestNewColumnsAreNoFullFile: a file that ends because a version has more columns doesn't end the range, and with it what has just begun; a full one does.
func TestNewColumnsAreNoFullFile(t *testing.T) {
	o := tabular(t, chaintest.NewMemory(chaintest.Options{}), "data/", nil)
	o.Rotation.Size, o.Rotation.Records = 1<<20, 5
	g := begin(t, New(o), assignment())
	for _, step := range []struct {
		b          *connector.Batch
		open, full int
	}{
		{versioned(t, 0, 3, version1), 1, 0},
		{versioned(t, 3, 6, version2), 2, 0},
		{versioned(t, 6, 8, version1), 0, 2},
	} {
		size, err := g.Add(t.Context(), step.b)
		if err != nil {
			t.Fatal(err)
		}
		if size.Open != step.open || size.Full != step.full {
			t.Errorf("%d open, %d full; want %d and %d", size.Open, size.Full, step.open, step.full)
		}
	}
}

// TestLateFiles: what is late goes elsewhere, its file is announced as late, and what comes after it goes where it did before.
func TestLateFiles(t *testing.T) {
	m := chaintest.NewMemory(chaintest.Options{})
	o := options(t, m, "data/")
	var err error
	n := DefaultNaming()
	n.Time.From, n.Late = "value.at", Late{After: connector.Duration(time.Hour), Path: "late/"}
	if o.Path, err = CompilePath("data/", n); err != nil {
		t.Fatal(err)
	}
	announced := map[string]bool{}
	o.Announce = func(_ context.Context, _ connector.Source, files []Announced) ([]string, error) {
		for _, f := range files {
			folder, _, _ := strings.Cut(f.Key, "/")
			announced[folder] = f.Late
		}
		return nil, nil
	}
	const hour = 3_600_000
	g := begin(t, New(o), assignment())
	for i, at := range []int{10 * hour, 8 * hour, 10 * hour, 9 * hour} {
		g.add(t, connectortest.R{Value: fmt.Sprintf(`{"at":%d}`, at), Timestamp: 10 * hour, Offset: int64(i)})
	}
	g.commit(t, 4)
	got := map[string][]string{}
	for name, rows := range data(t, m) {
		folder, _, _ := strings.Cut(name, "/")
		got[folder] = rows
	}
	if want := map[string][]string{"data": {`{"at":36000000}`, `{"at":36000000}`, `{"at":32400000}`}, "late": {`{"at":28800000}`}}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if announced["data"] || !announced["late"] || len(announced) != 2 {
		t.Errorf("announced %v", announced)
	}
}
