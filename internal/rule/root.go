package rule

import (
	"github.com/millrace/millrace/internal/rule/ast"
	"github.com/millrace/millrace/serde"
)

// header compiles headers.name.
func (c *compiler) header(n ast.Node, steps []step, soft bool) code {
	if len(steps) > 1 || steps[0].element {
		return c.fail(n, "a header is a text: write headers.name or headers[\"a-name\"]")
	}
	name, soft := steps[0].name, soft || steps[0].optional
	return code{eval: func(f *frame) val { return f.header(name, soft) }}
}

// header is the last header of a name.
func (f *frame) header(name string, soft bool) val {
	if v, ok := f.record.Header(name); ok {
		if v == nil {
			return null
		}
		return text(v)
	}
	if soft {
		return null
	}
	a := access{from: "headers", steps: []step{{name: name}}}
	return f.failf("header %s is missing (use %s ?? x or %s)", a.name(1), a.name(1), a.softened(0))
}

// headers are all headers as an object.
func (f *frame) headers() (serde.Value, bool) {
	base := len(f.list)
	var names []string
	for i, h := range f.record.Headers {
		last := true
		for _, other := range f.record.Headers[i+1:] {
			last = last && other.Name != h.Name
		}
		if !f.spend(1 + len(f.record.Headers) - i) {
			return serde.Value{}, false
		}
		if !last {
			continue
		}
		if len(h.Name) > maxName {
			f.failf("headers: the name of header %d has %d bytes, at most %d fit into an object", i+1, len(h.Name), maxName)
			return serde.Value{}, false
		}
		if !f.grow(2*nodeSize + len(h.Name)) {
			return serde.Value{}, false
		}
		names = append(names, h.Name)
		if h.Value == nil {
			f.list = append(f.list, f.tape.Null())
		} else {
			f.list = append(f.list, f.tape.BorrowString(h.Value))
		}
	}
	v := f.tape.Object(names, f.list[base:])
	f.list = f.list[:base]
	return v, true
}

// rootOf is the code of a root.
func rootOf(name string) (code, bool) {
	whole := func(from func(f *frame) serde.Value) code {
		return code{
			eval: func(f *frame) val { return f.load(from(f)) },
			make: func(f *frame) (serde.Value, bool) {
				if v := from(f); v.Exists() {
					return v, true
				}
				return f.tape.Null(), true
			},
		}
	}
	switch name {
	case "key":
		return whole(func(f *frame) serde.Value { return f.record.Key }), true
	case "value":
		return whole(func(f *frame) serde.Value { return f.record.Value }), true
	case "headers":
		return makes(func(f *frame) (serde.Value, bool) { return f.headers() }), true
	case "topic":
		return code{eval: func(f *frame) val { return f.keep(f.batch.Source().Topic) }}, true
	case "connector":
		return code{eval: func(f *frame) val { return f.keep(f.batch.Source().Connector) }}, true
	case "partition":
		return code{eval: func(f *frame) val { return integer(int64(f.batch.Source().ID)) }}, true
	case "offset":
		return code{eval: func(f *frame) val { return integer(f.record.Offset) }}, true
	case "timestamp":
		return code{eval: func(f *frame) val { return integer(f.record.Timestamp) }}, true
	case "id":
		return code{eval: func(f *frame) val {
			from := len(f.buf)
			f.buf = f.batch.AppendID(f.buf, f.index)
			return f.made(from)
		}}, true
	}
	return code{}, false
}

func scalarRoot(name string) bool {
	switch name {
	case "topic", "connector", "partition", "offset", "timestamp", "id":
		return true
	}
	return false
}

// keep copies a short text into the frame.
func (f *frame) keep(s string) val {
	from := len(f.buf)
	f.buf = append(f.buf, s...)
	return f.made(from)
}

// made is the text that was appended to the scratch memory.
func (f *frame) made(from int) val {
	if !f.grow(len(f.buf) - from) {
		return fail
	}
	return text(f.buf[from:len(f.buf):len(f.buf)])
}
