package parquet

import (
	"bytes"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace/millrace/internal/table"
)

// Options say how files are written.
type Options struct {
	Compression string            // Snappy (also ""), Zstd, Gzip, None
	Level       int               // of zstd 1 to 22, of gzip 1 to 9; 0: the default
	PageSize    int               // of a page before compression, in bytes, but for its last row; 0: 256 KiB
	Plain       bool              // no dictionaries; else each chunk has one as far as it pays
	NoBounds    bool              // no least and greatest values in chunks, and no page indexes
	Bloom       []string          // columns with a bloom filter, by dotted path
	CreatedBy   string            // the program, as the footer has it: "millrace version 1.2.3"
	Metadata    map[string]string // what else the footer has
}

const (
	defaultPageSize = 256 << 10
	maxPageSize     = 64 << 20
	maxPageRows     = 20_000 // so that a page index tells parts of small columns apart: parquet-format, PageIndex.md
)

// An Encoder makes files of one schema. It is safe for concurrent use.
//
// At most GOMAXPROCS pages are encoded at a time, the others wait for them; a compressor holds up to 9 MB.
type Encoder struct {
	options Options
	codec   format.CompressionCodec
	maxPage int
	tree    *tree
	plan    *plan
	meta    thrift.Slice[format.KeyValue]
	idle    chan *scratch // as many as may be busy; nil: not made yet
}

// A scratch is what encoding a page takes, but for what stays.
type scratch struct {
	page, out, levels []byte
	compressor        compressor
	lookup            lookup
	header            bytes.Buffer
	thrift            *thrift.Encoder
}

// New compiles a schema.
func New(s *table.Schema, o Options) (*Encoder, error) {
	codec, err := parseCompression(o.Compression, o.Level)
	if err != nil {
		return nil, err
	}
	switch {
	case o.PageSize == 0:
		o.PageSize = defaultPageSize
	case o.PageSize < 0 || o.PageSize > maxPageSize:
		return nil, fmt.Errorf("a page can't have a size of %d bytes: 1 to %d", o.PageSize, maxPageSize)
	}
	x := &Encoder{options: o, codec: codec, maxPage: maxPage, idle: make(chan *scratch, runtime.GOMAXPROCS(0))}
	if x.tree, err = newTree(s); err != nil {
		return nil, err
	}
	if x.plan, err = newPlan(s); err != nil {
		return nil, err
	}
	for _, name := range o.Bloom {
		if err := x.tree.addBloom(name); err != nil {
			return nil, err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(o.Metadata)) {
		x.meta = append(x.meta, format.KeyValue{Key: key, Value: o.Metadata[key]})
	}
	for range cap(x.idle) {
		x.idle <- nil
	}
	return x, nil
}

// addBloom gives the column of a dotted path a bloom filter. Names of lists' and maps' own groups may be left out.
func (t *tree) addBloom(name string) error {
	for i := range t.columns {
		c := &t.columns[i]
		if dotted(c.path) != name {
			continue
		}
		if c.physical == format.Boolean {
			return fmt.Errorf("column %s is boolean, which has no use for a bloom filter", name)
		}
		c.bloom = true
		return nil
	}
	return fmt.Errorf("there is no column %q to make a bloom filter for: a struct's member is named outer.member, elements of a list tags.list.element", name)
}

func dotted(path []string) string { return strings.Join(path, ".") }

// File begins an empty file.
func (x *Encoder) File() *File {
	f := &File{x: x, leaves: x.tree.newLeaves()}
	f.shred = newShredder(x.plan, f.leaves)
	return f
}

func (x *Encoder) take() *scratch {
	s := <-x.idle
	if s == nil {
		s = &scratch{compressor: newCompressor(x.codec, x.options.Level), lookup: newLookup()}
		s.thrift = thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(&s.header))
	}
	return s
}

// give gives a scratch back, without what one large page made it hold.
func (x *Encoder) give(s *scratch) {
	if cap(s.page)+cap(s.out) > 4*x.options.PageSize+maxPageRows {
		s.page, s.out = nil, nil
	}
	x.idle <- s
}

// marshal encodes a Thrift structure. The bytes are valid until the next call.
func (s *scratch) marshal(v any) []byte {
	s.header.Reset()
	// A bytes.Buffer takes everything, and v is one of package format's: there is no error.
	_ = s.thrift.Encode(v)
	return s.header.Bytes()
}
