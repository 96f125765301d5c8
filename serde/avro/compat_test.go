package avro

import (
	"fmt"
	"strings"
	"testing"
)

// Each type as reader of each: what the specification promotes, and each with itself. Java's SchemaCompatibility (1.11) says the same.
func TestCompatibleMatrix(t *testing.T) {
	types := map[string]string{
		"null": `"null"`, "boolean": `"boolean"`, "int": `"int"`, "long": `"long"`, "float": `"float"`, "double": `"double"`, "bytes": `"bytes"`, "string": `"string"`,
		"record": `{"type":"record","name":"N","fields":[]}`, "enum": `{"type":"enum","name":"N","symbols":["A"]}`, "fixed": `{"type":"fixed","name":"N","size":2}`,
		"array": `{"type":"array","items":"int"}`, "map": `{"type":"map","values":"int"}`,
	}
	promoted := map[string]bool{"int long": true, "int float": true, "int double": true, "long float": true, "long double": true, "float double": true, "string bytes": true, "bytes string": true}
	for w, writer := range types {
		for r, reader := range types {
			want := w == r || promoted[w+" "+r]
			for _, form := range []string{"%s", `{"type":"array","items":%s}`, `{"type":"map","values":%s}`, `[%s]`, `{"type":"record","name":"R","fields":[{"name":"f","type":%s}]}`} {
				got := Compatible(mustParse(t, fmt.Sprintf(form, reader)), mustParse(t, fmt.Sprintf(form, writer)))
				if (len(got) == 0) != want {
					t.Errorf("%s as %s in %s: %q, want compatible: %t", w, r, form, got, want)
				}
			}
		}
	}
}

func TestCompatible(t *testing.T) {
	field := func(field string) string { return `{"type":"record","name":"R","fields":[` + field + `]}` }
	enum := func(rest string) string { return `{"type":"enum","name":"E","symbols":` + rest + `}` }
	for _, x := range []struct{ name, reader, writer, want string }{
		{"field without a default", field(`{"name":"a","type":"int"}`), field(``), `field "a": it isn't written, and the reader's field has no default`},
		{"field with a default", field(`{"name":"a","type":"int","default":1}`), field(``), ""},
		{"field that isn't read", field(``), field(`{"name":"a","type":"int"}`), ""},
		{"alias of a field", field(`{"name":"a","type":"int","aliases":["b"]}`), field(`{"name":"b","type":"int"}`), ""},
		{"two fields by aliases", field(`{"name":"a","type":"int","aliases":["b"]}`), field(`{"name":"b","type":"int"},{"name":"a","type":"int"}`), "the names of several fields"},
		{"alias of the writer", field(`{"name":"a","type":"int"}`), field(`{"name":"b","type":"int","aliases":["a"]}`), `field "a": it isn't written`},
		{"type of a field", field(`{"name":"a","type":"int"}`), field(`{"name":"a","type":"long"}`), `field "a": long can't be read as int`},
		{"path", field(`{"name":"a","type":{"type":"array","items":{"type":"record","name":"S","fields":[{"name":"b","type":"int"}]}}}`),
			field(`{"name":"a","type":{"type":"array","items":{"type":"record","name":"S","fields":[{"name":"b","type":"string"}]}}}`), `field "a[].b": string can't be read as int`},
		{"name", `{"type":"fixed","name":"a.F","size":1}`, `{"type":"fixed","name":"a.G","size":1}`, "the names differ"},
		{"namespace", `{"type":"fixed","name":"a.F","size":1}`, `{"type":"fixed","name":"b.F","size":1}`, ""},
		{"alias", `{"type":"fixed","name":"a.F","size":1,"aliases":["b.G"]}`, `{"type":"fixed","name":"b.G","size":1}`, ""},
		{"alias in the reader's namespace", `{"type":"fixed","name":"a.F","size":1,"aliases":["G"]}`, `{"type":"fixed","name":"b.G","size":1}`, "the names differ"},
		{"size", `{"type":"fixed","name":"F","size":1}`, `{"type":"fixed","name":"F","size":2}`, "of 2 bytes can't be read as one of 1"},
		{"symbol", enum(`["A"]`), enum(`["A","B","C"]`), "lacks the symbols B, C"},
		{"symbol with a default", enum(`["A"],"default":"A"`), enum(`["A","B"]`), ""},
		{"symbols more", enum(`["B","A"]`), enum(`["A"]`), ""},
		{"reader's union", `["null","int"]`, `"int"`, ""},
		{"reader's union promotes", `["null","double"]`, `"int"`, ""},
		{"reader's union lacks", `["null","int"]`, `"string"`, "string can't be read as any type of the reader's union"},
		{"writer's union", `"long"`, `["int","long"]`, ""},
		{"writer's union has more", `"int"`, `["null","int"]`, "null can't be read as int"},
		{"both unions", `["string","null"]`, `["null","bytes"]`, ""},
		{"both unions lack", `["string","null"]`, `["null","int"]`, "int can't be read as any type"},
		{"recursive", listSchema, listSchema, ""},
		{"recursive and different", `{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]},{"name":"v","type":"int"}]}`, listSchema, `field "v": it isn't written`},
		{"logical types aren't looked at", decimal42, strings.Replace(decimal42, `"scale":2`, `"scale":3`, 1), ""},
	} {
		got := Compatible(mustParse(t, x.reader), mustParse(t, x.writer))
		if x.want == "" && len(got) > 0 || x.want != "" && (len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), x.want)) {
			t.Errorf("%s: got %q, want %q", x.name, got, x.want)
		}
	}
}

// Schemas whose types could be compared in very many combinations.
func TestCompatibleMany(t *testing.T) {
	var reader, writer []string
	for i := range 3000 {
		reader = append(reader, fmt.Sprintf(`{"type":"fixed","name":"A%d","size":1}`, i))
		writer = append(writer, fmt.Sprintf(`{"type":"fixed","name":"B%d","size":1}`, i))
	}
	got := Compatible(mustParse(t, "["+strings.Join(reader, ",")+"]"), mustParse(t, "["+strings.Join(writer, ",")+"]"))
	if len(got) != 1 || !strings.Contains(got[0], "pairs of types to compare") {
		t.Errorf("got %d reasons, first %q", len(got), got[0])
	}
	twice := func(last string) string { // each record has the one before it twice
		text := `{"type":"record","name":"R0","fields":[{"name":"x","type":` + last + `}]}`
		for i := 1; i < 25; i++ {
			text = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"a","type":%s},{"name":"b","type":"R%d"}]}`, i, text, i-1)
		}
		return text
	}
	if got := Compatible(mustParse(t, twice(`"int"`)), mustParse(t, twice(`"string"`))); len(got) == 0 || len(got) > maxObstacles {
		t.Errorf("got %d reasons", len(got))
	}
}
