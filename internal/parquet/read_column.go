package parquet

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/parquet-go/parquet-go/format"
)

// readAhead is how much of a column is read at a time, in bytes, unless a page is larger.
const readAhead = 256 << 10

// A window is the part of a file that a column's bytes lie in.
type window struct {
	from    io.ReaderAt
	at, end int64 // of what isn't taken yet
	buf     []byte
	lo, hi  int // of buf: what was read and isn't taken
}

// peek is the next n bytes, or what is left. It is borrowed until the next peek.
func (w *window) peek(n int) ([]byte, error) {
	n = int(min(int64(n), w.end-w.at))
	if w.hi-w.lo < n {
		most := int(min(int64(max(n, readAhead)), w.end-w.at))
		if cap(w.buf) < most {
			buf := make([]byte, most)
			copy(buf, w.buf[w.lo:w.hi])
			w.buf = buf
		} else {
			w.buf = w.buf[:cap(w.buf)]
			copy(w.buf, w.buf[w.lo:w.hi])
		}
		w.lo, w.hi = 0, w.hi-w.lo
		if err := readAt(w.from, w.buf[w.hi:most], w.at+int64(w.hi)); err != nil {
			return nil, err
		}
		w.hi = most
	}
	return w.buf[w.lo : w.lo+n], nil
}

func (w *window) skip(n int) {
	w.lo += n
	w.at += int64(n)
}

// A columnReader reads a column of one row group: a sequence of entries, each with its levels, and a value where its definition level is the highest.
type columnReader struct {
	leaf   *readLeaf
	unpack *unpacker
	window
	codec format.CompressionCodec

	left     int64 // entries of the pages that aren't begun
	page     int   // entries of the page that aren't begun
	reps     hybridReader
	defs     hybridReader
	values   valueReader
	room     []byte // of a page
	dict     []scalar
	dictRoom []byte

	ready    bool // rep and def are those of the next entry
	rep, def int
}

// begin begins the column of a row group. Its bytes lie before end.
func (c *columnReader) begin(m *chunkMeta, rows, end int64) error {
	at := m.data
	if m.dict > 0 && m.dict < at {
		at = m.dict
	}
	switch {
	case m.encrypted:
		return errors.New("it is encrypted, which isn't supported")
	case m.elsewhere:
		return errors.New("it lies in another file, which isn't supported")
	case m.physical != c.leaf.physical:
		return fmt.Errorf("its type is %s, and %s in the schema", m.physical, c.leaf.physical)
	case at < int64(len(fileMagic)) || m.compressed < 0 || m.compressed > end-at:
		return fmt.Errorf("it should have %d bytes at %d, and the data of the file end at %d", m.compressed, at, end)
	case m.values < rows || c.leaf.maxRep == 0 && m.values != rows:
		return fmt.Errorf("it has %d values for %d rows", m.values, rows)
	}
	c.at, c.end, c.lo, c.hi = at, at+m.compressed, 0, 0
	c.codec, c.left, c.page, c.dict, c.values, c.ready = m.codec, m.values, 0, nil, nil, false
	return nil
}

// ended reports an error if entries are left.
func (c *columnReader) ended() error {
	if c.left > 0 || c.page > 0 || c.ready {
		return fmt.Errorf("column %q has more values than its rows", c.leaf.path)
	}
	return nil
}

// peek reads the levels of the next entry.
func (c *columnReader) peek() error {
	if c.ready {
		return nil
	}
	for c.page == 0 {
		if c.left == 0 {
			return c.fail(errors.New("it ends within a row"))
		}
		if err := c.next(); err != nil {
			return c.fail(err)
		}
	}
	c.page--
	c.ready, c.rep, c.def = true, 0, 0
	for _, l := range []struct {
		from *hybridReader
		to   *int
		most int
	}{{&c.reps, &c.rep, c.leaf.maxRep}, {&c.defs, &c.def, c.leaf.maxDef}} {
		if l.most == 0 {
			continue
		}
		x, ok := l.from.next()
		if !ok {
			return c.fail(errLevels)
		}
		if *l.to = int(x); *l.to > l.most {
			return c.fail(fmt.Errorf("a level is %d; at most %d is possible", x, l.most))
		}
	}
	return nil
}

func (c *columnReader) fail(err error) error {
	return fmt.Errorf("column %q, before byte %d: %w", c.leaf.path, c.at, err)
}

