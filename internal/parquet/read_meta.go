package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/parquet-go/parquet-go/format"
)

// Limits of what is read.
const (
	mostFooter  = 64 << 20 // bytes
	mostColumns = 20_000   // elements of a schema
	mostNesting = 64       // levels of a schema
	mostHeader  = 16 << 20 // bytes of a page's header: its statistics hold whole values
	mostPage    = 1 << 28  // bytes of a page, uncompressed
)

const fileMagic = "PAR1"

// fileMeta is what a footer says (FileMetaData of parquet.thrift), as far as it is needed.
type fileMeta struct {
	elements []elementMeta
	rows     int64
	groups   []groupMeta
}

// elementMeta is a SchemaElement.
type elementMeta struct {
	name       string
	physical   format.Type
	leaf       bool
	length     int
	repetition format.FieldRepetitionType
	children   int
	converted  int // ConvertedType; -1 if there is none
	scale      int
	precision  int
	logical    logicalMeta
}

// logicalMeta is a LogicalType.
type logicalMeta struct {
	id               int // of the union's field; 0 if there is none
	scale, precision int
	width            int
	signed           bool
	utc              bool
	unit             int // of the union TimeUnit: 1 milliseconds, 2 microseconds, 3 nanoseconds
}

// groupMeta is a RowGroup.
type groupMeta struct {
	rows   int64
	chunks []chunkMeta
}

// chunkMeta is a ColumnChunk.
type chunkMeta struct {
	physical   format.Type
	codec      format.CompressionCodec
	values     int64 // nulls too
	compressed int64
	data, dict int64 // where its data pages and its dictionary begin; dict is 0 if there is none
	elsewhere  bool  // in another file
	encrypted  bool
}

// readFooter reads the metadata at the end of a file, and tells where they begin.
func readFooter(from io.ReaderAt, size int64) (*fileMeta, int64, error) {
	const tail = 4 + len(fileMagic)
	if size < int64(len(fileMagic)+tail) {
		return nil, 0, fmt.Errorf("it has %d bytes, too few for a Parquet file", size)
	}
	var end [tail]byte
	if err := readAt(from, end[:], size-int64(tail)); err != nil {
		return nil, 0, err
	}
	switch magic := string(end[4:]); magic {
	case fileMagic:
	case "PARE":
		return nil, 0, errors.New("its footer is encrypted, which isn't supported")
	default:
		return nil, 0, fmt.Errorf("it ends in %q, not in %s: it is no Parquet file, or was cut off", magic, fileMagic)
	}
	n := int64(binary.LittleEndian.Uint32(end[:]))
	switch {
	case n > size-int64(len(fileMagic)+tail):
		return nil, 0, fmt.Errorf("its footer should have %d bytes, and the file has %d", n, size)
	case n > mostFooter:
		return nil, 0, fmt.Errorf("its footer has %d bytes; at most %d are read", n, mostFooter)
	}
	at := size - int64(tail) - n
	b := make([]byte, n)
	if err := readAt(from, b, at); err != nil {
		return nil, 0, err
	}
	m := &fileMeta{}
	r := thriftReader{b: b}
	m.read(&r)
	if r.err != nil {
		return nil, 0, fmt.Errorf("its footer: %w", r.err)
	}
	return m, at, nil
}

// readAt fills b.
func readAt(from io.ReaderAt, b []byte, at int64) error {
	n, err := from.ReadAt(b, at)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("read %d bytes at %d: %w", len(b), at, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(b), at, err)
}

func (m *fileMeta) read(r *thriftReader) {
	r.fields(thriftStruct, func(id int, typ byte) {
		switch id {
		case 2:
			r.list(typ, func(typ byte) {
				if len(m.elements) == mostColumns {
					r.fail(fmt.Errorf("its schema has more than %d elements", mostColumns))
				}
				e := elementMeta{converted: -1}
				e.read(r, typ)
				m.elements = append(m.elements, e)
			})
		case 3:
			m.rows = r.int64(typ)
		case 4:
			r.list(typ, func(typ byte) {
				var g groupMeta
				g.read(r, typ)
				m.groups = append(m.groups, g)
			})
		default:
			r.skip(typ)
		}
	})
}

func (e *elementMeta) read(r *thriftReader, typ byte) {
	r.fields(typ, func(id int, typ byte) {
		switch id {
		case 1:
			e.physical, e.leaf = format.Type(r.int(typ)), true
		case 2:
			e.length = r.int(typ)
		case 3:
			e.repetition = format.FieldRepetitionType(r.int(typ))
		case 4:
			e.name = string(r.bytes(typ))
		case 5:
			e.children = r.int(typ)
		case 6:
			e.converted = r.int(typ)
		case 7:
			e.scale = r.int(typ)
		case 8:
			e.precision = r.int(typ)
		case 10:
			e.logical.read(r, typ)
		default:
			r.skip(typ)
		}
	})
}

