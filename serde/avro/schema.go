package avro

import (
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/serde"
)

// A Type is one of Avro's types (specification, Schema Declaration).
type Type uint8

// The types.
const (
	Null Type = iota
	Boolean
	Int
	Long
	Float
	Double
	Bytes
	String
	Record
	Enum
	Array
	Map
	Union
	Fixed
)

var typeNames = [...]string{"null", "boolean", "int", "long", "float", "double", "bytes", "string", "record", "enum", "array", "map", "union", "fixed"}

// String is the type as schemas name it.
func (t Type) String() string { return typeNames[t] }

// A Schema is a type with what belongs to it. It is shared, may refer to itself by its fields, and must not be changed.
type Schema struct {
	Type    Type
	Logical Logical  // NoLogical if there is none, or one that isn't known or doesn't fit, which the specification says to ignore
	Name    string   // full name of a Record, an Enum or a Fixed
	Aliases []string // full names

	Fields     []Field   // of a Record
	Symbols    []string  // of an Enum
	Default    string    // of an Enum, if HasDefault
	HasDefault bool      // of an Enum
	Items      *Schema   // of an Array; the values of a Map
	Branches   []*Schema // of a Union
	Size       int       // of a Fixed, in bytes

	Precision, Scale int // of a Decimal
}

// A Field is a member of a Record.
type Field struct {
	Name    string
	Aliases []string
	Type    *Schema
	Default []byte // JSON text; nil if there is none
	Doc     string
}

// A Logical is one of Avro's logical types.
type Logical uint8

// The logical types.
const (
	NoLogical Logical = iota
	Decimal
	BigDecimal
	UUID
	Date
	TimeMillis
	TimeMicros
	TimestampMillis
	TimestampMicros
	TimestampNanos
	LocalTimestampMillis
	LocalTimestampMicros
	LocalTimestampNanos
	Duration
)

// logicals are the logical types by their names, with the types that they belong to.
var logicals = map[string]struct {
	logical Logical
	of      []Type
}{
	"decimal":                {Decimal, []Type{Bytes, Fixed}},
	"big-decimal":            {BigDecimal, []Type{Bytes}},
	"uuid":                   {UUID, []Type{String, Fixed}},
	"date":                   {Date, []Type{Int}},
	"time-millis":            {TimeMillis, []Type{Int}},
	"time-micros":            {TimeMicros, []Type{Long}},
	"timestamp-millis":       {TimestampMillis, []Type{Long}},
	"timestamp-micros":       {TimestampMicros, []Type{Long}},
	"timestamp-nanos":        {TimestampNanos, []Type{Long}},
	"local-timestamp-millis": {LocalTimestampMillis, []Type{Long}},
	"local-timestamp-micros": {LocalTimestampMicros, []Type{Long}},
	"local-timestamp-nanos":  {LocalTimestampNanos, []Type{Long}},
	"duration":               {Duration, []Type{Fixed}},
}

// Bounds of a schema. AWS Glue takes schemas of at most 170,000 characters (AWS Glue API reference, CreateSchema).
const (
	maxSchema = 1 << 20 // bytes of its text
	maxDepth  = 64      // of types inside each other
	maxFixed  = 1 << 24 // bytes
)

// Parse reads a schema (specification, Schema Declaration). refs are schemas that it uses by name, each behind those that it uses itself. What the
// specification says to ignore is ignored; names may have any characters.
func Parse(text string, refs ...serde.Reference) (*Schema, error) {
	p := parser{named: map[string]*Schema{}}
	for _, r := range refs {
		if _, err := p.document(r.Text); err != nil {
			return nil, fmt.Errorf("avro: schema %.100q, which the schema uses: %w", r.Name, err)
		}
	}
	s, err := p.document(text)
	if err != nil {
		return nil, fmt.Errorf("avro: schema: %w", err)
	}
	return s, nil
}

// A parser knows the named types so far.
type parser struct {
	named    map[string]*Schema
	defaults []pending
}

// A pending default is checked when all types are known.
type pending struct {
	record string
	field  *Field
}

func (p *parser) document(text string) (*Schema, error) {
	if len(text) > maxSchema {
		return nil, fmt.Errorf("the text has %d bytes, at most %d are allowed", len(text), maxSchema)
	}
	p.defaults = nil
	tape := serde.NewTape()
	v, err := tape.JSON([]byte(text), serde.Limits{Depth: 3 * maxDepth})
	if err != nil {
		if name := strings.TrimSpace(text); isPrimitive(name) {
			return &Schema{Type: primitives[name]}, nil // Java takes "string" without quotes
		}
		return nil, err
	}
	s, err := p.schema(v, "", 0)
	if err != nil {
		return nil, err
	}
	for _, d := range p.defaults {
		if err := checkDefault(d.field); err != nil {
			return nil, fmt.Errorf("field %.100q of %.100q: %w", d.field.Name, d.record, err)
		}
	}
	return s, nil
}