// next begins the next page that has values.
func (c *columnReader) next() error {
	var p pageMeta
	if err := c.head(&p); err != nil {
		return err
	}
	if err := p.check(c.end - c.at); err != nil {
		return err
	}
	data, err := c.window.peek(p.packed)
	if err != nil {
		return err
	}
	c.skip(p.packed)
	if p.checked && crc32.ChecksumIEEE(data) != p.crc {
		return errors.New("the checksum of a page isn't that of its bytes")
	}
	switch p.kind {
	case format.DictionaryPage:
		return c.dictionary(&p, data)
	case format.DataPage, format.DataPageV2:
	default: // index pages
		return nil
	}
	if int64(p.values) > c.left {
		return fmt.Errorf("a page has %d values, and the column has %d left", p.values, c.left)
	}
	if p.kind == format.DataPage {
		err = c.dataPage(&p, data)
	} else {
		err = c.dataPageV2(&p, data)
	}
	c.page = p.values
	c.left -= int64(p.values)
	return err
}

// head reads the header of a page, of which nobody knows the length before.
func (c *columnReader) head(p *pageMeta) error {
	for n := 4 << 10; ; n *= 4 {
		b, err := c.window.peek(n)
		if err != nil {
			return err
		}
		*p = pageMeta{}
		r := thriftReader{b: b}
		p.read(&r)
		switch {
		case r.err == nil:
			c.skip(r.at)
			return nil
		case !errors.Is(r.err, errThriftEnd) || len(b) < n || n >= mostHeader:
			return fmt.Errorf("the header of a page: %w", r.err)
		}
	}
}

func (c *columnReader) dictionary(p *pageMeta, data []byte) (err error) {
	if c.dict != nil {
		return errors.New("it has two dictionaries")
	}
	if p.encoding != format.Plain && p.encoding != plainDictionary {
		return fmt.Errorf("encoding %s of a dictionary isn't supported", p.encoding)
	}
	if c.codec == format.Uncompressed { // the window moves on
		c.dictRoom = append(c.dictRoom[:0], data...)
		if len(data) != p.size {
			return errSize
		}
	} else if c.dictRoom, err = c.unpack.unpack(c.dictRoom, c.codec, data, p.size); err != nil {
		return err
	}
	if c.dict, err = readDict(c.leaf, c.dictRoom, p.values); err != nil {
		return fmt.Errorf("the dictionary: %w", err)
	}
	return nil
}

// dataPage begins a DATA_PAGE: levels with their lengths and values, compressed together.
func (c *columnReader) dataPage(p *pageMeta, data []byte) error {
	b, err := c.plain(c.codec, data, p.size)
	if err != nil {
		return err
	}
	if (c.leaf.maxRep > 0 && p.reps != format.RLE) || (c.leaf.maxDef > 0 && p.defs != format.RLE) {
		return fmt.Errorf("levels with encodings %s and %s aren't supported: RLE is", p.reps, p.defs)
	}
	var reps, defs []byte
	if c.leaf.maxRep > 0 {
		if reps, b, err = cut(b); err != nil {
			return err
		}
	}
	if c.leaf.maxDef > 0 {
		if defs, b, err = cut(b); err != nil {
			return err
		}
	}
	return c.open(p, reps, defs, b)
}

// dataPageV2 begins a DATA_PAGE_V2: levels, and values, which alone may be compressed.
func (c *columnReader) dataPageV2(p *pageMeta, data []byte) error {
	codec := c.codec
	if p.plain {
		codec = format.Uncompressed
	}
	levels := p.repLen + p.defLen
	reps, defs, b := data[:p.repLen], data[p.repLen:levels], data[levels:]
	if len(b) == 0 && p.size == levels { // nulls only, of which some writers compress nothing
		return c.open(p, reps, defs, nil)
	}
	b, err := c.plain(codec, b, p.size-levels)
	if err != nil {
		return err
	}
	return c.open(p, reps, defs, b)
}

func (c *columnReader) plain(codec format.CompressionCodec, data []byte, size int) ([]byte, error) {
	b, err := c.unpack.unpack(c.room, codec, data, size)
	if err == nil && codec != format.Uncompressed {
		c.room = b
	}
	return b, err
}

// open begins a page of such levels and values.
func (c *columnReader) open(p *pageMeta, reps, defs, values []byte) (err error) {
	c.reps = hybridReader{b: reps, width: bitsFor(c.leaf.maxRep)}
	c.defs = hybridReader{b: defs, width: bitsFor(c.leaf.maxDef)}
	if len(values) == 0 { // a page of nulls
		c.values = &bitReader{}
		return nil
	}
	c.values, err = newValueReader(c.leaf, p.encoding, values, p.values, c.dict)
	return err
}