func (l *logicalMeta) read(r *thriftReader, typ byte) {
	r.fields(typ, func(id int, typ byte) {
		l.id = id
		r.fields(typ, func(at int, typ byte) {
			switch {
			case id == logicalDecimal && at == 1:
				l.scale = r.int(typ)
			case id == logicalDecimal && at == 2:
				l.precision = r.int(typ)
			case (id == logicalTime || id == logicalTimestamp) && at == 1:
				l.utc = r.bool(typ)
			case (id == logicalTime || id == logicalTimestamp) && at == 2:
				r.fields(typ, func(unit int, typ byte) {
					l.unit = unit
					r.skip(typ)
				})
			case id == logicalInteger && at == 1:
				l.width = r.int(typ)
			case id == logicalInteger && at == 2:
				l.signed = r.bool(typ)
			default:
				r.skip(typ)
			}
		})
	})
}

func (g *groupMeta) read(r *thriftReader, typ byte) {
	r.fields(typ, func(id int, typ byte) {
		switch id {
		case 1:
			r.list(typ, func(typ byte) {
				var c chunkMeta
				c.read(r, typ)
				g.chunks = append(g.chunks, c)
			})
		case 3:
			g.rows = r.int64(typ)
		default:
			r.skip(typ)
		}
	})
}

func (c *chunkMeta) read(r *thriftReader, typ byte) {
	r.fields(typ, func(id int, typ byte) {
		switch id {
		case 1:
			c.elsewhere = len(r.bytes(typ)) > 0
		case 3:
			r.fields(typ, c.field(r))
		case 8:
			c.encrypted = true
			r.skip(typ)
		default:
			r.skip(typ)
		}
	})
}

// field reads a field of ColumnMetaData.
func (c *chunkMeta) field(r *thriftReader) func(id int, typ byte) {
	return func(id int, typ byte) {
		switch id {
		case 1:
			c.physical = format.Type(r.int(typ))
		case 4:
			c.codec = format.CompressionCodec(r.int(typ))
		case 5:
			c.values = r.int64(typ)
		case 7:
			c.compressed = r.int64(typ)
		case 9:
			c.data = r.int64(typ)
		case 11:
			c.dict = r.int64(typ)
		default:
			r.skip(typ)
		}
	}
}

// pageMeta is a PageHeader.
type pageMeta struct {
	kind         format.PageType
	size, packed int // bytes, uncompressed and compressed
	crc          uint32
	checked      bool // crc is there
	values       int
	encoding     format.Encoding
	defs, reps   format.Encoding // of the levels of a DATA_PAGE
	defLen       int             // of a DATA_PAGE_V2, in bytes
	repLen       int
	plain        bool // the values of a DATA_PAGE_V2 aren't compressed
}

func (p *pageMeta) read(r *thriftReader) {
	r.fields(thriftStruct, func(id int, typ byte) {
		switch id {
		case 1:
			p.kind = format.PageType(r.int(typ))
		case 2:
			p.size = r.int(typ)
		case 3:
			p.packed = r.int(typ)
		case 4:
			p.crc, p.checked = uint32(r.int(typ)), true
		case 5, 7:
			r.fields(typ, p.field(r))
		case 8:
			r.fields(typ, p.fieldV2(r))
		default:
			r.skip(typ)
		}
	})
}

// field reads a field of DataPageHeader or of DictionaryPageHeader, which has the first two of them.
func (p *pageMeta) field(r *thriftReader) func(id int, typ byte) {
	return func(id int, typ byte) {
		switch {
		case id == 1:
			p.values = r.int(typ)
		case id == 2:
			p.encoding = format.Encoding(r.int(typ))
		case id == 3 && typ == thriftI32:
			p.defs = format.Encoding(r.int(typ))
		case id == 4:
			p.reps = format.Encoding(r.int(typ))
		default:
			r.skip(typ)
		}
	}
}

// fieldV2 reads a field of DataPageHeaderV2.
func (p *pageMeta) fieldV2(r *thriftReader) func(id int, typ byte) {
	return func(id int, typ byte) {
		switch id {
		case 1:
			p.values = r.int(typ)
		case 4:
			p.encoding = format.Encoding(r.int(typ))
		case 5:
			p.defLen = r.int(typ)
		case 6:
			p.repLen = r.int(typ)
		case 7:
			p.plain = !r.bool(typ)
		default:
			r.skip(typ)
		}
	}
}

// check reports sizes that can't be. left is how many bytes are left of the chunk.
func (p *pageMeta) check(left int64) error {
	switch {
	case p.size < 0 || p.packed < 0 || p.values < 0 || p.defLen < 0 || p.repLen < 0:
		return errors.New("a size is below 0")
	case int64(p.packed) > left:
		return fmt.Errorf("it should have %d bytes, and %d are left of the column", p.packed, left)
	case p.size > mostPage:
		return fmt.Errorf("it has %d bytes, uncompressed; at most %d are read", p.size, mostPage)
	case p.defLen > math.MaxInt32-p.repLen || p.defLen+p.repLen > min(p.size, p.packed):
		return errors.New("its levels are longer than the page")
	}
	return nil
}
