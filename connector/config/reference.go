package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/millrace/millrace/connector"
)

// Docs are doc comments, by "import/path.Type.Field", "import/path.Type" and "import/path". A build takes
// them from its sources when it generates its reference.
type Docs map[string]string

// A Setting is a row of a reference table.
type Setting struct {
	Name    string `json:"name"` // with dots for what is inside of others: "rotate.size"
	Type    string `json:"type"`
	Default string `json:"default,omitempty"`
	Doc     string `json:"doc"`
}

// Synopsis is what the plugin's package says of itself, in one sentence: "writes records to files".
func (p *Plugin) Synopsis(docs Docs) string {
	text := oneLine(docs[p.configType().PkgPath()])
	if first, _, ok := strings.Cut(text, ". "); ok {
		text = first + "."
	}
	if words := strings.Fields(text); len(words) > 3 && words[0] == "Package" && words[2] == "is" {
		text = capital(strings.TrimPrefix(strings.Join(words[3:], " "), "the sink that "))
	}
	return text
}

// Guarantee is the paragraph of the package's comment that begins with "Guarantee:", without that word.
func (p *Plugin) Guarantee(docs Docs) string {
	for paragraph := range strings.SplitSeq(docs[p.configType().PkgPath()], "\n\n") {
		if rest, ok := strings.CutPrefix(paragraph, "Guarantee: "); ok {
			return oneLine(capital(rest))
		}
	}
	return ""
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Settings is the plugin's reference: one row for each setting, in the order of the Config struct.
func (p *Plugin) Settings(docs Docs) []Setting {
	return rows(reflect.ValueOf(p.Defaults()).Elem(), "", docs)
}

// ConnectorSettings is the reference of what a document holds beside its choices.
func (r *Registry) ConnectorSettings(docs Docs) []Setting {
	return rows(reflect.ValueOf(r.Defaults()).Elem(), "", docs)
}

func (p *Plugin) configType() reflect.Type { return reflect.TypeOf(p.Defaults()).Elem() }

func rows(v reflect.Value, prefix string, docs Docs) []Setting {
	if v.Kind() != reflect.Struct {
		return nil
	}
	var out []Setting
	for _, s := range settings(v.Type()) {
		f := v.FieldByIndex(s.index)
		row := Setting{Name: prefix + s.name, Type: typeName(s.typ, s), Default: show(f), Doc: s.doc(docs)}
		inner, suffix := s.typ, "."
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice && inner.Elem().Kind() == reflect.Struct {
			if inner.Kind() == reflect.Slice {
				suffix = "[]."
			}
			inner, f = inner.Elem(), element(f, inner.Elem())
		}
		if inner.Kind() != reflect.Struct || inner == choiceType || readsText(inner) {
			out = append(out, row)
			continue
		}
		if row.Default = ""; s.oneof != "" {
			row.Default = s.chosen(f)
		}
		if row.Doc != "" || s.oneof != "" {
			out = append(out, row)
		}
		key, pairs := keyed(s.typ)
		if pairs {
			suffix = ".NAME."
		}
		for _, r := range rows(f, row.Name+suffix, docs) {
			if !pairs || r.Name != row.Name+suffix+key.name {
				out = append(out, r)
			}
		}
	}
	return out
}

// element is what a pointer points to, or a new one: of a list too.
func element(v reflect.Value, t reflect.Type) reflect.Value {
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		return v.Elem()
	}
	return reflect.New(t).Elem()
}

// doc is the setting's doc comment on one line. Where it begins with the name of the Go field, MaxOpenFiles, the
// setting's own takes that place; a single word such as Dir may stay.
func (s setting) doc(docs Docs) string {
	text := oneLine(docs[s.owner.PkgPath()+"."+s.owner.Name()+"."+s.field])
	if rest, ok := strings.CutPrefix(text, s.field+" "); ok && s.field != capital(s.name) {
		return s.name + " " + rest
	}
	return text
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// typeName says how a setting is written.
func typeName(t reflect.Type, s setting) string {
	switch t {
	case choiceType:
		return string(s.choice)
	case secretType:
		return "secret"
	case reflect.TypeFor[connector.Duration]():
		return "duration"
	case reflect.TypeFor[connector.Bytes]():
		return "size"
	case reflect.TypeFor[Percent]():
		return "percentage"
	}
	if _, pairs := keyed(t); pairs {
		return "map"
	}
	switch k := t.Kind(); {
	case k == reflect.Pointer && s.off != "":
		return typeName(t.Elem(), setting{}) + " or " + s.off
	case k == reflect.Pointer:
		return typeName(t.Elem(), s)
	case k == reflect.Slice && !readsText(t):
		return "list of " + plural(typeName(t.Elem(), s))
	case k == reflect.Map:
		return "map of " + plural(typeName(t.Elem(), s))
	case s.rule:
		return "rule"
	case s.template:
		return "template"
	case s.json:
		return "JSON"
	case k == reflect.String || reflect.PointerTo(t).Implements(textType):
		return "text"
	case k == reflect.Bool:
		return "true or false"
	case k == reflect.Float32 || k == reflect.Float64:
		return "number"
	case s.oneof != "":
		return "one of " + strings.Join(s.alternatives(), ", ")
	case k == reflect.Struct:
		return "map"
	}
	return "whole number"
}

func plural(s string) string {
	if s == "true or false" {
		return s
	}
	return s + "s"
}

// show is a default as a file would have it, nothing for the zero value of a text or a list.
func show(v reflect.Value) string {
	if v.Type() == choiceType {
		return v.Interface().(Choice).Name
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return ""
		}
		return show(v.Elem())
	case reflect.Slice, reflect.Map:
		var parts []string
		if v.Kind() == reflect.Slice {
			for i := range v.Len() {
				parts = append(parts, show(v.Index(i)))
			}
		} else {
			for _, k := range v.MapKeys() {
				parts = append(parts, k.String()+": "+show(v.MapIndex(k)))
			}
			slices.Sort(parts)
		}
		return strings.Join(parts, ", ")
	case reflect.Struct:
		return ""
	}
	if v.IsZero() && v.Kind() != reflect.Bool {
		return ""
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		if text, err := m.MarshalText(); err == nil {
			return string(text)
		}
	}
	return fmt.Sprint(v.Interface())
}

// Markdown is settings as a table.
func Markdown(settings []Setting) string {
	if len(settings) == 0 {
		return "No settings.\n"
	}
	var b strings.Builder
	b.WriteString("| Setting | Type | Default | |\n|---|---|---|---|\n")
	cell := strings.NewReplacer("|", `\|`, "\n", " ")
	for _, s := range settings {
		def := ""
		if s.Default != "" {
			def = "`" + cell.Replace(s.Default) + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Name, s.Type, def, cell.Replace(s.Doc))
	}
	return b.String()
}
