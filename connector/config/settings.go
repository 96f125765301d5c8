package config

import (
	"encoding"
	"reflect"
	"strings"
)

// A setting is what the tags of a struct's field say.
type setting struct {
	name     string
	index    []int
	typ      reflect.Type
	owner    reflect.Type // the struct that declares it
	field    string       // its name in Go
	rule     bool
	template bool
	json     bool
	short    bool
	key      bool
	choice   Kind
	oneof    string // of a struct of which one field is set at most: the name of none
	off      string // of a pointer to a struct: the name of nil
}

// settings are the settings of a struct type, those of embedded and inlined structs included.
func settings(t reflect.Type) []setting {
	var all []setting
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" && (f.Anonymous || option == "inline") && f.Type.Kind() == reflect.Struct {
			for _, s := range settings(f.Type) {
				s.index = append([]int{i}, s.index...)
				all = append(all, s)
			}
			continue
		}
		if name == "" || name == "-" || !f.IsExported() {
			continue
		}
		kind := f.Tag.Get("kind")
		all = append(all, setting{
			name: name, index: []int{i}, typ: f.Type, owner: t, field: f.Name,
			rule: kind == "rule", template: kind == "template", json: kind == "json",
			short: f.Tag.Get("short") == "true", key: f.Tag.Get("key") == "true",
			choice: Kind(f.Tag.Get("choice")), oneof: f.Tag.Get("oneof"), off: f.Tag.Get("off"),
		})
	}
	return all
}

// only is the setting that a test finds, if there is one.
func only(all []setting, test func(setting) bool) (setting, bool) {
	for _, s := range all {
		if test(s) {
			return s, true
		}
	}
	return setting{}, false
}

func isShort(s setting) bool { return s.short }
func isKey(s setting) bool   { return s.key }

func isSecret(s setting) bool { return s.typ == secretType }

var (
	choiceType = reflect.TypeFor[Choice]()
	textType   = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// readsText reports whether a scalar becomes a t by itself.
func readsText(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(textType) {
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	}
	return false
}

// keyed is the struct type of a list that may be written as a map, and which of its settings takes the key.
func keyed(t reflect.Type) (key setting, ok bool) {
	if t.Kind() != reflect.Slice || t.Elem().Kind() != reflect.Struct {
		return setting{}, false
	}
	return only(settings(t.Elem()), isKey)
}

func isPointer(v any) bool { return reflect.TypeOf(v).Kind() == reflect.Pointer }

// An Expression is a setting that is a rule or a template.
type Expression struct {
	Name, Text string
	Template   bool
}

// Expressions are the rules and templates of a Config struct that aren't empty.
func Expressions(config any) []Expression {
	v := reflect.Indirect(reflect.ValueOf(config))
	if v.Kind() != reflect.Struct {
		return nil
	}
	return expressions(v, "")
}

func expressions(v reflect.Value, prefix string) []Expression {
	var all []Expression
	for _, s := range settings(v.Type()) {
		f := v.FieldByIndex(s.index)
		if f.Kind() == reflect.Pointer && !f.IsNil() {
			f = f.Elem()
		}
		switch {
		case f.Kind() == reflect.Struct && s.typ != choiceType:
			all = append(all, expressions(f, prefix+s.name+".")...)
		case f.Kind() == reflect.String && f.String() != "" && (s.rule || s.template):
			all = append(all, Expression{Name: prefix + s.name, Text: f.String(), Template: s.template})
		}
	}
	return all
}
