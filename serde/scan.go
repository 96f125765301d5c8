package serde

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// Limits bound what a JSON document may hold. Zero means the default.
type Limits struct {
	// Arrays and objects inside each other. Default 128.
	Depth int `yaml:"depth"`
	// Bytes of a member's name. Default 65535, which is the most that can be set.
	NameLen int `yaml:"name_length"`
	// Characters of a number. Default 1024.
	NumberLen int `yaml:"number_length"`
	// Values of a document, arrays and objects counted too. Each takes 24 bytes of memory. Default 1048576.
	Nodes int `yaml:"nodes"`
}

const (
	defaultDepth     = 128
	defaultNumberLen = 1024
	defaultNodes     = 1 << 20

	maxNameLen = math.MaxUint16
	maxSource  = math.MaxInt32 // bytes of a document
)

func (l *Limits) setDefaults() {
	if l.Depth <= 0 {
		l.Depth = defaultDepth
	}
	if l.NameLen <= 0 || l.NameLen > maxNameLen {
		l.NameLen = maxNameLen
	}
	if l.NumberLen <= 0 {
		l.NumberLen = defaultNumberLen
	}
	if l.Nodes <= 0 {
		l.Nodes = defaultNodes
	}
	l.Nodes = min(l.Nodes, maxSource)
}

// JSON parses a document strictly by RFC 8259: UTF-8 only, no lone surrogates, no member name twice
// in an object, nothing behind the value. The value borrows src. The error is a *[SyntaxError].
func (t *Tape) JSON(src []byte, l Limits) (Value, error) {
	if len(src) > maxSource {
		return Value{}, invalid(0, "documents may have at most 2147483647 bytes")
	}
	l.setDefaults()
	texts := len(t.buf)
	s := &t.scanner
	s.begin(t, src, l)
	n, err := s.scan(src)
	nodes := s.nodes
	if err != nil {
		t.buf = t.buf[:texts]
		return Value{}, err
	}
	d := t.newDoc(src, nodes[:n:n])
	t.used += n
	t.made = nil
	return Value{d: d, gen: t.gen}, nil
}

// A scanner parses one document into nodes. It doesn't recurse: an open container's node keeps the
// state of what it lies in, in n the values so far and in x the index of its container and the place in the
// order of names. What scan needs all the time is in its variables, the rest is here.
type scanner struct {
	t       *Tape
	src     []byte
	nodes   []node // the part of the tape that is free; it begins with what was parsed
	limits  Limits
	entries []entry // t's order of names

	open     uint32 // the innermost open container
	count    uint32 // its values so far
	depth    int
	object   bool // the innermost container is an object
	nameFlag flag // of the name that was written to the next node
	noted    bool // t.names is in use
	newline  bool // there was a raw newline
}

const none = math.MaxUint32

func (s *scanner) begin(t *Tape, src []byte, l Limits) {
	t.order.begin()
	s.t, s.src, s.nodes, s.limits, s.entries = t, src, t.free(), l, t.order.entries
	s.open, s.count, s.depth, s.object, s.nameFlag, s.noted, s.newline = none, 0, 0, false, 0, false, false
	if len(s.nodes) == 0 {
		s.nodes = t.more(nil, minChunk)
	}
	if len(s.nodes) > l.Nodes {
		s.nodes = s.nodes[:l.Nodes]
	}
}

