package serde

import "hash/maphash"

// A nameSet finds names that come twice in one object. All objects of a document
// share it. Its hash has a random seed, so that no document can make it slow.
type nameSet struct {
	seed  maphash.Seed
	slots []nameSlot // a power of two
	used  int
	epoch uint32 // of the slots that count
}

type nameSlot struct{ hash, epoch, node uint32 }

const keepSlots = 1 << 12

func (s *nameSet) bytes() int { return len(s.slots) * 12 }

// trim drops a set that one large document needed.
func (s *nameSet) trim() {
	if len(s.slots) > keepSlots {
		s.slots = nil
	}
}

// begin empties the set.
func (s *nameSet) begin() {
	s.used = 0
	s.epoch++
	if s.epoch == 0 {
		clear(s.slots)
		s.epoch = 1
	}
}

// add puts in the name of node i, a member of object. It reports whether the name wasn't in.
func (s *nameSet) add(d *doc, object, i uint32, name []byte) bool {
	if s.used*2 >= len(s.slots) {
		s.grow()
	}
	h := maphash.Bytes(s.seed, name)
	// The factor is odd: one name has different hashes in different objects.
	mixed := uint32(h) ^ uint32(h>>32) ^ object*0x9E3779B1
	mask := uint32(len(s.slots) - 1)
	for at := mixed & mask; ; at = (at + 1) & mask {
		x := &s.slots[at]
		if x.epoch != s.epoch {
			*x = nameSlot{hash: mixed, epoch: s.epoch, node: i}
			s.used++
			return true
		}
		if x.hash == mixed && string(d.name(&d.nodes[x.node])) == string(name) {
			return false
		}
	}
}

func (s *nameSet) grow() {
	old := s.slots
	if old == nil {
		s.seed = maphash.MakeSeed()
	}
	s.slots = make([]nameSlot, max(64, 2*len(old)))
	mask := uint32(len(s.slots) - 1)
	for _, x := range old {
		if x.epoch != s.epoch {
			continue
		}
		at := x.hash & mask
		for s.slots[at].epoch == s.epoch {
			at = (at + 1) & mask
		}
		s.slots[at] = x
	}
}
