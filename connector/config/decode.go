package config

import (
	"encoding"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/connector/secret"
)

// A decoder fills structs from nodes and notes every mistake that it meets.
type decoder struct {
	registry *Registry
	env      *Environment // of the file; secrets that are read from the same path share it
	problems *Problems
	name     string           // of the connector
	kind     Kind             // of the choice that is being decoded, "" outside of one
	live     bool             // it reads its secrets when it needs them
	needs    []need           // of that choice
	texts    map[*node]string // what the needs were read as; nil when the file is loaded
	hidden   []hidden         // texts of that choice that may not show in messages
}

// value decodes n into v. what names the setting in messages.
func (d *decoder) value(n *node, v reflect.Value, s setting, what string) {
	t := v.Type()
	switch {
	case t == choiceType:
		if c, ok := d.choice(n, s.choice, what); ok {
			v.Set(reflect.ValueOf(c))
		}
	case t == secretType && isReference(n):
		if text, ok := d.secret(n, what); ok {
			v.Set(reflect.ValueOf(text))
		}
	case s.oneof != "" && t.Kind() == reflect.Struct:
		d.oneof(n, v, s, what)
	case s.off != "" && t.Kind() == reflect.Pointer && n.kind == scalar:
		d.off(n, v, s, what)
	case t.Kind() == reflect.Pointer:
		p := reflect.New(t.Elem())
		if !v.IsNil() {
			p.Elem().Set(v.Elem())
		}
		d.value(n, p.Elem(), s, what)
		v.Set(p)
	case t.Kind() == reflect.Slice && !readsText(t):
		d.list(n, v, s, what)
	case t.Kind() == reflect.Map:
		d.dictionary(n, v, s, what)
	case t.Kind() == reflect.Struct && t != secretType && !(readsText(t) && (n.kind == scalar || isReference(n))):
		d.structure(n, v, what)
	default:
		if text, ok := d.text(n, s, t, what); ok {
			d.scalar(n, text, v, what)
		}
	}
}

// off decodes the name of nil.
func (d *decoder) off(n *node, v reflect.Value, s setting, what string) {
	if text, ok := d.text(n, s, v.Type(), what); ok && text != s.off {
		d.problems.add(n.at, "%s is a map of settings or %s, not %q; it takes %s", what, s.off, text, names(settings(v.Type().Elem())))
		return
	}
	v.SetZero()
}

// structure decodes a map into a struct; nothing leaves the defaults, a scalar or a list goes to the short form.
func (d *decoder) structure(n *node, v reflect.Value, what string) {
	all := settings(v.Type())
	switch n.kind {
	case null:
		if s, ok := only(all, isShort); ok && s.rule {
			d.value(n, v.FieldByIndex(s.index), s, what)
		}
		return
	case mapping:
	default:
		if s, ok := only(all, isShort); ok {
			d.value(n, v.FieldByIndex(s.index), s, what)
			return
		}
		d.problems.add(n.at, "%s is a map of settings, not %s; it takes %s", what, n.kind, names(all))
		if _, ok := only(all, isSecret); ok {
			d.hide(n) // it may have been meant for that one
		}
		return
	}
	if s, ok := only(all, isShort); ok && isMap(s.typ) && !isLong(n, s) {
		d.value(n, v.FieldByIndex(s.index), s, what)
		return
	}
	for _, f := range n.fields {
		s, ok := only(all, func(s setting) bool { return s.name == f.name })
		if !ok {
			d.problems.add(f.at, "%s has no setting %q%s", what, f.name, suggest(f.name, settingNames(all), "it takes"))
			if meant(f.name, all) {
				d.hide(f.value)
			}
			continue
		}
		d.value(f.value, v.FieldByIndex(s.index), s, s.name)
	}
}

// isMap reports whether a setting of type t is written as a map of names that the user chooses.
func isMap(t reflect.Type) bool {
	_, pairs := keyed(t)
	return pairs || t.Kind() == reflect.Map
}

// isLong reports whether n, which is a map in either case, is the struct and not its short form s.
func isLong(n *node, s setting) bool {
	inner := n.get(s.name)
	return inner != nil && inner.kind == mapping
}

