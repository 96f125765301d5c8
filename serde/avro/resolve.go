package avro

import (
	"slices"
)

// What follows is the specification's Schema Resolution. Where it leaves a choice, of the types of the reader's union, it is made as Java's
// org.apache.avro.Resolver makes it, except that names of records must match too, as the specification says.

// resolve makes the op that reads as r what was written as w, at m.
func (c *compiler) resolve(w, r *Schema, m member) (op, error) {
	o, bad := c.match(w, r, m)
	if bad != nil {
		return o, bad
	}
	return o, nil
}

func (c *compiler) match(w, r *Schema, m member) (op, *mismatch) {
	if c.ops++; c.ops > maxOps {
		return op{}, tooLarge()
	}
	if w.Type == Union {
		return c.union(w, r, m)
	}
	if r.Type == Union {
		b, bad := c.branch(w, r)
		if bad != nil {
			return op{}, bad
		}
		return c.match(w, b, m)
	}
	if w.Type != r.Type && !promotes(w.Type, r.Type) {
		return op{}, cannot("%s can't be read as %s", describe(w), describe(r))
	}
	if w.Name != "" && !sameName(w, r) {
		return op{}, cannot("%s can't be read as %s: the names differ, and it isn't among the reader's aliases", describe(w), describe(r))
	}
	switch w.Type {
	case Record:
		return c.record(w, r, m)
	case Enum:
		return c.enum(w, r, m)
	case Fixed:
		switch {
		case w.Size != r.Size:
			return op{}, cannot("%s of %d bytes can't be read as one of %d", describe(w), w.Size, r.Size)
		case w.Logical == Decimal && r.Logical == Decimal && (w.Precision != r.Precision || w.Scale != r.Scale):
			return op{}, otherDecimal(w, r)
		}
		return fixedOp(r, m), nil
	case Array, Map:
		return c.items(w, r, m)
	}
	return c.scalar(w, r, m)
}

// describe is a type as errors call it: int, record "a.b".
func describe(s *Schema) string {
	if s.Name != "" {
		return s.Type.String() + " " + quoted(s.Name)
	}
	return s.Type.String()
}

// promotes reports whether w may be read as another type.
func promotes(w, r Type) bool {
	switch w {
	case Int:
		return r == Long || r == Float || r == Double
	case Long:
		return r == Float || r == Double
	case Float:
		return r == Double
	case String:
		return r == Bytes
	case Bytes:
		return r == String
	}
	return false
}

// sameName reports whether the names of named types match: without their namespaces, or by an alias of the reader's.
func sameName(w, r *Schema) bool {
	return w == r || shortName(w.Name) == shortName(r.Name) || slices.Contains(r.Aliases, w.Name)
}

// branch is the type of the union r that w is read as: the same type, for named types with the same full name or an alias; then the first
// one with the same name in another namespace that w can be read as; then the first that w can be promoted to.
func (c *compiler) branch(w, r *Schema) (*Schema, *mismatch) {
	for _, b := range r.Branches {
		if b.Type == w.Type && b.Name == w.Name {
			return b, nil
		}
	}
	for _, b := range r.Branches {
		if b.Type == w.Type && slices.Contains(b.Aliases, w.Name) {
			return b, nil
		}
	}
	var why *mismatch
	for _, b := range r.Branches {
		if b.Type != w.Type || !sameName(w, b) {
			continue
		}
		_, bad := c.match(w, b, member{})
		if bad == nil {
			return b, nil
		}
		why = bad
	}
	for _, b := range r.Branches {
		if promotes(w.Type, b.Type) {
			return b, nil
		}
	}
	if why == nil {
		why = cannot("%s can't be read as any type of the reader's union", describe(w))
	}
	return nil, why
}

// union resolves each type of a union that was written. Those that can't be read fail when they are met.
func (c *compiler) union(w, r *Schema, m member) (op, *mismatch) {
	o := m.op(opUnion, "")
	o.of = &node{ops: make([]op, len(w.Branches))}
	m.text = "" // the union writes it
	var first *mismatch
	readable := false
	for i, b := range w.Branches {
		to := r
		if w == r {
			to = b
		}
		branch, bad := c.match(b, to, m)
		if bad != nil {
			if c.ops > maxOps {
				return o, bad
			}
			if first == nil {
				first = bad
			}
			branch = op{code: opFail, of: &node{fail: bad.Error()}}
		}
		readable = readable || bad == nil
		o.of.ops[i] = branch
	}
	if !readable {
		return o, first
	}
	return o, nil
}

