package serde

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// Limits bound what a JSON document may hold. Zero means the default.
type Limits struct {
	Depth     int `yaml:"depth"`         // arrays and objects inside each other; default 128
	NameLen   int `yaml:"name_length"`   // bytes of a member's name; default and most: 65,535
	NumberLen int `yaml:"number_length"` // characters of a number; default 1,024
	Nodes     int `yaml:"nodes"`         // values, containers included; default 1,048,576, each takes 24 bytes of memory
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
	l.setDefaults()
	if len(src) > maxSource {
		return Value{}, invalid(0, "documents may have at most 2147483647 bytes")
	}
	texts := len(t.buf)
	t.order.begin()
	nodes, n, err := t.scan(src, &l)
	if err != nil {
		t.buf = t.buf[:texts]
		return Value{}, err
	}
	d := t.newDoc(src, nodes[:n:n])
	t.used += n
	t.made = nil
	return Value{d: d, gen: t.gen}, nil
}

const none = math.MaxUint32

// scan parses src into the nodes that are free. It walks the document without recursion: an open
// container's node keeps the state of what it lies in, in n the members so far and in
// x the index of its container and the place in the order of names.
func (t *Tape) scan(src []byte, l *Limits) (nodes []node, n int, err error) {
	nodes = t.free()
	if len(nodes) > l.Nodes {
		nodes = nodes[:l.Nodes]
	}
	var (
		i       int
		c       byte
		open    = uint32(none) // the innermost open container
		object  bool           // it is an object
		depth   int
		count   uint32              // its values so far
		place   = uint32(outermost) // object: its last member in the order of names; array: the list of the objects in it
		noted   bool                // t.names is in use
		newline flag                // flagNewline once a raw newline was read

		name     uint32 // of the value that follows
		nameLen  uint16
		nameFlag flag

		nd      *node
		state   uint64
		members uint32
	)
	if l.NameLen < maxOrdered {
		place = 0
	}
	if i, newline = space(src, i, newline); i == len(src) {
		return nil, 0, atStart(src, i)
	}
	c = src[i]

value: // begins with c at i
	if n == len(nodes) {
		if n >= l.Nodes {
			return nil, 0, invalid(i, fmt.Sprintf("more than the limit of %d values", l.Nodes))
		}
		nodes = t.more(nodes[:n], min(l.Nodes, max(2*n, minChunk)))
		if len(nodes) > l.Nodes {
			nodes = nodes[:l.Nodes]
		}
	}
	switch c {
	case '"':
		start := i + 1
		end, fl, x := start, flagRaw, uint64(0)
		for {
			if end+8 > len(src) {
				if end, fl, x, err = t.text(src, start, end); err != nil {
					return nil, 0, err
				}
				break
			}
			m := special(binary.LittleEndian.Uint64(src[end:]))
			if m != 0 {
				end += bits.TrailingZeros64(m) >> 3
				if src[end] != '"' {
					if end, fl, x, err = t.text(src, start, end); err != nil {
						return nil, 0, err
					}
				}
				break
			}
			end += 8
		}
		nodes[n] = node{kind: String, flag: fl | nameFlag, nameLen: nameLen, name: name, off: uint32(start), n: uint32(end - start), x: x}
		i = end + 1

	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		kind, x, end := shortNumber(src, i)
		fl := flagRaw
		switch {
		case kind == Missing || end-i > l.NumberLen:
			if kind, fl, x, end, err = number(src, i, l); err != nil {
				return nil, 0, err
			}
		case x == lazyNumber && kind == Float64:
			fl = flagRaw | flagLazy
		}
		nodes[n] = node{kind: kind, flag: fl | nameFlag, nameLen: nameLen, name: name, off: uint32(i), n: uint32(end - i), x: x}
		i = end

	case '{', '[':
		if depth == l.Depth {
			return nil, 0, invalid(i, fmt.Sprintf("arrays and objects are nested more than %d deep", l.Depth))
		}
		depth++
		kind := Array
		if c == '{' {
			kind = Object
		}
		nodes[n] = node{kind: kind, flag: flagRaw | nameFlag, nameLen: nameLen, name: name, off: uint32(i), n: count, x: uint64(open)<<32 | uint64(place)}
		if object && place != 0 {
			place = t.order.inside(place)
		}
		open, object, count = uint32(n), c == '{', 0
		n++
		if i, newline = space(src, i+1, newline); i == len(src) {
			return nil, 0, cut(src, object)
		}
		c = src[i]
		if object {
			if c == '"' {
				goto key
			}
			if c != '}' {
				return nil, 0, unexpected(src, i, "a member name or '}'", "inside an object")
			}
			goto closing
		}
		if c == ']' {
			goto closing
		}
		name, nameLen, nameFlag = 0, 0, 0
		goto value

	case 't':
		if len(src)-i < 4 || string(src[i:i+4]) != "true" {
			return nil, 0, badLiteral(src, i, "true")
		}
		nodes[n] = node{kind: Bool, flag: flagRaw | nameFlag, nameLen: nameLen, name: name, off: uint32(i), n: 4, x: 1}
		i += 4
	case 'f':
		if len(src)-i < 5 || string(src[i:i+5]) != "false" {
			return nil, 0, badLiteral(src, i, "false")
		}
		nodes[n] = node{kind: Bool, flag: flagRaw | nameFlag, nameLen: nameLen, name: name, off: uint32(i), n: 5}
		i += 5
	case 'n':
		if len(src)-i < 4 || string(src[i:i+4]) != "null" {
			return nil, 0, badLiteral(src, i, "null")
		}
		nodes[n] = node{kind: Null, flag: flagRaw | nameFlag, nameLen: nameLen, name: name, off: uint32(i), n: 4}
		i += 4
	default:
		if n == 0 {
			return nil, 0, atStart(src, i)
		}
		return nil, 0, unexpected(src, i, "a value", "before a value")
	}
	n++

after: // a value ended before i
	if open == none {
		if i, newline = space(src, i, newline); i < len(src) {
			return nil, 0, unexpected(src, i, "nothing behind the value", "")
		}
		return nodes, n, nil
	}
	count++
	if i < len(src) && src[i] <= ' ' {
		i, newline = space(src, i, newline)
	}
	if i >= len(src) {
		return nil, 0, cut(src, object)
	}
	c = src[i]
	if c == ',' {
		i++
		if i < len(src) && src[i] <= ' ' {
			i, newline = space(src, i, newline)
		}
		if i >= len(src) {
			return nil, 0, cut(src, object)
		}
		c = src[i]
		if !object {
			name, nameLen, nameFlag = 0, 0, 0
			goto value
		}
		if c != '"' {
			return nil, 0, unexpected(src, i, "a member name", "inside an object")
		}
		goto key
	}
	if object && c != '}' {
		return nil, 0, unexpected(src, i, "',' or '}' after a member", "inside an object")
	}
	if !object && c != ']' {
		return nil, 0, unexpected(src, i, "',' or ']' after an element", "inside an array")
	}

closing: // the innermost container ends with c at i
	nd = &nodes[open]
	state, members = nd.x, nd.n
	nd.n, nd.x = uint32(i)+1-nd.off, uint64(count)<<32|uint64(n)
	nd.flag |= newline
	open, place, count = uint32(state>>32), uint32(state), members
	object = open != none && nodes[open].kind == Object
	depth--
	i++
	goto after

key: // a member's name begins at i
	if place != 0 && i+17 <= len(src) {
		w1, w2 := binary.LittleEndian.Uint64(src[i+1:]), binary.LittleEndian.Uint64(src[i+9:])
		for e, tries := t.order.entries[place].next, lookAhead; e != 0 && tries > 0; tries-- {
			x := &t.order.entries[e]
			if (w1^x.w1)&x.m1|(w2^x.w2)&x.m2 == 0 && (x.n <= 14 || t.order.rest(x, src[i+1:])) {
				name, nameLen, nameFlag, place = uint32(i+1), x.n, 0, e
				i += int(x.n) + 3
				goto member
			}
			e = x.next
		}
	}
	{
		k, err := t.memberName(src, i, l)
		if err != nil {
			return nil, 0, err
		}
		name, nameLen, nameFlag = k.name, k.n, k.flag
		ordered := place != 0
		if ordered {
			place = t.order.place(place, k.text, k.flag == 0)
		}
		if place == 0 {
			if !noted {
				t.names.begin()
				noted = true
			}
			if !t.unique(src, nodes[:n], open, ordered, k) {
				return nil, 0, invalid(i, fmt.Sprintf("the member name %.100q comes twice", k.text))
			}
		}
		if i, newline = space(src, k.end, newline); i == len(src) {
			return nil, 0, cut(src, object)
		}
		if src[i] != ':' {
			return nil, 0, unexpected(src, i, "':' after a member name", "inside an object")
		}
		i++
	}

member: // its value follows
	if i < len(src) && src[i] <= ' ' {
		i, newline = space(src, i, newline)
	}
	if i >= len(src) {
		return nil, 0, cut(src, object)
	}
	c = src[i]
	goto value
}
