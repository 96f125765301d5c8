package rule

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
)

// failed is the kind of the val that stands for an error; frame.err says which.
const failed serde.Kind = math.MaxUint8

// A val is a value during an evaluation: a scalar taken out of its tape, or a
// container on one.
type val struct {
	kind serde.Kind
	bits uint64      // Bool, Int64, Float64; Timestamp, Date and Time: microseconds
	text []byte      // String, Bytes, Decimal
	v    serde.Value // where it comes from; always set for containers
}

var (
	null = val{kind: serde.Null}
	fail = val{kind: failed}
)

func boolean(b bool) val {
	if b {
		return val{kind: serde.Bool, bits: 1}
	}
	return val{kind: serde.Bool}
}
func integer(n int64) val    { return val{kind: serde.Int64, bits: uint64(n)} }
func number(x float64) val   { return val{kind: serde.Float64, bits: math.Float64bits(x)} }
func text(s []byte) val      { return val{kind: serde.String, text: s} }
func (v val) bool() bool     { return v.bits != 0 }
func (v val) int() int64     { return int64(v.bits) }
func (v val) float() float64 { return math.Float64frombits(v.bits) }

// whole reports whether v.v is the value itself.
func (v val) whole() bool { return v.v != serde.Value{} }

func (v val) numeric() bool {
	return v.kind == serde.Int64 || v.kind == serde.Float64 || v.kind == serde.Decimal
}

// A frame is the state of one evaluation.
type frame struct {
	batch  *connector.Batch
	record *connector.Record
	tape   *serde.Tape
	index  int
	err    error
	buf    []byte        // texts that the evaluation makes
	vars   []val         // of let
	loops  []loop        // of predicates, the outermost first
	work   int           // steps taken
	size   int           // bytes made
	list   []serde.Value // stack of elements and members being collected
	args   []val         // stack of arguments
}

// A loop is the state of a predicate: the element that # means.
type loop struct {
	it    val
	acc   val
	index int
}

// reset forgets the record: a frame that waits in its pool must not hold a batch's memory.
func (f *frame) reset() {
	f.batch, f.record, f.tape, f.err = nil, nil, nil, nil
	f.work, f.size = 0, 0
	if cap(f.buf) > maxKept {
		f.buf = nil
	}
	f.buf, f.list, f.args = f.buf[:0], emptied(f.list), emptied(f.args)
	clear(f.vars)
	clear(f.loops)
}

// emptied is a stack without its elements, or none where it is large.
func emptied[T any](stack []T) []T {
	const most = 1024
	if cap(stack) > most {
		return nil
	}
	clear(stack[:cap(stack)])
	return stack[:0]
}

// failf notes what went wrong. The first error counts.
func (f *frame) failf(format string, args ...any) val {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
	}
	return fail
}

var (
	errWork = fmt.Errorf("the rule takes more than %d steps for this record", maxWork)
	errMade = fmt.Errorf("the rule makes more than %d MiB of this record", maxMade>>20)
)

// spend counts steps, and reports whether there are some left.
func (f *frame) spend(steps int) bool {
	f.work += steps
	if f.work > maxWork || f.work < 0 {
		if f.err == nil {
			f.err = errWork
		}
		return false
	}
	return true
}

// read counts the reading of n bytes.
func (f *frame) read(n int) bool { return f.spend(1 + n/16) }

// grow counts n bytes about to be made, and reports whether they may be.
func (f *frame) grow(n int) bool {
	f.size += n
	if n < 0 || f.size > maxMade || f.size < 0 {
		if f.err == nil {
			f.err = errMade
		}
		return false
	}
	return f.read(n)
}

// load takes a scalar out of its tape. A Missing value becomes null: who cares asks before.
func (f *frame) load(v serde.Value) val {
	switch k := v.Kind(); k {
	case serde.Missing, serde.Null:
		return val{kind: serde.Null, v: v}
	case serde.Bool:
		b, _ := v.Bool()
		out := boolean(b)
		out.v = v
		return out
	case serde.Int64:
		n, _ := v.Int64()
		return val{kind: k, bits: uint64(n), v: v}
	case serde.Float64:
		x, _ := v.Float64()
		return val{kind: k, bits: math.Float64bits(x), v: v}
	case serde.String, serde.Bytes:
		s, _ := v.Text()
		return val{kind: k, text: s, v: v}
	case serde.Decimal:
		s, _ := v.Number()
		return val{kind: k, text: s, v: v}
	case serde.Timestamp, serde.Time:
		us, _ := v.Micros()
		return val{kind: k, bits: uint64(us), v: v}
	case serde.Date:
		t, _ := v.Time()
		return val{kind: k, bits: uint64(t.UnixMicro()), v: v}
	case serde.UUID:
		return val{kind: serde.String, text: f.textOf(v), v: v}
	default:
		return val{kind: k, v: v}
	}
}

// textOf is v's text in the frame's scratch memory.
func (f *frame) textOf(v serde.Value) []byte {
	from := len(f.buf)
	out, err := v.AppendText(f.buf)
	if err != nil {
		return nil
	}
	f.buf = out
	if !f.grow(len(out) - from) {
		return nil
	}
	return out[from:len(out):len(out)]
}

// store is v as a value of the record or of the tape.
func (f *frame) store(v val) (serde.Value, bool) {
	if v.whole() {
		if !v.v.Exists() {
			return f.tape.Null(), true
		}
		return v.v, true
	}
	switch v.kind {
	case serde.Null:
		return f.tape.Null(), true
	case serde.Bool:
		return f.tape.Bool(v.bool()), true
	case serde.Int64:
		return f.tape.Int64(v.int()), true
	case serde.Float64:
		return f.tape.Float64(v.float()), true
	case serde.Decimal:
		d, err := f.tape.Decimal(v.text)
		if err != nil {
			f.failf("a decimal can't be kept: %w", err)
			return serde.Value{}, false
		}
		return d, true
	case serde.String:
		return f.tape.String(string(v.text)), true
	case serde.Bytes:
		return f.tape.CopyBytes(v.text), true
	case serde.Timestamp:
		return f.tape.Timestamp(time.UnixMicro(v.int()).UTC()), true
	}
	if f.err == nil {
		f.err = errors.New("the result can't be kept")
	}
	return serde.Value{}, false
}

// appendText appends a scalar as text: numbers and booleans as in JSON.
func (f *frame) appendText(dst []byte, v val) []byte {
	switch v.kind {
	case serde.Bool:
		return strconv.AppendBool(dst, v.bool())
	case serde.Int64:
		return strconv.AppendInt(dst, v.int(), 10)
	case serde.Float64:
		return appendFloat(dst, v.float())
	case serde.Timestamp:
		return time.UnixMicro(v.int()).UTC().AppendFormat(dst, time.RFC3339Nano)
	}
	return append(dst, v.text...)
}

// describe is a kind with its article.
func describe(k serde.Kind) string {
	switch k {
	case serde.Null, serde.Missing:
		return "null"
	case serde.Int64:
		return "an integer"
	case serde.Float64:
		return "a number"
	case serde.Decimal:
		return "a decimal"
	case serde.String:
		return "a text"
	case serde.Bool:
		return "a boolean"
	case serde.Bytes:
		return "bytes"
	case serde.Array:
		return "a list"
	case serde.Object:
		return "an object"
	}
	return "a " + k.String()
}
