package serde

import "encoding/binary"

// An order remembers, for each place where documents have an object, the names of its
// members in the order in which they come. Records of a topic look alike, so the scanner
// compares the next name with the one that came next in the record before, instead of
// searching for its end and for its duplicates: the names of a list differ, and a
// scan only moves forward in it, so that no name can come twice.
//
// A list is begun by a head and has an entry per name. An entry is known by its index; 0 is none.
type order struct {
	entries []entry // entry 1 is the head of the outermost object's list
	text    []byte  // names, each with what follows it: `":`
	docs    int     // since the order was empty
}

type entry struct {
	w1, m1, w2, m2 uint64 // the first 16 bytes of the text, with masks of those that count
	text           uint32 // where it begins
	n              uint16 // length of the name, the two bytes behind it not counted
	next           uint32
	head           uint32 // of this list; a head's own index
	child          uint32 // head of the list of objects inside this member's value
	_              [8]byte
}

const (
	outermost = 1 // index of the first head

	maxEntries  = 1024
	maxOrdered  = 255 // bytes of a name that is remembered
	lookAhead   = 4   // entries that the scanner tries before it searches
	searchAhead = 64  // entries that a search tries when the order is full
	renewAfter  = 4096
)

func (o *order) bytes() int { return cap(o.entries)*64 + cap(o.text) }

// renew forgets an order that is full, but not so often that random names cost more than documents do.
func (o *order) renew() {
	if len(o.entries) >= maxEntries && o.docs >= renewAfter {
		o.entries, o.text, o.docs = o.entries[:0], o.text[:0], 0
	}
}

func (o *order) begin() {
	o.docs++
	if len(o.entries) == 0 {
		o.entries = append(o.entries, entry{}, entry{head: outermost})
	}
}

// inside is the head of the list of objects inside e's value, 0 if the order is full.
//
//go:noinline
func (o *order) inside(e uint32) uint32 {
	if o.entries[e].child == 0 && len(o.entries) < maxEntries {
		head := uint32(len(o.entries))
		o.entries = append(o.entries, entry{head: head})
		o.entries[e].child = head
	}
	return o.entries[e].child
}

// place finds name behind at, or remembers it there, and returns its entry. It is 0 where the order doesn't help: the name
// comes before at, or there is no room for it.
func (o *order) place(at uint32, name []byte, clean bool) uint32 {
	full := len(o.entries) >= maxEntries
	tries := 0
	for e := o.entries[at].next; e != 0; e = o.entries[e].next {
		if o.is(e, name) {
			return e
		}
		if tries++; full && tries == searchAhead {
			return 0
		}
	}
	if full || !clean || len(name) > maxOrdered {
		return 0
	}
	for e := o.entries[at].head; e != at; e = o.entries[e].next {
		if o.is(e, name) {
			return 0
		}
	}
	if o.is(at, name) {
		return 0
	}
	e := uint32(len(o.entries))
	fresh := entry{text: uint32(len(o.text)), n: uint16(len(name)), next: o.entries[at].next, head: o.entries[at].head}
	o.text = append(append(o.text, name...), `":`...)
	var room [16]byte
	n := copy(room[:], o.text[fresh.text:])
	fresh.w1, fresh.w2 = binary.LittleEndian.Uint64(room[:]), binary.LittleEndian.Uint64(room[8:])
	fresh.m1, fresh.m2 = lowBytes(n), lowBytes(n-8)
	o.entries = append(o.entries, fresh)
	o.entries[at].next = e
	return e
}

// is reports whether e's name is name. A head has none.
func (o *order) is(e uint32, name []byte) bool {
	x := &o.entries[e]
	return x.m1 != 0 && int(x.n) == len(name) && string(o.text[x.text:x.text+uint32(x.n)]) == string(name)
}

// rest reports whether src goes on with e's text, the first 16 bytes of which fit.
func (o *order) rest(e *entry, src []byte) bool {
	n := int(e.n) + 2
	return len(src) >= n && string(src[:n]) == string(o.text[e.text:int(e.text)+n])
}

// lowBytes is a mask of the first n bytes of a little-endian word; n may be below 0 or above 8.
func lowBytes(n int) uint64 {
	switch {
	case n <= 0:
		return 0
	case n >= 8:
		return 1<<64 - 1
	}
	return 1<<(8*n) - 1
}
