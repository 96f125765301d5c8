package protobuf

import (
	"hash/maphash"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/millrace/millrace/serde"
)

// A pair is an entry of a map.
type pair struct {
	key   uint64 // of a number its 64 bits; of text where it begins, and in the upper half its length
	value slot
}

const (
	keyNumber   = 1
	valueNumber = 2
	few         = 8 // pairs that are compared with each other; more are found by a hash
)

// mapped writes a map as an object. Of equal keys the last counts, at the place of the first.
func (d *decoder) mapped(name serde.Name, f *field, s slot, depth int) error {
	base, runs := len(d.pairs), len(d.runs)
	for next := s.first; next != 0; {
		r := d.runs[next]
		next = r.next
		for i := int(r.start); i < int(r.end); {
			_, body, stop, after, err := d.token(i, int(r.end))
			if err != nil {
				return err
			}
			if err := d.pair(f, body, stop); err != nil {
				return err
			}
			i = after
		}
	}
	d.unique(f, base)
	at, count := d.w.Begin(name, serde.Object), len(d.pairs)-base
	for i := range count {
		p := d.pairs[base+i]
		key, err := d.keyName(f.key, p.key)
		if err == nil {
			err = d.single(key, f.value, p.value, depth)
		}
		if err != nil {
			return err
		}
	}
	d.w.End(at, count)
	d.pairs, d.runs = d.pairs[:base], d.runs[:runs]
	return nil
}

// pair notes the entry between i and end: the last key, and the last value or, of messages, all of them.
func (d *decoder) pair(f *field, i, end int) error {
	var p pair
	for i < end {
		tag, body, stop, next, err := d.token(i, end)
		if err != nil {
			return err
		}
		i = next
		number, wire := tag>>3, protowire.Type(tag&7)
		switch {
		case number == keyNumber && wire == f.key.wire:
			if p.key, err = d.key(f.key, body, stop); err != nil {
				return err
			}
		case number == valueNumber && wire == f.value.wire && f.value.message != nil:
			d.addRun(&p.value, run{start: uint32(body), end: uint32(stop)})
		case number == valueNumber && wire == f.value.wire:
			p.value = slot{uint32(body), uint32(stop)}
		}
	}
	if len(d.pairs) == cap(d.pairs) {
		fresh := make([]pair, len(d.pairs), max(2*len(d.pairs), 16))
		copy(fresh, d.pairs)
		d.pairs = fresh
	}
	d.pairs = append(d.pairs, p)
	return nil
}

// key reads a key.
func (d *decoder) key(f *field, i, end int) (uint64, error) {
	switch f.wire {
	case protowire.VarintType:
		x, _, _ := varint(d.src, i, end) // token has read it
		switch f.kind {
		case protoreflect.BoolKind:
			return min(x, 1), nil
		case protoreflect.Uint64Kind:
			return x, nil
		}
		return uint64(integer(f.kind, x)), nil
	case protowire.Fixed32Type:
		x := uint32(d.src[i]) | uint32(d.src[i+1])<<8 | uint32(d.src[i+2])<<16 | uint32(d.src[i+3])<<24
		if f.kind == protoreflect.Sfixed32Kind {
			return uint64(int64(int32(x))), nil
		}
		return uint64(x), nil
	case protowire.Fixed64Type:
		low, _ := d.key(&field{wire: protowire.Fixed32Type}, i, end)
		high, _ := d.key(&field{wire: protowire.Fixed32Type}, i+4, end)
		return low | high<<32, nil
	}
	text := d.src[i:end]
	switch {
	case len(text) > maxKey:
		return 0, fail(i, "a key of %d bytes is longer than the limit of %d", len(text), maxKey)
	case !utf8.Valid(text):
		return 0, fail(i+serde.InvalidUTF8(text), "a key isn't UTF-8")
	}
	return uint64(i) | uint64(len(text))<<32, nil
}

// unique keeps, of the pairs from base on, the first of each key, with the value of the last.
func (d *decoder) unique(f *field, base int) {
	all := d.pairs[base:]
	kept := all[:0]
	if len(all) <= few {
		for _, p := range all {
			i := 0
			for i < len(kept) && !d.equal(f.key, kept[i].key, p.key) {
				i++
			}
			kept = replaced(kept, i, p)
		}
		d.pairs = d.pairs[:base+len(kept)]
		return
	}
	mask := d.emptySet(len(all))
	for _, p := range all {
		at := d.hash(f.key, p.key) & mask
		for d.seen[at] != 0 && !d.equal(f.key, kept[d.seen[at]-1].key, p.key) {
			at = (at + 1) & mask
		}
		if d.seen[at] == 0 {
			d.seen[at] = uint32(len(kept) + 1)
		}
		kept = replaced(kept, int(d.seen[at])-1, p)
	}
	d.pairs = d.pairs[:base+len(kept)]
}

// replaced is kept with p's value at i, which may be one behind the last.
func replaced(kept []pair, i int, p pair) []pair {
	if i == len(kept) {
		return append(kept, p)
	}
	kept[i].value = p.value
	return kept
}

// emptySet makes the hash table large enough for n pairs.
func (d *decoder) emptySet(n int) (mask uint64) {
	size := 16
	for size < n+n/2 {
		size *= 2
	}
	if cap(d.seen) < size {
		d.seen = make([]uint32, size)
	}
	d.seen = d.seen[:size]
	clear(d.seen)
	if d.seed == (maphash.Seed{}) {
		d.seed = maphash.MakeSeed()
	}
	return uint64(size - 1)
}

func (d *decoder) keyText(key uint64) []byte {
	at := key & math.MaxUint32
	return d.src[at : at+key>>32]
}

func (d *decoder) equal(f *field, a, b uint64) bool {
	if f.wire != protowire.BytesType {
		return a == b
	}
	return string(d.keyText(a)) == string(d.keyText(b))
}

func (d *decoder) hash(f *field, key uint64) uint64 {
	if f.wire != protowire.BytesType {
		return maphash.Comparable(d.seed, key)
	}
	return maphash.Bytes(d.seed, d.keyText(key))
}

// roomForKeys is data on the tape, with room behind it for keys that have to be turned into text: a name must lie in the schema or in what
// the value borrows. The text of a key has less than 3 characters for each byte of its entry: false for an entry of 2 bytes has the most.
func (d *decoder) roomForKeys(t *serde.Tape, data []byte) []byte {
	const most = 3
	d.spare = append(slices.Grow(d.spare[:0], (1+most)*len(data)), data...)
	d.keys = t.Keep(d.spare[:(1+most)*len(data)])
	d.keyAt = len(data)
	return d.keys
}

// keyName is the name that a key becomes.
func (d *decoder) keyName(f *field, key uint64) (serde.Name, error) {
	if f.wire == protowire.BytesType {
		return serde.NameAt(int(key&math.MaxUint32), int(key>>32)), nil
	}
	text := d.scratch[:0]
	switch f.kind {
	case protoreflect.BoolKind:
		text = strconv.AppendBool(text, key != 0)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		text = strconv.AppendUint(text, key, 10)
	default:
		text = strconv.AppendInt(text, int64(key), 10)
	}
	if len(d.keys)-d.keyAt < len(text) {
		return serde.Name{}, fail(-1, "the keys of maps need more room than there is")
	}
	at := d.keyAt
	d.keyAt += copy(d.keys[at:], text)
	return serde.NameAt(at, len(text)), nil
}
