package handlers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/rule"
	"github.com/millrace/millrace/serde"
)

// Map replaces the value by an object of its fields, each computed by a rule.
// Fields that aren't named are gone; Set keeps them.
type Map struct {
	// Fields of the new value, in this order, each with its rule:
	// {car: value.car_id, km: value.distance_m / 1000}. A field may have a mask, too:
	// {phone: {rule: value.phone, mask: keep_last}}.
	Fields []Field `yaml:"fields" short:"true"`
	// What happens to tombstones: pass keeps them, apply makes a value of them too (value is nil then).
	Tombstones Tombstones `yaml:"tombstones"`
}

// Set sets fields of the value, which is an object, and keeps the others.
type Set struct {
	// Fields to set, each with its rule: {km: value.distance_m / 1000, pos.source: topic}.
	// Objects on the way to a field are made where they are missing. Every rule sees the record as it was before.
	Fields []Field `yaml:"fields" short:"true"`
	// What happens to tombstones: pass keeps them, apply makes a value of them too (value is nil then).
	Tombstones Tombstones `yaml:"tombstones"`
}

// A Field is a field of a value with the rule that computes it.
type Field struct {
	// Name of the field.
	Name string `yaml:"name" key:"true"`
	// Expression that gives the field's content, such as value.distance_m / 1000.
	Rule string `yaml:"rule" kind:"rule" short:"true"`
	// Mask of the content: redact, keep_last or hmac; none if empty. See Mask.
	Mask Method `yaml:"mask"`
	// Characters that keep_last leaves; default 4.
	Keep int `yaml:"keep"`
	// Key of hmac, at least 16 bytes.
	Key secret.Text `yaml:"key"`
}

// DefaultMap has the defaults of a Map.
func DefaultMap() Map { return Map{Tombstones: Pass} }

// DefaultSet has the defaults of a Set.
func DefaultSet() Set { return Set{Tombstones: Pass} }

// Validate compiles the rules.
func (c Map) Validate() error {
	_, err := c.Open(context.Background())
	return err
}

// Open makes the handler.
func (c Map) Open(context.Context) (connector.Handler, error) {
	fields, err := compileFields("map", c.Fields)
	if err = errors.Join(err, c.Tombstones.validate()); err != nil {
		return nil, err
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
		values := make([]serde.Value, len(fields))
		each(b, c.Tombstones, func(i int, r *connector.Record) error {
			if err := compute(fields, b, i, values); err != nil {
				return fmt.Errorf("map: %w", err)
			}
			r.Value = b.Tape().Object(names, values)
			return nil
		})
		return nil
	}), nil
}

// Validate compiles the rules.
func (c Set) Validate() error {
	_, err := c.Open(context.Background())
	return err
}

// Open makes the handler.
func (c Set) Open(context.Context) (connector.Handler, error) {
	fields, err := compileFields("set", c.Fields)
	if err = errors.Join(err, c.Tombstones.validate()); err != nil {
		return nil, err
	}
	paths, err := setPaths(c.Fields)
	if err != nil {
		return nil, err
	}
	return connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
		values := make([]serde.Value, len(fields))
		each(b, c.Tombstones, func(i int, r *connector.Record) error {
			if err := compute(fields, b, i, values); err != nil {
				return fmt.Errorf("set: %w", err)
			}
			v, err := setFields(b.Tape(), r.Value, paths, values)
			if err != nil {
				return fmt.Errorf("set %w", err)
			}
			r.Value = v
			return nil
		})
		return nil
	}), nil
}

func setFields(t *serde.Tape, v serde.Value, paths []fieldPath, values []serde.Value) (serde.Value, error) {
	if v.IsNull() {
		v = serde.Value{} // an object is made
	}
	for k, p := range paths {
		next, err := p.set(t, v, values[k], 0)
		if err != nil {
			return v, fmt.Errorf("%s: %w", p, err)
		}
		v = next
	}
	return v, nil
}

func setPaths(fields []Field) ([]fieldPath, error) {
	var problems []error
	paths := make([]fieldPath, len(fields))
	for i, f := range fields {
		p, err := parseField(f.Name)
		if err == nil && p.everywhere() {
			err = errors.New("[*] can't be set; use a rule with map(value.list, ...)")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", f.Name, err))
		}
		paths[i] = p
	}
	return paths, errors.Join(problems...)
}

// A computed is a Field, compiled.
type computed struct {
	name string
	rule *rule.Expr
	mask *masker
}

func compileFields(handler string, fields []Field) ([]computed, error) {
	if len(fields) == 0 {
		return nil, fmt.Errorf("fields: %s needs at least one field, such as {km: value.distance_m / 1000}", handler)
	}
	var problems []error
	out := make([]computed, len(fields))
	seen := map[string]bool{}
	for i, f := range fields {
		name := strings.TrimSpace(f.Name)
		e, err := compiled(f.Name, f.Rule)
		switch {
		case name == "" || len(name) > maxName:
			err = fmt.Errorf("fields: field %d needs a name of at most %d bytes", i+1, maxName)
		case seen[f.Name]:
			err = fmt.Errorf("%s: the field is named twice", f.Name)
		}
		problems = append(problems, err)
		seen[f.Name] = true
		out[i] = computed{name: f.Name, rule: e}
		if f.Mask != "" || f.Keep != 0 || f.Key.IsSet() {
			if out[i].mask, err = newMasker(f.Mask, f.Keep, f.Key); err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", f.Name, err))
			}
		}
	}
	return out, errors.Join(problems...)
}

// compute evaluates the fields for one record.
func compute(fields []computed, b *connector.Batch, i int, values []serde.Value) error {
	for k, f := range fields {
		v, err := f.rule.Eval(b, i)
		if err == nil && f.mask != nil {
			v, err = f.mask.apply(b.Tape(), v)
		}
		if err != nil {
			return fmt.Errorf("field %s: %w", f.name, err)
		}
		values[k] = v
	}
	return nil
}
