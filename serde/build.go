package serde

import (
	"fmt"
	"slices"
)

// A container that is made holds, for each member, the value itself where that needs no source, and
// else a reference to the node that has it. So an unchanged value is still written as the JSON text it was read from.

// Array makes an array of values of this tape or of others, which are copied then. Missing values are left out.
func (t *Tape) Array(values []Value) Value {
	return t.container(Array, nil, values)
}

// Object makes an object of values of this tape or of others, which are copied then. Missing
// values are left out. The names are copied; of two equal ones the last counts. names and values are of equal length.
func (t *Tape) Object(names []string, values []Value) Value {
	return t.container(Object, names[:len(values)], values)
}

func (t *Tape) container(k Kind, names []string, values []Value) Value {
	values = t.owned(values)
	d, at := t.take(1 + len(values))
	nodes, n := d.nodes[at+1:], 0
	for i, v := range values {
		if v.d == nil || k == Object && later(names, values, i) {
			continue
		}
		nd := v.reference()
		if k == Object {
			t.setName(&nd, names[i])
		}
		nodes[n] = nd
		n++
	}
	return t.finish(d, k, at, n, len(values))
}

// later reports whether names[i] comes again with a value, behind i.
func later(names []string, values []Value, i int) bool {
	for j := i + 1; j < len(names); j++ {
		if names[j] == names[i] && values[j].d != nil {
			return true
		}
	}
	return false
}

// finish makes node at a container of the n nodes behind it and gives back those that were taken in vain.
func (t *Tape) finish(d *doc, k Kind, at uint32, n, taken int) Value {
	d.nodes[at] = node{kind: k, x: uint64(n)<<32 | uint64(at+1+uint32(n))}
	d.nodes = d.nodes[:int(at)+1+n]
	t.used -= taken - n
	return Value{d: d, i: at, gen: t.gen}
}

// With makes an object like v in which the named members have the values: replaced where they are, or added
// at the end, or left out where the value is Missing. Of equal names the last counts.
func (t *Tape) With(v Value, names []string, values []Value) (Value, error) {
	if v.Kind() != Object {
		return Value{}, fmt.Errorf("set a member: the value is not an object but %s", v.Kind())
	}
	v = t.owned([]Value{v})[0]
	values = t.owned(values)
	d, at := t.take(1 + v.Len() + len(values))
	taken := v.Len() + len(values)
	nodes, n := d.nodes[at+1:], 0
	src, end := v.d, uint32(v.node().x)
	for j := v.i + 1; j < end; j = src.after(j) {
		member := &src.nodes[j]
		name := borrow(src.name(member))
		i := lastIndex(names, name)
		switch {
		case i < 0 && src.src == nil && member.kind < Array: // a reference or a scalar
			nodes[n] = *member
		case i < 0:
			nodes[n] = node{nameLen: member.nameLen, flag: flagNameThere, x: uint64(src.index)<<32 | uint64(j)}
		case values[i].d == nil:
			continue
		default:
			nd := values[i].reference()
			t.setName(&nd, name)
			nodes[n] = nd
		}
		n++
	}
	for i, name := range names {
		if values[i].d == nil || lastIndex(names, name) != i || v.Field(name).Exists() {
			continue
		}
		nd := values[i].reference()
		t.setName(&nd, name)
		nodes[n] = nd
		n++
	}
	return t.finish(d, Object, at, n, taken), nil
}

func lastIndex(names []string, name string) int {
	for i := len(names) - 1; i >= 0; i-- {
		if names[i] == name {
			return i
		}
	}
	return -1
}

// reference is a node for v, which is of this tape, in a made container: itself if it
// needs no source, else one that refers to it. Its name is to be set.
func (v Value) reference() node {
	if n := v.node(); v.d.src == nil && n.kind < Array {
		nd := *n
		nd.flag &^= flagsOfName
		return nd
	}
	return node{x: uint64(v.d.index)<<32 | uint64(v.i)}
}

