package origin

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
)

// Bounds of the defaults of an Avro schema, which can hold the defaults of records inside them many times.
const (
	maxDefaultBytes = 1 << 20 // of JSON text, of all of them
	maxDefaultWork  = 8 << 20 // bytes of schemas that are compiled for those of records, arrays, maps and unions
)

// fromAvro maps types as serde/avro decodes them.
func fromAvro(s *serde.Schema) (*table.Schema, error) {
	if s.Reader != "" { // it refers to no other schema
		s = &serde.Schema{Text: s.Reader}
	}
	root, err := avro.Parse(s.Text, s.References...)
	if err != nil {
		return nil, err
	}
	a := avroTypes{text: len(s.Text), open: map[*avro.Schema]bool{}, defaults: map[*avro.Field][]byte{}}
	for _, r := range s.References {
		a.text += len(r.Text)
	}
	if branch, _, ok := optional(root); ok {
		root = branch
	}
	switch {
	case root.Type != avro.Record:
		return nil, errNoRow("of the Avro type " + root.Type.String() + ", not records")
	case len(root.Fields) == 0:
		return nil, fmt.Errorf("the record %.200q has no fields, and rows need columns", root.Name)
	}
	t, err := a.typeOf(root)
	if err != nil {
		return nil, err
	}
	return &table.Schema{Name: root.Name, Fields: t.Fields}, nil
}

// avroTypes turns Avro's types into columns'.
type avroTypes struct {
	size
	open     map[*avro.Schema]bool // records that the type is inside of
	defaults map[*avro.Field][]byte

	text                      int // bytes of the schema
	defaultBytes, defaultWork int
}

func (a *avroTypes) typeOf(s *avro.Schema) (table.Type, error) {
	switch s.Type {
	case avro.Union:
		if branch, nullable, ok := optional(s); ok {
			t, err := a.typeOf(branch)
			t.Nullable = t.Nullable || nullable
			return t, err
		}
		return a.leaf(table.Type{Nullable: hasNull(s)})
	case avro.Record:
		if a.open[s] || len(s.Fields) == 0 { // no format of files has structs without fields
			return a.leaf(table.Type{})
		}
		return a.record(s)
	case avro.Array, avro.Map:
		if err := a.enter(); err != nil {
			return table.Type{}, err
		}
		defer a.leave()
		elem, err := a.typeOf(s.Items)
		if s.Type == avro.Map {
			return table.Type{Kind: table.Map, Elem: &elem}, err
		}
		return table.Type{Kind: table.List, Elem: &elem}, err
	}
	return a.leaf(avroScalar(s))
}

// optional is the only type of a union beside null.
func optional(s *avro.Schema) (branch *avro.Schema, nullable, ok bool) {
	if s.Type != avro.Union {
		return nil, false, false
	}
	for _, b := range s.Branches {
		if b.Type == avro.Null {
			continue
		}
		if branch != nil {
			return nil, false, false
		}
		branch = b
	}
	return branch, hasNull(s), branch != nil
}

func hasNull(union *avro.Schema) bool {
	for _, b := range union.Branches {
		if b.Type == avro.Null {
			return true
		}
	}
	return false
}

func (a *avroTypes) record(s *avro.Schema) (table.Type, error) {
	if err := a.enter(); err != nil {
		return table.Type{}, err
	}
	a.open[s] = true
	defer func() {
		delete(a.open, s)
		a.leave()
	}()
	fields := make([]table.Field, 0, len(s.Fields))
	for i := range s.Fields {
		f := &s.Fields[i]
		t, err := a.typeOf(f.Type)
		if err != nil {
			return table.Type{}, within(f.Name, err)
		}
		text, err := a.defaultOf(f)
		if err != nil {
			return table.Type{}, within(f.Name, err)
		}
		fields = append(fields, table.Field{Name: f.Name, Aliases: f.Aliases, Type: t, Default: text, Doc: f.Doc})
	}
	return table.Type{Kind: table.Struct, Fields: fields}, nil
}

