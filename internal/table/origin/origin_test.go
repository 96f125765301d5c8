package origin

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
	"github.com/millrace/millrace/serde/glue"
	"github.com/millrace/millrace/serde/protobuf"
)

// shownFields are columns as the tests write them: "id int64, note string?=\"x\" (old)", with "?" for nullable, "=" and the default, and the aliases.
func shownFields(fields []table.Field) string {
	var out []string
	for _, f := range fields {
		text := f.Name + " " + shownType(f.Type)
		if f.Default != nil {
			text += "=" + string(f.Default)
		}
		if len(f.Aliases) > 0 {
			text += " (" + strings.Join(f.Aliases, " ") + ")"
		}
		if f.Doc != "" {
			text += " # " + f.Doc
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func shownType(t table.Type) string {
	text := t.Kind.String()
	switch t.Kind {
	case table.Struct:
		text = "{" + shownFields(t.Fields) + "}"
	case table.List:
		text = "[" + shownType(*t.Elem) + "]"
	case table.Map:
		text = "map[" + shownType(*t.Elem) + "]"
	case table.Decimal:
		text = fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case table.Fixed:
		text = fmt.Sprintf("fixed(%d)", t.Size)
	}
	if t.Local {
		text += " local"
	}
	if t.Nullable {
		text += "?"
	}
	return text
}

// mapsTo checks the columns of schemas.
func mapsTo(t *testing.T, cases []struct{ name, schema, want string }, of func(schema string) *serde.Schema) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := Of(of(c.schema))
			if err != nil {
				t.Fatal(err)
			}
			if shown := shownFields(got.Fields); shown != c.want {
				t.Errorf("got  %s\nwant %s", shown, c.want)
			}
			stored, err := table.Marshal(got)
			if err != nil {
				t.Fatalf("it can't be stored: %v", err)
			}
			if back, err := table.Unmarshal(stored); err != nil || !back.Equal(got) {
				t.Errorf("it is stored as another one: %v", err)
			}
		})
	}
}

// isRefused checks the errors of schemas.
func isRefused(t *testing.T, cases []struct{ name, schema, want string }, of func(schema string) *serde.Schema) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := Of(of(c.schema))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %+v, error %v, want one with %q", got, err, c.want)
			}
			if err != nil && len(err.Error()) > 2000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

// columnTakes reports why a value isn't one that a column takes.
func columnTakes(t table.Type, v serde.Value) error {
	bad := fmt.Errorf("%s for %s", v.Kind(), shownType(t))
	if v.IsNull() {
		if t.Nullable {
			return nil
		}
		return bad
	}
	ok := true
	switch t.Kind {
	case table.JSON:
	case table.Bool:
		ok = v.Kind() == serde.Bool
	case table.Int32:
		n, whole := v.Int64()
		ok = whole && n == int64(int32(n))
	case table.Int64:
		_, ok = v.Int64()
	case table.Float32, table.Float64:
		_, ok = v.Float64()
	case table.Decimal:
		ok = v.Kind() == serde.Int64 || v.Kind() == serde.Float64 || v.Kind() == serde.Decimal
	case table.String:
		ok = v.Kind() == serde.String
	case table.Bytes:
		ok = v.Kind() == serde.Bytes || v.Kind() == serde.String
	case table.Fixed:
		ok = v.Kind() == serde.Bytes && v.Len() == t.Size
	case table.UUID:
		text, _ := v.Text()
		_, isText := serde.ParseUUID(text)
		ok = v.Kind() == serde.UUID || isText
	case table.Date:
		ok = v.Kind() == serde.Date || v.Kind() == serde.String
	case table.TimeMillis, table.TimeMicros:
		ok = v.Kind() == serde.Time
	case table.TimestampMillis, table.TimestampMicros:
		ok = v.Kind() == serde.Timestamp && !t.Local || v.Kind() == serde.String
	case table.Struct:
		return columnsTake(t.Fields, v)
	case table.List, table.Map:
		if ok = v.Kind() == serde.Array && t.Kind == table.List || v.Kind() == serde.Object && t.Kind == table.Map; !ok {
			return bad
		}
		for e := range v.Elements() {
			if err := columnTakes(*t.Elem, e); err != nil {
				return err
			}
		}
		for _, e := range v.Members() {
			if err := columnTakes(*t.Elem, e); err != nil {
				return err
			}
		}
	}
	if !ok {
		return bad
	}
	return nil
}

