package pattern

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/serde"
)

// Limits of a pattern. EventBridge takes 2,048 characters, 4,096 if asked to, and so less of everything else; one pattern here may stand for
// several rules, joined by $or.
const (
	maxSize       = 64 << 10 // bytes
	maxDepth      = 64       // objects and lists inside each other
	maxBranches   = 1_000    // ways to take one object of each $or
	maxConditions = 100_000  // of all branches together
)

// Compile reads an event pattern, a JSON text. An error names the place in it.
func Compile(text []byte) (*Pattern, error) {
	if len(text) > maxSize {
		return nil, fmt.Errorf("the pattern has %d bytes, at most %d are allowed", len(text), maxSize)
	}
	v, err := serde.NewTape().JSON(text, serde.Limits{Depth: maxDepth})
	if err != nil {
		return nil, fmt.Errorf("the pattern isn't JSON that can be read: %w", err)
	}
	if v.Kind() != serde.Object {
		return nil, errors.New(`the pattern must be an object, such as {"detail": {"value": {"type": ["created"]}}}`)
	}
	branches, err := object(v, place{}, false)
	if err != nil {
		return nil, err
	}
	for _, b := range branches {
		b.sort()
		for i := 1; i < len(b); i++ {
			if b[i].path == b[i-1].path {
				return nil, fmt.Errorf("%s: the field comes twice, of which EventBridge takes only one; put its values into one list", b[i].path)
			}
		}
	}
	return &Pattern{branches}, nil
}

// A place is where something stands in the pattern.
type place struct {
	field string // names joined by dots, as events have them
	shown string // the same with $or and indexes, for messages
	deep  bool   // there is a name before
}

func (p place) member(name string) place {
	q := place{field: name, shown: name, deep: true}
	if p.deep {
		q.field = p.field + "." + name
	}
	if p.shown != "" {
		q.shown = p.shown + "." + name
	}
	return q
}

// inside is the place of an operator or of what it is given.
func (p place) inside(what string) place {
	p.shown += what
	return p
}

func (p place) index(i int) place { return p.inside("[" + strconv.Itoa(i) + "]") }

func (p place) errorf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if p.shown == "" {
		return err
	}
	return fmt.Errorf("%.200s: %w", p.shown, err)
}

// reserved are names that a field inside $or can't have.
func reserved(name string) bool {
	return slices.Contains(operators(), name) || slices.Contains([]string{
		"exactly", "=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case", "date-after", "date-on-or-after", "date-before",
		"date-on-or-before", "in-date-range", "ip-address-in-range", "ip-address-not-in-range",
	}, name)
}

// object compiles an object of fields. choice says that it is inside $or.
func object(v serde.Value, at place, choice bool) ([]branch, error) {
	if v.Len() == 0 {
		return nil, at.errorf("the object is empty; name a field")
	}
	all := []branch{nil}
	for name, m := range v.Members() {
		more, err := member(strings.Clone(name), m, at, choice)
		if err != nil {
			return nil, err
		}
		if len(all)*len(more) > maxBranches || conditions(all)*len(more)+len(all)*conditions(more) > maxConditions {
			return nil, at.errorf("$or: there are more than %d ways to take one object of each $or; split the pattern", maxBranches)
		}
		all = product(all, more)
	}
	return all, nil
}

func conditions(all []branch) int {
	n := 0
	for _, b := range all {
		n += len(b)
	}
	return n
}

func member(name string, v serde.Value, at place, choice bool) ([]branch, error) {
	if name == "$or" {
		return alternatives(v, place{at.field, strings.TrimPrefix(at.shown+".$or", "."), at.deep})
	}
	if choice && reserved(name) {
		return nil, at.errorf("a field inside $or can't be named %s: put an operator into the list of its field", name)
	}
	at = at.member(name)
	switch v.Kind() {
	case serde.Object:
		return object(v, at, choice)
	case serde.Array:
		c, err := field(v, at)
		return []branch{{c}}, err
	}
	return nil, at.errorf(`a field takes a list of values or an object of fields, not %s; write [%s]`, kindName(v), show(v))
}

// alternatives compiles the list of a $or.
func alternatives(v serde.Value, at place) ([]branch, error) {
	if v.Kind() != serde.Array || v.Len() < 2 {
		return nil, at.errorf("takes a list of at least two objects")
	}
	var all []branch
	i := 0
	for e := range v.Elements() {
		if e.Kind() != serde.Object {
			return nil, at.index(i).errorf("is %s, not an object", kindName(e))
		}
		more, err := object(e, at.index(i), true)
		if err != nil {
			return nil, err
		}
		if all = append(all, more...); len(all) > maxBranches {
			return nil, at.errorf("there are more than %d ways to take one object of each $or; split the pattern", maxBranches)
		}
		i++
	}
	return all, nil
}

// field compiles the list of a field's values.
func field(v serde.Value, at place) (*condition, error) {
	if v.Len() == 0 {
		return nil, at.errorf(`the list is empty; [""] is an empty text, [{"exists": false}] a field that isn't there`)
	}
	var (
		tests  []test
		absent bool
		i      int
	)
	for e := range v.Elements() {
		t, err := element(e, at.index(i))
		switch {
		case err != nil:
			return nil, err
		case t.op == missing:
			absent = true
		default:
			tests = append(tests, t)
		}
		i++
	}
	return newCondition(at.field, tests, absent), nil
}

// kindName is a value's kind as JSON has it, with its article.
func kindName(v serde.Value) string {
	switch v.Kind() {
	case serde.Null:
		return "null"
	case serde.Bool:
		return "true or false"
	case serde.String:
		return "a text"
	case serde.Array:
		return "a list"
	case serde.Object:
		return "an object"
	}
	return "a number"
}

// show is a value as it stands in the pattern, shortened.
func show(v serde.Value) string {
	text, err := v.AppendJSON(nil)
	if err != nil || len(text) > 60 {
		return "..."
	}
	return string(text)
}
