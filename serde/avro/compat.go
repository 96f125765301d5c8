package avro

import (
	"fmt"
	"slices"
	"strings"
)

// Compatible lists why data of writer can't be read with reader, each with the path of the field; an empty list says that all of it can.
//
// It decides as Java's org.apache.avro.SchemaCompatibility (Avro 1.11), so that a registry and its clients agree with it: by the specification's
// Schema Resolution, with names compared without their namespaces, or by the reader's aliases. Every type of the writer's union has to be readable,
// and every symbol of its enum, unless the reader's enum has a default. Logical types aren't looked at: Compile refuses decimals of
// another scale.
func Compatible(reader, writer *Schema) []string {
	c := comparison{done: map[pair][]obstacle{}, left: maxOps}
	found := c.compare(reader, writer)
	if c.left < 0 {
		return []string{fmt.Sprintf("the schemas have more than %d pairs of types to compare", maxOps)}
	}
	var reasons []string
	for _, o := range found {
		reasons = append(reasons, o.String())
	}
	return reasons
}

// maxObstacles bounds the list: records that are used in many places would repeat theirs.
const maxObstacles = 100

// An obstacle is a reason why a type can't be read.
type obstacle struct {
	path []string // within the type, the innermost first
	text string
}

func (o *obstacle) String() string {
	if path := pathText(o.path); path != "" {
		return fmt.Sprintf("field %.300q: %s", path, o.text)
	}
	return o.text
}

func because(format string, args ...any) []obstacle {
	return []obstacle{{text: fmt.Sprintf(format, args...)}}
}

// within are the obstacles of a part as those of the whole.
func within(name string, found []obstacle) []obstacle {
	outer := make([]obstacle, len(found))
	for i, o := range found {
		outer[i] = obstacle{path: append(slices.Clone(o.path), name), text: o.text}
	}
	return outer
}

// A comparison compares each pair of types once. One that contains itself is compatible unless something else in it isn't.
type comparison struct {
	done map[pair][]obstacle
	left int
}

func (c *comparison) compare(r, w *Schema) []obstacle {
	if c.left--; c.left < 0 {
		return nil
	}
	key := pair{w: w, r: r}
	found, ok := c.done[key]
	if !ok {
		c.done[key] = nil
		found = c.types(r, w)
		found = found[:min(len(found), maxObstacles)]
		c.done[key] = found
	}
	return found
}

func (c *comparison) types(r, w *Schema) []obstacle {
	switch {
	case w.Type == Union:
		return c.writerUnion(r, w)
	case r.Type == Union:
		for _, b := range r.Branches { // the one that it is, usually: long unions are compared quickly
			if b.key() == w.key() && len(c.compare(b, w)) == 0 {
				return nil
			}
		}
		for _, b := range r.Branches {
			if len(c.compare(b, w)) == 0 {
				return nil
			}
		}
		return because("%s can't be read as any type of the reader's union", describe(w))
	case r.Type != w.Type && !promotes(w.Type, r.Type):
		return because("%s can't be read as %s", describe(w), describe(r))
	}
	var found []obstacle
	if w.Name != "" && !sameName(w, r) {
		found = because("%s can't be read as %s: the names differ, and it isn't among the reader's aliases", describe(w), describe(r))
	}
	switch r.Type {
	case Array, Map:
		return within("[]", c.compare(r.Items, w.Items))
	case Fixed:
		if r.Size != w.Size {
			found = append(found, because("%s of %d bytes can't be read as one of %d", describe(w), w.Size, r.Size)...)
		}
	case Enum:
		found = append(found, compareSymbols(r, w)...)
	case Record:
		found = append(found, c.fields(r, w)...)
	}
	return found
}

// writerUnion needs every type of the writer's union to be readable.
func (c *comparison) writerUnion(r, w *Schema) []obstacle {
	var found []obstacle
	for _, b := range w.Branches {
		found = append(found, c.compare(r, b)...)
	}
	return found
}

func compareSymbols(r, w *Schema) []obstacle {
	if r.HasDefault {
		return nil
	}
	known := make(map[string]bool, len(r.Symbols))
	for _, s := range r.Symbols {
		known[s] = true
	}
	var lost []string
	for _, s := range w.Symbols {
		if !known[s] {
			lost = append(lost, s)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	return because("the reader's %s has no default and lacks the symbols %.200s", describe(r), strings.Join(lost, ", "))
}

func (c *comparison) fields(r, w *Schema) []obstacle {
	written := make(map[string]*Field, len(w.Fields))
	for i := range w.Fields {
		written[w.Fields[i].Name] = &w.Fields[i]
	}
	var found []obstacle
	for i := range r.Fields {
		f := &r.Fields[i]
		var from []*Field
		for _, name := range append([]string{f.Name}, f.Aliases...) {
			if x := written[name]; x != nil && !slices.Contains(from, x) {
				from = append(from, x)
			}
		}
		switch {
		case len(from) == 1:
			found = append(found, within(f.Name, c.compare(f.Type, from[0].Type))...)
		case len(from) > 1:
			found = append(found, within(f.Name, because("the reader's field and its aliases are the names of several fields that were written"))...)
		case f.Default == nil:
			found = append(found, within(f.Name, because("it isn't written, and the reader's field has no default"))...)
		}
	}
	return found
}
