package connectjson

import (
	"fmt"
	"math"
	"strconv"

	"github.com/millrace/millrace/serde"
)

// Limits of a schema.
const (
	maxSchemaText = 1 << 20 // bytes
	maxNesting    = 64      // schemas in each other
	maxScale      = 1000    // digits of a decimal behind the point, and zeros before it
)

// A compiled is a schema ready for use. It doesn't change.
type compiled struct {
	root   *node
	names  serde.Names // of all fields
	schema *serde.Schema
	maps   bool // there is a map in it
}

type kind uint8

const (
	boolean kind = iota + 1
	integer
	float
	double
	text
	binary
	array
	mapping
	structure
)

// A node is one schema of a compiled schema.
type node struct {
	kind     kind
	logical  logical
	optional bool
	asIs     bool  // its values have the right kinds when they are parsed
	lo, hi   int64 // of an integer
	scale    int
	typeName string      // as the schema calls it
	absent   serde.Value // the default, on a tape of its own that nobody writes to any more; Missing if there is none

	items  *node // of arrays and maps
	keys   *node // of maps
	fields []field
	index  map[string]int // of fields
}

type field struct {
	*node
	name string
	key  serde.Name
}

// A compiler makes nodes.
type compiler struct {
	out      *compiled
	defaults *serde.Tape
	keys     map[string]serde.Name
}

// compile makes a compiled of a schema whose text is given.
func compile(schema serde.Value, text string) (*compiled, error) {
	if len(text) > maxSchemaText {
		return nil, fmt.Errorf("it has %d bytes, at most %d are possible", len(text), maxSchemaText)
	}
	c := compiler{out: &compiled{}, defaults: serde.NewTape(), keys: map[string]serde.Name{}}
	root, err := c.node(schema, 0)
	if err != nil {
		return nil, err
	}
	name, _ := schema.Field("name").Text()
	c.out.root = root
	c.out.schema = &serde.Schema{Format: Format, Name: string(name), Text: text}
	return c.out, nil
}

func (c *compiler) node(s serde.Value, depth int) (*node, error) {
	if depth >= maxNesting {
		return nil, fmt.Errorf("schemas are nested more than %d deep", maxNesting)
	}
	if s.Kind() != serde.Object {
		return nil, fmt.Errorf("got %s, want an object", s.Kind())
	}
	name, ok := s.Field("type").Text()
	if !ok {
		return nil, fmt.Errorf("the type is missing")
	}
	n := &node{typeName: string(name)}
	n.optional, _ = s.Field("optional").Bool()
	if d := s.Field("default"); d.Exists() && d.Kind() != serde.Null {
		n.absent = c.defaults.Clone(d)
	}
	if err := c.setType(n, s, depth); err != nil {
		return nil, err
	}
	if err := n.setLogical(s); err != nil {
		return nil, err
	}
	return n, nil
}

// setType sets what follows from the type.
func (c *compiler) setType(n *node, s serde.Value, depth int) error {
	n.asIs = true
	switch n.typeName {
	case "int8":
		n.kind, n.lo, n.hi = integer, math.MinInt8, math.MaxInt8
	case "int16":
		n.kind, n.lo, n.hi = integer, math.MinInt16, math.MaxInt16
	case "int32":
		n.kind, n.lo, n.hi = integer, math.MinInt32, math.MaxInt32
	case "int64":
		n.kind, n.lo, n.hi = integer, math.MinInt64, math.MaxInt64
	case "float":
		n.kind = float
	case "double":
		n.kind = double
	case "boolean":
		n.kind = boolean
	case "string":
		n.kind = text
	case "bytes":
		n.kind, n.asIs = binary, false
	case "array":
		n.kind = array
		return c.setItems(n, s, "items", depth)
	case "map":
		return c.setMap(n, s, depth)
	case "struct":
		n.kind = structure
		return c.setFields(n, s, depth)
	default:
		return fmt.Errorf("the type %.60q is not one of Kafka Connect's", n.typeName)
	}
	return nil
}

func (c *compiler) setItems(n *node, s serde.Value, member string, depth int) error {
	items, err := c.node(s.Field(member), depth+1)
	if err != nil {
		return fmt.Errorf("%s: %w", member, err)
	}
	n.items, n.asIs = items, items.asIs
	return nil
}

