package connectjson

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/millrace/millrace/serde"
)

// What a value may grow to: a missing field is a node of 24 bytes, its default may be long, and a decimal of a few bytes may have a thousand
// digits. JSON has at most a value for every two bytes, so that only fields which the payload lacks need more.
const (
	bytesPerNode = 2
	freeNodes    = 16 << 10
	textPerByte  = 8
	freeText     = 64 << 10
)

// maxKey is the longest name that a tape can hold.
const maxKey = 65_535

// An encoder writes a payload with the types of its schema to the tape that has the payload. It is used by one goroutine at a time.
type encoder struct {
	w      *serde.Writer
	data   []byte // what texts are borrowed from; nil if they must be copied
	epoch  bool
	size   int // bytes of the record
	growth int // bytes of text that may still be made
	nodes  int // that the value may have

	buf    []byte
	slots  []serde.Value // the fields of structs that are being written
	high   int           // the most that were in slots
	keys   []byte        // the keys of all maps, in the order that they are written
	ends   []int         // where they end in keys
	atKey  int
	number []byte
}

// A misfit is an error about a part of the payload.
type misfit struct {
	path string
	text string
}

func (m *misfit) Error() string {
	if m.path == "" {
		return "payload: " + m.text
	}
	return fmt.Sprintf("field %.200q: %s", m.path, m.text)
}

func misfitf(format string, args ...any) error { return &misfit{text: fmt.Sprintf(format, args...)} }

// in adds the name of what a misfit is in.
func in(name string, err error) error {
	var m *misfit
	if !errors.As(err, &m) {
		return err
	}
	switch {
	case m.path == "" || m.path[0] == '[':
		m.path = name + m.path
	default:
		m.path = name + "." + m.path
	}
	return err
}

func inElement(i int, err error) error { return in("["+strconv.Itoa(i)+"]", err) }

// encode makes the value of a payload that was parsed from data.
func (e *encoder) encode(t *serde.Tape, c *compiled, epoch bool, data []byte, payload serde.Value) (serde.Value, error) {
	e.data, e.size, e.epoch, e.growth, e.nodes = data, len(data), epoch, textPerByte*len(data)+freeText, len(data)/bytesPerNode+freeNodes
	src := data
	if c.maps { // a Writer takes names from its source only, so that they come together there first
		left := e.nodes
		if err := e.collect(c.root, payload, &left); err != nil {
			return serde.Value{}, err
		}
		src, e.data = t.Keep(e.keys), nil
	}
	e.w = t.Write(src, &c.names, e.nodes)
	if err := e.value(c.root, serde.Name{}, payload); err != nil {
		return serde.Value{}, err
	}
	return e.w.Value(c.schema)
}

// clear lets go of the record and of what it needed more of than most.
func (e *encoder) clear() {
	const keep = 64 << 10
	if clear(e.slots[:e.high]); e.high > keep/16 {
		e.slots = nil
	}
	if cap(e.keys)+cap(e.buf)+8*cap(e.ends) > keep {
		e.keys, e.buf, e.ends = nil, nil, nil
	}
	*e = encoder{buf: e.buf[:0], slots: e.slots[:0], keys: e.keys[:0], ends: e.ends[:0], number: e.number[:0]}
}

// present is v, or what stands for it. It is Missing where null does.
func present(n *node, v serde.Value) (serde.Value, error) {
	switch {
	case v.Exists() && v.Kind() != serde.Null:
		return v, nil
	case v.Exists() && n.optional:
		return serde.Value{}, nil
	case n.absent.Exists():
		return n.absent, nil
	case n.optional:
		return serde.Value{}, nil
	case v.Exists():
		return v, misfitf("is null, and the schema says that it isn't optional")
	}
	return v, misfitf("is missing, and the schema has no default for it and says that it isn't optional")
}

// value writes v with the type of n.
func (e *encoder) value(n *node, name serde.Name, v serde.Value) error {
	v, err := present(n, v)
	if err != nil {
		return err
	}
	if err := room(e.w.Room(1), e.nodes); err != nil {
		return err
	}
	if !v.Exists() {
		e.w.Null(name)
		return nil
	}
	switch n.logical {
	case none:
	case fixedDecimal:
		return e.decimal(name, v, n.scale)
	case variableDecimal:
		return e.variableDecimal(n, name, v)
	case uuid:
		return e.uuid(name, v)
	case zonedTimestamp:
		return e.zonedTimestamp(name, v)
	default:
		return e.time(n, name, v)
	}
	switch n.kind {
	case boolean:
		b, ok := v.Bool()
		if !ok {
			return mismatch(n, v)
		}
		e.w.Bool(name, b)
	case integer:
		i, err := wholeNumber(n, v)
		if err != nil {
			return err
		}
		e.w.Int64(name, i)
	case float, double:
		return e.float(n, name, v)
	case text:
		s, ok := v.Text()
		if !ok {
			return mismatch(n, v)
		}
		return e.text(name, s)
	case binary:
		return e.bytes(name, v)
	case array:
		return e.array(n, name, v)
	case mapping:
		return e.mapping(n, name, v)
	case structure:
		return e.structure(n, name, v)
	}
	return nil
}

