package parquet

import (
	"errors"
	"fmt"
	"math"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace/millrace/internal/table"
)

// Bounds of a schema. Levels are kept in bytes, of which one value is taken.
const (
	maxColumns = 100_000
	maxLevel   = math.MaxUint8 - 1
	maxDigits  = 76 // of a decimal: what the largest decimal of Arrow has
)

// A tree is a schema as Parquet has it: groups and columns. It is shared by all files of the schema.
type tree struct {
	elements []format.SchemaElement // depth first, the root before all
	columns  []column               // the leaves, in the same order
}

// A column is a leaf of the tree.
type column struct {
	path     []string
	kind     table.Kind
	physical format.Type
	width    int // of a value in bytes, 0 if it varies
	maxDef   uint8
	maxRep   uint8
	order    order
	bloom    bool
}

// lengths says if each value brings its length.
func (c *column) lengths() bool { return c.physical == format.ByteArray }

// newTree makes the tree of a schema. Schema.Rest is its last column.
func newTree(s *table.Schema) (*tree, error) {
	fields := s.Fields
	if s.Rest != "" {
		fields = append(fields[:len(fields):len(fields)], table.Field{Name: s.Rest, Type: table.Type{Kind: table.JSON, Nullable: true}})
	}
	t := &tree{}
	name := s.Name
	if name == "" {
		name = "schema"
	}
	t.elements = append(t.elements, format.SchemaElement{Name: name})
	if err := t.group(0, fields, position{}); err != nil {
		return nil, err
	}
	return t, nil
}

// A position is where an element stands.
type position struct {
	path     []string
	def, rep uint8
}

// below is the position of a member.
func (p position) below(name string) position {
	p.path = append(p.path[:len(p.path):len(p.path)], name)
	return p
}

// group adds fields as the children of element i.
func (t *tree) group(i int, fields []table.Field, at position) error {
	if len(fields) == 0 {
		return fmt.Errorf("%sParquet has no groups without fields", prefix(at.path))
	}
	t.elements[i].NumChildren = thrift.New(int32(len(fields)))
	names := make(map[string]bool, len(fields))
	for k := range fields {
		f := &fields[k]
		switch {
		case f.Name == "":
			return fmt.Errorf("%sa field has no name", prefix(at.path))
		case names[f.Name]:
			return fmt.Errorf("%stwo fields are named %q", prefix(at.path), f.Name)
		}
		names[f.Name] = true
		if err := t.add(f.Name, &f.Type, at); err != nil {
			return err
		}
	}
	return nil
}

func prefix(path []string) string {
	if len(path) == 0 {
		return ""
	}
	return fmt.Sprintf("column %s: ", dotted(path))
}

// add adds a field, element or value of type typ, and all below it.
func (t *tree) add(name string, typ *table.Type, at position) error {
	if at.def >= maxLevel-2 || len(at.path) > maxLevel {
		return fmt.Errorf("%sthe schema is nested too deeply", prefix(at.path[:8]))
	}
	at = at.below(name)
	repetition := format.Required
	if typ.Nullable {
		repetition = format.Optional
		at.def++
	}
	i := t.element(name, repetition)
	switch typ.Kind {
	case table.Struct:
		return t.group(i, typ.Fields, at)
	case table.List, table.Map:
		if typ.Elem == nil {
			return fmt.Errorf("%sthe type of its elements is missing", prefix(at.path))
		}
		if typ.Kind == table.List {
			return t.list(i, typ, at)
		}
		return t.mapping(i, typ, at)
	}
	return t.leaf(i, typ, at)
}

func (t *tree) element(name string, repetition format.FieldRepetitionType) int {
	t.elements = append(t.elements, format.SchemaElement{Name: name, RepetitionType: thrift.New(repetition)})
	return len(t.elements) - 1
}

// list makes element i a list of the standard form: parquet-format, LogicalTypes.md, Lists.
func (t *tree) list(i int, typ *table.Type, at position) error {
	t.annotate(i, deprecated.List, &format.ListType{})
	return t.add("element", typ.Elem, t.repeated(i, "list", 1, at))
}

// mapping makes element i a map of the standard form: parquet-format, LogicalTypes.md, Maps.
func (t *tree) mapping(i int, typ *table.Type, at position) error {
	t.annotate(i, deprecated.Map, &format.MapType{})
	at = t.repeated(i, "key_value", 2, at)
	if err := t.add("key", &table.Type{Kind: table.String}, at); err != nil {
		return err
	}
	return t.add("value", typ.Elem, at)
}

// repeated adds the repeated group of a list or map.
func (t *tree) repeated(i int, name string, children int32, at position) position {
	t.elements[i].NumChildren = thrift.New(int32(1))
	g := t.element(name, format.Repeated)
	t.elements[g].NumChildren = thrift.New(children)
	at = at.below(name)
	at.def++
	at.rep++
	return at
}