var primitives = map[string]Type{"null": Null, "boolean": Boolean, "int": Int, "long": Long, "float": Float, "double": Double, "bytes": Bytes, "string": String}

func isPrimitive(name string) bool {
	_, ok := primitives[name]
	return ok
}

// schema reads a type. namespace is that of the enclosing definition.
func (p *parser) schema(v serde.Value, namespace string, depth int) (*Schema, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("types are nested more than %d deep", maxDepth)
	}
	switch v.Kind() {
	case serde.String:
		return p.byName(text(v), namespace)
	case serde.Array:
		return p.union(v, namespace, depth)
	case serde.Object:
		return p.complex(v, namespace, depth)
	}
	return nil, fmt.Errorf("a type is a name, a list or an object, not %s", v.Kind())
}

// byName is a primitive type or one that was defined before.
func (p *parser) byName(name, namespace string) (*Schema, error) {
	if t, ok := primitives[name]; ok {
		return &Schema{Type: t}, nil
	}
	for _, full := range []string{fullName(name, namespace), name} {
		if s, ok := p.named[full]; ok {
			return s, nil
		}
	}
	return nil, fmt.Errorf("the type %.100q isn't defined", name)
}

func (p *parser) union(v serde.Value, namespace string, depth int) (*Schema, error) {
	s := &Schema{Type: Union}
	seen := map[string]bool{}
	for e := range v.Elements() {
		b, err := p.schema(e, namespace, depth+1)
		if err != nil {
			return nil, err
		}
		if b.Type == Union {
			return nil, errors.New("a union can't have a union in it")
		}
		if seen[b.key()] {
			return nil, fmt.Errorf("a union has %.100q twice", b.key())
		}
		seen[b.key()] = true
		s.Branches = append(s.Branches, b)
	}
	if len(s.Branches) == 0 {
		return nil, errors.New("a union has no type in it")
	}
	return s, nil
}

// key is what the branches of a union are told apart by.
func (s *Schema) key() string {
	if s.Name != "" {
		return s.Name
	}
	return s.Type.String()
}

func (p *parser) complex(v serde.Value, namespace string, depth int) (*Schema, error) {
	typ := v.Field("type")
	if typ.Kind() != serde.String { // {"type": {...}}, which is the type inside; also {"type": [...]}
		if !typ.Exists() {
			return nil, errors.New(`an object has no "type"`)
		}
		return p.schema(typ, namespace, depth+1)
	}
	s := &Schema{}
	var err error
	switch name := text(typ); name {
	case "record", "error":
		s.Type = Record
		err = p.record(s, v, namespace, depth)
	case "enum":
		s.Type = Enum
		err = p.enum(s, v, namespace)
	case "fixed":
		s.Type = Fixed
		err = p.fixed(s, v, namespace)
	case "array", "map":
		s.Type = Array
		member := "items"
		if name == "map" {
			s.Type, member = Map, "values"
		}
		if !v.Field(member).Exists() {
			return nil, fmt.Errorf("type %s has no %q", name, member)
		}
		s.Items, err = p.schema(v.Field(member), namespace, depth+1)
	default:
		found, err := p.byName(name, namespace)
		if err != nil || !isPrimitive(name) {
			return found, err // a named type can't be given another logical type here
		}
		s = found
	}
	if err != nil {
		return nil, err
	}
	s.setLogical(v)
	return s, nil
}

// define gives s its name, and makes it known.
func (p *parser) define(s *Schema, v serde.Value, namespace string) (inner string, err error) {
	name := text(v.Field("name"))
	if name == "" {
		return "", fmt.Errorf("a type %s has no name", s.Type)
	}
	if ns := v.Field("namespace"); ns.Kind() == serde.String {
		namespace = text(ns)
	}
	s.Name = fullName(name, namespace)
	if isPrimitive(s.Name) {
		return "", fmt.Errorf("the type %s can't be named %q, as a primitive type", s.Type, s.Name)
	}
	if _, ok := p.named[s.Name]; ok {
		return "", fmt.Errorf("the type %.100q is defined twice", s.Name)
	}
	p.named[s.Name] = s
	inner = ""
	if i := strings.LastIndexByte(s.Name, '.'); i >= 0 {
		inner = s.Name[:i]
	}
	for a := range v.Field("aliases").Elements() {
		s.Aliases = append(s.Aliases, fullName(text(a), inner))
	}
	return inner, nil
}

