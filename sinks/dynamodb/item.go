package dynamodb

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/rule"
	"github.com/millrace/millrace/serde"
)

// An itemEncoder makes DynamoDB's JSON of records: items, their keys, their attributes. It goes straight from values to bytes. After
// bind it is safe for concurrent use.
type itemEncoder struct {
	keys       []keyField
	object     *expression // whose members are attributes; may be nil
	attributes []attribute
	expires    ttlField
	sets       *setPath
	taken      []string                    // names that members of object don't count for: key, attributes, ttl
	reserved   func(attribute string) bool // names that items can't have; nil: none
}

// encoder compiles the settings of items, without a connection.
func (c Config) encoder() (*itemEncoder, error) {
	e := &itemEncoder{}
	var err error
	if e.keys, err = c.keyFields(); err != nil {
		return nil, err
	}
	if e.attributes, err = c.attributes("attributes", c.Attributes); err != nil {
		return nil, err
	}
	if e.sets, err = setPaths(c.Sets); err != nil {
		return nil, err
	}
	if e.expires, err = c.ttlField(); err != nil {
		return nil, err
	}
	if c.Item != "" {
		x, err := compileExpression("item", c.Item)
		if err != nil {
			return nil, err
		}
		e.object = &x
	}
	if c.Write == writeNewest {
		e.reserved = c.guards
	}
	return e, e.take(c)
}

// take notes the names of attributes that come from elsewhere than item, each of which may be there once.
func (e *itemEncoder) take(c Config) error {
	from := map[string]string{}
	take := func(setting, name string) error {
		if from[name] != "" {
			return fmt.Errorf("%s: the attribute %q is in %s already", setting, name, from[name])
		}
		from[name] = setting
		e.taken = append(e.taken, name)
		return nil
	}
	for i := range e.keys {
		if err := take("key", e.keys[i].name); err != nil {
			return err
		}
		if e.sets.at(e.keys[i].name) != nil {
			return fmt.Errorf("sets: %q is in key, and keys have no sets", e.keys[i].name)
		}
	}
	for i := range e.attributes {
		if err := take("attributes", e.attributes[i].name); err != nil {
			return err
		}
	}
	if !e.expires.computed() {
		return nil
	}
	return take("ttl.attribute", c.TTL.Attribute)
}

// item appends the i-th record's item as members of a JSON object, without braces: first the record's key, which key made and which may lie in dst's memory,
// with its size. size is in bytes as DynamoDB counts, and at most maxItemSize. Errors are permanent.
func (e *itemEncoder) item(dst, key []byte, keySize int, b *connector.Batch, i int) (out []byte, size int, err error) {
	t := tally{size: keySize}
	out = append(dst, key...)
	if e.object != nil {
		if out, err = e.appendMembers(out, &t, b, i); err != nil {
			return dst, 0, err
		}
	}
	for k := range e.attributes {
		a := &e.attributes[k]
		n := 0
		if out, n, err = a.appendMember(append(out, ','), b, i); err != nil {
			return dst, 0, err
		}
		out = out[:len(out)-1] // its comma, or the one before it
		t.add(a.name, n)
	}
	if out, err = e.appendTTL(out, &t, b, i); err != nil {
		return dst, 0, err
	}
	if err := t.check(); err != nil {
		return dst, 0, connector.Permanent.Wrap(err)
	}
	return out, t.size, nil
}

// appendMembers appends the members of item's object, each with a comma before it.
func (e *itemEncoder) appendMembers(dst []byte, t *tally, b *connector.Batch, i int) ([]byte, error) {
	object, err := e.object.value(b, i)
	if err != nil {
		return dst, err
	}
	if object.Kind() != serde.Object {
		return dst, e.object.problem(problem("is of kind %s; want an object, whose members become attributes", object.Kind()))
	}
	dst = append(dst, ',')
	for name, v := range object.Members() {
		if e.overridden(name) {
			continue
		}
		if e.reserved != nil && e.reserved(name) {
			return dst, e.object.problem(inMember(name, problem("has a name that belongs to the setting guard: drop it, or set another guard")))
		}
		n := 0
		if dst, n, err = appendMember(dst, name, v, e.sets, 1); err != nil {
			return dst, e.object.problem(err)
		}
		if t.add(name, n); t.size > maxItemSize {
			return dst, connector.Permanent.Wrap(t.check())
		}
	}
	return dst[:len(dst)-1], nil
}

// overridden: another setting gives the attribute.
func (e *itemEncoder) overridden(name string) bool {
	for _, t := range e.taken {
		if t == name {
			return true
		}
	}
	return false
}

