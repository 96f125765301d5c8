package parquet

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"slices"
)

// Bounds of a chunk's dictionary: a larger one costs memory in each open file, and hardly pays.
const (
	maxDictionary = 512 << 10 // bytes
	maxEntries    = 1 << 16
)

// A dictionary is the different values of a chunk, in the order of their first use.
type dictionary struct {
	values []byte // as PLAIN encodes them
	n      int
	off    bool // the rest of the chunk goes without: it doesn't pay, or outgrew its bounds
}

// A lookup finds values in a dictionary. It is used for one page after another, of any column: a dictionary's table is made anew for each page.
type lookup struct {
	seed    maphash.Seed
	factor  uint64   // odd
	table   []uint64 // open addressing: hash<<32 | entry+1, or 0
	starts  []uint32 // where the entries begin, of values that aren't 4 or 8 bytes long
	n       int      // entries
	indexes []int32  // what find gives
	used    []bool   // entries that bounds saw
}

func newLookup() lookup {
	return lookup{seed: maphash.MakeSeed(), factor: new(maphash.Hash).Sum64() | 1}
}

// find puts the index of each value of l's open page in k.indexes, and adds those that are new to the chunk's dictionary. It is false where a
// dictionary doesn't pay; then the chunk has none from here on.
func (k *lookup) find(l *leaf) bool {
	d := &l.chunk.dictionary
	n := l.slots - l.nulls
	if d.off {
		return false
	}
	if n == 0 {
		k.indexes = k.indexes[:0]
		return d.n > 0 // nothing was found out
	}
	entries, size := d.n, len(d.values)
	k.load(d, l.column)
	// Half as many entries as values don't pay.
	most := min(entries+n/2, maxEntries)
	if !k.walk(d, l, most) || len(d.values) > maxDictionary || !pays(d, size, n, len(l.values)) {
		d.n, d.values, d.off = entries, d.values[:size], true
		return false
	}
	return true
}

// pays says if n values in length bytes get smaller by indexes, with what their dictionary grew by.
func pays(d *dictionary, before, n, length int) bool {
	const header = 32 // about what a dictionary page has in front
	return len(d.values)-before+n*indexWidth(d.n)/8+header < length
}

// indexWidth is the number of bits of an index.
func indexWidth(entries int) int { return max(1, bits.Len(uint(entries-1))) }

// load begins with what a dictionary has already.
func (k *lookup) load(d *dictionary, c *column) {
	size := 256
	for size < 4*d.n {
		size *= 2
	}
	k.resize(size)
	k.n, k.starts = 0, k.starts[:0]
	if c.width == 4 || c.width == 8 {
		for i := 0; i < len(d.values); i += c.width {
			k.put(k.hash(word(d.values[i:], c.width)))
		}
		return
	}
	for i := 0; i < len(d.values); {
		v := item(d.values[i:], c.width)
		k.starts = append(k.starts, uint32(i))
		k.put(uint32(maphash.Bytes(k.seed, v)))
		i += len(v)
	}
}

// resize makes an empty table.
func (k *lookup) resize(size int) {
	if cap(k.table) < size {
		k.table = make([]uint64, size)
		return
	}
	k.table = k.table[:size]
	clear(k.table)
}

// put enters the next entry.
func (k *lookup) put(hash uint32) {
	if 2*k.n >= len(k.table) {
		k.grow()
	}
	k.n++
	k.place(uint64(hash)<<32 | uint64(k.n))
}

func (k *lookup) place(e uint64) {
	mask := uint64(len(k.table) - 1)
	i := e >> 32 & mask
	for k.table[i] != 0 {
		i = (i + 1) & mask
	}
	k.table[i] = e
}

func (k *lookup) grow() {
	old := k.table
	k.table = make([]uint64, 4*len(old))
	for _, e := range old {
		if e != 0 {
			k.place(e)
		}
	}
}

// walk looks all values up. It gives up where there would be more than most entries, or where nearly all of the first values differ.
func (k *lookup) walk(d *dictionary, l *leaf, most int) bool {
	const sample = 1024
	k.indexes = k.indexes[:0]
	before := d.n
	w := l.column.width
	words := w == 4 || w == 8
	for i := 0; i < len(l.values); {
		if len(k.indexes) == sample && before == 0 && d.n > sample-sample/32 {
			return false
		}
		var e int
		if words {
			e = k.word(d, word(l.values[i:], w), w)
			i += w
		} else {
			v := item(l.values[i:], w)
			e = k.item(d, v)
			i += len(v)
		}
		if d.n > most {
			return false
		}
		k.indexes = append(k.indexes, int32(e))
	}
	return true
}

// word looks a value of 4 or 8 bytes up.
func (k *lookup) word(d *dictionary, x uint64, width int) int {
	h := k.hash(x)
	mask := uint64(len(k.table) - 1)
	for i := uint64(h) & mask; k.table[i] != 0; i = (i + 1) & mask {
		if k.table[i]>>32 == uint64(h) {
			if e := int(uint32(k.table[i])) - 1; word(d.values[e*width:], width) == x {
				return e
			}
		}
	}
	d.values = binary.LittleEndian.AppendUint64(d.values, x)
	d.values = d.values[:(d.n+1)*width]
	return k.added(d, h)
}

// item looks any other value up.
func (k *lookup) item(d *dictionary, v []byte) int {
	h := uint32(maphash.Bytes(k.seed, v))
	mask := uint64(len(k.table) - 1)
	for i := uint64(h) & mask; k.table[i] != 0; i = (i + 1) & mask {
		if k.table[i]>>32 == uint64(h) {
			e := int(uint32(k.table[i])) - 1
			// A length is part of v: what begins with v is v.
			if bytes.HasPrefix(d.values[k.starts[e]:], v) {
				return e
			}
		}
	}
	k.starts = append(k.starts, uint32(len(d.values)))
	d.values = append(d.values, v...)
	return k.added(d, h)
}

func (k *lookup) added(d *dictionary, hash uint32) int {
	k.put(hash)
	d.n++
	return d.n - 1
}

// bounds finds the bounds of a page of BYTE_ARRAYs by the entries that it has, which find found.
func (k *lookup) bounds(l *leaf) bounds {
	if len(k.indexes) == 0 {
		return bounds{}
	}
	k.used = slices.Grow(k.used[:0], k.n)[:k.n]
	clear(k.used)
	for _, e := range k.indexes {
		k.used[e] = true
	}
	var least, greatest []byte
	for e, used := range k.used {
		if !used {
			continue
		}
		v, _ := nextText(l.chunk.dictionary.values[k.starts[e]:])
		if least == nil || bytes.Compare(v, least) < 0 {
			least = v
		}
		if bytes.Compare(v, greatest) > 0 {
			greatest = v
		}
	}
	return shorten(least, greatest, l.column.kind)
}

// hash folds a product, so that all bits of x count. The factor is random: nobody can send values that collide.
func (k *lookup) hash(x uint64) uint32 {
	high, low := bits.Mul64(x, k.factor)
	return uint32(high ^ low)
}

func word(v []byte, width int) uint64 {
	if width == 4 {
		return uint64(binary.LittleEndian.Uint32(v))
	}
	return binary.LittleEndian.Uint64(v)
}

// item is the first value of v, with its length.
func item(v []byte, width int) []byte {
	if width == 0 {
		return v[:4+int(binary.LittleEndian.Uint32(v))]
	}
	return v[:width]
}
