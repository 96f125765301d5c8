package table

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Equal reports whether s and o have the same columns: names, aliases, types, defaults, order, and the one for the rest. What
// they are called, their versions, and documentation don't count.
func (s *Schema) Equal(o *Schema) bool {
	if s == nil || o == nil {
		return s == o
	}
	return s == o || s.Rest == o.Rest && equalFields(s.Fields, o.Fields)
}

// Equal reports whether t and o are the same type, with equal fields in the same order.
func (t Type) Equal(o Type) bool {
	if t.Kind != o.Kind || t.Nullable != o.Nullable || t.Local != o.Local || t.Precision != o.Precision || t.Scale != o.Scale || t.Size != o.Size {
		return false
	}
	if (t.Elem == nil) != (o.Elem == nil) || t.Elem != nil && !t.Elem.Equal(*o.Elem) {
		return false
	}
	return equalFields(t.Fields, o.Fields)
}

func equalFields(a, b []Field) bool {
	return slices.EqualFunc(a, b, func(f, g Field) bool {
		return f.Name == g.Name && bytes.Equal(f.Default, g.Default) && (f.Default == nil) == (g.Default == nil) &&
			equalSets(f.Aliases, g.Aliases) && f.Type.Equal(g.Type)
	})
}

// equalSets compares a and b without their order.
func equalSets(a, b []string) bool {
	if len(a) != len(b) || slices.Equal(a, b) {
		return len(a) == len(b)
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// Leaves is how many columns a file has that keeps structs, lists and maps as columns of what is in them, as Parquet does. Rest is one.
func (s *Schema) Leaves() int {
	n := leaves(s.Fields)
	if s.Rest != "" {
		n++
	}
	return n
}

func leaves(fields []Field) int {
	n := 0
	for i := range fields {
		n += fields[i].Type.Leaves()
	}
	return n
}

// Leaves is how many columns of such a file a column of the type is.
func (t *Type) Leaves() int {
	switch t.Kind {
	case Struct:
		return leaves(t.Fields)
	case List:
		return t.Elem.Leaves()
	case Map:
		return 1 + t.Elem.Leaves()
	}
	return 1
}

// Columns are the columns as files have them: Fields, and behind them the one for the rest. The caller may keep the slice and must not change it.
func (s *Schema) Columns() []Field {
	if s.Rest == "" {
		return s.Fields
	}
	rest := Field{Name: s.Rest, Type: Type{Kind: JSON, Nullable: true}, Doc: "members that have no column of their own, as JSON"}
	return append(s.Fields[:len(s.Fields):len(s.Fields)], rest)
}

// shown is about how many bytes of a type messages show.
const shown = 160

// String is the type in a short form for messages: decimal(10,2), list<string>, struct<lat:float64,lon:float64>. The end of a long one is cut.
func (t Type) String() string {
	text := t.appendShort(nil)
	if len(text) <= shown {
		return string(text)
	}
	text = text[:shown]
	for len(text) > 0 && !utf8.Valid(text) {
		text = text[:len(text)-1]
	}
	return string(text) + "..."
}

// appendShort stops when enough is there to show.
func (t *Type) appendShort(dst []byte) []byte {
	if len(dst) > shown {
		return dst
	}
	if t.Local {
		dst = append(dst, "local_"...)
	}
	dst = append(dst, t.Kind.String()...)
	switch t.Kind {
	case Decimal:
		dst = strconv.AppendInt(append(dst, '('), int64(t.Precision), 10)
		dst = append(strconv.AppendInt(append(dst, ','), int64(t.Scale), 10), ')')
	case Fixed:
		dst = append(strconv.AppendInt(append(dst, '('), int64(t.Size), 10), ')')
	case List, Map:
		dst = append(t.Elem.appendShort(append(dst, '<')), '>')
	case Struct:
		dst = append(dst, '<')
		for i := range t.Fields {
			if len(dst) > shown {
				return dst
			}
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(append(dst, t.Fields[i].Name...), ':')
			dst = t.Fields[i].Type.appendShort(dst)
		}
		dst = append(dst, '>')
	}
	return dst
}