// annotate says what element i is, to readers of today and to those that know the older annotations only.
func (t *tree) annotate(i int, older deprecated.ConvertedType, logical format.LogicalTypeValue) {
	t.elements[i].ConvertedType = thrift.New(older)
	t.elements[i].LogicalType.Value = logical
}

// leaf makes element i a column.
func (t *tree) leaf(i int, typ *table.Type, at position) error {
	if len(t.columns) == maxColumns {
		return fmt.Errorf("the schema has more than %d columns", maxColumns)
	}
	c := column{path: at.path, kind: typ.Kind, maxDef: at.def, maxRep: at.rep}
	if err := t.physical(i, typ, &c); err != nil {
		return fmt.Errorf("%s%w", prefix(at.path), err)
	}
	e := &t.elements[i]
	e.Type = thrift.New(c.physical)
	if c.physical == format.FixedLenByteArray {
		e.TypeLength = thrift.New(int32(c.width))
	}
	t.columns = append(t.columns, c)
	return nil
}

// physical says how values of a type are stored: parquet-format, LogicalTypes.md.
func (t *tree) physical(i int, typ *table.Type, c *column) error {
	switch typ.Kind {
	case table.Bool:
		c.store(format.Boolean, 1, orderBool)
	case table.Int32:
		c.store(format.Int32, 4, orderInt32)
	case table.Int64:
		c.store(format.Int64, 8, orderInt64)
	case table.Float32:
		c.store(format.Float, 4, orderFloat32)
	case table.Float64:
		c.store(format.Double, 8, orderFloat64)
	case table.Bytes:
		c.store(format.ByteArray, 0, orderBytes)
	case table.String, table.JSON:
		// The annotation JSON would be the exact one, but a column of it has another type than a text in some readers.
		c.store(format.ByteArray, 0, orderBytes)
		t.annotate(i, deprecated.UTF8, &format.StringType{})
	case table.UUID:
		c.store(format.FixedLenByteArray, 16, orderBytes)
		t.elements[i].LogicalType.Value = &format.UUIDType{} // there is no older annotation
	case table.Fixed:
		if typ.Size < 1 || typ.Size > math.MaxInt32 {
			return fmt.Errorf("values can't have a size of %d bytes", typ.Size)
		}
		c.store(format.FixedLenByteArray, typ.Size, orderBytes)
	case table.Decimal:
		return t.decimal(i, typ, c)
	case table.Date, table.TimeMillis, table.TimeMicros, table.TimestampMillis, table.TimestampMicros:
		t.moment(i, typ, c)
	default:
		return fmt.Errorf("there is no type %s in Parquet", typ.Kind)
	}
	return nil
}

func (c *column) store(physical format.Type, width int, o order) {
	c.physical, c.width, c.order = physical, width, o
}

// moment is the storage of dates and times. A time of day has no zone: DuckDB and Spark read it as such only if it isn't adjusted to UTC. The
// specification wants the older annotations for local ones too.
func (t *tree) moment(i int, typ *table.Type, c *column) {
	millis, micros := format.TimeUnit{Value: &format.MilliSeconds{}}, format.TimeUnit{Value: &format.MicroSeconds{}}
	switch typ.Kind {
	case table.Date:
		c.store(format.Int32, 4, orderInt32)
		t.annotate(i, deprecated.Date, &format.DateType{})
	case table.TimeMillis:
		c.store(format.Int32, 4, orderInt32)
		t.annotate(i, deprecated.TimeMillis, &format.TimeType{Unit: millis})
	case table.TimeMicros:
		c.store(format.Int64, 8, orderInt64)
		t.annotate(i, deprecated.TimeMicros, &format.TimeType{Unit: micros})
	case table.TimestampMillis:
		c.store(format.Int64, 8, orderInt64)
		t.annotate(i, deprecated.TimestampMillis, &format.TimestampType{IsAdjustedToUTC: !typ.Local, Unit: millis})
	default:
		c.store(format.Int64, 8, orderInt64)
		t.annotate(i, deprecated.TimestampMicros, &format.TimestampType{IsAdjustedToUTC: !typ.Local, Unit: micros})
	}
}

var errDecimal = errors.New("a decimal has 1 to 76 digits, and at most as many behind the point")

func (t *tree) decimal(i int, typ *table.Type, c *column) error {
	p, s := typ.Precision, typ.Scale
	switch {
	case p < 1 || p > maxDigits || s < 0 || s > p:
		return errDecimal
	case p <= 9:
		c.store(format.Int32, 4, orderInt32)
	case p <= 18:
		c.store(format.Int64, 8, orderInt64)
	default:
		c.store(format.FixedLenByteArray, decimalSize(p), orderSigned)
	}
	t.annotate(i, deprecated.Decimal, &format.DecimalType{Scale: int32(s), Precision: int32(p)})
	t.elements[i].Scale, t.elements[i].Precision = thrift.New(int32(s)), thrift.New(int32(p))
	return nil
}

// decimalSize is how many bytes a signed number of so many digits needs.
func decimalSize(digits int) int {
	return int(math.Ceil((float64(digits)*math.Log2(10) + 1) / 8))
}
