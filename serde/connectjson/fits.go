package connectjson

import (
	"math"

	"github.com/millrace/millrace/serde"
)

// fits reports whether v is already what its schema says: all fields there and in order, all types right. It is for
// schemas whose values may stay as they were parsed.
func fits(n *node, v serde.Value) bool {
	kind := v.Kind()
	if kind == serde.Null {
		return n.optional
	}
	switch n.kind {
	case boolean:
		return kind == serde.Bool
	case integer:
		i, ok := v.Int64()
		return ok && kind == serde.Int64 && i >= n.lo && i <= n.hi
	case float, double:
		f, ok := v.Float64()
		return ok && (n.kind == double || math.Abs(f) <= math.MaxFloat32)
	case text:
		return kind == serde.String
	case array:
		if kind != serde.Array {
			return false
		}
		for e := range v.Elements() {
			if !fits(n.items, e) {
				return false
			}
		}
		return true
	case mapping:
		if kind != serde.Object {
			return false
		}
		for _, m := range v.Members() {
			if !fits(n.items, m) {
				return false
			}
		}
		return true
	}
	return kind == serde.Object && structFits(n, v)
}

func structFits(n *node, v serde.Value) bool {
	i := 0
	if v.Len() != len(n.fields) {
		return false
	}
	for name, m := range v.Members() {
		if f := &n.fields[i]; f.name != name || !fits(f.node, m) {
			return false
		}
		i++
	}
	return true
}
