package connectjson

import (
	"github.com/millrace/millrace/serde"
)

// mapping writes a map as an object. Its keys were collected before.
func (e *encoder) mapping(n *node, name serde.Name, v serde.Value) error {
	at, count := e.w.Begin(name, serde.Object), 0
	err := entries(n, v, func(_, value serde.Value, key string) error {
		from, to := 0, e.ends[e.atKey]
		if e.atKey > 0 {
			from = e.ends[e.atKey-1]
		}
		e.atKey++
		count++
		if err := e.value(n.items, serde.NameAt(from, to-from), value); err != nil {
			return in(string(e.keys[from:to]), err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	e.w.End(at, count)
	if n.keys.kind != text {
		if twice, ok := e.w.Repeated(at); ok {
			return misfitf("the key %.100q comes twice", twice)
		}
	}
	return nil
}

// entries visits the entries of a map: members of an object where the keys are strings, else elements that are pairs.
func entries(n *node, v serde.Value, visit func(key, value serde.Value, name string) error) error {
	if n.keys.kind == text {
		if v.Kind() != serde.Object {
			return misfitf("got %s, want a map with string keys, which is an object", v.Kind())
		}
		for name, m := range v.Members() {
			if err := visit(serde.Value{}, m, name); err != nil {
				return err
			}
		}
		return nil
	}
	if v.Kind() != serde.Array {
		return misfitf("got %s, want a map with %s keys, which is an array of pairs", v.Kind(), n.keys.typeName)
	}
	i := 0
	for pair := range v.Elements() {
		if pair.Kind() != serde.Array || pair.Len() != 2 {
			return inElement(i, misfitf("is no pair of a key and a value"))
		}
		if err := visit(pair.Index(0), pair.Index(1), ""); err != nil {
			return err
		}
		i++
	}
	return nil
}

// collect puts the keys of all maps in v into e.keys, in the order in which value writes them. left is how many nodes the value may still have.
func (e *encoder) collect(n *node, v serde.Value, left *int) error {
	if *left -= 1 + len(n.fields); *left < 0 {
		return room(false, e.nodes)
	}
	v, err := present(n, v)
	if err != nil || !v.Exists() || n.logical != none {
		return err
	}
	switch n.kind {
	case array:
		i := 0
		for x := range v.Elements() {
			if err := e.collect(n.items, x, left); err != nil {
				return inElement(i, err)
			}
			i++
		}
	case structure:
		first, err := e.members(n, v)
		if err != nil {
			return err
		}
		for i := range n.fields {
			f := &n.fields[i]
			if err := e.collect(f.node, e.slots[first+i], left); err != nil {
				return in(f.name, err)
			}
		}
		e.slots = e.slots[:first]
	case mapping:
		return entries(n, v, func(key, value serde.Value, name string) error {
			from := len(e.keys)
			if err := e.addKey(n.keys, key, name); err != nil {
				return err
			}
			if err := e.collect(n.items, value, left); err != nil {
				return in(string(e.keys[from:e.ends[len(e.ends)-1]]), err)
			}
			return nil
		})
	}
	return nil
}

// addKey adds a key: a member's name, or a value as text.
func (e *encoder) addKey(n *node, key serde.Value, name string) error {
	from := len(e.keys)
	if key.Exists() {
		if n.asIs && !fits(n, key) {
			return misfitf("the key: got %s, want %s", key.Kind(), n.typeName)
		}
		var err error
		if e.keys, err = key.AppendText(e.keys); err != nil {
			return misfitf("the key: %v", err)
		}
	} else {
		e.keys = append(e.keys, name...)
	}
	if len(e.keys)-from > maxKey {
		return misfitf("a key has %d bytes, at most %d are possible", len(e.keys)-from, maxKey)
	}
	e.ends = append(e.ends, len(e.keys))
	return nil
}
