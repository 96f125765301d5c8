package avro

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/serde"
)

// A compiler makes the ops of a program.
type compiler struct {
	names      *serde.Names
	added      map[string]serde.Name // to names
	nodes      map[pair]*node        // records, those that are being resolved too
	skipped    map[*Schema]*node     // records that nobody reads
	timestamps string
	epoch      bool
	ops        int
}

// A pair is a record as it was written and as it is read.
type pair struct{ w, r *Schema }

// maxOps bounds what two schemas with many types of equal names can be combined to.
const maxOps = 1 << 20

func newCompiler(timestamps string) (*compiler, error) {
	c := &compiler{
		names: &serde.Names{}, added: map[string]serde.Name{},
		nodes: map[pair]*node{}, skipped: map[*Schema]*node{}, timestamps: timestamps,
	}
	switch timestamps {
	case "", "rfc3339":
	case "epoch":
		c.epoch = true
	default:
		return nil, fmt.Errorf("timestamps is %.40q, expected rfc3339 or epoch", timestamps)
	}
	return c, nil
}

// A member is where a value stands: the name of a member and the text before it, neither for an element.
type member struct {
	name  serde.Name
	text  string
	keyed bool
}

// member is the n-th member of a record.
func (c *compiler) member(name string, n int) (member, error) {
	at, err := c.name(name)
	text := quoted(name) + ":"
	if n > 0 {
		text = "," + text
	}
	return member{name: at, text: text}, err
}

// name is where a text is among those of the program.
func (c *compiler) name(text string) (serde.Name, error) {
	name, ok := c.added[text]
	if ok {
		return name, nil
	}
	name, err := c.names.Add(text)
	if err != nil {
		return name, err
	}
	c.added[text] = name
	return name, nil
}

// op begins an op; open is what stands before the value in JSON.
func (m member) op(code code, open string) op {
	return op{code: code, name: m.name, keyed: m.keyed, text: m.text + open}
}

// A mismatch is why what was written can't be read.
type mismatch struct {
	path []string // the innermost first
	text string
}

func (m *mismatch) Error() string {
	if path := pathText(m.path); path != "" {
		return fmt.Sprintf("field %.300q: %s", path, m.text)
	}
	return m.text
}

func (m *mismatch) in(name string) *mismatch {
	return &mismatch{path: append(m.path[:len(m.path):len(m.path)], name), text: m.text}
}

func cannot(format string, args ...any) *mismatch {
	return &mismatch{text: fmt.Sprintf(format, args...)}
}

// text is the op of a string or of bytes, whichever was written.
func textOp(r *Schema, m member) op {
	switch {
	case r.Logical == UUID:
		return m.op(opUUIDText, "")
	case r.Type == String:
		return m.op(opString, "")
	case r.Logical == Decimal:
		o := m.op(opDecimal, "")
		o.scale = uint16(r.Scale)
		return o
	case r.Logical == BigDecimal:
		return m.op(opBigDecimal, "")
	}
	return m.op(opBytes, `"`)
}

func fixedOp(r *Schema, m member) op {
	var o op
	switch r.Logical {
	case Decimal:
		o = m.op(opFixedDecimal, "")
		o.scale = uint16(r.Scale)
	case UUID:
		o = m.op(opFixedUUID, `"`)
	case Duration:
		o = m.op(opDuration, `"`)
	default:
		o = m.op(opFixed, `"`)
	}
	o.n = int32(r.Size)
	return o
}

