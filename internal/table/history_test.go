package table

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// history draws versions of a schema, numbered from 1, that evolve as registries allow: columns come, go, widen, and are renamed with all their older
// names as aliases, in structs too. No name is used twice, and a column's default stays.
func history(t *rapid.T) []*Schema {
	e := evolution{t: t}
	fields := e.some(0)
	var versions []*Schema
	for n := range rapid.IntRange(1, 5).Draw(t, "versions") {
		versions = append(versions, &Schema{Name: "s", Version: int64(n + 1), Fields: cloneFields(fields)})
		fields = e.next(cloneFields(fields), 0)
	}
	return versions
}

// An evolution draws changes of columns.
type evolution struct {
	t     *rapid.T
	names int
}

func (e *evolution) some(depth int) []Field {
	var fields []Field
	for range rapid.IntRange(1, 4).Draw(e.t, "fields") {
		fields = append(fields, e.field(depth))
	}
	return fields
}

func (e *evolution) field(depth int) Field {
	e.names++
	f := Field{Name: fmt.Sprint("c", e.names), Type: e.typ(depth)}
	if f.Type.Kind == Int32 && rapid.Bool().Draw(e.t, "has default") {
		f.Default = []byte("7")
	}
	return f
}

func (e *evolution) typ(depth int) Type {
	kinds := []Kind{JSON, Bool, Int32, Int32, Int64, Float32, Float64, Decimal, String, Bytes, Fixed, UUID, Date, TimeMillis, TimeMicros, TimestampMillis, TimestampMicros}
	if depth < 2 {
		kinds = append(kinds, Struct, Struct, Struct, List, Map)
	}
	t := Type{Kind: rapid.SampledFrom(kinds).Draw(e.t, "kind"), Nullable: rapid.Bool().Draw(e.t, "nullable")}
	switch t.Kind {
	case Decimal:
		t.Scale = rapid.IntRange(0, 5).Draw(e.t, "scale")
		t.Precision = t.Scale + rapid.IntRange(1, 10).Draw(e.t, "whole")
	case Fixed:
		t.Size = 4
	case TimestampMillis, TimestampMicros:
		t.Local = rapid.Bool().Draw(e.t, "local")
	case Struct:
		t.Fields = e.some(depth + 1)
	case List, Map:
		elem := e.typ(depth + 1)
		t.Elem = &elem
	}
	return t
}

// next changes fields, which it may keep.
func (e *evolution) next(fields []Field, depth int) []Field {
	for range rapid.IntRange(0, 3).Draw(e.t, "changes") {
		i := rapid.IntRange(0, len(fields)-1).Draw(e.t, "of")
		f := &fields[i]
		switch rapid.IntRange(0, 4).Draw(e.t, "change") {
		case 0:
			fields = slices.Insert(fields, i, e.field(depth))
		case 1:
			if len(fields) > 1 {
				fields = slices.Delete(fields, i, i+1)
			}
		case 2:
			e.names++
			f.Aliases = append([]string{f.Name}, f.Aliases...)
			f.Name = fmt.Sprint("c", e.names)
		case 3:
			e.change(&f.Type, depth)
		case 4:
			j := rapid.IntRange(0, len(fields)-1).Draw(e.t, "with")
			fields[i], fields[j] = fields[j], fields[i]
		}
	}
	return fields
}

// change makes a type wider or narrower.
func (e *evolution) change(t *Type, depth int) {
	wider := map[Kind][]Kind{
		Int32: {Int64, Float64}, Int64: {Int32, Float64}, Float32: {Float64, Int32}, Float64: {Float32, Int64},
		TimeMillis: {TimeMicros}, TimeMicros: {TimeMillis}, TimestampMillis: {TimestampMicros}, TimestampMicros: {TimestampMillis},
	}
	switch t.Kind {
	case Struct:
		t.Fields = e.next(t.Fields, depth+1)
		return
	case List, Map:
		e.change(t.Elem, depth+1)
		return
	case Decimal:
		t.Scale = rapid.IntRange(0, 5).Draw(e.t, "scale")
		t.Precision = t.Scale + rapid.IntRange(1, 10).Draw(e.t, "whole")
	}
	if to := wider[t.Kind]; to != nil {
		t.Kind = rapid.SampledFrom(to).Draw(e.t, "wider")
	}
	t.Nullable = rapid.Bool().Draw(e.t, "nullable")
}

func cloneFields(fields []Field) []Field {
	fields = slices.Clone(fields)
	for i := range fields {
		fields[i].Aliases = slices.Clone(fields[i].Aliases)
		cloneType(&fields[i].Type)
	}
	return fields
}

func cloneType(t *Type) {
	t.Fields = cloneFields(t.Fields)
	if t.Elem != nil {
		elem := *t.Elem
		cloneType(&elem)
		t.Elem = &elem
	}
}

