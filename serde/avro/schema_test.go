package avro

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/millrace/millrace/serde"
)

func TestParse(t *testing.T) {
	text, err := os.ReadFile("testdata/avro.avsc")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "testbed.fleet.Vehicle" || len(s.Fields) != 19 || s.Fields[10].Type.Scale != 2 {
		t.Errorf("got %+v", s)
	}
}

func TestParseNames(t *testing.T) {
	s := mustParse(t, `{"type":"record","name":"A","namespace":"x.y","aliases":["B","z.C"],"fields":[
		{"name":"a","type":{"type":"enum","name":"E","symbols":["P"]}},
		{"name":"b","type":{"type":"fixed","name":"q.F","size":1}},
		{"name":"c","type":{"type":"record","name":"G","namespace":"","fields":[{"name":"h","type":{"type":"fixed","name":"H","size":1}}]}},
		{"name":"d","type":["E","q.F","G","A"]}]}`)
	var names []string
	for _, f := range s.Fields[:3] {
		names = append(names, f.Type.Name)
	}
	got := fmt.Sprint(s.Name, s.Aliases, names, s.Fields[2].Type.Fields[0].Type.Name, s.Fields[3].Type.Branches[3] == s)
	if want := "x.y.A[x.y.B z.C][x.y.E q.F G]Htrue"; strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, primitive := range []string{`"int"`, `int`, ` "int" `, `{"type":"int"}`, `{"type":{"type":"int"}}`} {
		if s := mustParse(t, primitive); s.Type != Int {
			t.Errorf("%s: %+v", primitive, s)
		}
	}
	s, err := Parse(`["a.R","a.F"]`, serde.Reference{Name: "a.F", Text: `{"type":"fixed","name":"a.F","size":3}`},
		serde.Reference{Name: "a.R", Text: `{"type":"record","name":"a.R","fields":[{"name":"f","type":"a.F"}]}`})
	if err != nil || s.Branches[0].Fields[0].Type != s.Branches[1] {
		t.Errorf("references: %+v %v", s, err)
	}
}

// Logical types that aren't valid are passed over (specification, Logical Types).
func TestParseLogical(t *testing.T) {
	for text, want := range map[string]Logical{
		decimal42: Decimal,
		`{"type":"bytes","logicalType":"decimal"}`:                                              NoLogical,
		`{"type":"bytes","logicalType":"decimal","precision":0}`:                                NoLogical,
		`{"type":"bytes","logicalType":"decimal","precision":2,"scale":3}`:                      NoLogical,
		`{"type":"bytes","logicalType":"decimal","precision":5000}`:                             NoLogical,
		`{"type":"string","logicalType":"decimal","precision":2}`:                               NoLogical,
		`{"type":"string","logicalType":"uuid"}`:                                                UUID,
		`{"type":"fixed","name":"F","size":16,"logicalType":"uuid"}`:                            UUID,
		`{"type":"fixed","name":"F","size":15,"logicalType":"uuid"}`:                            NoLogical,
		`{"type":"fixed","name":"F","size":12,"logicalType":"duration"}`:                        Duration,
		`{"type":"fixed","name":"F","size":13,"logicalType":"duration"}`:                        NoLogical,
		`{"type":"long","logicalType":"date"}`:                                                  NoLogical,
		`{"type":"long","logicalType":"timestamp-millis"}`:                                      TimestampMillis,
		`{"type":"int","logicalType":"timestamp-millis"}`:                                       NoLogical,
		`{"type":"int","logicalType":7}`:                                                        NoLogical,
		`{"type":"int","logicalType":"whatever"}`:                                               NoLogical,
		`{"type":"fixed","name":"F","size":2,"logicalType":"decimal","precision":4,"scale":-1}`: NoLogical,
	} {
		if s := mustParse(t, text); s.Logical != want {
			t.Errorf("%s: got %v, want %v", text, s.Logical, want)
		}
	}
}

