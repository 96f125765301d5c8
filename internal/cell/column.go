package cell

import (
	"bytes"
	"fmt"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// A Column is a column, a struct's field, or an element, with what finding its values takes. It is shared and doesn't change.
type Column struct {
	names   []string       // of fields
	aliases [][]string     // of fields, those that find them
	index   map[string]int // of names, and of aliases that aren't names

	Name    string // "" of an element
	Path    string // for messages: pos.lat; elements are items[], values of maps attributes{}
	Type    *table.Type
	Default serde.Value // what a value that lacks the member has here; Missing: there is none
	Fields  []Column    // of a Struct
	Elem    *Column     // of a List; of a Map's values
}

// New compiles a schema to the row's column, a Struct without a name. whole: values of structs, lists and maps are columns' as they are, so that those have no
// Fields and no Elem. It fails where a type or a default's JSON can't be; whether a default is a value of its column isn't looked at.
func New(s *table.Schema, whole bool) (*Column, error) {
	b := builder{whole: whole, tape: serde.NewTape()}
	row := &Column{Type: &table.Type{Kind: table.Struct, Fields: s.Fields}}
	return row, b.fields(row, s.Fields)
}

// A builder compiles. Defaults stay on its tape, which nobody appends to later.
type builder struct {
	tape  *serde.Tape
	whole bool
}

func (b *builder) fields(in *Column, fields []table.Field) error {
	in.Fields = make([]Column, len(fields))
	in.names, in.aliases = make([]string, len(fields)), make([][]string, len(fields))
	in.index = make(map[string]int, len(fields))
	for i := range fields {
		f, c := &fields[i], &in.Fields[i]
		c.Name, c.Path = f.Name, f.Name
		if in.Path != "" {
			c.Path = in.Path + "." + f.Name
		}
		in.names[i], in.index[f.Name] = f.Name, i
		if f.Default != nil {
			var err error
			if c.Default, err = b.tape.JSON(bytes.Clone(f.Default), serde.Limits{}); err != nil {
				return fmt.Errorf("default of column %.300s: %w", c.Path, err)
			}
		}
		if err := b.column(c, &f.Type); err != nil {
			return err
		}
	}
	for i := range fields {
		for _, alias := range fields[i].Aliases {
			if _, ok := in.index[alias]; !ok { // a name goes before an alias, and the first alias before others
				in.index[alias] = i
				in.aliases[i] = append(in.aliases[i], alias)
			}
		}
	}
	return nil
}

// column compiles a type.
func (b *builder) column(c *Column, t *table.Type) error {
	c.Type = t
	switch t.Kind {
	case table.Decimal:
		if t.Precision < 1 || t.Precision > MaxDigits || t.Scale < 0 || t.Scale > t.Precision {
			return fmt.Errorf("column %.300s: a decimal has 1 to %d digits, 0 up to all of them behind the point; this one has %d and %d", c.Path, MaxDigits, t.Precision, t.Scale)
		}
	case table.Struct:
		if !b.whole {
			return b.fields(c, t.Fields)
		}
	case table.List:
		return b.elem(c, t, "[]")
	case table.Map:
		return b.elem(c, t, "{}")
	}
	return nil
}

func (b *builder) elem(c *Column, t *table.Type, mark string) error {
	if t.Elem == nil {
		return fmt.Errorf("column %.300s: the type of its elements is missing", c.Path)
	}
	if b.whole {
		return nil
	}
	c.Elem = &Column{Path: c.Path + mark}
	return b.column(c.Elem, t.Elem)
}

// Taker is the index of the field that takes the member of v that has this name, -1 if none does. guess is the one that is likely; any number will do.
//
// Of a name and the aliases of one field that v has, the first counts: the name, then the aliases as they are listed.
func (c *Column) Taker(v serde.Value, name string, guess int) int {
	if uint(guess) < uint(len(c.names)) && c.names[guess] == name {
		return guess
	}
	return c.taker(v, name)
}

func (c *Column) taker(v serde.Value, name string) int {
	i, ok := c.index[name]
	if !ok {
		return -1
	}
	if name == c.names[i] {
		return i
	}
	if v.Field(c.names[i]).Exists() {
		return -1
	}
	for _, alias := range c.aliases[i] {
		if alias == name {
			return i
		}
		if v.Field(alias).Exists() {
			return -1
		}
	}
	return -1
}
