package table

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/millrace/millrace/serde"
)

// Columns are stored as a JSON object. Equal schemas with equal documentation have equal bytes.
//
//	{"millrace_columns":1,"name":"orders","id":"","version":3,"rest":"_rest","columns":[
//	{"name":"id","type":"int64"},
//	{"name":"price","aliases":["cost"],"type":"decimal","precision":10,"scale":2,"nullable":true,"default":0,"doc":"..."},
//	{"name":"tags","type":"list","element":{"type":"string"}},
//	{"name":"pos","type":"struct","fields":[{"name":"lat","type":"float64"}]}]}
//
// A map has "values" where a list has "element", a fixed has "size", a timestamp may be "local". What is false, empty or zero is left out.

// storedForm is the number of the form above. Another one isn't read.
const storedForm = 1

// MaxColumns is how many columns a schema may have, structs, lists and maps and what is in them counted: versions that rename what they have would add
// up without an end.
const MaxColumns = 10_000

// Bounds of what is stored, which hold for every schema that is checked.
const (
	maxStored    = 8 << 20 // bytes
	maxTypeDepth = 64      // of types inside each other, as serde/avro has it
	maxNameLen   = 65535   // bytes, as serde.Limits has it
	maxFixedSize = 1 << 24 // bytes, as serde/avro has it
	maxAliases   = 1000    // of one column
)

// Marshal gives the stored form of s. It refuses what Unmarshal would refuse.
func Marshal(s *Schema) ([]byte, error) {
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("store columns: %w", err)
	}
	w := form{}
	w.raw(`{"millrace_columns":` + strconv.Itoa(storedForm))
	w.text("name", s.Name)
	w.text("id", s.ID)
	w.number("version", s.Version)
	w.text("rest", s.Rest)
	w.raw(`,"columns":[`)
	w.fields(s.Fields, "\n")
	w.raw("]}\n")
	if w.err == nil && len(w.dst) > maxStored {
		w.err = fmt.Errorf("they take %d bytes, at most %d are allowed", len(w.dst), maxStored)
	}
	if w.err != nil {
		return nil, fmt.Errorf("store the columns of %.100q: %w", s.Name, w.err)
	}
	return w.dst, nil
}

// A form is a stored form that is being written.
type form struct {
	dst []byte
	err error
}

func (w *form) raw(text string) { w.dst = append(w.dst, text...) }

func (w *form) quoted(text string) {
	dst, err := serde.AppendString(w.dst, []byte(text))
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("%.100q: %w", text, err)
	}
	w.dst = dst
}

// value writes JSON text without the spaces in it.
func (w *form) value(text []byte) {
	v, err := serde.NewTape().JSON(text, serde.Limits{})
	if err == nil {
		w.dst, err = v.AppendJSON(w.dst)
	}
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("default %.100q: %w", text, err)
	}
}

// member writes the name of a member behind another one.
func (w *form) member(name string) { w.raw(`,"` + name + `":`) }

func (w *form) text(name, value string) {
	if value != "" {
		w.member(name)
		w.quoted(value)
	}
}

func (w *form) number(name string, n int64) {
	if n != 0 {
		w.member(name)
		w.dst = strconv.AppendInt(w.dst, n, 10)
	}
}

func (w *form) flag(name string, is bool) {
	if is {
		w.member(name)
		w.raw("true")
	}
}

func (w *form) fields(fields []Field, before string) {
	for i := range fields {
		if i > 0 {
			w.raw(",")
		}
		w.raw(before)
		f := &fields[i]
		w.raw(`{"name":`)
		w.quoted(f.Name)
		for k, a := range f.Aliases {
			if k == 0 {
				w.raw(`,"aliases":[`)
			} else {
				w.raw(",")
			}
			w.quoted(a)
		}
		if len(f.Aliases) > 0 {
			w.raw("]")
		}
		w.raw(",")
		w.typ(&f.Type)
		if f.Default != nil {
			w.member("default")
			w.value(f.Default)
		}
		w.text("doc", f.Doc)
		w.raw("}")
	}
}

