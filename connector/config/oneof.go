package config

import (
	"cmp"
	"reflect"
	"strings"
)

// A field with the tag oneof:"NAME" is a struct of pointers to structs, of which at most one is set. NAME stands for none.

// alternatives are the names that a setting with the tag oneof takes.
func (s setting) alternatives() []string {
	return append([]string{s.oneof}, settingNames(settings(deref(s.typ)))...)
}

// chosen is the alternative that is set; ok is false if none is. v is a struct, or a pointer to one.
func chosen(v reflect.Value) (s setting, alternative reflect.Value, ok bool) {
	if v = reflect.Indirect(v); !v.IsValid() {
		return setting{}, reflect.Value{}, false
	}
	for _, s := range settings(v.Type()) {
		if f := v.FieldByIndex(s.index); !f.IsNil() {
			return s, f.Elem(), true
		}
	}
	return setting{}, reflect.Value{}, false
}

// chosen is the name of the alternative that is set.
func (s setting) chosen(v reflect.Value) string {
	if one, _, ok := chosen(v); ok {
		return one.name
	}
	return s.oneof
}

// oneof decodes a name, or a map whose only key is a name and holds its settings.
func (d *decoder) oneof(n *node, v reflect.Value, s setting, what string) {
	known := s.alternatives()
	switch n.kind {
	case null:
		d.problems.add(n.at, "%s is empty; it is one of %s", what, strings.Join(known, ", "))
		return
	case list:
		d.problems.add(n.at, "%s is one of %s, not a list", what, strings.Join(known, ", "))
		d.hideSecrets(n)
		return
	}
	m := asMap(n)
	if len(m.fields) != 1 {
		d.problems.add(n.at, "%s takes one key, one of %s; it has %s", what, strings.Join(known, ", "), cmp.Or(strings.Join(m.names(), ", "), "none"))
		d.hideSecrets(n)
		return
	}
	f := m.fields[0]
	if f.name == s.oneof && f.value.kind == null {
		v.SetZero()
		return
	}
	one, ok := only(settings(v.Type()), func(t setting) bool { return t.name == f.name })
	if !ok {
		d.hideSecrets(n)
		if f.name == s.oneof {
			d.problems.add(f.at, "%s: %s has no settings", what, f.name)
			return
		}
		d.problems.add(f.at, "%s can't be %q%s", what, f.name, suggest(f.name, known, "it is one of"))
		return
	}
	defaults := v.FieldByIndex(one.index)
	set := reflect.New(one.typ).Elem()
	set.Set(defaults)
	v.SetZero()
	d.value(f.value, set, one, what+"."+one.name)
	v.FieldByIndex(one.index).Set(set)
}

// deref is the type that t points to, or t.
func deref(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}
