package config

import (
	"context"
	"errors"
	"io/fs"
	"reflect"
	"slices"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
)

// A SecretStore is where {secret: NAME, field: F, region: R} is kept, such as AWS Secrets Manager. It is safe for
// concurrent use.
type SecretStore interface {
	// Secret is the place of a field of the JSON object that a secret holds, or of its whole text where field is "". region is "" where
	// the store's own is meant. Nothing is read yet: an error says what is wrong with the names. Places of the same names are
	// equal to reflect.DeepEqual.
	Secret(name, field, region string) (secret.Source, error)
}

const kindSecrets Kind = "secret store"

// Secrets is what a build reads {secret: NAME} from. Without it no file may hold one.
func Secrets(store SecretStore) *Plugin {
	return &Plugin{Kind: kindSecrets, Name: "secrets", store: store}
}

// A file is a place that is read whenever its text is needed: what is mounted there may change.
type file struct {
	path string
	env  *Environment
}

func (f file) Read(context.Context, string) (string, error) {
	text, err := f.env.file(f.path)
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err // the path stands before the message already
	}
	return text, connector.Systemic.Wrap(err)
}

func (f file) String() string { return "file " + f.path }

// placeholder stands for a text in messages, and in a Config until the text is read.
func placeholder(s secret.Source) string { return "(" + s.String() + ")" }

// isReference reports whether n is {file: PATH} or {secret: NAME, field: F}.
func isReference(n *node) bool {
	return n.kind == mapping && (n.get("file") != nil || n.get("secret") != nil)
}

// source is the place that a reference names.
func (d *decoder) source(n *node, what string) (secret.Source, bool) {
	texts, ok := d.names(n, what)
	if !ok {
		return nil, false
	}
	if path, ok := texts["file"]; ok {
		return file{path, d.env}, true
	}
	at := n.find("secret").at
	stores := d.registry.Plugins(kindSecrets)
	switch {
	case len(stores) == 0:
		d.problems.add(at, "%s: this build reads no secret store; it takes texts from the environment (${NAME}) and from files ({file: PATH})", what)
		return nil, false
	case d.kind == "":
		d.problems.add(at, "%s: {secret: NAME} is for the settings of sources, sinks, dead letters, handlers and decoders", what)
		return nil, false
	}
	s, err := stores[0].store.Secret(texts["secret"], texts["field"], texts["region"])
	if err != nil {
		d.problems.add(at, "%s: %v", what, err)
		return nil, false
	}
	return s, true
}

// names are the texts of a reference's own settings.
func (d *decoder) names(n *node, what string) (map[string]string, bool) {
	known, form := []string{"file"}, "{file: PATH} takes no other settings"
	if n.get("secret") != nil {
		known, form = []string{"secret", "field", "region"}, "{secret: NAME} takes field and region besides"
	}
	texts, ok := map[string]string{}, true
	for _, f := range n.fields {
		if !slices.Contains(known, f.name) {
			d.problems.add(f.at, "%s: %s, not %q", what, form, f.name)
			d.hide(f.value)
			ok = false
			continue
		}
		text, read := d.text(f.value, setting{}, reflect.TypeFor[string](), what+"."+f.name)
		if read && text == "" {
			d.problems.add(f.value.at, "%s.%s is empty", what, f.name)
		}
		texts[f.name], ok = text, ok && read && text != ""
	}
	return texts, ok
}

// reference is the text of a reference in a setting that isn't secret: that of a file, or of a secret that was read; until then its placeholder.
func (d *decoder) reference(n *node, what string) (string, bool) {
	s, ok := d.source(n, what)
	if !ok {
		return "", false
	}
	if f, ok := s.(file); ok {
		return d.contents(n, f, what)
	}
	if text, ok := d.texts[n]; ok {
		return text, true
	}
	d.needs = append(d.needs, need{n, what, s})
	return placeholder(s), true
}

func (d *decoder) contents(n *node, f file, what string) (string, bool) {
	text, err := d.env.file(f.path)
	if err != nil {
		d.problems.add(n.fields[0].at, "%s: %v", what, err)
	}
	d.hidden = append(d.hidden, hidden{text, placeholder(f)})
	return text, err == nil
}

// reference is how messages name what n, a reference, refers to.
func (n *node) reference() string {
	if f := n.get("file"); f != nil {
		return "(file " + f.text + ")"
	}
	out := "(secret " + n.get("secret").text
	if f := n.get("field"); f != nil {
		out += ", field " + f.text
	}
	return out + ")"
}

// secret decodes a reference in a secret's place.
func (d *decoder) secret(n *node, what string) (secret.Text, bool) {
	s, ok := d.source(n, what)
	if !ok {
		return secret.Text{}, false
	}
	if f, ok := s.(file); ok {
		text, ok := d.contents(n, f, what) // also of a live one: what is missing is found at load
		if !ok || !d.live {
			return secret.New(text), ok
		}
	}
	if d.live {
		return secret.From(s), true
	}
	if text, ok := d.texts[n]; ok {
		return secret.New(text), true
	}
	d.needs = append(d.needs, need{n, what, s})
	return secret.From(s), true
}

// secretNames are the names of all settings of a build that are secret, sorted.
func (r *Registry) secretNames() []string {
	var names []string
	seen := map[reflect.Type]bool{}
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || seen[t] {
			return
		}
		seen[t] = true
		for _, s := range settings(t) {
			if s.typ == secretType {
				names = append(names, s.name)
			}
			walk(s.typ)
		}
	}
	for _, p := range r.plugins {
		if p.defaults != nil {
			walk(p.configType())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