func columnsTake(fields []table.Field, v serde.Value) error {
	if v.Kind() != serde.Object {
		return fmt.Errorf("%s for a struct", v.Kind())
	}
	for _, f := range fields {
		if err := columnTakes(f.Type, v.Field(f.Name)); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	for name := range v.Members() {
		if !slices.ContainsFunc(fields, func(f table.Field) bool { return f.Name == name || slices.Contains(f.Aliases, name) }) {
			return fmt.Errorf("no column has the member %s", name)
		}
	}
	return nil
}

// linesOf are those of a file of the Glue decoder's.
func linesOf(t *testing.T, name string) []string {
	t.Helper()
	data, err := os.ReadFile("../../../serde/glue/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

// TestWrittenByAWS decodes what AWS's serializers wrote, and checks that the columns take it.
func TestWrittenByAWS(t *testing.T) {
	for _, c := range []struct {
		name, schema string
		format       serde.Format
		columns      int
	}{
		{"glue-avro.b64", "avro.schema-as-registered.txt", serde.Avro, 19},
		{"glue-json.b64", "json.schema-as-registered.txt", serde.JSONSchema, 3},
	} {
		s := &serde.Schema{Format: c.format, Name: "n", ID: "i", Version: 3, Text: linesOf(t, c.schema)[0]}
		columns, err := Of(s)
		if err != nil {
			t.Fatal(err)
		}
		if columns.ID != "i" || columns.Version != 3 || columns.Name == "" || len(columns.Fields) != c.columns {
			t.Errorf("%s: %+v", c.name, columns)
		}
		for i, line := range linesOf(t, c.name) {
			data, err := base64.StdEncoding.DecodeString(line)
			if err != nil {
				t.Fatal(err)
			}
			_, payload, _, _ := glue.Split(data)
			v := decodedBy(t, s, payload)
			if err := columnsTake(columns.Fields, v); err != nil {
				t.Errorf("%s, record %d: %v", c.name, i, err)
			}
		}
	}
}

func decodedBy(t *testing.T, s *serde.Schema, data []byte) serde.Value {
	t.Helper()
	var (
		v    serde.Value
		err  error
		tape = serde.NewTape()
	)
	switch s.Format {
	case serde.Avro:
		var schema *avro.Schema
		if schema, err = avro.Parse(s.Text); err != nil {
			t.Fatal(err)
		}
		var program *avro.Program
		if program, err = avro.Compile(schema, avro.Options{Schema: s}); err != nil {
			t.Fatal(err)
		}
		v, err = program.Decode(tape, data)
	case serde.Protobuf:
		var decoder *protobuf.Decoder
		if decoder, err = protobuf.New(protobuf.Config{Schema: s.Text, Message: s.Type}); err != nil {
			t.Fatal(err)
		}
		v, err = decoder.Decode(t.Context(), tape, "t", data)
	default:
		v, err = tape.JSON(data, serde.Limits{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestProtobufMessages decodes messages with everything set, and with nothing, and checks that the columns take them.
func TestProtobufMessages(t *testing.T) {
	s := &serde.Schema{Format: serde.Protobuf, Text: everyProto, Type: "x.Every"}
	columns, err := Of(s)
	if err != nil {
		t.Fatal(err)
	}
	number := func(n protowire.Number, x uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), x)
	}
	body := func(n protowire.Number, parts ...[]byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), bytes.Join(parts, nil))
	}
	seconds := number(1, 1_790_000_000)
	all := slices.Concat(number(1, 1), number(2, math.MaxUint64), number(3, 1), body(4, []byte("text")), body(5, []byte{0xFF}),
		body(6, seconds, number(2, 1000)), body(7, seconds), body(8, body(1, []byte("w"))), body(9, body(1, body(1, []byte("k")), body(2, number(4, 1)))),
		body(10, number(4, 0)), body(11, body(1, []byte("type")), body(2, []byte("value"))), body(12, body(1, []byte("a.b"))),
		body(13, number(1, 7), body(2, []byte("seven"))), body(14, seconds), body(15, body(15, nil)), number(16, 0), body(18, []byte("o")), body(19), number(20, 1))
	for name, data := range map[string][]byte{
		"everything": all, "nothing": {}, "finer than microseconds": body(6, seconds, number(2, 1)), "another of the oneof": number(17, 1),
	} {
		if err := columnsTake(columns.Fields, decodedBy(t, s, data)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	v := decodedBy(t, s, all)
	for _, f := range columns.Fields {
		if f.Name != "one_number" && v.Field(f.Name).IsNull() {
			t.Errorf("%s isn't set: the test doesn't show anything of it", f.Name)
		}
	}
}

// TestZeroIsTheDefault compares the defaults of columns with what a message without fields holds.
func TestZeroIsTheDefault(t *testing.T) {
	s := &serde.Schema{Format: serde.Protobuf, Text: everyProto, Type: "x.Every"}
	columns, err := Of(s)
	if err != nil {
		t.Fatal(err)
	}
	empty := decodedBy(t, s, []byte{})
	for _, f := range columns.Fields {
		want := "null"
		if v := empty.Field(f.Name); v.Exists() {
			text, err := v.AppendJSON(nil)
			if err != nil {
				t.Fatal(err)
			}
			want = string(text)
		}
		if got := string(f.Default); got != want && (got != "" || want != "null") {
			t.Errorf("%s: the default is %q, and a message without it has %s", f.Name, got, want)
		}
	}
}

// TestOtherFormats checks what Of says of schemas that it can't take.
func TestOtherFormats(t *testing.T) {
	for _, s := range []*serde.Schema{nil, {}, {Format: "CSV", Text: "{}"}} {
		if got, err := Of(s); err == nil {
			t.Errorf("%+v: %+v", s, got)
		}
	}
}

func avroSchema(text string) *serde.Schema { return &serde.Schema{Format: serde.Avro, Text: text} }
func jsonSchema(text string) *serde.Schema {
	return &serde.Schema{Format: serde.JSONSchema, Text: text}
}

// repeated is n fields by a pattern.
func repeated(n int, pattern string) string {
	fields := make([]string, n)
	for i := range fields {
		fields[i] = strings.ReplaceAll(pattern, "#", strconv.Itoa(i))
	}
	return strings.Join(fields, ",")
}
