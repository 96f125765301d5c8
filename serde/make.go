package serde

import (
	"errors"
	"fmt"
	"math"
	"time"
)

const secondsOfDay = 24 * 60 * 60

// add appends a made node and returns its handle.
func (t *Tape) add(nd node) Value {
	d, i := t.take(1)
	d.nodes[i] = nd
	return Value{d: d, i: i, gen: t.gen}
}

// Null makes a null.
func (t *Tape) Null() Value { return t.add(node{kind: Null}) }

// Bool makes a Bool.
func (t *Tape) Bool(b bool) Value {
	nd := node{kind: Bool}
	if b {
		nd.x = 1
	}
	return t.add(nd)
}

// Int64 makes an Int64.
func (t *Tape) Int64(n int64) Value { return t.add(node{kind: Int64, x: uint64(n)}) }

// Float64 makes a Float64. NaN and infinities can be made, but not written as JSON.
func (t *Tape) Float64(f float64) Value { return t.add(node{kind: Float64, x: math.Float64bits(f)}) }

// Decimal makes a Decimal of a number's JSON text, which is copied.
func (t *Tape) Decimal(text []byte) (Value, error) {
	l := Limits{NumberLen: math.MaxInt32}
	if len(text) == 0 {
		return Value{}, errors.New("make a decimal: the text is empty")
	}
	if _, _, _, end, err := number(text, 0, &l); err != nil || end < len(text) {
		return Value{}, fmt.Errorf("make a decimal: %.100q is not a number", text)
	}
	off, n := t.keep(borrow(text))
	return t.add(node{kind: Decimal, flag: flagBuf, off: off, n: n}), nil
}

// String makes a String of a copy of s. UTF-8 is checked by AppendJSON.
func (t *Tape) String(s string) Value {
	off, n := t.keep(s)
	return t.add(node{kind: String, flag: flagBuf, off: off, n: n})
}

// BorrowString makes a String that shares s: it is valid for as long as s doesn't
// change. UTF-8 is checked by AppendJSON.
func (t *Tape) BorrowString(s []byte) Value { return t.borrowed(String, s) }

// BorrowBytes makes Bytes that share s: they are valid for as long as s doesn't change.
func (t *Tape) BorrowBytes(s []byte) Value { return t.borrowed(Bytes, s) }

// CopyBytes makes Bytes of a copy of s.
func (t *Tape) CopyBytes(s []byte) Value {
	off, n := t.keep(borrow(s))
	return t.add(node{kind: Bytes, flag: flagBuf, off: off, n: n})
}

func (t *Tape) borrowed(k Kind, s []byte) Value {
	if len(s) > maxText {
		panic("serde: a value can't hold more than 4 GiB")
	}
	free := t.free()
	if len(free) == 0 {
		free = t.more(nil, 1)
	}
	free[0] = node{kind: k, n: uint32(len(s))}
	d := t.newDoc(s, free[:1:1])
	t.used++
	t.made = nil
	return Value{d: d, gen: t.gen}
}

// Timestamp makes a Timestamp; what is finer than a microsecond is cut off.
func (t *Tape) Timestamp(ts time.Time) Value {
	return t.add(node{kind: Timestamp, x: uint64(ts.UnixMicro())})
}

// Date makes a Date of days since 1970-01-01.
func (t *Tape) Date(days int32) Value { return t.add(node{kind: Date, x: uint64(int64(days))}) }

// TimeOfDay makes a Time of microseconds since midnight.
func (t *Tape) TimeOfDay(us int64) Value { return t.add(node{kind: Time, x: uint64(us)}) }

// UUID makes a UUID.
func (t *Tape) UUID(u [16]byte) Value {
	off, n := t.keep(string(u[:]))
	return t.add(node{kind: UUID, flag: flagBuf, off: off, n: n})
}
