package parquet

import (
	"errors"
	"fmt"
	"math"

	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace/millrace/internal/table"
)

// Fields of the union LogicalType, and values of the older ConvertedType (parquet.thrift).
const (
	logicalMap       = 2
	logicalList      = 3
	logicalDecimal   = 5
	logicalTime      = 7
	logicalTimestamp = 8
	logicalInteger   = 10

	convertedMap      = 1
	convertedKeyValue = 2
	convertedList     = 3
)

// A readNode is a column, or a group of columns, as rows have it.
type readNode struct {
	name     string
	typ      table.Type
	optional bool // def-1 says that it is null
	def      int  // definition level of what isn't null
	rep      int  // of lists and maps: repetition level of what follows the first entry
	first    int  // its leaves are columns first to last-1
	last     int

	names    []string // of a struct's children
	children []*readNode
	leaf     *readLeaf
}

// A readLeaf is a column with values.
type readLeaf struct {
	path           string // for messages: "pos.lat"
	physical       format.Type
	width          int // bytes of a value, 0 of BYTE_ARRAY and BOOLEAN
	maxDef, maxRep int
	convert        convert
}

// A schemaReader makes nodes of the elements of a schema, which come depth first.
type schemaReader struct {
	elements []elementMeta
	at       int
	leaves   []*readLeaf
}

// readSchema makes the tree of a file's columns, and the list of its leaves.
func readSchema(elements []elementMeta) (*readNode, []*readLeaf, error) {
	if len(elements) == 0 {
		return nil, nil, errors.New("it has no schema")
	}
	r := &schemaReader{elements: elements}
	root := &readNode{typ: table.Type{Kind: table.Struct}}
	r.at = 1
	if err := r.fields(root, elements[0].children, "", 0, 0, 1); err != nil {
		return nil, nil, err
	}
	if r.at < len(elements) {
		return nil, nil, fmt.Errorf("its schema has %d elements that are in no group", len(elements)-r.at)
	}
	return root, r.leaves, nil
}

