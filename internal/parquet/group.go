package parquet

import (
	"unsafe"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// A group is what the footer has to say of a row group.
type group struct {
	offset int64
	rows   int
	raw    int64 // bytes of pages before compression, with headers
	packed int64 // bytes of pages
	chunks []written
}

// A written is a chunk in the file.
type written struct {
	pages       []page // without their bytes
	dictionary  int64  // where the dictionary page begins; 0: there is none
	data        int64  // where the first data page begins
	raw, packed int64
	bloom       int64 // where the bloom filter begins; 0: there is none
	bloomSize   int
}

// appendGroup appends the open row group, all of whose pages are finished, and notes it in f.next.
func (f *File) appendGroup(dst []byte) []byte {
	if f.offset == 0 {
		dst = append(dst, magic...)
	}
	g := group{offset: f.offset + int64(len(dst)), rows: f.open, chunks: make([]written, len(f.leaves))}
	for i := range f.leaves {
		w := &g.chunks[i]
		dst = f.appendChunk(dst, &f.leaves[i].chunk, w)
		g.raw += w.raw
		g.packed += w.packed
	}
	for i := range f.leaves {
		if l := &f.leaves[i]; l.column.bloom {
			w := &g.chunks[i]
			n := len(dst)
			w.bloom = f.offset + int64(n)
			dst = f.x.appendBloom(dst, &l.chunk.bloom)
			w.bloomSize = len(dst) - n
		}
	}
	f.next = g
	return dst
}

func (f *File) appendChunk(dst []byte, c *chunk, w *written) []byte {
	n := len(dst)
	w.pages, w.raw = c.pages, int64(c.raw)
	if c.dictionary.n > 0 {
		w.dictionary = f.offset + int64(n)
		raw := 0
		dst, raw = f.x.appendDictionary(dst, &c.dictionary)
		w.raw += int64(raw)
	}
	w.data = f.offset + int64(len(dst))
	for i := range c.pages {
		dst = append(dst, c.pages[i].bytes...)
	}
	w.packed = int64(len(dst) - n)
	return dst
}

func (x *Encoder) appendBloom(dst []byte, b *bloomFilter) []byte {
	s := x.take()
	defer x.give(s)
	return b.append(dst, s)
}

// held is about the memory of g.
func (g *group) held() int64 {
	n := len(g.chunks) * int(unsafe.Sizeof(written{}))
	for i := range g.chunks {
		for _, p := range g.chunks[i].pages {
			n += int(unsafe.Sizeof(p)) + cap(p.bounds.min) + cap(p.bounds.max)
		}
	}
	return int64(n)
}

// rowGroup is g as the footer has it. at are the places of its chunks' page indexes.
func (x *Encoder) rowGroup(g *group, ordinal int, at []places) format.RowGroup {
	r := format.RowGroup{
		Columns:             make(thrift.Slice[format.ColumnChunk], len(g.chunks)),
		TotalByteSize:       g.raw,
		NumRows:             int64(g.rows),
		FileOffset:          g.offset,
		TotalCompressedSize: g.packed,
		Ordinal:             int16(min(ordinal, 1<<15-1)), // only encryption needs it
	}
	for i := range g.chunks {
		r.Columns[i] = format.ColumnChunk{
			MetaData:          x.chunkMeta(&g.chunks[i], &x.tree.columns[i]),
			ColumnIndexOffset: at[i].columnIndex,
			ColumnIndexLength: int32(at[i].columnLength),
			OffsetIndexOffset: at[i].offsetIndex,
			OffsetIndexLength: int32(at[i].offsetLength),
		}
	}
	return r
}

func (x *Encoder) chunkMeta(w *written, c *column) format.ColumnMetaData {
	m := format.ColumnMetaData{
		Type:                  c.physical,
		PathInSchema:          c.path,
		Codec:                 x.codec,
		TotalUncompressedSize: w.raw,
		TotalCompressedSize:   w.packed,
		DataPageOffset:        w.data,
		DictionaryPageOffset:  w.dictionary,
		BloomFilterOffset:     w.bloom,
		BloomFilterLength:     int32(w.bloomSize),
	}
	indexed := int32(0)
	for i := range w.pages {
		p := &w.pages[i]
		m.NumValues += int64(p.slots)
		m.Statistics.NullCount += int64(p.nulls)
		if p.indexed {
			indexed++
		}
	}
	b := w.bounds(c)
	m.Statistics.MinValue, m.Statistics.MaxValue = b.min, b.max
	x.encodings(&m, indexed, int32(len(w.pages))-indexed, c)
	return m
}

// encodings says how many pages are encoded in which way.
func (x *Encoder) encodings(m *format.ColumnMetaData, indexed, plain int32, c *column) {
	if indexed > 0 || plain > 0 {
		m.Encoding = append(m.Encoding, format.Plain) // dictionaries are plain too
	}
	if c.maxDef > 0 || c.maxRep > 0 {
		m.Encoding = append(m.Encoding, format.RLE)
	}
	if indexed > 0 {
		m.Encoding = append(m.Encoding, format.RLEDictionary)
		m.EncodingStats = append(m.EncodingStats,
			format.PageEncodingStats{PageType: format.DictionaryPage, Encoding: format.Plain, Count: 1},
			format.PageEncodingStats{PageType: format.DataPage, Encoding: format.RLEDictionary, Count: indexed})
	}
	if plain > 0 {
		m.EncodingStats = append(m.EncodingStats, format.PageEncodingStats{PageType: format.DataPage, Encoding: format.Plain, Count: plain})
	}
}

// bounds are those of all pages; none if those of one page aren't known. Pages of nothing but NaN have none.
func (w *written) bounds(c *column) bounds {
	var b bounds
	for i := range w.pages {
		p := &w.pages[i]
		if p.bounds.min == nil && p.nulls < p.slots && c.order != orderFloat32 && c.order != orderFloat64 {
			return bounds{}
		}
		b.merge(p.bounds, c.order)
	}
	return b
}
