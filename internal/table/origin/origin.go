package origin

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// maxDepth is how many structs, lists and maps of a schema may be inside each other, the row itself counted. Readers of files recurse.
const maxDepth = 32

// Of is the columns that values decoded with s have, by their names there and in the order of s. A record, a message or an object is a
// Struct; a type that holds itself is JSON where it does so again. Values that were decoded with a reader's schema have the columns of that one.
func Of(s *serde.Schema) (*table.Schema, error) {
	if s == nil {
		return nil, errors.New("the values have no schema to take columns from")
	}
	var (
		out *table.Schema
		err error
	)
	switch s.Format {
	case serde.Avro:
		out, err = fromAvro(s)
	case serde.Protobuf:
		out, err = fromProtobuf(s)
	case serde.JSONSchema:
		out, err = fromJSONSchema(s)
	default:
		return nil, fmt.Errorf("no columns can be taken from a schema of the format %.40q: it must be %s, %s or %s", s.Format, serde.Avro, serde.Protobuf, serde.JSONSchema)
	}
	if err != nil {
		return nil, fmt.Errorf("columns of schema %s: %w", named(s), err)
	}
	out.ID, out.Version = s.ID, s.Version
	if err := out.Check(); err != nil {
		return nil, fmt.Errorf("columns of schema %s: %w", named(s), err)
	}
	return out, nil
}

// named is a schema in messages.
func named(s *serde.Schema) string {
	name := s.Name
	if name == "" {
		name = s.ID
	}
	if s.Version > 0 {
		return fmt.Sprintf("%.200q, version %d", name, s.Version)
	}
	return fmt.Sprintf("%.200q", name)
}

// errNoRow is of a schema whose values have no members. what is what they are.
func errNoRow(what string) error {
	return fmt.Errorf("rows need columns, and the values are %s: make an object of them with the handler map, or wrap them in an envelope", what)
}

// A columnError is what is wrong with a column.
type columnError struct {
	path string
	err  error
}

func (e *columnError) Error() string { return fmt.Sprintf("column %.300s: %v", e.path, e.err) }
func (e *columnError) Unwrap() error { return e.err }

// within adds the name of the column, or of the struct's field, that an error is of.
func within(name string, err error) error {
	var inner *columnError
	if errors.As(err, &inner) {
		return &columnError{name + "." + inner.path, inner.err}
	}
	return &columnError{name, err}
}

// A size counts what is bounded while columns are made: types that hold each other can become far more columns than a schema has lines.
type size struct{ depth, columns int }

// leaf counts a column that holds no others.
func (s *size) leaf(t table.Type) (table.Type, error) {
	if s.columns++; s.columns > table.MaxColumns {
		return table.Type{}, fmt.Errorf("the schema has more than %d columns, those in others counted", table.MaxColumns)
	}
	return t, nil
}

// enter begins a Struct, a List or a Map, which leave ends. The row itself is no column.
func (s *size) enter() error {
	if s.depth++; s.depth > maxDepth {
		return fmt.Errorf("types are nested more than %d deep", maxDepth)
	}
	if s.depth == 1 {
		return nil
	}
	_, err := s.leaf(table.Type{})
	return err
}

func (s *size) leave() { s.depth-- }