// integerOp is the op of an int or a long that is read as r.
func (c *compiler) integerOp(r *Schema, m member) op {
	switch r.Type {
	case Float:
		return m.op(opFloatOfInteger, "")
	case Double:
		return m.op(opDoubleOfInteger, "")
	}
	code, timestamp := opInteger, false
	switch r.Logical {
	case Date:
		code = opDate
	case TimeMillis:
		code = opTimeMillis
	case TimeMicros:
		code = opTimeMicros
	case TimestampMillis:
		code, timestamp = opTimestampMillis, true
	case TimestampMicros:
		code, timestamp = opTimestampMicros, true
	case TimestampNanos:
		code, timestamp = opTimestampNanos, true
	case LocalTimestampMillis:
		code, timestamp = opLocalMillis, true
	case LocalTimestampMicros:
		code, timestamp = opLocalMicros, true
	case LocalTimestampNanos:
		code, timestamp = opLocalNanos, true
	}
	if code == opInteger || timestamp && c.epoch {
		return m.op(opInteger, "")
	}
	return m.op(code, `"`)
}

// scalar is the op of what was written as w and is read as r, which are no named types and hold no others.
func (c *compiler) scalar(w, r *Schema, m member) (op, *mismatch) {
	switch {
	case w.Type == Int || w.Type == Long:
		o := c.integerOp(r, m)
		o.long = w.Type == Long
		return o, nil
	case w.Type == String || w.Type == Bytes:
		if w.Logical == Decimal && r.Logical == Decimal && (w.Precision != r.Precision || w.Scale != r.Scale) {
			return op{}, otherDecimal(w, r)
		}
		o := textOp(r, m)
		o.long = true
		return o, nil
	case w.Type == Float && r.Type == Double:
		return m.op(opDoubleOfFloat, ""), nil
	case w.Type == Float:
		return m.op(opFloat, ""), nil
	case w.Type == Double:
		return m.op(opDouble, ""), nil
	case w.Type == Boolean:
		return m.op(opBool, ""), nil
	}
	return m.op(opNull, "null"), nil
}

func otherDecimal(w, r *Schema) *mismatch {
	return cannot("a decimal of precision %d and scale %d can't be read as one of precision %d and scale %d", w.Precision, w.Scale, r.Precision, r.Scale)
}

// skip is the op of what is written and not read. Its codes are those that input.skip knows.
func (c *compiler) skip(w *Schema) (op, *mismatch) {
	if c.ops++; c.ops > maxOps {
		return op{}, tooLarge()
	}
	o := op{long: true, n: int32(w.Size)}
	switch w.Type {
	case Null:
		o.code = opNull
	case Boolean:
		o.code = opBool
	case Int:
		o.code, o.long = opInteger, false
	case Long:
		o.code = opInteger
	case Float, Double:
		o.code, o.n = opFixed, 4
		if w.Type == Double {
			o.n = 8
		}
	case String, Bytes:
		o.code = opBytes
	case Fixed:
		o.code = opFixed
	case Enum:
		o.code, o.long, o.n = opEnum, false, int32(len(w.Symbols))
	case Record:
		n, m := c.skipRecord(w)
		o.code, o.of = opRecord, n
		return o, m
	case Array, Map:
		item, m := c.skip(w.Items)
		o.code, o.of = opArray, &node{ops: []op{item}}
		if w.Type == Map {
			o.code = opMap
		}
		return o, m
	case Union:
		o.code, o.long, o.of = opUnion, false, &node{}
		for _, b := range w.Branches {
			branch, m := c.skip(b)
			if m != nil {
				return o, m
			}
			o.of.ops = append(o.of.ops, branch)
		}
	}
	return o, nil
}

func (c *compiler) skipRecord(w *Schema) (*node, *mismatch) {
	if n, ok := c.skipped[w]; ok {
		return n, nil
	}
	n := &node{parts: len(w.Fields)}
	c.skipped[w] = n
	for i := range w.Fields {
		f := &w.Fields[i]
		o, m := c.skip(f.Type)
		if m != nil {
			return nil, m.in(f.Name)
		}
		n.ops, n.fields = append(n.ops, o), append(n.fields, f.Name)
	}
	return n, nil
}

func tooLarge() *mismatch {
	return cannot("the schemas make a program of more than %d steps", maxOps)
}

// shortName is a name without its namespace.
func shortName(full string) string { return full[strings.LastIndexByte(full, '.')+1:] }
