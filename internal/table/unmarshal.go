package table

import (
	"fmt"
	"slices"

	"github.com/millrace/millrace/serde"
)

// Unmarshal reads the stored form of columns, and nothing else: a member that isn't known, which a later version may write, is an error. The result
// keeps nothing of data.
func Unmarshal(data []byte) (*Schema, error) {
	s, err := unmarshal(data)
	if err != nil {
		return nil, fmt.Errorf("stored columns: %w", err)
	}
	return s, nil
}

func unmarshal(data []byte) (*Schema, error) {
	if len(data) > maxStored {
		return nil, fmt.Errorf("they have %d bytes, at most %d are allowed", len(data), maxStored)
	}
	v, err := serde.NewTape().JSON(data, serde.Limits{Depth: 4 * maxTypeDepth})
	if err != nil {
		return nil, err
	}
	if v.Kind() != serde.Object {
		return nil, fmt.Errorf("they are an object, not %s", v.Kind())
	}
	if n, ok := v.Field("millrace_columns").Int64(); !ok || n != storedForm {
		return nil, fmt.Errorf("\"millrace_columns\" isn't %d: they were stored by another version of this program, or are something else", storedForm)
	}
	r := reading{left: MaxColumns}
	s := &Schema{}
	for name, x := range v.Members() {
		switch name {
		case "millrace_columns":
		case "name":
			s.Name = r.text(name, x)
		case "id":
			s.ID = r.text(name, x)
		case "rest":
			s.Rest = r.text(name, x)
		case "version":
			s.Version = r.number(name, x)
		case "columns":
			s.Fields = r.fields(x, 0)
		default:
			r.fail("the member %.100q isn't known", name)
		}
	}
	if !v.Field("columns").Exists() {
		r.fail("there is no list \"columns\"")
	}
	if r.err != nil {
		return nil, r.err
	}
	return s, s.Check()
}

// A reading is a stored form that is being read. The first error stays.
type reading struct {
	left int // columns that there may still be
	err  error
}

func (r *reading) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *reading) text(name string, v serde.Value) string {
	if v.Kind() != serde.String {
		r.fail("%q is a text, not %s", name, v.Kind())
		return ""
	}
	text, _ := v.Text()
	return string(text)
}

func (r *reading) number(name string, v serde.Value) int64 {
	n, ok := v.Int64()
	if !ok || n < 0 {
		r.fail("%q is a whole number, and not negative", name)
	}
	return n
}

func (r *reading) flag(name string, v serde.Value) bool {
	is, ok := v.Bool()
	if !ok {
		r.fail("%q is true or false, not %s", name, v.Kind())
	}
	return is
}

func (r *reading) fields(v serde.Value, depth int) []Field {
	if v.Kind() != serde.Array {
		r.fail("columns and fields are lists, not %s", v.Kind())
		return nil
	}
	if v.Len() > r.left {
		r.fail("there are more than %d columns, those in others counted", MaxColumns)
	}
	var fields []Field
	for x := range v.Elements() {
		if r.err != nil {
			return nil
		}
		fields = append(fields, r.field(x, depth))
	}
	return fields
}

func (r *reading) field(v serde.Value, depth int) Field {
	f := Field{Type: r.typ(v, depth, true)}
	for name, x := range v.Members() {
		switch name {
		case "name":
			f.Name = r.text(name, x)
		case "doc":
			f.Doc = r.text(name, x)
		case "aliases":
			f.Aliases = r.aliases(x)
		case "default":
			var err error
			if f.Default, err = x.AppendJSON(nil); err != nil {
				r.fail("default of %.100q: %w", f.Name, err)
			}
		}
	}
	if r.err != nil {
		r.err = fmt.Errorf("column %.100s: %w", f.Name, r.err)
	}
	return f
}

func (r *reading) aliases(v serde.Value) []string {
	if v.Kind() != serde.Array || v.Len() > maxAliases {
		r.fail("\"aliases\" is a list of at most %d texts", maxAliases)
		return nil
	}
	var aliases []string
	for x := range v.Elements() {
		aliases = append(aliases, r.text("aliases", x))
	}
	return aliases
}

// typ reads the members that say a type; field says that those of a column are there too.
func (r *reading) typ(v serde.Value, depth int, field bool) Type {
	t := Type{}
	if v.Kind() != serde.Object || depth > maxTypeDepth {
		r.fail("a type is an object, and types are nested at most %d deep", maxTypeDepth)
		return t
	}
	if r.left--; r.left < 0 {
		r.fail("there are more than %d columns, those in others counted", MaxColumns)
		return t
	}
	k := slices.Index(kindNames[:], r.text("type", v.Field("type")))
	if k < 0 {
		r.fail("the type %.100q isn't known", r.text("type", v.Field("type")))
		return t
	}
	t.Kind = Kind(k)
	for name, x := range v.Members() {
		switch name {
		case "type":
		case "nullable":
			t.Nullable = r.flag(name, x)
		case "local":
			t.Local = r.flag(name, x)
		case "precision":
			t.Precision = r.small(name, x, MaxDecimal)
		case "scale":
			t.Scale = r.small(name, x, MaxDecimal)
		case "size":
			t.Size = r.small(name, x, maxFixedSize)
		case "fields":
			t.Fields = r.fields(x, depth+1)
		case "element", "values":
			if name != elementName(t.Kind) {
				r.fail("%q doesn't belong to a %s", name, t.Kind)
			}
			elem := r.typ(x, depth+1, false)
			t.Elem = &elem
		case "name", "doc", "aliases", "default":
			if !field {
				r.fail("the type of an element has no %q", name)
			}
		default:
			r.fail("the member %.100q isn't known", name)
		}
	}
	return t
}

// small is a number that is at most limit.
func (r *reading) small(name string, v serde.Value, limit int) int {
	n := r.number(name, v)
	if n > int64(limit) {
		r.fail("%q is at most %d", name, limit)
		return 0
	}
	return int(n)
}
