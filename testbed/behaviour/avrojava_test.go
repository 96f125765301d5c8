//go:build testbed

package behaviour

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
	"github.com/millrace/millrace/testbed"
)

// An avroDifference is a way in which resolution isn't Java's, and why it is meant to be so.
type avroDifference struct {
	ours, java string // parts of the errors; "" stands for a value
	why        string
	seen       int
}

// Java's GenericDatumReader compared with Compile and AppendJSON. The first that fits explains a difference.
func avroDifferences() []*avroDifference {
	return []*avroDifference{
		{ours: "the names differ", why: "Java reads records of any name; the specification, and Java's own SchemaCompatibility, want the names to match"},
		{ours: `[]`, why: "items that can never be read: Java reads arrays and maps that are empty, here the schemas are refused at once"},
		{ours: "the text isn't UTF-8", why: "bytes read as a string: Java replaces what isn't UTF-8"},
		{ours: "a decimal of precision", why: "Java doesn't look at logical types and would give another number; the specification wants the same scale and precision"},
		{ours: "which RFC 3339 can't write", why: "dates before the year 0: no difference in reading, the test bed writes them with a sign"},
		{java: "expecting union", why: "of a reader's union Java takes enums and fixed by their full names only; the specification, and SchemaCompatibility, by those without namespaces"},
		{java: "Invalid default for field", why: "Java renames the fields of the writer's schema by the reader's aliases, but not in the defaults of records, and refuses what it made"},
	}
}

// Pairs of a random schema and the same one with up to four changes, by turns as the writer's and the reader's, and a value of each writer.
func TestAvroAgainstJava(t *testing.T) {
	const pairs = 4000
	var (
		asked []testbed.AvroPair
		items []testbed.AvroItem
	)
	for seed := range uint64(pairs) {
		m := avroMaker{r: rand.New(rand.NewPCG(seed, 6))}
		writer := m.schema()
		reader := writer.clone()
		for range m.r.IntN(5) {
			m.change(reader)
		}
		if m.r.IntN(2) == 0 {
			writer, reader = reader, writer
		}
		m.root = writer
		pair := testbed.AvroPair{Writer: writer.text(), Reader: reader.text()}
		if _, err := avro.Parse(pair.Writer); err != nil {
			continue // a change made two types of a union the same
		}
		if _, err := avro.Parse(pair.Reader); err != nil {
			continue
		}
		asked = append(asked, pair)
		items = append(items, testbed.AvroItem{AvroPair: pair, Data: m.value(nil, writer, 0)})
	}
	if len(asked) < pairs*9/10 {
		t.Fatalf("only %d pairs of %d have schemas that are right", len(asked), pairs)
	}
	sameCompatibility(t, asked)
	sameValues(t, items)
}

func parsedAvro(t *testing.T, p testbed.AvroPair) (writer, reader *avro.Schema) {
	t.Helper()
	writer, err := avro.Parse(p.Writer)
	if err != nil {
		t.Fatal(err)
	}
	if reader, err = avro.Parse(p.Reader); err != nil {
		t.Fatal(err)
	}
	return writer, reader
}

// sameCompatibility has no exceptions: a registry that asks Java must agree with us.
func sameCompatibility(t *testing.T, pairs []testbed.AvroPair) {
	t.Helper()
	whys, err := testbed.AvroCompatible(t.Context(), pairs)
	if err != nil {
		t.Fatal(err)
	}
	compatible := 0
	for i, p := range pairs {
		writer, reader := parsedAvro(t, p)
		reasons := avro.Compatible(reader, writer)
		if (len(reasons) == 0) != (whys[i] == "") {
			t.Errorf("%s\nread as %s:\nhere %q\nJava %q", p.Writer, p.Reader, reasons, whys[i])
		}
		if whys[i] == "" {
			compatible++
		}
	}
	t.Logf("%d pairs, %d compatible", len(pairs), compatible)
	if compatible < len(pairs)/10 || compatible > len(pairs)*9/10 {
		t.Error("they show little")
	}
}

// sameValues reads each value here and in Java.
func sameValues(t *testing.T, items []testbed.AvroItem) {
	t.Helper()
	answers, err := testbed.AvroResolve(t.Context(), items)
	if err != nil {
		t.Fatal(err)
	}
	differences, read, refused := avroDifferences(), 0, 0
	for i, x := range items {
		got, ours := readAvro(t, x)
		want, java := answers[i].JSON, answers[i].Err
		if java == "" {
			if want, err = testbed.CanonicalJSON(want); err != nil {
				t.Fatal(err)
			}
		}
		switch {
		case ours != "" && java != "":
			refused++
		case ours == "" && java == "" && got == want:
			read++
		case !explained(differences, ours, java):
			t.Errorf("%s\nread as %s:\n%x\nhere %.500s%s\nJava %.500s%s", x.Writer, x.Reader, x.Data, got, ours, want, java)
		}
	}
	t.Logf("%d values are the same, %d are refused here and in Java", read, refused)
	if read < len(items)/10 || refused < len(items)/10 {
		t.Error("they show little")
	}
	for _, d := range differences {
		t.Logf("%d times: %s", d.seen, d.why)
		if d.seen == 0 {
			t.Errorf("never seen: %+v", *d)
		}
	}
}

func explained(differences []*avroDifference, ours, java string) bool {
	for _, d := range differences {
		if (d.ours == "") == (ours == "") && (d.java == "") == (java == "") && strings.Contains(ours, d.ours) && strings.Contains(java, d.java) {
			d.seen++
			return true
		}
	}
	return false
}

// readAvro is the value of x as canonical JSON, or why there is none.
func readAvro(t *testing.T, x testbed.AvroItem) (text, failure string) {
	t.Helper()
	writer, reader := parsedAvro(t, x.AvroPair)
	p, err := avro.Compile(writer, avro.Options{Reader: reader})
	if err != nil {
		return "", err.Error()
	}
	direct, directErr := p.AppendJSON(nil, x.Data)
	v, err := p.Decode(serde.NewTape(), x.Data)
	var out []byte
	if err == nil {
		out, err = v.AppendJSON(nil)
	}
	if (err == nil) != (directErr == nil) || string(out) != string(direct) {
		t.Errorf("%s\nread as %s:\n%x: Decode gives %s %v, AppendJSON %s %v", x.Writer, x.Reader, x.Data, out, err, direct, directErr)
	}
	if err != nil {
		return "", err.Error()
	}
	if text, err = testbed.CanonicalJSON(string(out)); err != nil {
		t.Fatal(err)
	}
	return text, ""
}