func (c *compiler) setMap(n *node, s serde.Value, depth int) error {
	n.kind, c.out.maps = mapping, true
	keys, err := c.node(s.Field("keys"), depth+1)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := c.setItems(n, s, "values", depth); err != nil {
		return err
	}
	n.keys = keys
	n.asIs = n.asIs && keys.kind == text
	return nil
}

func (c *compiler) setFields(n *node, s serde.Value, depth int) error {
	fields := s.Field("fields")
	if fields.Kind() != serde.Array {
		return fmt.Errorf("fields: got %s, want an array", fields.Kind())
	}
	n.fields = make([]field, 0, fields.Len())
	n.index = make(map[string]int, fields.Len())
	for f := range fields.Elements() {
		text, ok := f.Field("field").Text()
		if !ok {
			return fmt.Errorf("fields[%d]: the name of the field is missing", len(n.fields))
		}
		name := string(text)
		if _, ok := n.index[name]; ok {
			return fmt.Errorf("the field %.60q comes twice", name)
		}
		of, err := c.node(f, depth+1)
		if err != nil {
			return fmt.Errorf("field %.60q: %w", name, err)
		}
		key, err := c.key(name)
		if err != nil {
			return err
		}
		n.index[name] = len(n.fields)
		n.fields = append(n.fields, field{of, name, key})
		n.asIs = n.asIs && of.asIs
	}
	return nil
}

func (c *compiler) key(name string) (serde.Name, error) {
	if key, ok := c.keys[name]; ok {
		return key, nil
	}
	key, err := c.out.names.Add(name)
	if err == nil {
		c.keys[name] = key
	}
	return key, err
}

// A logical is the meaning that a schema's name gives to its type.
type logical uint8

const (
	none logical = iota
	fixedDecimal
	variableDecimal
	date
	timeOfDay // in units of node.scale
	timestamp // in units of node.scale
	zonedTimestamp
	uuid
)

// Units of times: nanoseconds.
const (
	nano  = 1
	micro = 1e3
	milli = 1e6
)

// named is the meaning of a name, the type that it must have, and the unit. ok is false for names without a meaning here.
func named(name string) (l logical, typeName string, unit int, ok bool) {
	ok = true
	switch name {
	case "org.apache.kafka.connect.data.Decimal":
		l, typeName = fixedDecimal, "bytes"
	case "org.apache.kafka.connect.data.Date", "io.debezium.time.Date":
		l, typeName = date, "int32"
	case "org.apache.kafka.connect.data.Time", "io.debezium.time.Time":
		l, typeName, unit = timeOfDay, "int32", milli
	case "io.debezium.time.MicroTime":
		l, typeName, unit = timeOfDay, "int64", micro
	case "io.debezium.time.NanoTime":
		l, typeName, unit = timeOfDay, "int64", nano
	case "org.apache.kafka.connect.data.Timestamp", "io.debezium.time.Timestamp":
		l, typeName, unit = timestamp, "int64", milli
	case "io.debezium.time.MicroTimestamp":
		l, typeName, unit = timestamp, "int64", micro
	case "io.debezium.time.NanoTimestamp":
		l, typeName, unit = timestamp, "int64", nano
	case "io.debezium.time.ZonedTimestamp":
		l, typeName = zonedTimestamp, "string"
	case "io.debezium.data.Uuid":
		l, typeName = uuid, "string"
	case "io.debezium.data.VariableScaleDecimal":
		l, typeName = variableDecimal, "struct"
	default:
		ok = false
	}
	return l, typeName, unit, ok
}

func (n *node) setLogical(s serde.Value) error {
	name, _ := s.Field("name").Text()
	l, typeName, unit, ok := named(string(name))
	if !ok {
		return nil
	}
	if typeName != n.typeName {
		return fmt.Errorf("the type of %s is %.60q, want %s", name, n.typeName, typeName)
	}
	n.logical, n.asIs, n.scale = l, false, unit
	switch l {
	case fixedDecimal:
		text, _ := s.Field("parameters").Field("scale").Text()
		scale, err := strconv.Atoi(string(text))
		if err != nil || scale > maxScale || scale < -maxScale {
			return fmt.Errorf("the parameter scale of %s is %.20q, want a number from %d to %d", name, text, -maxScale, maxScale)
		}
		n.scale = scale
	case variableDecimal:
		if len(n.fields) != 2 || n.fields[0].name != "scale" || n.fields[0].kind != integer || n.fields[1].name != "value" || n.fields[1].kind != binary {
			return fmt.Errorf("%s must have the fields scale, an integer, and value, bytes", name)
		}
	}
	return nil
}
