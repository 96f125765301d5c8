package table

import (
	"fmt"
	"slices"
)

// Merge gives the columns of files that hold rows of both versions. The one with the higher number is the newer one if both
// are versions of one name; else new is.
//
//   - [Backward]: the newer one's columns in its order, with its names, documentation and defaults. What only the older one has stays behind the
//     column that it stood behind, and may be null. What only the newer one has may be null unless it has a default. A column may be null if
//     it may in one of them. The wider type wins: int32, int64, float64; int32, float64 (of float32 too, for it doesn't hold every int32);
//     more digits of a decimal; microseconds over milliseconds. Any other difference is an error.
//   - [Full]: the same, where the types are equal and what one of them lacks has a default or may be null in the other.
//   - [Forward]: the older one's columns, and nothing changes but aliases. The newer one's values must fit, and what it lacks must have a default or
//     may be null. Columns that only the newer one has are left out, or go to the rest.
//   - [None]: only equal columns.
//
// A column that was renamed is found by its aliases, in either version, and has all its names among them: a version's aliases must name every
// older one, as Avro's do for each reader. The name of one that only the other one has among its aliases is the older name, whichever version is newer.
// A name that a column of its own has is none of another's.
//
// Merging is idempotent, and versions that merge in any order give the same columns and types, but for the order of what was removed. The error is an
// [*Incompatible]. The result shares memory with both and is nil if both are; nil and another one is the other one.
func Merge(old, new *Schema, c Compatibility) (*Schema, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	switch {
	case old == nil:
		return new, nil
	case new == nil || old == new:
		return old, nil
	}
	newer, older := new, old
	if old.Name == new.Name && old.Version > new.Version && new.Version > 0 {
		newer, older = old, new
	}
	m := merger{mode: c}
	var merged *Schema
	switch c {
	case None:
		m.same(newer, older)
		merged = newer
	case Forward:
		merged = shallow(older)
		merged.Fields = m.keep("", newer.Fields, older.Fields)
	default:
		merged = shallow(newer)
		merged.Fields = m.fields("", newer.Fields, older.Fields)
		if merged.Rest == "" {
			merged.Rest = older.Rest
		}
	}
	if len(m.conflicts) == 0 {
		m.check(merged)
	}
	if len(m.conflicts) > 0 {
		return nil, &Incompatible{Newer: newer.Version, Older: older.Version, Conflicts: m.conflicts, More: m.more}
	}
	return merged, nil
}

// shallow is a schema that may get other fields.
func shallow(s *Schema) *Schema {
	copied := *s
	return &copied
}

// A merger collects the conflicts of one Merge.
type merger struct {
	mode      Compatibility
	conflicts []Conflict
	more      int
}

func (m *merger) conflict(c Conflict) {
	if len(m.conflicts) == maxConflicts {
		m.more++
		return
	}
	m.conflicts = append(m.conflicts, c)
}

// check reports what the columns as a whole can't be.
func (m *merger) check(s *Schema) {
	if err := s.Check(); err != nil {
		m.conflict(Conflict{Reason: "together: " + err.Error()})
	}
}

// fields merges the fields of the table or of a struct at path.
func (m *merger) fields(path string, newer, older []Field) []Field {
	partner, taken := match(newer, older)
	at := make([]int, len(older)) // in newer
	for i, j := range partner {
		if j >= 0 {
			at[j] = i
		}
	}
	behind := make([][]Field, len(newer)+1) // the removed fields, by the newer field before them; those before all others come last
	place := len(newer)
	for j := range older {
		if taken[j] {
			place = at[j]
		} else {
			behind[place] = append(behind[place], m.removed(path, older[j]))
		}
	}
	merged := make([]Field, 0, len(newer)+len(older))
	for i, j := range partner {
		if j < 0 {
			merged = append(merged, m.added(path, newer[i]))
		} else {
			merged = append(merged, m.both(path, newer[i], older[j]))
		}
		merged = append(merged, behind[i]...)
	}
	merged = append(merged, behind[len(newer)]...)
	settleAliases(merged)
	return merged
}

// both is a field that both versions have.
func (m *merger) both(path string, newer, older Field) Field {
	f := newer
	if slices.Contains(older.Aliases, newer.Name) && !slices.Contains(newer.Aliases, older.Name) {
		f.Name = older.Name // a version between them renamed it
	}
	f.Aliases = allNames(f, newer, older)
	f.Type = m.types(join(path, f.Name), newer.Type, older.Type)
	if f.Default == nil && !newer.Type.Nullable {
		f.Default = older.Default // of rows of versions before it was there
	}
	return f
}

