package handlers

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/millrace/millrace/serde"
)

// maxName is the longest name of a field, in bytes; the tape holds no longer ones.
const maxName = 65535

// A fieldPath names fields inside a value: phone, pos.lat, ["odd name"].x,
// contacts[*].phone (of every element of a list).
type fieldPath []fieldStep

type fieldStep struct {
	name  string
	every bool // [*]
}

// parseField reads a path of a value's fields.
func parseField(s string) (fieldPath, error) {
	var p fieldPath
	for rest := s; rest != "" || len(p) == 0; {
		step, after, err := parseStep(rest, len(p) == 0)
		if err != nil {
			return nil, fmt.Errorf("%q isn't the name of a field: %w", s, err)
		}
		p = append(p, step)
		rest = after
	}
	return p, nil
}

func parseStep(s string, first bool) (step fieldStep, rest string, err error) {
	if rest, ok := strings.CutPrefix(s, "[*]"); ok {
		return fieldStep{every: true}, rest, nil
	}
	if quoted, ok := strings.CutPrefix(s, `["`); ok {
		end := strings.Index(quoted, `"]`)
		if end < 0 {
			return step, "", errors.New(`["name"] isn't closed`)
		}
		if err := json.Unmarshal([]byte(`"`+quoted[:end]+`"`), &step.name); err != nil || step.name == "" {
			return step, "", errors.New(`["name"] holds no name`)
		}
		return step, quoted[end+2:], nil
	}
	if !first {
		after, ok := strings.CutPrefix(s, ".")
		if !ok {
			return step, "", fmt.Errorf("%q can't follow a name", s[:1])
		}
		s = after
	}
	end := strings.IndexFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && !strings.ContainsRune("_-$@", r)
	})
	if end < 0 {
		end = len(s)
	}
	if end == 0 || end > maxName {
		return step, "", errors.New(`names are letters, digits and _-$@; any other is written ["a name"]`)
	}
	return fieldStep{name: s[:end]}, s[end:], nil
}

// String is the path as it is written.
func (p fieldPath) String() string {
	var b strings.Builder
	for i, s := range p {
		switch plain, _, err := parseStep(s.name, true); {
		case s.every:
			b.WriteString("[*]")
		case err != nil || plain.name != s.name:
			quoted, _ := json.Marshal(s.name)
			b.WriteString("[" + string(quoted) + "]")
		case i > 0:
			b.WriteString("." + s.name)
		default:
			b.WriteString(s.name)
		}
	}
	return b.String()
}

func (p fieldPath) everywhere() bool {
	for _, s := range p {
		if s.every {
			return true
		}
	}
	return false
}

// update makes a value like v in which change was applied to what the path leads to, and removes
// it where change gives a Missing value. What isn't there, or is under a null, stays as it is. at counts the steps done.
func (p fieldPath) update(t *serde.Tape, v serde.Value, at int, change func(serde.Value) (serde.Value, error)) (serde.Value, error) {
	if at == len(p) {
		return change(v)
	}
	switch kind := v.Kind(); {
	case kind == serde.Missing || kind == serde.Null:
		return v, nil
	case p[at].every && kind == serde.Array:
		return p.updateAll(t, v, at, change)
	case !p[at].every && kind == serde.Object:
		m := v.Field(p[at].name)
		if !m.Exists() {
			return v, nil
		}
		n, err := p.update(t, m, at+1, change)
		if err != nil || n == m {
			return v, err
		}
		return t.With(v, []string{p[at].name}, []serde.Value{n})
	}
	return v, p.mismatch(v, at)
}

func (p fieldPath) updateAll(t *serde.Tape, v serde.Value, at int, change func(serde.Value) (serde.Value, error)) (serde.Value, error) {
	elements := make([]serde.Value, 0, v.Len())
	changed := false
	for e := range v.Elements() {
		n, err := p.update(t, e, at+1, change)
		if err != nil {
			return v, err
		}
		changed = changed || n != e
		elements = append(elements, n)
	}
	if !changed {
		return v, nil
	}
	return t.Array(elements), nil
}

// mismatch is the error of a step into a value of the wrong kind. A mask or a drop that can't be done must not pass silently.
func (p fieldPath) mismatch(v serde.Value, at int) error {
	where := "the value"
	if at > 0 {
		where = "field " + p[:at].String()
	}
	if p[at].every {
		return fmt.Errorf("%s is %s, not a list", where, kindName(v))
	}
	hint := ""
	if v.Kind() == serde.Array {
		hint = fmt.Sprintf(" (write %s for every element)", append(append(append(fieldPath{}, p[:at]...), fieldStep{every: true}), p[at:]...))
	}
	return fmt.Errorf("%s is %s, not an object%s", where, kindName(v), hint)
}

// set makes a value like v with the field set; objects on the way are made where they are missing.
func (p fieldPath) set(t *serde.Tape, v, to serde.Value, at int) (serde.Value, error) {
	if at == len(p) {
		return to, nil
	}
	name := p[at].name
	if !v.Exists() {
		inner, err := p.set(t, serde.Value{}, to, at+1)
		return t.Object([]string{name}, []serde.Value{inner}), err
	}
	if v.Kind() != serde.Object {
		return v, p.mismatch(v, at)
	}
	inner, err := p.set(t, v.Field(name), to, at+1)
	if err != nil {
		return v, err
	}
	return t.With(v, []string{name}, []serde.Value{inner})
}

// kindName is a value's kind with its article.
func kindName(v serde.Value) string {
	switch k := v.Kind(); k {
	case serde.Missing, serde.Null:
		return "null"
	case serde.String:
		return "a text"
	case serde.Array:
		return "a list"
	case serde.Object, serde.Int64:
		return "an " + k.String()
	case serde.Bytes:
		return "bytes"
	default:
		return "a " + k.String()
	}
}
