package parquet

import (
	"encoding/binary"
	"math"
	"slices"
)

// mixed is the level of a leaf whose slots have several definition levels: those are in def.
const mixed = math.MaxUint8

// A leaf is a column with values in one file: its open page, and the pages that its row group has so far. The open page is a row of slots; each has a
// value or is the place of a null, or of an empty list.
//
// Appending a row may fail halfway: the leaf knows where the newest row began, and undo takes it back.
type leaf struct {
	values []byte  // as PLAIN encodes them; of booleans a byte each
	def    []uint8 // definition levels of the slots, once two of them differ
	rep    []uint8 // repetition levels of the slots; nil if the column isn't repeated
	slots  int
	nulls  int // slots without a value
	rows   int
	start  int   // len(values) where the newest row begins
	level  uint8 // definition level of all slots, or mixed
	maxDef uint8
	maxRep uint8
	width  uint8 // of the values that bytes takes: 0 if each brings its length

	column *column
	chunk  chunk
}

// newLeaves makes the leaves of an empty file.
func (t *tree) newLeaves() []leaf {
	leaves := make([]leaf, len(t.columns))
	for i := range leaves {
		c := &t.columns[i]
		l := &leaves[i]
		l.column, l.maxDef, l.maxRep = c, c.maxDef, c.maxRep
		if !c.lengths() {
			l.width = 1
		}
		l.level = l.maxDef
	}
	return leaves
}

// slot begins a slot of the given levels. rep is 0 where a row begins.
func (l *leaf) slot(rep, def uint8) {
	if rep == 0 {
		l.rows++
		l.start = len(l.values)
	}
	if l.maxRep > 0 {
		l.rep = append(l.rep, rep)
	}
	if def != l.level {
		l.define(def)
	}
	l.slots++
}

// define keeps a definition level that isn't that of all slots so far.
func (l *leaf) define(def uint8) {
	switch {
	case l.level == mixed:
	case l.slots == 0:
		l.level = def
		return
	default:
		l.def = slices.Grow(l.def, l.slots+1)[:l.slots]
		for i := range l.def {
			l.def[i] = l.level
		}
		l.level = mixed
	}
	l.def = append(l.def, def)
}

// null appends a slot without a value: def is less than the leaf's maximum.
func (l *leaf) null(rep, def uint8) {
	l.slot(rep, def)
	l.nulls++
}

func (l *leaf) bool(rep uint8, v bool) {
	l.slot(rep, l.maxDef)
	b := byte(0)
	if v {
		b = 1
	}
	l.values = append(l.values, b)
}

func (l *leaf) int32(rep uint8, v int32) {
	l.slot(rep, l.maxDef)
	l.values = binary.LittleEndian.AppendUint32(l.values, uint32(v))
}

func (l *leaf) int64(rep uint8, v int64) {
	l.slot(rep, l.maxDef)
	l.values = binary.LittleEndian.AppendUint64(l.values, uint64(v))
}

func (l *leaf) float32(rep uint8, v float32) {
	l.slot(rep, l.maxDef)
	l.values = binary.LittleEndian.AppendUint32(l.values, math.Float32bits(v))
}

func (l *leaf) float64(rep uint8, v float64) {
	l.slot(rep, l.maxDef)
	l.values = binary.LittleEndian.AppendUint64(l.values, math.Float64bits(v))
}

// bytes appends a BYTE_ARRAY, or a FIXED_LEN_BYTE_ARRAY of just its size.
func (l *leaf) bytes(rep uint8, v []byte) {
	l.slot(rep, l.maxDef)
	if l.width == 0 {
		l.values = binary.LittleEndian.AppendUint32(l.values, uint32(len(v)))
	}
	l.values = append(l.values, v...)
}

// begin begins a BYTE_ARRAY that the caller appends to what begin gives, and then ends with end. undo takes back one that isn't ended.
func (l *leaf) begin(rep uint8) []byte {
	l.slot(rep, l.maxDef)
	return append(l.values, 0, 0, 0, 0)
}

func (l *leaf) end(values []byte) {
	binary.LittleEndian.PutUint32(values[len(l.values):], uint32(len(values)-len(l.values)-4))
	l.values = values
}

// undo leaves no more than the given number of rows; there is at most one more.
func (l *leaf) undo(rows int) {
	if l.rows <= rows {
		return
	}
	l.rows = rows
	l.values = l.values[:l.start]
	for again := true; again; {
		l.slots--
		again = l.maxRep > 0 && l.rep[l.slots] > 0
		if l.level != mixed && l.level < l.maxDef || l.level == mixed && l.def[l.slots] < l.maxDef {
			l.nulls--
		}
	}
	if l.level == mixed {
		l.def = l.def[:l.slots]
	}
	if l.maxRep > 0 {
		l.rep = l.rep[:l.slots]
	}
	if l.slots == 0 {
		l.reset()
	}
}

// reset empties the page.
func (l *leaf) reset() {
	l.values, l.def, l.rep = l.values[:0], l.def[:0], l.rep[:0]
	l.slots, l.nulls, l.rows, l.start = 0, 0, 0, 0
	l.level = l.maxDef
}

// size is about the length of the open page.
func (l *leaf) size() int { return len(l.values) + len(l.def) + len(l.rep) }

// held is the memory of the open page's buffers.
func (l *leaf) held() int { return cap(l.values) + cap(l.def) + cap(l.rep) }