// list decodes a list, a text with commas, or a map where the elements have keys. It replaces the default.
func (d *decoder) list(n *node, v reflect.Value, s setting, what string) {
	elem := v.Type().Elem()
	var items []*node
	switch key, pairs := keyed(v.Type()); {
	case pairs:
		d.pairs(n, v, key, what)
		return
	case n.kind == list:
		items = n.items
	case n.kind == null:
		d.problems.add(n.at, "%s is empty; write [] for an empty list", what)
		return
	case readsText(elem) && !s.rule && (n.kind == scalar || isReference(n)):
		text, ok := d.text(n, s, elem, what)
		if !ok {
			return
		}
		for _, part := range d.split(n, text) {
			e := reflect.New(elem).Elem()
			d.scalar(n, part, e, what)
			v.Set(reflect.Append(fresh(v, &items), e))
		}
		return
	default:
		items = []*node{n}
	}
	out := reflect.MakeSlice(v.Type(), 0, len(items))
	for _, item := range items {
		e := reflect.New(elem).Elem()
		d.value(item, e, s, what)
		out = reflect.Append(out, e)
	}
	v.Set(out)
}

// split takes a list apart that is written as a text with commas. What a reference holds may be a JSON text as well: that is one item.
func (d *decoder) split(n *node, text string) []string {
	if isReference(n) && (d.waits(n) || strings.HasPrefix(strings.TrimSpace(text), "{") && json.Valid([]byte(text))) {
		return []string{text}
	}
	var parts []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// waits reports whether a placeholder stands in the place of what n refers to.
func (d *decoder) waits(n *node) bool {
	return slices.ContainsFunc(d.needs, func(w need) bool { return w.node == n })
}

// fresh is v, emptied the first time.
func fresh(v reflect.Value, seen *[]*node) reflect.Value {
	if *seen == nil {
		*seen = []*node{}
		return reflect.MakeSlice(v.Type(), 0, 1)
	}
	return v
}

// pairs decodes a map into a list of structs that hold the keys, in the file's order.
func (d *decoder) pairs(n *node, v reflect.Value, key setting, what string) {
	if n.kind != mapping {
		d.problems.add(n.at, "%s is a map, not %s", what, n.kind)
		return
	}
	out := reflect.MakeSlice(v.Type(), 0, len(n.fields))
	for _, f := range n.fields {
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(f.value, e, key, f.name)
		e.FieldByIndex(key.index).SetString(f.name)
		out = reflect.Append(out, e)
	}
	v.Set(out)
}

func (d *decoder) dictionary(n *node, v reflect.Value, s setting, what string) {
	if n.kind != mapping {
		d.problems.add(n.at, "%s is a map, not %s", what, n.kind)
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(n.fields))
	for _, f := range n.fields {
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(f.value, e, s, what+"."+f.name)
		out.SetMapIndex(reflect.ValueOf(f.name).Convert(v.Type().Key()), e)
	}
	v.Set(out)
}

// text is what a scalar, or a reference in its place, says.
func (d *decoder) text(n *node, s setting, t reflect.Type, what string) (string, bool) {
	switch {
	case n.kind == null && s.rule:
		d.problems.add(n.at, `%s is an empty rule; quote a rule that begins with ! or another sign of YAML: "!value.bad"`, what)
	case n.kind == null:
		d.problems.add(n.at, "%s needs a value", what)
	case n.kind == scalar && s.rule:
		if strings.TrimSpace(n.text) == "" {
			d.problems.add(n.at, "%s is an empty rule", what)
			return "", false
		}
		return n.text, true
	case n.kind == scalar:
		if t == secretType && !isReferenceToVariable(n.text) {
			n.at.text.mask(n.text)
			n.at.text.mask(n.raw)
			if len(n.text) <= 3 {
				d.hide(n)
			}
		}
		text, err := d.env.expand(n.text)
		if e, ok := errors.AsType[*variableError](err); ok && t == secretType {
			err = e.masked()
		}
		if err != nil {
			d.problems.add(n.at, "%s: %v", what, err)
		}
		return text, err == nil
	case isReference(n) && !s.rule:
		return d.reference(n, what)
	case s.json && n.kind == mapping:
		text, ok := d.appendJSON(nil, n, what)
		return string(text), ok
	default:
		if t == secretType {
			d.hide(n)
		}
		d.problems.add(n.at, "%s is %s, not %s", what, wants(t), n.kind)
	}
	return "", false
}

var secretType = reflect.TypeFor[secret.Text]()

// scalar converts text.
func (d *decoder) scalar(n *node, text string, v reflect.Value, what string) {
	u, unmarshals := v.Addr().Interface().(encoding.TextUnmarshaler)
	switch {
	case d.waits(n) && (unmarshals || v.Kind() != reflect.String):
		return // a placeholder is none
	case unmarshals:
		if err := u.UnmarshalText([]byte(text)); err != nil {
			d.problems.add(n.at, "%s: %v", what, unreferenced(n, err, v.Type()))
		}
		return
	}
	shown := text
	if isReference(n) {
		shown = n.reference()
	}
	var err error
	switch k := v.Kind(); {
	case k == reflect.String:
		v.SetString(text)
		return
	case k == reflect.Bool && (text == "true" || text == "false"):
		v.SetBool(text == "true")
		return
	case v.CanInt():
		var i int64
		if i, err = strconv.ParseInt(text, 10, v.Type().Bits()); err == nil {
			v.SetInt(i)
			return
		}
	case v.CanUint():
		var u uint64
		if u, err = strconv.ParseUint(text, 10, v.Type().Bits()); err == nil {
			v.SetUint(u)
			return
		}
	case v.CanFloat():
		var f float64
		if f, err = strconv.ParseFloat(text, v.Type().Bits()); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			v.SetFloat(f)
			return
		}
	}
	if errors.Is(err, strconv.ErrRange) {
		d.problems.add(n.at, "%s: %s is out of range", what, shown)
		return
	}
	d.problems.add(n.at, "%s is %s, not %q", what, wants(v.Type()), shown)
}

