package parquet

import (
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// Limits of a row.
const (
	mostParts = 1 << 20 // values, lists and structures counted too, as of a JSON document (serde.Limits)
	mostText  = 1 << 28 // bytes of texts
)

// A Reader reads the rows of a Parquet file in their order, page by page: it holds one page of each column. One goroutine uses it at a time.
//
// It reads what this package writes, and what other writers make of the same types: data pages of both versions, all encodings but BIT_PACKED, and the
// compressions none, snappy, gzip and zstd. Whatever a file holds is an error at worst; what is wrong with it is found when the rows are read. The
// memory that it takes grows with the bytes that are there.
type Reader struct {
	from   io.ReaderAt
	meta   *fileMeta
	end    int64 // of the data
	root   *readNode
	schema *table.Schema

	columns []*columnReader
	unpack  unpacker
	group   int   // the next row group
	left    int64 // rows of the row group
	row     int64 // rows that were read
	err     error

	stack []serde.Value // the members and elements of what is open
	parts int           // of the row
	text  int
}

// Open reads the footer of a file of size bytes. from is used as long as rows are read. Close the Reader after use.
func Open(from io.ReaderAt, size int64) (*Reader, error) {
	r, err := openReader(from, size)
	if err != nil {
		return nil, fmt.Errorf("read a Parquet file: %w", err)
	}
	return r, nil
}

func openReader(from io.ReaderAt, size int64) (*Reader, error) {
	meta, end, err := readFooter(from, size)
	if err != nil {
		return nil, err
	}
	root, leaves, err := readSchema(meta.elements)
	if err != nil {
		return nil, err
	}
	r := &Reader{from: from, meta: meta, end: end, root: root, schema: &table.Schema{Name: meta.elements[0].name, Fields: root.typ.Fields}}
	for _, l := range leaves {
		r.columns = append(r.columns, &columnReader{leaf: l, unpack: &r.unpack, window: window{from: from}})
	}
	return r, nil
}

// Schema is the columns, as the footer has them. It is shared and must not be changed.
func (r *Reader) Schema() *table.Schema { return r.schema }

// Rows is how many rows the file says that it has.
func (r *Reader) Rows() int64 { return r.meta.rows }

// Close lets memory go. It doesn't close what is read from.
func (r *Reader) Close() { r.unpack.close() }

// Read makes an object of the next row, with a member for each column, on a tape; it borrows nothing. Columns with bytes become Bytes, texts String,
// columns of kind JSON the values of their texts, and maps objects. At the end the error is io.EOF. After any error no more rows can be read.
func (r *Reader) Read(t *serde.Tape) (serde.Value, error) {
	if r.err != nil {
		return serde.Value{}, r.err
	}
	v, err := r.next(t)
	switch {
	case errors.Is(err, io.EOF):
		r.err = io.EOF
	case err != nil:
		r.err = fmt.Errorf("read row %d of a Parquet file: %w", r.row, err)
	default:
		r.row++
		return v, nil
	}
	return serde.Value{}, r.err
}

func (r *Reader) next(t *serde.Tape) (serde.Value, error) {
	for r.left == 0 {
		if r.group > 0 {
			for _, c := range r.columns {
				if err := c.ended(); err != nil {
					return serde.Value{}, err
				}
			}
		}
		if r.group == len(r.meta.groups) {
			if r.row != r.meta.rows {
				return serde.Value{}, fmt.Errorf("the file has %d rows, not %d as its footer says", r.row, r.meta.rows)
			}
			return serde.Value{}, io.EOF
		}
		if err := r.begin(); err != nil {
			return serde.Value{}, fmt.Errorf("row group %d: %w", r.group, err)
		}
	}
	r.left--
	r.stack, r.parts, r.text = r.stack[:0], 0, 0
	return r.object(t, r.root, 0)
}

// begin begins the next row group.
func (r *Reader) begin() error {
	g := &r.meta.groups[r.group]
	if len(g.chunks) != len(r.columns) || g.rows < 0 {
		return fmt.Errorf("it has %d columns and %d rows, and the schema has %d columns", len(g.chunks), g.rows, len(r.columns))
	}
	for i, c := range r.columns {
		if err := c.begin(&g.chunks[i], g.rows, r.end); err != nil {
			return fmt.Errorf("column %q: %w", c.leaf.path, err)
		}
	}
	r.group++
	r.left = g.rows
	return nil
}

// value reads a node's value. rep is the repetition level of its first entry.
func (r *Reader) value(t *serde.Tape, n *readNode, rep int) (serde.Value, error) {
	if r.parts++; r.parts > mostParts {
		return serde.Value{}, fmt.Errorf("it has more than %d values", mostParts)
	}
	first := r.columns[n.first]
	if err := first.peek(); err != nil {
		return serde.Value{}, err
	}
	if n.optional && first.def < n.def {
		return t.Null(), r.absent(n, rep, n.def-1)
	}
	switch n.typ.Kind {
	case table.Struct:
		return r.object(t, n, rep)
	case table.List, table.Map:
		return r.repeated(t, n, rep)
	}
	return r.scalar(t, first, rep)
}

// absent passes over the entries of a node that is null, or has no elements: each of its columns has one, with the same levels.
func (r *Reader) absent(n *readNode, rep, def int) error {
	for _, c := range r.columns[n.first:n.last] {
		if err := c.peek(); err != nil {
			return err
		}
		if c.rep != rep || c.def != def {
			return c.fail(fmt.Errorf("its levels are %d and %d, where %d and %d should be", c.rep, c.def, rep, def))
		}
		c.ready = false
	}
	return nil
}

func (r *Reader) scalar(t *serde.Tape, c *columnReader, rep int) (serde.Value, error) {
	if c.rep != rep || c.def != c.leaf.maxDef {
		return serde.Value{}, c.fail(fmt.Errorf("its levels are %d and %d, where %d and %d should be", c.rep, c.def, rep, c.leaf.maxDef))
	}
	c.ready = false
	s, err := c.values.next()
	if err != nil {
		return serde.Value{}, c.fail(err)
	}
	if r.text += len(s.bytes); r.text > mostText {
		return serde.Value{}, fmt.Errorf("it has more than %d bytes", mostText)
	}
	v, err := c.leaf.convert(t, s)
	if err != nil {
		return serde.Value{}, c.fail(err)
	}
	return v, nil
}

func (r *Reader) object(t *serde.Tape, n *readNode, rep int) (serde.Value, error) {
	base := len(r.stack)
	for _, c := range n.children {
		v, err := r.value(t, c, rep)
		if err != nil {
			return serde.Value{}, err
		}
		r.stack = append(r.stack, v)
	}
	v := t.Object(n.names, r.stack[base:])
	r.stack = r.stack[:base]
	return v, nil
}

// repeated reads a list or a map.
func (r *Reader) repeated(t *serde.Tape, n *readNode, rep int) (serde.Value, error) {
	first := r.columns[n.first]
	base := len(r.stack)
	var keys mapKeys
	if first.def == n.def { // no element
		if err := r.absent(n, rep, n.def); err != nil {
			return serde.Value{}, err
		}
	} else {
		for more := true; more; rep = n.rep {
			if err := r.element(t, n, rep, &keys); err != nil {
				return serde.Value{}, err
			}
			var err error
			if more, err = first.continues(n.rep); err != nil {
				return serde.Value{}, err
			}
		}
	}
	var v serde.Value
	if n.typ.Kind == table.Map {
		v = t.Object(keys.names, r.stack[base:])
	} else {
		v = t.Array(r.stack[base:])
	}
	r.stack = r.stack[:base]
	return v, nil
}

// element reads an element of a list, or an entry of a map.
func (r *Reader) element(t *serde.Tape, n *readNode, rep int, keys *mapKeys) error {
	if n.typ.Kind == table.Map {
		k, err := r.value(t, n.children[0], rep)
		if err != nil {
			return err
		}
		if err := keys.add(k); err != nil {
			return r.columns[n.first].fail(err)
		}
	}
	v, err := r.value(t, n.children[len(n.children)-1], rep)
	if err == nil {
		r.stack = append(r.stack, v)
	}
	return err
}

// continues reports whether the next entry is one of the same list, whose further elements have a repetition level.
func (c *columnReader) continues(rep int) (bool, error) {
	if !c.ready && c.page == 0 && c.left == 0 {
		return false, nil
	}
	if err := c.peek(); err != nil {
		return false, err
	}
	if c.rep > rep {
		return false, c.fail(fmt.Errorf("its repetition level is %d, where at most %d is possible", c.rep, rep))
	}
	return c.rep == rep, nil
}

// mapKeys are the names of a map's entries.
type mapKeys struct {
	names []string
	seen  map[string]bool
}

// Limits of a map. Making an object takes time that grows with the square of its members.
const (
	mostEntries = 1 << 14
	mostKey     = 1<<16 - 1 // bytes, of serde
)

// add takes a key, whatever its type is: a text as it is, anything else as its JSON.
func (k *mapKeys) add(v serde.Value) error {
	name, err := v.AppendText(nil)
	switch {
	case err != nil:
		return fmt.Errorf("the key of a map: %w", err)
	case len(name) > mostKey:
		return fmt.Errorf("the key of a map has %d bytes; at most %d are read", len(name), mostKey)
	case len(k.names) == mostEntries:
		return fmt.Errorf("a map has more than %d entries", mostEntries)
	case k.seen[string(name)]:
		return fmt.Errorf("a map has the key %.40q twice", name)
	}
	if k.seen == nil {
		k.seen = map[string]bool{}
	}
	k.seen[string(name)] = true
	k.names = append(k.names, string(name))
	return nil
}
