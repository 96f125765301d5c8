package serde

import (
	"context"
	"fmt"
	"math"
	"unicode/utf8"
)

// StringDecoder makes a String of the bytes, which must be UTF-8, and null of no bytes.
type StringDecoder struct{}

// Decode borrows data.
func (StringDecoder) Decode(_ context.Context, t *Tape, _ string, data []byte) (Value, error) {
	switch {
	case data == nil:
		return t.Null(), nil
	case len(data) > math.MaxInt32:
		return Value{}, fmt.Errorf("decode a string: %d bytes are more than the limit of %d", len(data), math.MaxInt32)
	case !utf8.Valid(data):
		at := InvalidUTF8(data)
		return Value{}, fmt.Errorf("decode a string: byte 0x%02X at %d isn't UTF-8", data[at], at)
	}
	return t.BorrowString(data), nil
}

// BytesDecoder makes Bytes of the bytes, whatever they are, and null of no bytes.
type BytesDecoder struct{}

// Decode borrows data.
func (BytesDecoder) Decode(_ context.Context, t *Tape, _ string, data []byte) (Value, error) {
	switch {
	case data == nil:
		return t.Null(), nil
	case len(data) > math.MaxInt32:
		return Value{}, fmt.Errorf("decode bytes: %d bytes are more than the limit of %d", len(data), math.MaxInt32)
	}
	return t.BorrowBytes(data), nil
}
