package avro

import (
	"hash/maphash"
)

// A keySet finds keys that a map has twice. It holds those of the maps that are open, the innermost last.
type keySet struct {
	seed   maphash.Seed
	seeded bool
	spans  []span
	open   []int    // where the keys of each open map begin
	slots  []uint32 // a power of two; an index of spans and 1
}

type span struct{ at, n uint32 }

const (
	fewKeys  = 8       // are compared one with another
	keepKeys = 1 << 14 // of a set that is kept
)

func (s *keySet) begin() { s.open = append(s.open, len(s.spans)) }

func (s *keySet) add(at, n int) { s.spans = append(s.spans, span{uint32(at), uint32(n)}) }

// end forgets the keys of the innermost map, and reports one that it has twice.
func (s *keySet) end(data []byte) (key string, repeated bool) {
	first := s.open[len(s.open)-1]
	s.open = s.open[:len(s.open)-1]
	spans := s.spans[first:]
	s.spans = s.spans[:first]
	if len(spans) > fewKeys {
		return s.hashed(spans, data)
	}
	for i, a := range spans {
		for _, b := range spans[:i] {
			if a.n == b.n && string(a.of(data)) == string(b.of(data)) {
				return string(a.of(data)), true
			}
		}
	}
	return "", false
}

func (k span) of(data []byte) []byte { return data[k.at : k.at+k.n] }

func (s *keySet) hashed(spans []span, data []byte) (key string, repeated bool) {
	if !s.seeded {
		s.seed, s.seeded = maphash.MakeSeed(), true
	}
	size := 64
	for size < 2*len(spans) {
		size *= 2
	}
	if len(s.slots) < size {
		s.slots = make([]uint32, size)
	}
	slots := s.slots[:size]
	clear(slots)
	for i, k := range spans {
		for at := maphash.Bytes(s.seed, k.of(data)); ; at++ {
			slot := &slots[at&uint64(size-1)]
			if *slot == 0 {
				*slot = uint32(i) + 1
				break
			}
			if string(spans[*slot-1].of(data)) == string(k.of(data)) {
				return string(k.of(data)), true
			}
		}
	}
	return "", false
}

// done empties the set, also after a fault, and drops what one large map needed.
func (s *keySet) done() {
	s.spans, s.open = s.spans[:0], s.open[:0]
	if cap(s.spans) > keepKeys || len(s.slots) > 4*keepKeys {
		s.spans, s.slots = nil, nil
	}
}