// scan parses the document and returns the number of its nodes.
func (s *scanner) scan(src []byte) (n int, err error) {
	var (
		i     int
		c     byte
		p     = &s.nodes[0]       // the next node
		place = uint32(outermost) // object: its last member in the order of names; array: the list of the objects in it
	)
	if s.limits.NameLen < maxOrdered {
		place = 0
	}
	if i = s.space(0); i == len(src) {
		return 0, atStart(src, i)
	}
	c = src[i]

value: // begins with c at i
	if c == '"' {
		i++
		p.off = uint32(i)
		m := special(word(src, i))
		for m == 0 {
			i += 8
			m = special(word(src, i))
		}
		i += bits.TrailingZeros64(m) >> 3
		if uint(i) < uint(len(src)) && src[i] == '"' {
			p.kind, p.flag, p.n = String, flagRaw|s.nameFlag, uint32(i)-p.off
			i++
		} else if i, err = s.longText(p, i); err != nil {
			return 0, err
		}
	} else if c-'0' <= 9 || c == '-' {
		if i, err = s.number(p, i); err != nil {
			return 0, err
		}
	} else if c == '{' || c == '[' {
		if i, place, err = s.begun(p, i, n, place); err != nil {
			return 0, err
		}
		n++
		c = src[i]
		if c == '}' && s.object || c == ']' && !s.object {
			goto closing
		}
		goto item
	} else if i, err = s.literal(p, i); err != nil {
		return 0, err
	}
	n++

after: // a value ended before i
	s.count++
	if uint(i) >= uint(len(src)) || src[i] != ',' {
		i = s.space(i)
		switch {
		case s.open == none && i == len(src):
			return n, nil
		case s.open == none:
			return 0, unexpected(src, i, "nothing behind the value", "")
		case i == len(src):
			return 0, s.cut()
		}
		switch c = src[i]; {
		case c == ',':
		case c == '}' && s.object, c == ']' && !s.object:
			goto closing
		case s.object:
			return 0, unexpected(src, i, "',' or '}' after a member", "inside an object")
		default:
			return 0, unexpected(src, i, "',' or ']' after an element", "inside an array")
		}
	}
	i++
	if uint(i) >= uint(len(src)) || src[i] <= ' ' {
		if i = s.space(i); i == len(src) {
			if s.open == none {
				return 0, s.commaBehind(i)
			}
			return 0, s.cut()
		}
	}
	c = src[i]

item: // a member or an element begins with c at i
	if n == len(s.nodes) {
		if err := s.grow(i); err != nil {
			return 0, err
		}
	}
	p = &s.nodes[n]
	if !s.object {
		if s.open == none {
			return 0, s.commaBehind(i)
		}
		goto value
	}
	if e := s.entries[place].next; e != 0 && c == '"' && i+17 <= len(src) {
		x := &s.entries[e]
		w1, w2 := binary.LittleEndian.Uint64(src[i+1:]), binary.LittleEndian.Uint64(src[i+9:])
		if (w1^x.w1)&x.m1|(w2^x.w2)&x.m2 == 0 && x.n <= 14 {
			p.nameLen, p.name, s.nameFlag, place = x.n, uint32(i+1), 0, e
			i += int(x.n) + 3
			goto member
		}
	}
	if i, place, err = s.member(p, i, n, place); err != nil {
		return 0, err
	}

member: // its value follows
	if uint(i) >= uint(len(src)) || src[i] <= ' ' {
		if i = s.space(i); i == len(src) {
			return 0, s.cut()
		}
	}
	c = src[i]
	goto value

closing: // the innermost container ends with c at i
	i++
	place = s.ended(i, n)
	goto after
}

// longText ends a string of node p, begun at p.off and scanned up to i: it isn't plain ASCII. It returns the index behind it.
func (s *scanner) longText(p *node, i int) (int, error) {
	i, fl, x, err := s.t.text(s.src, int(p.off), min(i, len(s.src)))
	p.kind, p.flag, p.n, p.x = String, fl|s.nameFlag, uint32(i)-p.off, x
	return i + 1, err
}

// begun makes node n, which is p, the innermost container. Its first byte is at i. It returns the index of what comes first in it.
func (s *scanner) begun(p *node, i, n int, place uint32) (int, uint32, error) {
	if s.depth == s.limits.Depth {
		return 0, 0, invalid(i, fmt.Sprintf("arrays and objects are nested more than %d deep", s.depth))
	}
	s.depth++
	p.flag, p.off, p.n, p.x = flagRaw|s.nameFlag, uint32(i), s.count, uint64(s.open)<<32|uint64(place)
	if s.object && place != 0 {
		place = s.t.order.inside(place)
		s.entries = s.t.order.entries
	}
	s.open, s.count, s.nameFlag = uint32(n), 0, 0
	if s.object = s.src[i] == '{'; s.object {
		p.kind = Object
	} else {
		p.kind = Array
	}
	i++
	if i >= len(s.src) || s.src[i] <= ' ' {
		if i = s.space(i); i == len(s.src) {
			return 0, 0, s.cut()
		}
	}
	return i, place, nil
}

// ended closes the innermost container: it ends before i, and what it contains before node n. It returns the place in what it lies in.
func (s *scanner) ended(i, n int) (place uint32) {
	p := &s.nodes[s.open]
	outer, members := p.x, p.n
	p.n, p.x = uint32(i)-p.off, uint64(s.count)<<32|uint64(n)
	if s.newline {
		p.flag |= flagNewline
	}
	s.open, s.count, s.nameFlag = uint32(outer>>32), members, 0
	s.object = s.open != none && s.nodes[s.open].kind == Object
	s.depth--
	return uint32(outer)
}

// literal parses true, false or null at i to node p. Anything else that is no value gets here too.
func (s *scanner) literal(p *node, i int) (int, error) {
	var size int
	switch w, want := uint32(word(s.src, i)), ""; {
	case w == 't'|'r'<<8|'u'<<16|'e'<<24:
		p.kind, p.x, size = Bool, 1, 4
	case w == 'n'|'u'<<8|'l'<<16|'l'<<24:
		p.kind, p.x, size = Null, 0, 4
	case w == 'f'|'a'<<8|'l'<<16|'s'<<24 && i+4 < len(s.src) && s.src[i+4] == 'e':
		p.kind, p.x, size = Bool, 0, 5
	default:
		switch byte(w) {
		case 't':
			want = "true"
		case 'f':
			want = "false"
		case 'n':
			want = "null"
		}
		return 0, noValue(s.src, i, want, s.open == none)
	}
	p.flag, p.off, p.n = flagRaw|s.nameFlag, uint32(i), uint32(size)
	return i + size, nil
}

