package cell

import (
	"fmt"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// AppendRest appends, as JSON, the members of v that no field takes, each where it is in v: {"pos":{"x":1}}. An array has a null for each element
// that has none. dst comes back as it was if there are none at all, or after an error.
func (c *Column) AppendRest(dst []byte, v serde.Value) ([]byte, error) {
	switch k := v.Kind(); {
	case k == serde.Array && c.Elem != nil && c.Type.Kind == table.List:
		return c.restOfList(dst, v)
	case k == serde.Object && (c.Elem != nil && c.Type.Kind == table.Map || c.Fields != nil):
		return c.restOfObject(dst, v)
	}
	return dst, nil
}

func (c *Column) restOfObject(dst []byte, v serde.Value) ([]byte, error) {
	out, some := append(dst, '{'), false
	for name, member := range v.Members() {
		start := len(out)
		var err error
		if out, err = serde.AppendString(out, []byte(name)); err != nil {
			return dst, fmt.Errorf("member name %.100q: %w", name, err)
		}
		out = append(out, ':')
		empty := len(out)
		if out, err = c.restOfMember(out, v, name, member); err != nil {
			return dst, err
		}
		if len(out) == empty {
			out = out[:start]
			continue
		}
		out, some = append(out, ','), true
	}
	if !some {
		return out[:len(dst)], nil
	}
	out[len(out)-1] = '}'
	return out, nil
}

// restOfMember appends the whole member if no field takes it, else what of it isn't taken.
func (c *Column) restOfMember(dst []byte, v serde.Value, name string, member serde.Value) ([]byte, error) {
	if c.Type.Kind == table.Map {
		return c.Elem.AppendRest(dst, member)
	}
	if i := c.taker(v, name); i >= 0 {
		return c.Fields[i].AppendRest(dst, member)
	}
	return member.AppendJSON(dst)
}

func (c *Column) restOfList(dst []byte, v serde.Value) ([]byte, error) {
	out, some := append(dst, '['), false
	for e := range v.Elements() {
		empty := len(out)
		var err error
		if out, err = c.Elem.AppendRest(out, e); err != nil {
			return dst, err
		}
		if len(out) == empty {
			out = append(out, "null"...)
		} else {
			some = true
		}
		out = append(out, ',')
	}
	if !some {
		return out[:len(dst)], nil
	}
	out[len(out)-1] = ']'
	return out, nil
}