// added is a field that only the newer version has.
func (m *merger) added(path string, f Field) Field {
	if m.mode == Full && f.Default == nil && !f.Type.Nullable {
		m.conflict(Conflict{Column: join(path, f.Name), Newer: f.Type, Reason: "it isn't in {older}, and in {newer} it has no default and is never null"})
	}
	if f.Default == nil {
		f.Type.Nullable = true
	}
	f.Aliases = slices.Clone(f.Aliases)
	return f
}

// removed is a field that only the older version has. Rows of the newer one have null there: a default would be a value that nobody wrote.
func (m *merger) removed(path string, f Field) Field {
	if m.mode == Full && f.Default == nil && !f.Type.Nullable {
		m.conflict(Conflict{Column: join(path, f.Name), Older: f.Type, Reason: "it isn't in {newer}, and in {older} it has no default and is never null"})
	}
	f.Default, f.Type.Nullable = nil, true
	f.Aliases = slices.Clone(f.Aliases)
	return f
}

// keep is the older fields, if they take the newer ones' values.
func (m *merger) keep(path string, newer, older []Field) []Field {
	partner, taken := match(newer, older)
	kept := slices.Clone(older)
	for j := range older {
		f := &kept[j]
		f.Aliases = slices.Clone(f.Aliases)
		if !taken[j] && f.Default == nil && !f.Type.Nullable {
			m.conflict(Conflict{Column: join(path, f.Name), Older: f.Type, Reason: "it isn't in {newer}, and in {older} it has no default and is never null"})
		}
	}
	for i, j := range partner {
		if j < 0 {
			continue
		}
		f := &kept[j]
		f.Aliases = allNames(older[j], older[j], newer[i])
		f.Type = m.types(join(path, f.Name), newer[i].Type, f.Type)
	}
	settleAliases(kept)
	return kept
}

// types is the type that holds values of both.
func (m *merger) types(path string, newer, older Type) Type {
	t := newer
	if m.mode == Forward {
		t = older
	}
	t.Nullable = newer.Nullable || older.Nullable
	if m.mode == Forward && t.Nullable != older.Nullable {
		m.conflict(Conflict{Column: path, Newer: newer, Older: older})
		return t
	}
	switch {
	case newer.Kind == older.Kind && newer.Kind == Struct:
		if m.mode == Forward {
			t.Fields = m.keep(path, newer.Fields, older.Fields)
		} else {
			t.Fields = m.fields(path, newer.Fields, older.Fields)
		}
		return t
	case newer.Kind == older.Kind && (newer.Kind == List || newer.Kind == Map):
		mark := "[]"
		if newer.Kind == Map {
			mark = "{}"
		}
		elem := m.types(path+mark, *newer.Elem, *older.Elem)
		t.Elem = &elem
		return t
	}
	wide, ok := widen(newer, older)
	wide.Nullable = t.Nullable
	switch {
	case ok && m.mode == Full:
		ok = sameScalar(newer, older)
	case ok && m.mode == Forward:
		ok = sameScalar(wide, older)
	}
	if !ok {
		m.conflict(Conflict{Column: path, Newer: newer, Older: older})
		return t
	}
	return wide
}

// same reports what two schemas differ in that aren't equal.
func (m *merger) same(newer, older *Schema) {
	if newer.Equal(older) {
		return
	}
	partner, taken := match(newer.Fields, older.Fields)
	for i, j := range partner {
		name := newer.Fields[i].Name
		switch {
		case j < 0:
			m.conflict(Conflict{Column: name, Newer: newer.Fields[i].Type, Reason: "it isn't in {older}"})
		case older.Fields[j].Name != name:
			m.conflict(Conflict{Column: name, Reason: fmt.Sprintf("it is named %.100s in {older}", older.Fields[j].Name)})
		case !newer.Fields[i].Type.Equal(older.Fields[j].Type):
			m.conflict(Conflict{Column: name, Newer: newer.Fields[i].Type, Older: older.Fields[j].Type})
		}
	}
	for j := range older.Fields {
		if !taken[j] {
			m.conflict(Conflict{Column: older.Fields[j].Name, Older: older.Fields[j].Type, Reason: "it isn't in {newer}"})
		}
	}
	if len(m.conflicts) == 0 {
		m.conflict(Conflict{Reason: "{newer} and {older} differ in the order, the aliases or the defaults of columns, or in the column for the rest"})
	}
}

// join is the path of a member.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