func (c *compiler) items(w, r *Schema, m member) (op, *mismatch) {
	o, inner := m.op(opArray, "["), member{}
	if w.Type == Map {
		o, inner = m.op(opMap, "{"), member{keyed: true}
	}
	item, bad := c.match(w.Items, r.Items, inner)
	if bad != nil {
		return o, bad.in("[]")
	}
	o.of = &node{ops: []op{item}}
	return o, nil
}

// enum resolves an enum once for all its uses.
func (c *compiler) enum(w, r *Schema, m member) (op, *mismatch) {
	o := m.op(opEnum, "")
	var ok bool
	if o.of, ok = c.nodes[pair{w, r}]; !ok {
		o.of = &node{}
		c.nodes[pair{w, r}] = o.of
		if bad := c.symbols(o.of, w, r); bad != nil {
			o.of.fail = bad.text
		}
	}
	if o.of.fail != "" {
		return o, cannot("%s", o.of.fail)
	}
	return o, nil
}

// symbols resolves each symbol that may be written. One that the reader doesn't have is its default; without one it fails when it is met.
func (c *compiler) symbols(n *node, w, r *Schema) *mismatch {
	n.symbols = make([]symbol, len(w.Symbols))
	known := make(map[string]bool, len(r.Symbols))
	for _, s := range r.Symbols {
		known[s] = true
	}
	readable := len(w.Symbols) == 0
	for i, text := range w.Symbols {
		s := &n.symbols[i]
		if !known[text] {
			if !r.HasDefault {
				s.fail = cannot("the symbol %.100q isn't one of the reader's %s, which has no default", text, describe(r)).text
				continue
			}
			text = r.Default
		}
		name, err := c.name(text)
		if err != nil {
			return cannot("%v", err)
		}
		s.name, s.text = name, quoted(text)
		readable = true
	}
	if !readable {
		return cannot("no symbol of %s is one of the reader's, which has no default", describe(w))
	}
	return nil
}

// record resolves a record once for all its uses, also those within itself.
func (c *compiler) record(w, r *Schema, m member) (op, *mismatch) {
	o := m.op(opRecord, "{")
	if n, ok := c.nodes[pair{w, r}]; ok {
		o.of = n
		if n.fail != "" {
			return o, cannot("%s", n.fail)
		}
		return o, nil
	}
	o.of = &node{}
	c.nodes[pair{w, r}] = o.of
	if bad := c.fields(o.of, w, r); bad != nil {
		o.of.fail = bad.Error() // those that refer to it already fail when they meet it
		return o, bad
	}
	return o, nil
}

// fields fills n with the writer's fields and then with those that only the reader has.
func (c *compiler) fields(n *node, w, r *Schema) *mismatch {
	readAs := fieldsOf(w, r)
	read := make(map[*Field]bool, len(w.Fields))
	for i := range w.Fields {
		f := &w.Fields[i]
		o, bad := c.field(n, f, readAs[i])
		if bad != nil {
			return bad.in(f.Name)
		}
		read[readAs[i]] = true
		n.ops, n.fields = append(n.ops, o), append(n.fields, f.Name)
		n.parts++
	}
	for i := range r.Fields {
		f := &r.Fields[i]
		if read[f] {
			continue
		}
		if bad := c.missing(n, f); bad != nil {
			return bad.in(f.Name)
		}
	}
	return nil
}

// fieldsOf are the reader's fields for each of the writer's, nil for one that nobody reads: those of the same name, then by the reader's aliases.
func fieldsOf(w, r *Schema) []*Field {
	byName, byAlias := map[string]*Field{}, map[string]*Field{}
	for i := range r.Fields {
		f := &r.Fields[i]
		byName[f.Name] = f
	}
	written := map[*Field]bool{}
	for i := range w.Fields {
		written[byName[w.Fields[i].Name]] = true
	}
	for i := range r.Fields {
		f := &r.Fields[i]
		for _, a := range f.Aliases {
			if byAlias[a] == nil && !written[f] {
				byAlias[a] = f
			}
		}
	}
	to := make([]*Field, len(w.Fields))
	for i := range w.Fields {
		name := w.Fields[i].Name
		if to[i] = byName[name]; to[i] == nil {
			if f := byAlias[name]; !written[f] {
				to[i] = f
				written[f] = true
			}
		}
	}
	return to
}

// field makes the op of a field that was written.
func (c *compiler) field(n *node, w, r *Field) (op, *mismatch) {
	if r == nil {
		skipped, bad := c.skip(w.Type)
		return op{code: opSkip, of: &node{ops: []op{skipped}}}, bad
	}
	m, err := c.member(r.Name, n.members)
	if err != nil {
		return op{}, cannot("%v", err)
	}
	n.members++
	return c.match(w.Type, r.Type, m)
}