// avroLogical are the types of logical types that need no more than their names. Durations are texts by ISO 8601: months and milliseconds are no fixed
// time. Big decimals have a scale each. Nanoseconds are texts, which hold all digits: as integers (timestamps: epoch) they are refused, where a column of
// microseconds would take them for these.
var avroLogical = map[avro.Logical]table.Type{
	avro.BigDecimal:           {Kind: table.JSON},
	avro.UUID:                 {Kind: table.UUID},
	avro.Date:                 {Kind: table.Date},
	avro.TimeMillis:           {Kind: table.TimeMillis},
	avro.TimeMicros:           {Kind: table.TimeMicros},
	avro.TimestampMillis:      {Kind: table.TimestampMillis},
	avro.TimestampMicros:      {Kind: table.TimestampMicros},
	avro.TimestampNanos:       {Kind: table.String},
	avro.LocalTimestampMillis: {Kind: table.TimestampMillis, Local: true},
	avro.LocalTimestampMicros: {Kind: table.TimestampMicros, Local: true},
	avro.LocalTimestampNanos:  {Kind: table.String},
	avro.Duration:             {Kind: table.String},
}

// avroKinds are the types of the others.
var avroKinds = map[avro.Type]table.Type{
	avro.Null:    {Nullable: true},
	avro.Boolean: {Kind: table.Bool},
	avro.Int:     {Kind: table.Int32},
	avro.Long:    {Kind: table.Int64},
	avro.Float:   {Kind: table.Float32},
	avro.Double:  {Kind: table.Float64},
	avro.Bytes:   {Kind: table.Bytes},
	avro.String:  {Kind: table.String},
	avro.Enum:    {Kind: table.String},
}

// avroScalar is the type of what holds no others.
func avroScalar(s *avro.Schema) table.Type {
	if t, ok := avroLogical[s.Logical]; ok {
		return t
	}
	switch {
	case s.Logical == avro.Decimal && s.Precision > table.MaxDecimal:
		return table.Type{}
	case s.Logical == avro.Decimal:
		return table.Type{Kind: table.Decimal, Precision: s.Precision, Scale: s.Scale}
	case s.Type == avro.Fixed && s.Size == 0:
		return table.Type{Kind: table.Bytes}
	case s.Type == avro.Fixed:
		return table.Type{Kind: table.Fixed, Size: s.Size}
	}
	return avroKinds[s.Type]
}

// defaultOf is the JSON text of the value that a field has by its default, where it isn't null. One that the field can't have, a symbol that the enum
// hasn't got say, is none: Avro refuses it only where it is needed.
func (a *avroTypes) defaultOf(f *avro.Field) ([]byte, error) {
	if f.Default == nil || string(f.Default) == "null" {
		return nil, nil
	}
	if text, ok := a.defaults[f]; ok {
		return text, nil
	}
	if compound(f.Type) && string(f.Default) != "[]" {
		if a.defaultWork += a.text; a.defaultWork > maxDefaultWork {
			return nil, errors.New("too many fields of so large a schema have defaults that are records, arrays or maps")
		}
	}
	text := defaultText(f)
	if a.defaultBytes += len(text); a.defaultBytes > maxDefaultBytes {
		return nil, fmt.Errorf("the defaults have more than %d bytes", maxDefaultBytes)
	}
	a.defaults[f] = text
	return text, nil
}

// compound reports whether a type holds others, one of which may be large.
func compound(s *avro.Schema) bool {
	if branch, _, ok := optional(s); ok {
		s = branch
	}
	return s.Type == avro.Record || s.Type == avro.Array || s.Type == avro.Map || s.Type == avro.Union
}

// defaultText reads a record that lacks the field, and prints what the field has: bytes are base64 and decimals are numbers there, as in every value
// of ours. nil if there is no such value.
func defaultText(f *avro.Field) []byte {
	if text, ok := plainDefault(f); ok {
		return text
	}
	const name = "f"
	field := *f
	field.Name, field.Aliases = name, nil
	program, err := avro.Compile(&avro.Schema{Type: avro.Record, Name: name}, avro.Options{
		Reader: &avro.Schema{Type: avro.Record, Name: name, Fields: []avro.Field{field}},
	})
	if err != nil {
		return nil
	}
	v, err := program.Decode(serde.NewTape(), nil)
	if err != nil {
		return nil
	}
	text, err := v.Field(name).AppendJSON(nil)
	if err != nil { // of NaN, say
		return nil
	}
	return text
}

// plainDefault is a default that the schema has as our values print it. Parse has checked that it is of the type.
func plainDefault(f *avro.Field) (text []byte, ok bool) {
	s := f.Type
	if branch, _, ok := optional(s); ok {
		s = branch
	}
	switch s.Type {
	case avro.Boolean, avro.Int, avro.Long, avro.String:
		return f.Default, s.Logical == avro.NoLogical && string(f.Default) != "-0"
	case avro.Enum:
		symbol := strings.Trim(string(f.Default), `"`)
		return f.Default, slices.Contains(s.Symbols, symbol)
	}
	return nil, false
}
