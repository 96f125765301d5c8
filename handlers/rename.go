package handlers

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// Drop removes fields of the value. A field that a record doesn't have is no error.
type Drop struct {
	// Names of the fields: [driver, pos.accuracy, contacts[*].phone].
	Fields []string `yaml:"fields" short:"true"`
}

// Rename renames fields of the value and leaves them in their places. A field
// that a record doesn't have is no error; a new name that is taken is one.
type Rename struct {
	// Fields with their new names: {car: car_id, pos.lat: latitude} makes pos.latitude of pos.lat.
	Fields []Renamed `yaml:"fields" short:"true"`
}

// A Renamed is a field and its new name.
type Renamed struct {
	// Name of the field, such as pos.lat.
	From string `yaml:"from" key:"true"`
	// New name, alone: the field stays in its object.
	To string `yaml:"to" short:"true"`
}

// DefaultDrop has the defaults of a Drop.
func DefaultDrop() Drop { return Drop{} }

// DefaultRename has the defaults of a Rename.
func DefaultRename() Rename { return Rename{} }

// Validate checks the names.
func (c Drop) Validate() error {
	_, err := c.Open(context.Background())
	return err
}

// Open makes the handler.
func (c Drop) Open(context.Context) (connector.Handler, error) {
	if len(c.Fields) == 0 {
		return nil, errors.New("fields: drop needs at least one name of a field")
	}
	var problems []error
	var top []string      // fields of the value itself, dropped in one go
	var inner []fieldPath // all others
	for _, name := range c.Fields {
		p, err := parseField(name)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("fields: %w", err))
		case len(p) == 1 && !p[0].every:
			top = append(top, p[0].name)
		default:
			inner = append(inner, p)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	none := make([]serde.Value, len(top))
	return connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
		each(b, Apply, func(_ int, r *connector.Record) error {
			v := r.Value
			var err error
			for _, p := range inner {
				if v, err = p.update(b.Tape(), v, 0, func(serde.Value) (serde.Value, error) { return serde.Value{}, nil }); err != nil {
					return fmt.Errorf("drop %s: %w", p, err)
				}
			}
			if len(top) > 0 && !v.IsNull() {
				if v.Kind() != serde.Object {
					return fmt.Errorf("drop %s: the value is %s, not an object", top[0], kindName(v))
				}
				if v, err = b.Tape().With(v, top, none); err != nil {
					return fmt.Errorf("drop: %w", err)
				}
			}
			r.Value = v
			return nil
		})
		return nil
	}), nil
}

// Validate checks the names.
func (c Rename) Validate() error {
	_, err := c.Open(context.Background())
	return err
}

// A renaming is what is renamed in one object.
type renaming struct {
	object fieldPath
	to     map[string]string
}

// Open makes the handler.
func (c Rename) Open(context.Context) (connector.Handler, error) {
	all, err := c.renamings()
	if err != nil {
		return nil, err
	}
	return connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
		each(b, Apply, func(_ int, r *connector.Record) error {
			v := r.Value
			for _, one := range all {
				var err error
				v, err = one.object.update(b.Tape(), v, 0, func(o serde.Value) (serde.Value, error) { return one.apply(b.Tape(), o) })
				if err != nil {
					return fmt.Errorf("rename: %w", err)
				}
			}
			r.Value = v
			return nil
		})
		return nil
	}), nil
}

// renamings groups the fields by the object that they are in, so that two can swap names.
func (c Rename) renamings() ([]*renaming, error) {
	if len(c.Fields) == 0 {
		return nil, errors.New("fields: rename needs at least one field, such as {old: new}")
	}
	var problems []error
	var all []*renaming
	byObject := map[string]*renaming{}
	for _, f := range c.Fields {
		p, err := parseField(f.From)
		switch {
		case err == nil && p[len(p)-1].every:
			err = errors.New("elements of a list have no names")
		case err == nil && (f.To == "" || len(f.To) > maxName):
			err = errors.New("the new name is empty or too long")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", f.From, err))
			continue
		}
		object, name := p[:len(p)-1], p[len(p)-1].name
		r, ok := byObject[object.String()]
		if !ok {
			r = &renaming{object: object, to: map[string]string{}}
			byObject[object.String()] = r
			all = append(all, r)
		}
		r.to[name] = f.To
	}
	return all, errors.Join(problems...)
}

func (n *renaming) apply(t *serde.Tape, o serde.Value) (serde.Value, error) {
	if o.IsNull() {
		return o, nil
	}
	if o.Kind() != serde.Object {
		where := "the value"
		if len(n.object) > 0 {
			where = "field " + n.object.String()
		}
		return o, fmt.Errorf("%s is %s, not an object", where, kindName(o))
	}
	names := make([]string, 0, o.Len())
	values := make([]serde.Value, 0, o.Len())
	taken := map[string]bool{}
	hit := false
	for name, v := range o.Members() {
		if to, ok := n.to[name]; ok {
			name, hit = to, true
			taken[to] = true
		}
		names = append(names, name)
		values = append(values, v)
	}
	if !hit {
		return o, nil
	}
	for name := range taken {
		count := 0
		for _, other := range names {
			if other == name {
				count++
			}
		}
		if count > 1 {
			return o, fmt.Errorf("the object has two fields %s then", append(append(fieldPath{}, n.object...), fieldStep{name: name}))
		}
	}
	return t.Object(names, values), nil
}