// fields reads the children of a group.
func (r *schemaReader) fields(n *readNode, count int, path string, def, rep, depth int) error {
	if count <= 0 || depth > mostNesting {
		return fmt.Errorf("group %q of its schema has %d columns at level %d", path, count, depth)
	}
	n.first = len(r.leaves)
	seen := map[string]bool{}
	for range count {
		c, err := r.node(path, def, rep, depth)
		if err != nil {
			return err
		}
		if seen[c.name] {
			return fmt.Errorf("its schema has two columns %q", join(path, c.name))
		}
		seen[c.name] = true
		n.children, n.names = append(n.children, c), append(n.names, c.name)
		n.typ.Fields = append(n.typ.Fields, table.Field{Name: c.name, Type: c.typ})
	}
	n.last = len(r.leaves)
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// node reads the next element. A repeated one outside of a list or map is a list of its own ("Lists" in LogicalTypes.md of parquet-format).
func (r *schemaReader) node(path string, def, rep, depth int) (*readNode, error) {
	if r.at >= len(r.elements) {
		return nil, fmt.Errorf("group %q of its schema has more columns than there are", path)
	}
	e := &r.elements[r.at]
	r.at++
	if len(e.name) > math.MaxUint16 {
		return nil, fmt.Errorf("the name of column %.40q has %d bytes, more than %d", join(path, e.name), len(e.name), math.MaxUint16)
	}
	path = join(path, e.name)
	n := &readNode{name: e.name, def: def}
	switch e.repetition {
	case format.Required:
	case format.Optional:
		n.optional, n.def = true, def+1
	case format.Repeated:
		elem, err := r.content(e, &readNode{name: e.name, def: def + 1}, path, rep+1, depth)
		if err != nil {
			return nil, err
		}
		return n.list(elem, rep), nil
	default:
		return nil, fmt.Errorf("column %q has repetition %d, which doesn't exist", path, e.repetition)
	}
	return r.content(e, n, path, rep, depth)
}

// list makes n a list.
func (n *readNode) list(elem *readNode, rep int) *readNode {
	n.rep, n.first, n.last = rep+1, elem.first, elem.last
	n.children = []*readNode{elem}
	n.typ = table.Type{Kind: table.List, Nullable: n.optional, Elem: &elem.typ}
	return n
}

// content reads what e is, but for its repetition.
func (r *schemaReader) content(e *elementMeta, n *readNode, path string, rep, depth int) (*readNode, error) {
	if n.def > math.MaxUint8 || rep > math.MaxUint8 {
		return nil, fmt.Errorf("column %q lies too deep", path)
	}
	switch {
	case e.leaf && e.children > 0:
		return nil, fmt.Errorf("column %q has a type and columns in it", path)
	case e.leaf:
		return r.column(e, n, path, rep)
	case r.isList(e):
		return r.listOf(n, path, rep, depth)
	case r.isMap(e):
		return r.mapOf(n, path, rep, depth)
	}
	n.typ = table.Type{Kind: table.Struct, Nullable: n.optional}
	return n, r.fields(n, e.children, path, n.def, rep, depth+1)
}

func (r *schemaReader) column(e *elementMeta, n *readNode, path string, rep int) (*readNode, error) {
	typ, convert, err := readType(e)
	if err != nil {
		return nil, fmt.Errorf("column %q: %w", path, err)
	}
	typ.Nullable = n.optional
	n.typ = typ
	n.leaf = &readLeaf{path: path, physical: e.physical, width: readWidth(e), maxDef: n.def, maxRep: rep, convert: convert}
	n.first, n.last = len(r.leaves), len(r.leaves)+1
	r.leaves = append(r.leaves, n.leaf)
	return n, nil
}

// readWidth is how many bytes a value has; 0 if that differs, or it is less than one.
func readWidth(e *elementMeta) int {
	switch e.physical {
	case format.Int32, format.Float:
		return 4
	case format.Int64, format.Double:
		return 8
	case format.Int96:
		return 12
	case format.FixedLenByteArray:
		return e.length
	}
	return 0
}

// child is the only child of a group, if it is repeated. r.at is behind the group.
func (r *schemaReader) child(e *elementMeta) *elementMeta {
	if e.children != 1 || r.at >= len(r.elements) || r.elements[r.at].repetition != format.Repeated {
		return nil
	}
	return &r.elements[r.at]
}

func (r *schemaReader) isList(e *elementMeta) bool {
	return (e.logical.id == logicalList || e.logical.id == 0 && e.converted == convertedList) && r.child(e) != nil
}

func (r *schemaReader) isMap(e *elementMeta) bool {
	named := e.logical.id == logicalMap || e.logical.id == 0 && (e.converted == convertedMap || e.converted == convertedKeyValue)
	c := r.child(e)
	return named && c != nil && !c.leaf && c.children == 2 && r.at+1 < len(r.elements) && r.elements[r.at+1].leaf && r.elements[r.at+1].repetition == format.Required
}

// listOf reads a list with two or three levels ("Lists", backward-compatibility rules, in LogicalTypes.md of parquet-format).
func (r *schemaReader) listOf(n *readNode, path string, rep, depth int) (*readNode, error) {
	c := &r.elements[r.at]
	r.at++
	two := c.leaf || c.children > 1 || c.name == "array" || c.name == n.name+"_tuple" || c.children == 1 && r.child(c) != nil
	if two || c.children != 1 {
		elem, err := r.content(c, &readNode{name: c.name, def: n.def + 1}, join(path, c.name), rep+1, depth+1)
		if err != nil {
			return nil, err
		}
		return n.list(elem, rep), nil
	}
	elem, err := r.node(join(path, c.name), n.def+1, rep+1, depth+1)
	if err != nil {
		return nil, err
	}
	return n.list(elem, rep), nil
}

// mapOf reads a map ("Maps" in LogicalTypes.md of parquet-format).
func (r *schemaReader) mapOf(n *readNode, path string, rep, depth int) (*readNode, error) {
	path = join(path, r.elements[r.at].name)
	r.at++
	key, err := r.node(path, n.def+1, rep+1, depth+1)
	if err != nil {
		return nil, err
	}
	value, err := r.node(path, n.def+1, rep+1, depth+1)
	if err != nil {
		return nil, err
	}
	n.rep, n.first, n.last = rep+1, key.first, value.last
	n.children = []*readNode{key, value}
	n.typ = table.Type{Kind: table.Map, Nullable: n.optional, Elem: &value.typ}
	return n, nil
}