func fullName(name, namespace string) string {
	if namespace == "" || strings.Contains(name, ".") {
		return strings.TrimPrefix(name, ".")
	}
	return namespace + "." + name
}

func (p *parser) record(s *Schema, v serde.Value, namespace string, depth int) error {
	inner, err := p.define(s, v, namespace)
	if err != nil {
		return err
	}
	fields := v.Field("fields")
	if fields.Kind() != serde.Array {
		return fmt.Errorf(`the record %.100q has no list "fields"`, s.Name)
	}
	s.Fields = make([]Field, 0, fields.Len())
	seen := make(map[string]bool, fields.Len())
	for e := range fields.Elements() {
		f := Field{Name: text(e.Field("name")), Doc: text(e.Field("doc"))}
		switch {
		case e.Kind() != serde.Object || f.Name == "":
			return fmt.Errorf("the record %.100q has a field without a name", s.Name)
		case len(f.Name) > 65535:
			return fmt.Errorf("the record %.100q has a field name of %d bytes; at most 65535 are allowed", s.Name, len(f.Name))
		case seen[f.Name]:
			return fmt.Errorf("the record %.100q has the field %.100q twice", s.Name, f.Name)
		case !e.Field("type").Exists():
			return fmt.Errorf("the field %.100q of %.100q has no type", f.Name, s.Name)
		}
		seen[f.Name] = true
		if f.Type, err = p.schema(e.Field("type"), inner, depth+1); err != nil {
			return fmt.Errorf("field %.100q of %.100q: %w", f.Name, s.Name, err)
		}
		for a := range e.Field("aliases").Elements() {
			f.Aliases = append(f.Aliases, text(a))
		}
		if d := e.Field("default"); d.Exists() {
			if f.Default, err = d.AppendJSON(nil); err != nil {
				return fmt.Errorf("default of the field %.100q: %w", f.Name, err)
			}
		}
		s.Fields = append(s.Fields, f)
	}
	for i := range s.Fields {
		if s.Fields[i].Default != nil {
			p.defaults = append(p.defaults, pending{s.Name, &s.Fields[i]})
		}
	}
	return nil
}

func (p *parser) enum(s *Schema, v serde.Value, namespace string) error {
	if _, err := p.define(s, v, namespace); err != nil {
		return err
	}
	symbols := v.Field("symbols")
	if symbols.Kind() != serde.Array {
		return fmt.Errorf(`the enum %.100q has no list "symbols"`, s.Name)
	}
	seen := make(map[string]bool, symbols.Len())
	for e := range symbols.Elements() {
		symbol := text(e)
		if symbol == "" || seen[symbol] || len(symbol) > 65535 {
			return fmt.Errorf("the enum %.100q has an empty, a long or a repeated symbol: %.100q", s.Name, symbol)
		}
		seen[symbol] = true
		s.Symbols = append(s.Symbols, symbol)
	}
	if d := v.Field("default"); d.Exists() {
		if s.Default, s.HasDefault = text(d), true; !seen[s.Default] {
			return fmt.Errorf("the enum %.100q has the default %.100q, which is none of its symbols", s.Name, s.Default)
		}
	}
	return nil
}

func (p *parser) fixed(s *Schema, v serde.Value, namespace string) error {
	if _, err := p.define(s, v, namespace); err != nil {
		return err
	}
	size, ok := v.Field("size").Int64()
	if !ok || size < 0 || size > maxFixed {
		return fmt.Errorf("the fixed %.100q needs a size from 0 to %d", s.Name, maxFixed)
	}
	s.Size = int(size)
	return nil
}

// setLogical takes the logical type that v names, if it is valid for s.
func (s *Schema) setLogical(v serde.Value) {
	l, ok := logicals[text(v.Field("logicalType"))]
	if !ok {
		return
	}
	for _, t := range l.of {
		ok = t == s.Type
		if ok {
			break
		}
	}
	switch {
	case !ok, l.logical == UUID && s.Type == Fixed && s.Size != 16, l.logical == Duration && s.Size != 12:
		return
	case l.logical == Decimal:
		precision, ok := v.Field("precision").Int64()
		scale, _ := v.Field("scale").Int64()
		if !ok || precision < 1 || precision > maxPrecision || scale < 0 || scale > precision {
			return
		}
		s.Precision, s.Scale = int(precision), int(scale)
	}
	s.Logical = l.logical
}

// maxPrecision bounds the digits of a decimal. Databases stop at 38 to 131,072; more would only make hostile numbers slow.
const maxPrecision = 4096

// text is a copy of a string, "" of any other value.
func text(v serde.Value) string {
	if v.Kind() != serde.String {
		return ""
	}
	s, _ := v.Text()
	return string(s)
}
