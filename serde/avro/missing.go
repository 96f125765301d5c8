package avro

import (
	"strconv"

	"github.com/millrace/millrace/serde"
)

// missing adds to n the member that only the reader has.
func (c *compiler) missing(n *node, f *Field) *mismatch {
	if f.Default == nil {
		return cannot("it wasn't written, and the reader's schema has no default for it")
	}
	m, err := c.member(f.Name, n.members)
	if err != nil {
		return cannot("%v", err)
	}
	v, err := c.defaultValue(f)
	if err != nil {
		return cannot("its default: %v", err)
	}
	o, parts, err := c.constant(v, m.name)
	if err != nil {
		return cannot("its default: %v", err)
	}
	text, err := v.AppendJSON([]byte(m.text))
	if o.text = string(text); err != nil {
		o.of.fail = err.Error() // of NaN, say, which a value can hold
	}
	n.members++
	n.parts += parts
	n.ops, n.fields = append(n.ops, o), append(n.fields, f.Name)
	return nil
}

// defaultValue is what a record would hold that was written with the default: it goes through the binary encoding, so that
// each type means the same as where it was written.
func (c *compiler) defaultValue(f *Field) (serde.Value, error) {
	made := defaults{left: maxDefaults}
	data, err := made.field(nil, f)
	if err != nil {
		return serde.Value{}, err
	}
	p, err := Compile(f.Type, Options{Timestamps: c.timestamps, Limits: Limits{Nodes: maxDefaults}})
	if err != nil {
		return serde.Value{}, err
	}
	return p.Decode(serde.NewTape(), data)
}

// constant makes the op of a default, and how many parts it stands for.
func (c *compiler) constant(v serde.Value, name serde.Name) (o op, parts int, err error) {
	n := &node{}
	o, parts = op{name: name, of: n}, 1
	switch v.Kind() {
	case serde.Null:
		o.code = opConstNull
	case serde.Bool:
		o.code = opConstBool
		if b, _ := v.Bool(); b {
			n.number = 1
		}
	case serde.Int64:
		o.code = opConstInt
		n.number, _ = v.Int64()
	case serde.Float64:
		o.code, n.float = constantFloat(v)
	case serde.Date:
		o.code = opConstDate
		t, _ := v.Time()
		n.number = t.Unix() / (24 * 60 * 60)
	case serde.Time:
		o.code = opConstTime
		n.number, _ = v.Micros()
	case serde.Timestamp:
		o.code = opConstTimestamp
		n.number, _ = v.Micros()
	case serde.Array, serde.Object:
		parts, err = c.constantItems(&o, v)
	default:
		parts += c.constantText(&o, v)
	}
	return o, parts, err
}

// constantFloat tells a number of 32 bits by its text, which is that of no float64 next to it.
func constantFloat(v serde.Value) (code, float64) {
	f, _ := v.Float64()
	text, _ := v.AppendJSON(nil)
	if exact, err := strconv.ParseFloat(string(text), 64); err == nil && exact != f {
		return opConstFloat32, f
	}
	return opConstFloat, f
}

// constantText makes o the op of a text. It shares short strings, which cost nothing then, and copies the others.
func (c *compiler) constantText(o *op, v serde.Value) (parts int) {
	switch v.Kind() {
	case serde.String:
		o.code = opConstString
		text, _ := v.Text()
		if name, err := c.name(string(text)); err == nil {
			o.code, o.of.symbol = opConstSymbol, name
			return 0
		}
		o.of.constant = append([]byte(nil), text...)
	case serde.Bytes:
		o.code = opConstBytes
		text, _ := v.Text()
		o.of.constant = append([]byte(nil), text...)
	case serde.UUID:
		o.code = opConstUUID
		u, _ := v.UUID()
		o.of.constant = u[:]
	default:
		o.code = opConstDecimal
		text, _ := v.Number()
		o.of.constant = append([]byte(nil), text...)
	}
	return (len(o.of.constant) + textPerNode - 1) / textPerNode
}

func (c *compiler) constantItems(o *op, v serde.Value) (parts int, err error) {
	parts = 1
	add := func(name serde.Name, e serde.Value) error {
		item, n, err := c.constant(e, name)
		o.of.ops = append(o.of.ops, item)
		parts += n
		return err
	}
	o.code = opConstArray
	for e := range v.Elements() {
		if err = add(serde.Name{}, e); err != nil {
			return 0, err
		}
	}
	if v.Kind() == serde.Array {
		return parts, nil
	}
	o.code = opConstObject
	for member, e := range v.Members() {
		name, err := c.name(member)
		if err == nil {
			err = add(name, e)
		}
		if err != nil {
			return 0, err
		}
	}
	return parts, nil
}
