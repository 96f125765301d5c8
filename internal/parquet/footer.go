package parquet

import (
	"encoding/binary"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// places are where a chunk's page indexes are; 0: there are none.
type places struct {
	columnIndex, offsetIndex   int64
	columnLength, offsetLength int
}

// End is what follows the last row group: page indexes and the footer. Without row groups it is the whole file, of no rows. The bytes are as those
// of Block.
func (f *File) End(scratch *[]byte) []byte {
	dst := (*scratch)[:0]
	if f.offset == 0 {
		dst = append(dst, magic...)
	}
	s := f.x.take()
	defer f.x.give(s)
	dst, at := f.appendIndexes(dst, s)
	n := len(dst)
	dst = append(dst, s.marshal(f.footer(at))...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(dst)-n))
	*scratch = append(dst, magic...)
	return *scratch
}

func (f *File) footer(at [][]places) *format.FileMetaData {
	m := &format.FileMetaData{
		Version:          1,
		Schema:           f.x.tree.elements,
		NumRows:          f.rows,
		RowGroups:        make(thrift.Slice[format.RowGroup], len(f.groups)),
		KeyValueMetadata: f.x.meta,
		CreatedBy:        f.x.options.CreatedBy,
		ColumnOrders:     make(thrift.Slice[format.ColumnOrder], len(f.leaves)),
	}
	for i := range f.groups {
		m.RowGroups[i] = f.x.rowGroup(&f.groups[i], i, at[i])
	}
	for i := range m.ColumnOrders {
		m.ColumnOrders[i].Value = &format.TypeDefinedOrder{}
	}
	return m
}

// appendIndexes appends the column indexes of all row groups, then the offset indexes, as readers expect: parquet-format, PageIndex.md.
func (f *File) appendIndexes(dst []byte, s *scratch) ([]byte, [][]places) {
	at := make([][]places, len(f.groups))
	for i := range f.groups {
		at[i] = make([]places, len(f.leaves))
		for k := range f.groups[i].chunks {
			x, ok := columnIndex(&f.groups[i].chunks[k], f.x.tree.columns[k].order)
			if ok && !f.x.options.NoBounds {
				n := len(dst)
				dst = append(dst, s.marshal(x)...)
				at[i][k].columnIndex, at[i][k].columnLength = f.offset+int64(n), len(dst)-n
			}
		}
	}
	for i := range f.groups {
		for k := range f.groups[i].chunks {
			if !f.x.options.NoBounds {
				n := len(dst)
				dst = append(dst, s.marshal(offsetIndex(&f.groups[i].chunks[k]))...)
				at[i][k].offsetIndex, at[i][k].offsetLength = f.offset+int64(n), len(dst)-n
			}
		}
	}
	return dst, at
}

func offsetIndex(w *written) *format.OffsetIndex {
	x := &format.OffsetIndex{PageLocations: make(thrift.Slice[format.PageLocation], len(w.pages))}
	offset, row := w.data, int64(0)
	for i := range w.pages {
		p := &w.pages[i]
		x.PageLocations[i] = format.PageLocation{Offset: offset, CompressedPageSize: int32(p.size), FirstRowIndex: row}
		offset += int64(p.size)
		row += int64(p.rows)
	}
	return x
}

// columnIndex is false where a page has values and no bounds: there is no index then.
func columnIndex(w *written, by order) (*format.ColumnIndex, bool) {
	x := &format.ColumnIndex{}
	for i := range w.pages {
		p := &w.pages[i]
		empty := p.nulls == p.slots
		if !empty && p.bounds.min == nil {
			return nil, false
		}
		x.NullPages = append(x.NullPages, empty)
		x.MinValues = append(x.MinValues, p.bounds.min)
		x.MaxValues = append(x.MaxValues, p.bounds.max)
		x.NullCounts = append(x.NullCounts, int64(p.nulls))
	}
	x.BoundaryOrder = boundaryOrder(w, by)
	return x, true
}

// boundaryOrder says how the bounds of pages that have values follow each other.
func boundaryOrder(w *written, by order) format.BoundaryOrder {
	up, down := true, true
	var last *bounds
	for i := range w.pages {
		b := &w.pages[i].bounds
		if b.min == nil {
			continue
		}
		if last != nil {
			least, greatest := by.compare(last.min, b.min), by.compare(last.max, b.max)
			up = up && least <= 0 && greatest <= 0
			down = down && least >= 0 && greatest >= 0
		}
		last = b
	}
	switch {
	case up:
		return format.Ascending
	case down:
		return format.Descending
	}
	return format.Unordered
}