// grow makes room for more nodes. i is where the document needs it.
func (s *scanner) grow(i int) error {
	n := len(s.nodes)
	if n >= s.limits.Nodes {
		return invalid(i, fmt.Sprintf("more than the limit of %d values", n))
	}
	s.nodes = s.t.more(s.nodes, min(s.limits.Nodes, max(2*n, minChunk)))
	if len(s.nodes) > s.limits.Nodes {
		s.nodes = s.nodes[:s.limits.Nodes]
	}
	return nil
}

// member parses a member's name at i, which the order didn't foresee, up to its colon, and gives it to node n, which is p.
func (s *scanner) member(p *node, i, n int, place uint32) (int, uint32, error) {
	if s.src[i] != '"' {
		if s.count == 0 {
			return 0, 0, unexpected(s.src, i, "a member name or '}'", "inside an object")
		}
		return 0, 0, unexpected(s.src, i, "a member name", "inside an object")
	}
	if e := s.foreseen(i+1, place); e != 0 {
		x := &s.entries[e]
		p.name, p.nameLen, s.nameFlag = uint32(i+1), x.n, 0
		return i + int(x.n) + 3, e, nil
	}
	k, err := s.t.memberName(s.src, i, &s.limits)
	if err != nil {
		return 0, 0, err
	}
	p.name, p.nameLen, s.nameFlag = k.name, k.n, k.flag
	ordered := place != 0
	if ordered {
		place = s.t.order.place(place, k.text, k.flag == 0)
		s.entries = s.t.order.entries
	}
	if place == 0 && !s.unique(n, ordered, k.text) {
		return 0, 0, invalid(i, fmt.Sprintf("the member name %.100q comes twice", k.text))
	}
	if i = s.space(k.end); i == len(s.src) {
		return 0, 0, s.cut()
	}
	if s.src[i] != ':' {
		return 0, 0, unexpected(s.src, i, "':' after a member name", "inside an object")
	}
	return i + 1, place, nil
}

// foreseen is the entry behind place whose name is at i, with its quote and colon: the next or one of a few behind it. It is 0 for any other name.
func (s *scanner) foreseen(i int, place uint32) uint32 {
	w1, w2 := word(s.src, i), word(s.src, i+8)
	e := s.entries[place].next
	for range lookAhead {
		if e == 0 {
			break
		}
		x := &s.entries[e]
		if (w1^x.w1)&x.m1|(w2^x.w2)&x.m2 == 0 && (x.n <= 14 || s.t.order.rest(x, s.src[i:])) {
			return e
		}
		e = x.next
	}
	return 0
}

// unique notes the name of node n and reports whether the innermost object has it for the first time. When
// the object's earlier members were ordered, they are noted first.
func (s *scanner) unique(n int, ordered bool, name []byte) bool {
	names := &s.t.names
	if !s.noted {
		names.begin()
		s.noted = true
	}
	d := doc{t: s.t, src: s.src, nodes: s.nodes[:n]}
	if ordered {
		for j := s.open + 1; j < uint32(n); j = d.after(j) {
			names.add(&d, s.open, j, d.name(&d.nodes[j]))
		}
	}
	return names.add(&d, s.open, uint32(n), name)
}

// space skips white space from i on, and notes where a line ends.
func (s *scanner) space(i int) int {
	for ; i < len(s.src); i++ {
		switch s.src[i] {
		case ' ', '\t':
		case '\n', '\r':
			s.newline = true
		default:
			return i
		}
	}
	return i
}

// commaBehind is the error of a document with a comma behind its value, the last one before i.
func (s *scanner) commaBehind(i int) error {
	return unexpected(s.src, bytes.LastIndexByte(s.src[:i], ','), "nothing behind the value", "")
}

// cut is the error of a document that ends inside a container.
func (s *scanner) cut() error {
	if s.object {
		return unexpected(s.src, len(s.src), "", "inside an object")
	}
	return unexpected(s.src, len(s.src), "", "inside an array")
}

// word is the 8 bytes of src from i on, with zeros behind its end.
func word(src []byte, i int) uint64 {
	if i+8 <= len(src) {
		return binary.LittleEndian.Uint64(src[i:])
	}
	return lastWord(src, i)
}

//go:noinline
func lastWord(src []byte, i int) uint64 {
	var b [8]byte
	if i < len(src) {
		copy(b[:], src[i:])
	}
	return binary.LittleEndian.Uint64(b[:])
}