// Schemas that aren't, and those that are meant to do harm.
func TestParseErrors(t *testing.T) {
	deep := func(n int) string {
		return strings.Repeat(`{"type":"array","items":`, n) + `"int"` + strings.Repeat("}", n)
	}
	for text, want := range map[string]string{
		``:                           "schema: empty value",
		`{`:                          "JSON ends early",
		`1`:                          "a type is a name, a list or an object, not integer",
		`"nope"`:                     `the type "nope" isn't defined`,
		`{}`:                         `an object has no "type"`,
		`{"type":"nope"}`:            `the type "nope" isn't defined`,
		`{"type":"record"}`:          "a type record has no name",
		`{"type":"array"}`:           `type array has no "items"`,
		`{"type":"map"}`:             `type map has no "values"`,
		`[]`:                         "a union has no type in it",
		`["int",["long"]]`:           "a union can't have a union in it",
		`["int","int"]`:              `a union has "int" twice`,
		`["int",{"type":"int"}]`:     `a union has "int" twice`,
		`{"type":"enum","name":"E"}`: `has no list "symbols"`,
		`{"type":"enum","name":"E","symbols":["A","A"]}`:                                                     "a repeated symbol",
		`{"type":"enum","name":"E","symbols":[1]}`:                                                           "an empty",
		`{"type":"enum","name":"E","symbols":[""]}`:                                                          "an empty",
		`{"type":"enum","name":"E","symbols":[],"default":"A"}`:                                              "which is none of its symbols",
		`{"type":"fixed","name":"F"}`:                                                                        "needs a size",
		`{"type":"fixed","name":"F","size":-1}`:                                                              "needs a size",
		`{"type":"fixed","name":"F","size":1e9}`:                                                             "needs a size",
		`{"type":"fixed","name":"int","size":1}`:                                                             "can't be named",
		`{"type":"record","name":"R"}`:                                                                       `has no list "fields"`,
		`{"type":"record","name":"R","fields":[1]}`:                                                          "a field without a name",
		`{"type":"record","name":"R","fields":[{"name":"a"}]}`:                                               `the field "a" of "R" has no type`,
		`{"type":"record","name":"R","fields":[{"type":"int"}]}`:                                             "a field without a name",
		`{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}`:        `has the field "a" twice`,
		`{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"fixed","name":"R","size":1}}]}`:   "is defined twice",
		`{"type":"record","name":"R","fields":[{"name":"` + strings.Repeat("a", 65536) + `","type":"int"}]}`: "at most 65535",
		`{"type":"enum","name":"E","symbols":["` + strings.Repeat("a", 65536) + `"]}`:                        "a long",
		deep(65):                           "types are nested more than 64 deep",
		deep(300):                          "nested more than",
		strings.Repeat("[", 1<<20):         "nested more than",
		strings.Repeat(`{"type":`, 1<<17):  "nested more than",
		strings.Repeat(" ", 1<<20+1):       "the text has 1048577 bytes, at most 1048576 are allowed",
		`{"type":"int","type":"long"}`:     `"type"`,
		`{"type":"record","name":"\ud800"`: "JSON",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 1000 {
			t.Errorf("%.100s: got %.300v, want an error with %q", text, err, want)
		}
	}
	if _, err := Parse(deep(64)); err != nil {
		t.Error(err)
	}
}

// large are schemas of Glue's longest size, 170,000 characters, and somewhat more.
func large() map[string]string {
	repeat := func(n int, head, sep, format, tail string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = strings.ReplaceAll(format, "#", fmt.Sprint(i))
		}
		return head + strings.Join(parts, sep) + tail
	}
	return map[string]string{
		"fields":   repeat(5000, `{"type":"record","name":"R","fields":[`, ",", `{"name":"f#","type":"int"}`, "]}"),
		"defaults": repeat(4000, `{"type":"record","name":"R","fields":[`, ",", `{"name":"f#","type":["null","R"],"default":null}`, "]}"),
		"union":    repeat(4000, "[", ",", `{"type":"fixed","name":"F#","size":1}`, "]"),
		"enum":     repeat(17000, `{"type":"enum","name":"E","symbols":[`, ",", `"s#"`, "]}"),
		"chain":    repeat(2000, `[`, ",", `{"type":"record","name":"R#","fields":[{"name":"f","type":["null","R0"]}]}`, "]"),
		"doc":      `{"type":"record","name":"R","doc":"` + strings.Repeat("x", 170_000) + `","fields":[]}`,
		"records":  repeat(1500, "[", ",", `{"type":"record","name":"R#","fields":[{"name":"f","type":{"type":"array","items":"R0"}},{"name":"g","type":"R#"}]}`, "]"),
	}
}

func TestParseLarge(t *testing.T) {
	for name, text := range large() {
		s, err := Parse(text)
		if err != nil {
			t.Errorf("%s of %d bytes: %v", name, len(text), err)
			continue
		}
		if _, err := Compile(s, Options{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := NewEncoder(s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := Compatible(s, s); len(got) > 0 {
			t.Errorf("%s: %.300q", name, got)
		}
	}
}

// What Parse accepts can be compiled, or is refused, and reads and writes nothing that makes it panic.
func FuzzParse(f *testing.F) {
	for _, text := range large() {
		f.Add(text[:min(len(text), 4000)], []byte{0, 2, 4})
	}
	for _, text := range []string{tree, listSchema, bothRecords, decimal42, durationType, `"int"`, `["null","string"]`, strings.Repeat("[", 100)} {
		f.Add(text, []byte{2, 0, 2, 0})
	}
	for seed := range uint64(20) {
		f.Add(randomSchema(newRandom(seed)), []byte{2, 4, 6, 8, 10, 0, 0})
	}
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		s, err := Parse(text)
		if err != nil {
			if len(err.Error()) > 4000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		if !utf8.ValidString(s.Name) {
			t.Errorf("the name %q isn't UTF-8", s.Name)
		}
		if got := Compatible(s, s); len(got) > maxObstacles {
			t.Errorf("%d reasons", len(got))
		}
		e, err := NewEncoder(s)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Compile(s, Options{})
		if err != nil {
			return
		}
		if v, err := p.Decode(serde.NewTape(), data); err == nil {
			_, _ = e.Append(nil, v)
		}
	})
}
