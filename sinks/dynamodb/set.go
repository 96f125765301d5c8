package dynamodb

import (
	"github.com/millrace/millrace/serde"
)

// empties reports whether v would be an empty set, which DynamoDB doesn't have: its attribute is left out.
func (p *setPath) empties(v serde.Value) bool {
	return p != nil && p.set && v.Kind() == serde.Array && v.Len() == 0
}

// appendSet appends an array as a set: {"SS":["a","b"]}. Of equal elements, which DynamoDB refuses, the first is kept. A null stays a null.
func appendSet(dst []byte, v serde.Value) (out []byte, size int, err error) {
	switch v.Kind() {
	case serde.Null:
		return append(dst, `{"NULL":true}`...), 1, nil
	case serde.Array:
	default:
		return dst, 0, problem("is of kind %s; sets names it, so that it must be an array", v.Kind())
	}
	of := scalarOf(v.Index(0))
	var seen distinct
	i := 0
	dst = append(dst, '{', '"', byte(of), 'S', '"', ':', '[')
	for element := range v.Elements() {
		s := scalarOf(element)
		if s == 0 || s != of {
			return dst, 0, inElement(i, errElement(element, s, of))
		}
		from, n := len(dst), 0
		if dst, n, err = appendScalar(dst, element, s); err != nil {
			return dst, 0, inElement(i, err)
		}
		i++
		if !seen.add(dst, from) {
			dst = dst[:from]
			continue
		}
		if size += n; size > maxItemSize {
			return dst, 0, errSize()
		}
		dst = append(dst, ',')
	}
	return append(closed(dst, ']'), '}'), size, nil
}

func errElement(v serde.Value, s, of scalar) error {
	if s == 0 {
		return problem("is of kind %s; a set holds texts, numbers or bytes", v.Kind())
	}
	return problem("is stored as %s, but the set's first element as %s: a set holds one type", s, of)
}

// distinct finds out which elements of a set are new.
type distinct struct {
	spans [16]span // of the elements so far, in what is being written
	n     int
	many  map[string]struct{} // all elements, once they are more
}

// add reports whether the element at the end of text, which begins at from, is new. text only grows between the calls.
func (d *distinct) add(text []byte, from int) bool {
	element := text[from:]
	if d.many == nil {
		for _, s := range d.spans[:d.n] {
			if string(text[s.from:s.to]) == string(element) {
				return false
			}
		}
		if d.n < len(d.spans) {
			d.spans[d.n] = span{from, len(text)}
			d.n++
			return true
		}
		d.many = make(map[string]struct{}, 4*len(d.spans))
		for _, s := range d.spans {
			d.many[string(text[s.from:s.to])] = struct{}{}
		}
	}
	if _, ok := d.many[string(element)]; ok {
		return false
	}
	d.many[string(element)] = struct{}{}
	return true
}
