package table

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/serde"
)

// Avro is the schema of Avro object containers that have these columns, the one for the rest too: a record with their types as logical types
// where Avro has them. A column of the kind JSON is a string, which holds its text; a UUID is a string; what may be null is a union with
// null, whose default is null unless the column has another. Columns whose names Avro can't have are renamed as [AvroNames] says, and their own names are
// in the property name.original. Defaults that can't be written are an error. Structs are records that are named after their path.
func (s *Schema) Avro() (string, error) {
	if err := s.Check(); err != nil {
		return "", fmt.Errorf("avro schema: %w", err)
	}
	w := avroForm{form: form{}, named: map[string]bool{}}
	w.record(fullAvroName(s.Name), s.Columns())
	if w.err != nil {
		return "", fmt.Errorf("avro schema of %.100q: %w", s.Name, w.err)
	}
	return string(w.dst), nil
}

// avroForm is an Avro schema that is being written.
type avroForm struct {
	form
	named map[string]bool // types
}

// define gives a type a name of its own.
func (w *avroForm) define(name string) string {
	unique := name
	for n := 2; w.named[unique]; n++ {
		unique = name + "_" + strconv.Itoa(n)
	}
	w.named[unique] = true
	return unique
}

func (w *avroForm) record(name string, fields []Field) {
	w.raw(`{"type":"record","name":`)
	name = w.define(name)
	w.quoted(name)
	w.raw(`,"fields":[`)
	names := AvroNames(fields)
	taken := make(map[string]bool, len(names))
	for _, n := range names {
		taken[n] = true
	}
	for i := range fields {
		if i > 0 {
			w.raw(",")
		}
		w.field(name, names[i], &fields[i], taken)
	}
	w.raw("]}")
}

// field writes a field of a record. taken are names and aliases that fields have.
func (w *avroForm) field(record, name string, f *Field, taken map[string]bool) {
	w.raw("\n" + `{"name":"` + name + `","type":`)
	text := w.defaultText(f)
	null := f.Type.Nullable && string(text) == "null"
	if null {
		w.raw(`["null",`)
	} else if f.Type.Nullable {
		w.raw("[") // Avro 1.11 takes a default of the first type only
	}
	w.typ(record+"_"+name, &f.Type)
	if null {
		w.raw("]")
	} else if f.Type.Nullable {
		w.raw(`,"null"]`)
	}
	if text != nil {
		w.member("default")
		w.dst = append(w.dst, text...)
	}
	w.aliases(f, taken)
	w.text("doc", f.Doc)
	if name != f.Name {
		w.text("name.original", f.Name)
	}
	w.raw("}")
}

// aliases writes those that Avro can have, and no other field has.
func (w *avroForm) aliases(f *Field, taken map[string]bool) {
	open := ""
	for _, a := range f.Aliases {
		if a != AvroName(a) || taken[a] {
			continue
		}
		taken[a] = true
		if open == "" {
			w.raw(`,"aliases":[`)
		}
		w.raw(open + `"` + a + `"`)
		open = ","
	}
	if open != "" {
		w.raw("]")
	}
}

// defaultText is the default of a field as Avro writes it, nil without one.
func (w *avroForm) defaultText(f *Field) []byte {
	if f.Default == nil {
		if f.Type.Nullable {
			return []byte("null")
		}
		return nil
	}
	v, err := serde.NewTape().JSON(f.Default, serde.Limits{})
	var text []byte
	if err == nil {
		text, err = appendAvroDefault(nil, &f.Type, v)
	}
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("default of the column %.100q: %w", f.Name, err)
	}
	return text
}

// avroScalars are the types that need no more than their text.
var avroScalars = map[Kind]string{
	JSON: `"string"`, Bool: `"boolean"`, Int32: `"int"`, Int64: `"long"`, Float32: `"float"`, Float64: `"double"`, String: `"string"`, Bytes: `"bytes"`,
	UUID:            `{"type":"string","logicalType":"uuid"}`,
	Date:            `{"type":"int","logicalType":"date"}`,
	TimeMillis:      `{"type":"int","logicalType":"time-millis"}`,
	TimeMicros:      `{"type":"long","logicalType":"time-micros"}`,
	TimestampMillis: `{"type":"long","logicalType":"timestamp-millis"}`,
	TimestampMicros: `{"type":"long","logicalType":"timestamp-micros"}`,
}

// typ writes a type without null; path names the types in it.
func (w *avroForm) typ(path string, t *Type) {
	switch t.Kind {
	case Decimal:
		w.dst = fmt.Appendf(w.dst, `{"type":"bytes","logicalType":"decimal","precision":%d,"scale":%d}`, t.Precision, t.Scale)
	case Fixed:
		w.raw(`{"type":"fixed","name":`)
		w.quoted(w.define(path))
		w.number("size", int64(t.Size))
		w.raw("}")
	case Struct:
		w.record(path, t.Fields)
	case List:
		w.raw(`{"type":"array","items":`)
		w.element(path, t.Elem)
	case Map:
		w.raw(`{"type":"map","values":`)
		w.element(path, t.Elem)
	default:
		text := avroScalars[t.Kind]
		if t.Local {
			text = strings.Replace(text, `"timestamp-`, `"local-timestamp-`, 1)
		}
		w.raw(text)
	}
}

func (w *avroForm) element(path string, t *Type) {
	if t.Nullable {
		w.raw(`["null",`)
	}
	w.typ(path, t)
	if t.Nullable {
		w.raw("]")
	}
	w.raw("}")
}

// AvroName is name with an underscore in the place of each character that Avro's names can't have, before a digit at its beginning, and
// for no name (specification, Names).
func AvroName(name string) string {
	clean := strings.Map(func(c rune) rune {
		if c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '_'
	}, name)
	if clean == "" || clean[0] >= '0' && clean[0] <= '9' {
		return "_" + clean
	}
	return clean
}

// AvroNames are the names that the fields of the table, with the one for the rest, or of a struct have in Avro, in their order: those that Avro can
// have as they are; others as by AvroName, with a number behind where another field has that name.
func AvroNames(fields []Field) []string {
	names := make([]string, len(fields))
	taken := make(map[string]bool, len(fields))
	for i := range fields {
		if AvroName(fields[i].Name) == fields[i].Name {
			names[i] = fields[i].Name
			taken[names[i]] = true
		}
	}
	next := map[string]int{}
	for i := range fields {
		if names[i] != "" {
			continue
		}
		clean := AvroName(fields[i].Name)
		names[i] = clean
		for n := max(next[clean], 2); taken[names[i]]; n++ {
			names[i] = clean + "_" + strconv.Itoa(n)
			next[clean] = n + 1
		}
		taken[names[i]] = true
	}
	return names
}

// fullAvroName is the name of the record: name with its namespace, if Avro can have it.
func fullAvroName(name string) string {
	if !utf8.ValidString(name) {
		name = ""
	}
	parts := strings.Split(name, ".")
	for i := range parts {
		parts[i] = AvroName(parts[i])
	}
	full := strings.Join(parts, ".")
	if name == "" || avroPrimitive(full) {
		return "row"
	}
	return full
}

func avroPrimitive(name string) bool {
	switch name {
	case "null", "boolean", "int", "long", "float", "double", "bytes", "string":
		return true
	}
	return false
}
