package dynamodb

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// tableKeys is a table's primary key, as DescribeTable tells it. sort has no name where the table has no sort key.
type tableKeys struct{ partition, sort keyAttribute }

// A keyAttribute is an attribute of a table's primary key. kind is its type: "S", "N" or "B".
type keyAttribute struct {
	name string
	kind string
}

// A keyField is an attribute of the key with the expression that gives its value.
type keyField struct {
	expression
	name string
	is   scalar // its type in the table; 0: not known, before bind
	most int    // bytes of a text or of bytes
}

func (c Config) keyFields() ([]keyField, error) {
	var fields []keyField
	for _, a := range c.Key {
		if len(a.Name) > maxKeyName {
			return nil, fmt.Errorf("key: the name %s has %d bytes; DynamoDB takes 1 to %d", cut([]byte(a.Name)), len(a.Name), maxKeyName)
		}
		x, err := compileExpression("key."+a.Name, a.Rule)
		if err != nil {
			return nil, err
		}
		fields = append(fields, keyField{expression: x, name: a.Name, most: maxPartitionKey})
	}
	if len(fields) > 2 {
		return nil, fmt.Errorf("key: has %d attributes; a primary key has a partition key, and perhaps a sort key", len(fields))
	}
	return fields, nil
}

// bind tells the table's key. It comes before the first use, or not at all: then types aren't checked, and the key's attributes stand
// in the order of the settings.
func (e *itemEncoder) bind(t tableKeys) error {
	want := []keyAttribute{t.partition}
	if t.sort.name != "" {
		want = append(want, t.sort)
	}
	var bound []keyField
	for n, w := range want {
		f, ok := e.keyField(w.name)
		if !ok {
			return fmt.Errorf("key: the table's primary key has the attribute %q of type %s; add it with an expression", w.name, w.kind)
		}
		f.is = scalar(w.kind[0])
		if n == 1 {
			f.most = maxSortKey
		}
		bound = append(bound, f)
	}
	for i := range e.keys {
		if name := e.keys[i].name; name != t.partition.name && name != t.sort.name {
			return fmt.Errorf("key: %q doesn't belong to the table's primary key; move it to attributes", name)
		}
	}
	e.keys = bound
	return nil
}

func (e *itemEncoder) keyField(name string) (keyField, bool) {
	for i := range e.keys {
		if e.keys[i].name == name {
			return e.keys[i], true
		}
	}
	return keyField{}, false
}

// key appends the i-th record's key as members of a JSON object, "trip_id":{"S":"x"},"n":{"N":"1"}, without braces. It is canonical: two keys are
// one to DynamoDB exactly when these bytes are equal. size is in bytes as DynamoDB counts, names included. Errors are permanent.
func (e *itemEncoder) key(dst []byte, b *connector.Batch, i int) (out []byte, size int, err error) {
	out = dst
	for k := range e.keys {
		f := &e.keys[k]
		if k > 0 {
			out = append(out, ',')
		}
		v, err := f.value(b, i)
		if err != nil {
			return dst, 0, err
		}
		n := 0
		if out, n, err = f.append(out, v); err != nil {
			return dst, 0, err
		}
		size += n
	}
	return out, size, nil
}

func (f *keyField) append(dst []byte, v serde.Value) (out []byte, size int, err error) {
	is := scalarOf(v)
	if is == 0 || f.is != 0 && f.is != is {
		return dst, 0, f.misfit(v, is)
	}
	if dst, err = appendName(dst, f.name); err != nil {
		return dst, 0, f.problem(err)
	}
	if dst, size, err = appendScalar(append(dst, '{', '"', byte(is), '"', ':'), v, is); err != nil {
		return dst, 0, f.problem(err)
	}
	dst = append(dst, '}')
	if is != numberScalar && (size == 0 || size > f.most) {
		return dst, 0, f.problem(problem("has %d bytes; DynamoDB takes 1 to %d in a %s", size, f.most, f.role()))
	}
	return dst, size + len(f.name), nil
}

func (f *keyField) role() string {
	switch {
	case f.is == 0:
		return "key attribute"
	case f.most == maxSortKey:
		return "sort key"
	}
	return "partition key"
}

// misfit says that a value isn't of the key's type, and which expression would be.
func (f *keyField) misfit(v serde.Value, is scalar) error {
	switch {
	case v.Kind() == serde.Missing:
		return f.problem(problem("is missing"))
	case v.Kind() == serde.Null:
		return f.problem(problem("is null"))
	case is == 0:
		return f.problem(problem("is of kind %s; a key is a text, a number or bytes", v.Kind()))
	}
	const wrong = "is of kind %s, but %s is of type %s in the table: "
	switch f.is {
	case textScalar:
		return f.problem(problem(wrong+"take string(%s)", v.Kind(), f.name, f.is, f.rule))
	case numberScalar:
		if is == textScalar {
			return f.problem(problem(wrong+"take decimal(%s)", v.Kind(), f.name, f.is, f.rule))
		}
		return f.problem(problem(wrong+"give an expression for a number", v.Kind(), f.name, f.is))
	}
	if is == textScalar {
		return f.problem(problem(wrong+"take fromBase64(%s) if the text is base64", v.Kind(), f.name, f.is, f.rule))
	}
	return f.problem(problem(wrong+"give an expression for bytes", v.Kind(), f.name, f.is))
}

// answered appends what key gave of an item or a key that DynamoDB answered with.
func (e *itemEncoder) answered(dst []byte, attributes map[string]json.RawMessage) ([]byte, error) {
	out := dst
	for k := range e.keys {
		name := e.keys[k].name
		var v struct {
			S, N *string
			B    []byte
		}
		if err := json.Unmarshal(attributes[name], &v); err != nil {
			return dst, fmt.Errorf("read the key attribute %q of DynamoDB's answer: %w", name, err)
		}
		if k > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = appendName(out, name); err != nil {
			return dst, fmt.Errorf("read the key attribute %q of DynamoDB's answer: %w", name, err)
		}
		switch {
		case v.S != nil:
			if out, err = serde.AppendString(append(out, `{"S":`...), []byte(*v.S)); err != nil {
				return dst, fmt.Errorf("read the key attribute %q of DynamoDB's answer: %w", name, err)
			}
			out = append(out, '}')
		case v.N != nil:
			if out, err = appendAnswered(out, *v.N); err != nil {
				return dst, fmt.Errorf("read the key attribute %q of DynamoDB's answer: %w", name, err)
			}
		case v.B != nil:
			out = append(out, `{"B":"`...)
			out = base64.StdEncoding.AppendEncode(out, v.B)
			out = append(out, `"}`...)
		default:
			return dst, fmt.Errorf("read DynamoDB's answer: the key attribute %q has no text, number or bytes", name)
		}
	}
	return out, nil
}

// appendAnswered appends a number of an answer.
func appendAnswered(dst []byte, text string) ([]byte, error) {
	if !json.Valid([]byte(text)) || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return dst, fmt.Errorf("%q isn't a number", text)
	}
	n := readNumber([]byte(text))
	dst = n.appendCanonical(append(dst, `{"N":"`...))
	return append(dst, `"}`...), nil
}