func snapshot(t *rapid.T, s *Schema) string {
	data, err := Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// mergeAll merges versions one after the other; nil if there are none.
func mergeAll(t *rapid.T, versions []*Schema) *Schema {
	var all *Schema
	for _, v := range versions {
		var err error
		if all, err = Merge(all, v, Backward); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// canonical is columns as text, in the order of their names.
func canonical(fields []Field) string {
	var lines []string
	for i := range fields {
		f := &fields[i]
		aliases := slices.Clone(f.Aliases)
		slices.Sort(aliases)
		lines = append(lines, fmt.Sprintf("%s %v %s default %s", f.Name, aliases, canonicalType(&f.Type), f.Default))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func canonicalType(t *Type) string {
	text := fmt.Sprintf("%s null %v local %v %d,%d %d", t.Kind, t.Nullable, t.Local, t.Precision, t.Scale, t.Size)
	if t.Elem != nil {
		text += " of " + canonicalType(t.Elem)
	}
	if t.Kind == Struct {
		text += " {\n\t" + strings.ReplaceAll(canonical(t.Fields), "\n", "\n\t") + "}"
	}
	return text
}

// A row has the members of a struct by name: null, a number of units, a text that stands for one of its kind, a row, or a list of these.
type row map[string]any

// A stamp is a time of day or a timestamp, in microseconds.
type stamp struct {
	us           int64
	day, isLocal bool
}

// A unit is a value of a kind that no other kind holds.
type unit struct {
	kind Kind
	size int
}

// A digit is a decimal with one digit that isn't zero, before or behind the point.
type digit struct{ place int }

func randomRow(t *rapid.T, fields []Field) row {
	r := row{}
	for i := range fields {
		r[fields[i].Name] = randomValue(t, &fields[i].Type)
	}
	return r
}

func randomValue(t *rapid.T, typ *Type) any {
	if typ.Nullable && rapid.Bool().Draw(t, "null") {
		return nil
	}
	switch typ.Kind {
	case Int32:
		return int64(rapid.Int32().Draw(t, "int32"))
	case Int64:
		return rapid.Int64Range(-1<<53, 1<<53).Draw(t, "int64")
	case Float32:
		return float64(rapid.Float32().Draw(t, "float32"))
	case Float64:
		return rapid.Float64().Draw(t, "float64")
	case Decimal:
		return digit{rapid.IntRange(-typ.Scale, typ.Precision-typ.Scale-1).Draw(t, "place")}
	case TimeMillis, TimestampMillis:
		return stamp{1000 * rapid.Int64Range(0, 9999).Draw(t, "ms"), typ.Kind == TimeMillis, typ.Local}
	case TimeMicros, TimestampMicros:
		return stamp{rapid.Int64Range(0, 9999).Draw(t, "us"), typ.Kind == TimeMicros, typ.Local}
	case Struct:
		return randomRow(t, typ.Fields)
	case List, Map:
		return []any{randomValue(t, typ.Elem), randomValue(t, typ.Elem)}
	}
	return unit{typ.Kind, typ.Size}
}

// holdsRow says why a row isn't held as a whole: a member without a field, or a value that its field doesn't take.
func holdsRow(fields []Field, r row) error {
	found := 0
	for i := range fields {
		f := &fields[i]
		v, ok := r[f.Name]
		for k := 0; !ok && k < len(f.Aliases); k++ {
			v, ok = r[f.Aliases[k]]
		}
		if !ok && f.Default == nil && !f.Type.Nullable {
			return fmt.Errorf("%s: the row lacks it", f.Name)
		}
		if !ok {
			continue
		}
		found++
		if err := holdsValue(&f.Type, v); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	if found != len(r) {
		return fmt.Errorf("%d of %d members have a column", found, len(r))
	}
	return nil
}

func holdsValue(t *Type, v any) error {
	ok := false
	switch v := v.(type) {
	case nil:
		ok = t.Nullable
	case int64:
		ok = t.Kind == Int64 || t.Kind == Int32 && v == int64(int32(v)) || t.Kind == Float64 && int64(float64(v)) == v
	case float64:
		ok = t.Kind == Float64 || t.Kind == Float32 && (float64(float32(v)) == v || math.IsNaN(v))
	case digit:
		ok = t.Kind == Decimal && v.place >= -t.Scale && v.place < t.Precision-t.Scale
	case stamp:
		millis, micros := TimestampMillis, TimestampMicros
		if v.day {
			millis, micros = TimeMillis, TimeMicros
		}
		ok = t.Local == v.isLocal && (t.Kind == micros || t.Kind == millis && v.us%1000 == 0)
	case unit:
		ok = v == unit{t.Kind, t.Size}
	case row:
		if t.Kind == Struct {
			return holdsRow(t.Fields, v)
		}
	case []any:
		if t.Kind == List || t.Kind == Map {
			for _, e := range v {
				if err := holdsValue(t.Elem, e); err != nil {
					return err
				}
			}
			return nil
		}
	}
	if !ok {
		return fmt.Errorf("%s doesn't take %v", *t, v)
	}
	return nil
}