// typ writes the members of a type.
func (w *form) typ(t *Type) {
	w.raw(`"type":"` + t.Kind.String() + `"`)
	w.flag("local", t.Local)
	w.number("precision", int64(t.Precision))
	w.number("scale", int64(t.Scale))
	w.number("size", int64(t.Size))
	switch t.Kind {
	case Struct:
		w.raw(`,"fields":[`)
		w.fields(t.Fields, "")
		w.raw("]")
	case List, Map:
		w.member(elementName(t.Kind))
		w.raw("{")
		w.typ(t.Elem)
		w.raw("}")
	}
	w.flag("nullable", t.Nullable)
}

func elementName(k Kind) string {
	if k == Map {
		return "values"
	}
	return "element"
}

// Check reports what no file can have: a name that is empty or there twice, a type without what belongs to it.
func (s *Schema) Check() error {
	if s == nil {
		return errors.New("there is no schema")
	}
	if s.Version < 0 {
		return fmt.Errorf("version is %d", s.Version)
	}
	left := MaxColumns
	return checkFields("", s.Columns(), 0, &left)
}

// checkFields checks the columns, or the fields of the struct at path. left is how many columns there may still be.
func checkFields(path string, fields []Field, depth int, left *int) error {
	seen := make(map[string]bool, len(fields))
	for i := range fields {
		f := &fields[i]
		at := join(path, f.Name)
		switch {
		case f.Name == "":
			return fmt.Errorf("column %.200s: it has no name", join(path, strconv.Itoa(i)))
		case len(f.Name) > maxNameLen:
			return fmt.Errorf("column %.200s: its name has %d bytes, at most %d are allowed", at, len(f.Name), maxNameLen)
		case !utf8.ValidString(f.Name):
			return fmt.Errorf("column %.200q: its name isn't UTF-8", at)
		case seen[f.Name]:
			return fmt.Errorf("column %.200s: there are two of this name", at)
		case len(f.Aliases) > maxAliases:
			return fmt.Errorf("column %.200s: it has %d aliases, at most %d are allowed", at, len(f.Aliases), maxAliases)
		}
		seen[f.Name] = true
		if err := checkType(at, &f.Type, depth, left); err != nil {
			return err
		}
	}
	return nil
}

func checkType(at string, t *Type, depth int, left *int) error {
	if *left--; *left < 0 {
		return fmt.Errorf("there are more than %d columns, those in others counted", MaxColumns)
	}
	var bad string
	timestamp := t.Kind == TimestampMillis || t.Kind == TimestampMicros
	switch {
	case int(t.Kind) >= len(kindNames):
		bad = "its type is unknown"
	case depth > maxTypeDepth:
		bad = fmt.Sprintf("types are nested more than %d deep", maxTypeDepth)
	case t.Local && !timestamp:
		bad = t.Kind.String() + " can't be local"
	case t.Kind == Decimal && (t.Precision < 1 || t.Precision > MaxDecimal || t.Scale < 0 || t.Scale > t.Precision):
		bad = fmt.Sprintf("a decimal has 1 to %d digits, and 0 to as many behind the point: %s", MaxDecimal, t)
	case t.Kind != Decimal && (t.Precision != 0 || t.Scale != 0):
		bad = t.Kind.String() + " can't have precision and scale"
	case t.Kind == Fixed && (t.Size < 1 || t.Size > maxFixedSize):
		bad = fmt.Sprintf("a fixed has 1 to %d bytes: %s", maxFixedSize, t)
	case t.Kind != Fixed && t.Size != 0:
		bad = t.Kind.String() + " can't have a size"
	case (t.Kind == List || t.Kind == Map) != (t.Elem != nil):
		bad = fmt.Sprintf("the type of elements belongs to a list or a map, and only there: %s", t.Kind)
	case t.Kind != Struct && len(t.Fields) > 0:
		bad = t.Kind.String() + " can't have fields"
	}
	switch {
	case bad != "":
		return fmt.Errorf("column %.200s: %s", at, bad)
	case t.Kind == Struct:
		return checkFields(at, t.Fields, depth+1, left)
	case t.Elem != nil:
		return checkType(at+"[]", t.Elem, depth+1, left)
	}
	return nil
}
