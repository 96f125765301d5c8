package parquet

import (
	"encoding/binary"
	"math/bits"

	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// A chunk is what an open row group has of a column: its finished pages. The open page is in the leaf.
type chunk struct {
	pages      []page
	dictionary dictionary
	bloom      bloomFilter
	rows       int // in pages
	raw        int // bytes of pages before compression
	packed     int // bytes of pages
}

// A page is a finished data page.
type page struct {
	bytes   []byte // header and compressed body; nil once the row group is written
	size    int    // len(bytes)
	rows    int
	slots   int
	nulls   int
	indexed bool // the values are indexes of the dictionary
	bounds  bounds
}

// finish makes a page of the leaf's open page.
func (x *Encoder) finish(l *leaf) {
	if l.slots == 0 {
		return
	}
	s := x.take()
	defer x.give(s)
	c := &l.chunk
	p := page{rows: l.rows, slots: l.slots, nulls: l.nulls}
	s.page = l.appendLevels(s.page[:0], s)
	switch {
	case l.column.physical == format.Boolean:
		s.page = appendBits(s.page, l.values)
	case !x.options.Plain && s.lookup.find(l):
		p.indexed = true
		s.page = s.appendIndexes(s.page, indexWidth(c.dictionary.n))
	default:
		s.page = append(s.page, l.values...)
	}
	switch {
	case x.options.NoBounds:
	case p.indexed && l.column.width == 0:
		p.bounds = s.lookup.bounds(l)
	default:
		p.bounds = l.bounds()
	}
	if l.column.bloom {
		c.bloom.addPage(l, p.indexed)
	}
	s.pack(&p)
	c.pages = append(c.pages, p)
	c.rows += l.rows
	c.raw += p.raw(len(s.page), len(s.out))
	c.packed += p.size
	l.reset()
}

// raw is the length of the page before compression, with its header.
func (p *page) raw(body, packed int) int { return p.size - packed + body }

// pack compresses the page's body, which is in s.page, and puts the header in front.
func (s *scratch) pack(p *page) {
	encoding := format.Plain
	if p.indexed {
		encoding = format.RLEDictionary
	}
	s.out = s.compressor.append(s.out[:0], s.page)
	header := s.marshal(&format.PageHeader{
		Type:                 format.DataPage,
		UncompressedPageSize: int32(len(s.page)),
		CompressedPageSize:   int32(len(s.out)),
		DataPageHeader: thrift.New(format.DataPageHeader{
			NumValues:               int32(p.slots),
			Encoding:                encoding,
			DefinitionLevelEncoding: format.RLE,
			RepetitionLevelEncoding: format.RLE,
			Statistics:              format.Statistics{NullCount: int64(p.nulls)},
		}),
	})
	p.size = len(header) + len(s.out)
	p.bytes = append(append(make([]byte, 0, p.size), header...), s.out...)
}

// appendLevels appends the levels as version 1 of data pages has them, each kind with its length in front: parquet-format, README.md, Data Pages.
func (l *leaf) appendLevels(dst []byte, s *scratch) []byte {
	if l.maxRep > 0 {
		dst = s.appendLevels(dst, l.rep, l.maxRep)
	}
	switch {
	case l.maxDef == 0:
	case l.level == mixed:
		dst = s.appendLevels(dst, l.def, l.maxDef)
	default: // one run: parquet-format, Encodings.md, RLE
		n := len(dst)
		dst = binary.AppendUvarint(append(dst, 0, 0, 0, 0), uint64(l.slots)<<1)
		dst = append(dst, l.level)
		binary.LittleEndian.PutUint32(dst[n:], uint32(len(dst)-n-4))
	}
	return dst
}

func (s *scratch) appendLevels(dst []byte, levels []uint8, top uint8) []byte {
	e := rle.Encoding{BitWidth: bits.Len8(top)}
	s.levels, _ = e.EncodeLevels(s.levels[:0], levels) // its only error is a width that isn't one
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s.levels)))
	return append(dst, s.levels...)
}

// appendIndexes appends what find gave: parquet-format, Encodings.md, RLE_DICTIONARY.
func (s *scratch) appendIndexes(dst []byte, width int) []byte {
	e := rle.Encoding{BitWidth: width}
	s.levels, _ = e.EncodeInt32(s.levels[:0], s.lookup.indexes) // as above
	return append(append(dst, byte(width)), s.levels...)
}

// appendBits packs booleans of a byte each, the first one lowest: parquet-format, Encodings.md, PLAIN.
func appendBits(dst, values []byte) []byte {
	for ; len(values) >= 8; values = values[8:] {
		// The product moves bit 0 of byte i to bit 56+i.
		dst = append(dst, byte(binary.LittleEndian.Uint64(values)*0x0102040810204080>>56))
	}
	if len(values) > 0 {
		var last [8]byte
		copy(last[:], values)
		dst = append(dst, byte(binary.LittleEndian.Uint64(last[:])*0x0102040810204080>>56))
	}
	return dst
}

// appendDictionary appends the dictionary page, which is made when the row group is.
func (x *Encoder) appendDictionary(dst []byte, d *dictionary) (out []byte, raw int) {
	s := x.take()
	defer x.give(s)
	s.out = s.compressor.append(s.out[:0], d.values)
	header := s.marshal(&format.PageHeader{
		Type:                 format.DictionaryPage,
		UncompressedPageSize: int32(len(d.values)),
		CompressedPageSize:   int32(len(s.out)),
		DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: int32(d.n), Encoding: format.Plain}),
	})
	return append(append(dst, header...), s.out...), len(header) + len(d.values)
}