// wants says what a type is written as.
func wants(t reflect.Type) string {
	switch k := t.Kind(); {
	case reflect.PointerTo(t).Implements(textType) || k == reflect.String:
		return "a text"
	case k == reflect.Bool:
		return "true or false"
	case k >= reflect.Int && k <= reflect.Uint64:
		return "a whole number"
	case k == reflect.Float32 || k == reflect.Float64:
		return "a number"
	case k == reflect.Slice:
		return "a list"
	}
	return "a map"
}

// unreferenced is err, or what it would be of the reference: it may quote the text.
func unreferenced(n *node, err error, t reflect.Type) error {
	if !isReference(n) {
		return err
	}
	u, _ := reflect.New(t).Interface().(encoding.TextUnmarshaler)
	if err := u.UnmarshalText([]byte(n.reference())); err != nil {
		return err
	}
	return errors.New(n.reference() + " can't be used")
}

func settingNames(all []setting) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = s.name
	}
	return out
}

func names(all []setting) string {
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(settingNames(all), ", ")
}

// nearest is the name that somebody meant who wrote a wrong one, "" if it is none of them.
func nearest(wrong string, known []string) string {
	best, least := "", 1+max(1, min(3, len(wrong)/3))
	for _, k := range known {
		if n := distance(normal(wrong), normal(k)); n < least {
			best, least = k, n
		}
	}
	return best
}

// meant reports whether a setting that doesn't exist may be one that is secret.
func meant(wrong string, all []setting) bool {
	if best := nearest(wrong, settingNames(all)); best != "" {
		all = slices.DeleteFunc(slices.Clone(all), func(s setting) bool { return s.name != best })
	}
	_, ok := only(all, isSecret)
	return ok
}

// suggest is "; did you mean ...?", or what there is to choose from.
func suggest(wrong string, known []string, there string) string {
	if best := nearest(wrong, known); best != "" {
		return `; did you mean "` + best + `"?`
	}
	if len(known) == 0 {
		return "; " + there + " none"
	}
	return "; " + there + " " + strings.Join(slices.Sorted(slices.Values(known)), ", ")
}

// normal makes names equal that differ only in how their words are joined.
func normal(s string) string {
	return strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(s))
}

// distance is the number of letters to insert, delete, replace or swap with the next to make b of a.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64 // no name of a setting is that long
	}
	var rows [3][65]int // the row above the last, the last, this one
	for j := range len(b) + 1 {
		rows[1][j] = j
	}
	for i := range len(a) {
		this := &rows[2]
		this[0] = i + 1
		for j := range len(b) {
			replace := rows[1][j]
			if a[i] != b[j] {
				replace++
			}
			this[j+1] = min(replace, this[j]+1, rows[1][j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				this[j+1] = min(this[j+1], rows[0][j-1]+1)
			}
		}
		rows[0], rows[1] = rows[1], rows[2]
	}
	return rows[1][len(b)]
}