// mismatch is the error of a value of another type.
func mismatch(n *node, v serde.Value) error {
	return misfitf("got %s, want %s", v.Kind(), n.typeName)
}

func wholeNumber(n *node, v serde.Value) (int64, error) {
	i, ok := v.Int64()
	if !ok {
		return 0, mismatch(n, v)
	}
	if i < n.lo || i > n.hi {
		return 0, misfitf("%d is out of the range of %s", i, n.typeName)
	}
	return i, nil
}

// float writes a number; Jackson writes those that JSON doesn't have as strings.
func (e *encoder) float(n *node, name serde.Name, v serde.Value) error {
	f, ok := v.Float64()
	if s, isText := v.Text(); isText {
		ok = true
		switch string(s) {
		case "NaN":
			f = math.NaN()
		case "Infinity":
			f = math.Inf(1)
		case "-Infinity":
			f = math.Inf(-1)
		default:
			ok = false
		}
	} else if n.kind == float && ok && math.Abs(f) > math.MaxFloat32 {
		return misfitf("the number is out of the range of %s", n.typeName)
	}
	if !ok {
		return mismatch(n, v)
	}
	if n.kind == float {
		e.w.Float32(name, float32(f))
	} else {
		e.w.Float64(name, f)
	}
	return nil
}

// text writes a string: borrowed if it lies in the record, which it doesn't where it had escapes or is a default.
func (e *encoder) text(name serde.Name, s []byte) error {
	if at := cap(e.data) - cap(s); len(s) > 0 && at >= 0 && at+len(s) <= len(e.data) && &e.data[at] == &s[0] {
		e.w.Borrow(name, serde.String, at, len(s))
		return nil
	}
	return e.copy(name, serde.String, s)
}

// copy writes what doesn't lie in the record.
func (e *encoder) copy(name serde.Name, k serde.Kind, b []byte) error {
	if e.growth -= len(b); e.growth < 0 {
		return misfitf("the defaults and decimals of the record are too long for its %d bytes", e.size)
	}
	e.w.Copy(name, k, b)
	return nil
}

// unbase64 is the content of a binary value, valid until the next.
func (e *encoder) unbase64(v serde.Value) ([]byte, error) {
	s, ok := v.Text()
	if !ok {
		return nil, misfitf("got %s, want bytes as a base64 string", v.Kind())
	}
	var err error
	if e.buf, err = base64.StdEncoding.AppendDecode(e.buf[:0], s); err != nil {
		return nil, misfitf("the bytes aren't base64")
	}
	return e.buf, nil
}

func (e *encoder) bytes(name serde.Name, v serde.Value) error {
	b, err := e.unbase64(v)
	if err != nil {
		return err
	}
	return e.copy(name, serde.Bytes, b)
}

func (e *encoder) array(n *node, name serde.Name, v serde.Value) error {
	if v.Kind() != serde.Array {
		return mismatch(n, v)
	}
	at, count := e.w.Begin(name, serde.Array), 0
	for x := range v.Elements() {
		if err := e.value(n.items, serde.Name{}, x); err != nil {
			return inElement(count, err)
		}
		count++
	}
	e.w.End(at, count)
	return nil
}

// members puts v's members into slots in the order of the schema's fields. The caller takes the slots away again.
func (e *encoder) members(n *node, v serde.Value) (first int, err error) {
	if v.Kind() != serde.Object {
		return 0, mismatch(n, v)
	}
	first = len(e.slots)
	e.slots = slices.Grow(e.slots, len(n.fields))[:first+len(n.fields)]
	e.high = max(e.high, len(e.slots))
	clear(e.slots[first:])
	next := 0
	for name, m := range v.Members() {
		i := next
		if i >= len(n.fields) || n.fields[i].name != name {
			var ok bool
			if i, ok = n.index[name]; !ok {
				continue
			}
		}
		e.slots[first+i] = m
		next = i + 1
	}
	return first, nil
}

// room is an error if so many fields are too many.
func room(ok bool, most int) error {
	if ok {
		return nil
	}
	return fmt.Errorf("the value has more than %d parts", most)
}

func (e *encoder) structure(n *node, name serde.Name, v serde.Value) error {
	if err := room(e.w.Room(len(n.fields)+1), e.nodes); err != nil {
		return err
	}
	first, err := e.members(n, v)
	if err != nil {
		return err
	}
	at := e.w.Begin(name, serde.Object)
	for i := range n.fields {
		f := &n.fields[i]
		if err := e.value(f.node, f.key, e.slots[first+i]); err != nil {
			return in(f.name, err)
		}
	}
	e.w.End(at, len(n.fields))
	e.slots = e.slots[:first]
	return nil
}