// owned is values with those of other tapes copied to this one.
func (t *Tape) owned(values []Value) []Value {
	mine := values
	for i, v := range values {
		if v.d == nil {
			continue
		}
		v.node() // not stale
		if v.d.t == t {
			continue
		}
		if &mine[0] == &values[0] {
			mine = slices.Clone(values)
		}
		mine[i] = t.Clone(v)
	}
	return mine
}

// setName copies a member's name, as JSON if it needs no escapes. Longer ones than the tape can hold are an error of whoever
// wrote the rule, not of a record.
func (t *Tape) setName(nd *node, name string) {
	if len(name) > maxNameLen {
		panic("serde: a member name can't have more than 65535 bytes")
	}
	at := t.reserve(len(name) + 3)
	nd.name, nd.nameLen, nd.flag = at+1, uint16(len(name)), nd.flag|flagNameBuf
	t.buf = append(append(append(t.buf, '"'), name...), `":`...)
	if plainASCII(name) {
		nd.flag |= flagNameQuoted
	}
}

// Clone copies v wholly into t: the copy borrows nothing, neither from a source nor from another tape.
func (t *Tape) Clone(v Value) Value {
	if v.d == nil {
		return v
	}
	n := v.node()
	switch {
	case n.kind < Array:
		return t.cloneScalar(v, n)
	case n.flag&flagRaw != 0:
		return t.cloneParsed(v, n)
	}
	var (
		names  []string
		values []Value
		d, end = v.d, uint32(n.x)
	)
	for j := v.i + 1; j < end; j = d.after(j) {
		names = append(names, string(d.name(&d.nodes[j])))
		values = append(values, t.Clone(d.value(j)))
	}
	if n.kind == Array {
		return t.Array(values)
	}
	return t.Object(names, values)
}

// cloneScalar copies a scalar with its texts; that of a parsed string keeps its quotes.
func (t *Tape) cloneScalar(v Value, n *node) Value {
	nd := *n
	nd.flag &^= flagsOfName
	nd.name, nd.nameLen = 0, 0
	from := v.d
	if nd.flag&flagEscaped != 0 {
		off, size := t.keep(borrow(from.plain(n)))
		nd.x = uint64(off)<<32 | uint64(size)
	}
	quotes := uint32(0)
	if n.kind == String && n.flag&flagRaw != 0 {
		quotes = 1
	}
	if n.kind == Float64 && n.flag&flagRaw == 0 { // it has no text
		return t.add(nd)
	}
	off, _ := t.keep(borrow(from.span(n.flag, n.off-quotes, n.n+2*quotes)))
	nd.off = off + quotes
	nd.flag |= flagBuf
	return t.add(nd)
}

// cloneParsed copies a parsed container: its JSON text as one piece, and its nodes moved there.
func (t *Tape) cloneParsed(v Value, n *node) Value {
	from, end := v.d, uint32(n.x)
	at, _ := t.keep(borrow(from.text(n)))
	text := at - n.off
	count := int(end - v.i)
	d, first := t.take(count)
	nodes := d.nodes[first:]
	copy(nodes, from.nodes[v.i:end])
	for i := range nodes {
		nd := &nodes[i]
		switch {
		case i == 0:
			nd.name, nd.nameLen = 0, 0
			nd.flag &^= flagsOfName
		case nd.flag&flagNameBuf != 0:
			nd.name, _ = t.keep(borrow(from.t.buf[nd.name : nd.name+uint32(nd.nameLen)]))
		default:
			nd.name += text
			nd.flag |= flagNameBuf
		}
		if nd.flag&flagEscaped != 0 {
			off, size := t.keep(borrow(from.plain(nd)))
			nd.x = uint64(off)<<32 | uint64(size)
		}
		if nd.kind >= Array {
			nd.x = nd.x - uint64(v.i) + uint64(first)
		}
		nd.off += text
		nd.flag |= flagBuf
	}
	return Value{d: d, i: first, gen: t.gen}
}

func (d *doc) span(fl flag, off, n uint32) []byte {
	if fl&flagBuf != 0 {
		return d.t.buf[off : off+n]
	}
	return d.src[off : off+n]
}