func (e *itemEncoder) appendTTL(dst []byte, t *tally, b *connector.Batch, i int) ([]byte, error) {
	if !e.expires.computed() {
		return dst, nil
	}
	out, err := appendName(append(dst, ','), e.expires.name)
	if err != nil {
		return dst, connector.Permanent.Wrap(err)
	}
	out, n, there, err := e.ttl(out, b, i)
	if err != nil || !there {
		return dst, err
	}
	t.add(e.expires.name, n)
	return out, nil
}

// An attribute is an attribute with the expression that gives its value. It is safe for concurrent use.
type attribute struct {
	expression
	name string
	sets *setPath // what of the setting sets is at or below it
}

// attributes compiles a list of attributes; setting is its name.
func (c Config) attributes(setting string, list []Attribute) ([]attribute, error) {
	sets, err := setPaths(c.Sets)
	if err != nil {
		return nil, err
	}
	var out []attribute
	for _, a := range list {
		if a.Name == "" || len(a.Name) > maxName {
			return nil, fmt.Errorf("%s: the name of an attribute has %d bytes; DynamoDB takes 1 to %d", setting, len(a.Name), maxName)
		}
		x, err := compileExpression(setting+"."+a.Name, a.Rule)
		if err != nil {
			return nil, err
		}
		out = append(out, attribute{expression: x, name: a.Name, sets: sets.at(a.Name)})
	}
	return out, nil
}

// value appends the attribute's value in the i-th record: {"S":"x"}. size is in bytes as DynamoDB counts, with the name. there is false of
// a value that is missing, or would be an empty set. Errors are permanent.
func (a *attribute) value(dst []byte, b *connector.Batch, i int) (out []byte, size int, there bool, err error) {
	v, err := a.expression.value(b, i)
	if err != nil || !v.Exists() || a.sets.empties(v) {
		return dst, 0, false, err
	}
	if a.sets != nil && a.sets.set {
		out, size, err = appendSet(dst, v)
	} else {
		out, size, err = appendValue(dst, v, a.sets, 1)
	}
	if err != nil {
		return dst, 0, false, a.problem(inMember(a.name, err))
	}
	return out, size + len(a.name), true, nil
}

// addend is value for what is added to an attribute: a number, or a set's elements.
func (a *attribute) addend(dst []byte, b *connector.Batch, i int) (out []byte, size int, there bool, err error) {
	v, err := a.expression.value(b, i)
	switch {
	case err != nil || !v.Exists():
		return dst, 0, false, err
	case a.sets != nil && a.sets.set && v.Kind() != serde.Array:
		return dst, 0, false, a.problem(problem("is of kind %s; sets names %s, so that only an array can be added to it", v.Kind(), a.name))
	case a.sets != nil && a.sets.set, scalarOf(v) == numberScalar:
		return a.value(dst, b, i)
	case v.Kind() == serde.Array:
		return dst, 0, false, a.problem(problem("is an array; to add its elements to a set, name %s in sets", a.name))
	}
	return dst, 0, false, a.problem(problem("is of kind %s; only numbers and sets can be added", v.Kind()))
}

// appendMember appends "name":{"S":"x"}, with a comma, and nothing of what value hasn't.
func (a *attribute) appendMember(dst []byte, b *connector.Batch, i int) (out []byte, size int, err error) {
	if out, err = appendName(dst, a.name); err != nil {
		return dst, 0, connector.Permanent.Wrap(err)
	}
	out, size, there, err := a.value(out, b, i)
	if err != nil || !there {
		return dst, 0, err
	}
	return append(out, ','), size, nil
}

// An expression is a setting's rule.
type expression struct {
	setting string
	rule    *rule.Expr
}

func compileExpression(setting, text string) (expression, error) {
	r, err := rule.Compile(text)
	if err != nil {
		return expression{}, fmt.Errorf("%s: %w", setting, err)
	}
	return expression{setting, r}, nil
}

// value is the expression's value for the i-th record. Errors are permanent: they are the same at each replay.
func (x *expression) value(b *connector.Batch, i int) (serde.Value, error) {
	v, err := x.rule.Value(b, i)
	if err != nil {
		return v, connector.Permanent.Errorf("%s: %w", x.setting, err)
	}
	return v, nil
}

// problem is a permanent error of the expression's value.
func (x *expression) problem(err error) error {
	if _, inside := errors.AsType[*pathError](err); inside {
		return connector.Permanent.Errorf("%s (%s): %w", x.setting, x.rule, err)
	}
	return connector.Permanent.Errorf("%s (%s) %w", x.setting, x.rule, err)
}
