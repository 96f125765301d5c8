package handlers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/rule"
	"github.com/millrace/millrace/serde"
)

// Flatten makes one record per element of a list and repeats the rest of the value in each. The
// records keep the key, headers, timestamp and offset of the one that they come from. A record whose list is empty is dropped.
type Flatten struct {
	// Where the list is: value.items, or value?.items where it may be missing. The element takes the list's
	// place. An expression, such as filter(value.items, .ok), needs as, and leaves the value as it is otherwise.
	Path string `yaml:"path" kind:"rule" short:"true"`
	// Name of the element, in the object that the list was in; default: the list's.
	As string `yaml:"as"`
	// What happens to tombstones: pass keeps them, apply evaluates the path for them too (value is nil then).
	Tombstones Tombstones `yaml:"tombstones"`
}

// Limits of what one record can become. They stop a record that multiplies itself, not a large one.
const (
	maxElements  = 100_000
	maxFlattened = 64 << 20 // bytes of JSON
)

// DefaultFlatten has the defaults of a Flatten.
func DefaultFlatten() Flatten { return Flatten{Tombstones: Pass} }

// Validate compiles the path.
func (c Flatten) Validate() error {
	_, err := c.Open(context.Background())
	return err
}

// A flattener is a Flatten, compiled.
type flattener struct {
	list  *rule.Expr
	where fieldPath // of the list in the value
	whole bool      // the value is the list
	as    string
}

// Open makes the handler.
func (c Flatten) Open(context.Context) (connector.Handler, error) {
	if err := c.Tombstones.validate(); err != nil {
		return nil, err
	}
	f, err := c.compile()
	if err != nil {
		return nil, err
	}
	return connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
		each(b, c.Tombstones, func(i int, _ *connector.Record) error {
			if err := f.flatten(b, i); err != nil {
				return fmt.Errorf("flatten: %w", err)
			}
			return nil
		})
		return nil
	}), nil
}

func (c Flatten) compile() (*flattener, error) {
	list, err := compiled("path", c.Path)
	if err != nil {
		return nil, err
	}
	if len(c.As) > maxName {
		return nil, errors.New("as: the name is too long")
	}
	f := &flattener{list: list, as: c.As}
	path := strings.ReplaceAll(strings.TrimSpace(c.Path), "?.", ".")
	rest, ok := strings.CutPrefix(path, "value")
	if ok && rest == "" {
		f.whole = true
		return f, nil
	}
	if ok {
		f.where, err = parseField(strings.TrimPrefix(rest, "."))
		if err == nil && !f.where.everywhere() {
			if f.as == "" {
				f.as = f.where[len(f.where)-1].name
			}
			return f, nil
		}
	}
	if c.As == "" {
		return nil, fmt.Errorf("as: the path %s isn't a field of the value: name the element with as", c.Path)
	}
	f.where = nil
	return f, nil
}

// flatten replaces the i-th record by its elements.
func (f *flattener) flatten(b *connector.Batch, i int) error {
	list, err := f.list.Eval(b, i)
	if err != nil {
		return err
	}
	if list.IsNull() {
		b.Filter(i)
		return nil
	}
	if list.Kind() != serde.Array {
		return fmt.Errorf("%s is %s, not a list", f.list, kindName(list))
	}
	r := b.At(i)
	if err := f.check(b.Tape(), r.Value, list); err != nil {
		return err
	}
	made := make([]serde.Value, 0, list.Len())
	for e := range list.Elements() {
		v, err := f.place(b.Tape(), r.Value, e)
		if err != nil {
			return err
		}
		made = append(made, v)
	}
	for _, v := range made {
		b.Emit(i, connector.Record{Key: r.Key, Value: v, Headers: r.Headers, Timestamp: r.Timestamp})
	}
	b.Filter(i)
	return nil
}

// check refuses a record that would become too much.
func (f *flattener) check(t *serde.Tape, v, list serde.Value) error {
	n := list.Len()
	if n > maxElements {
		return fmt.Errorf("%s has %d elements, at most %d are allowed", f.list, n, maxElements)
	}
	if f.whole || n < 2 {
		return nil
	}
	rest, err := f.place(t, v, serde.Value{})
	if err != nil {
		return err
	}
	text, err := rest.AppendJSON(nil)
	if err != nil {
		return fmt.Errorf("the rest of the value: %w", err)
	}
	if len(text) > maxFlattened/n {
		return fmt.Errorf("%d elements with %d bytes of the rest each are more than %d MiB", n, len(text), maxFlattened>>20)
	}
	return nil
}

// place makes the value of one element: v with the element in the list's place. A Missing element leaves only the rest.
func (f *flattener) place(t *serde.Tape, v, element serde.Value) (serde.Value, error) {
	if f.whole {
		if f.as == "" {
			return element, nil
		}
		return t.Object([]string{f.as}, []serde.Value{element}), nil
	}
	if f.where == nil {
		return t.With(v, []string{f.as}, []serde.Value{element})
	}
	return f.replace(t, v, element, 0)
}

func (f *flattener) replace(t *serde.Tape, v, element serde.Value, at int) (serde.Value, error) {
	name := f.where[at].name
	if at < len(f.where)-1 {
		inner, err := f.replace(t, v.Field(name), element, at+1)
		if err != nil {
			return v, err
		}
		return t.With(v, []string{name}, []serde.Value{inner})
	}
	if f.as == name {
		return t.With(v, []string{name}, []serde.Value{element})
	}
	return t.With(v, []string{name, f.as}, []serde.Value{{}, element})
}
