package serdetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/millrace/millrace/serde"
)

// samples are of a format of one byte for the length and a text.
var samples = []Sample{
	{Name: "text", Topic: "t", Data: []byte("\x05hello"), JSON: `"hello"`},
	{Name: "empty", Topic: "t", Data: []byte{0}, JSON: `""`},
	{Name: "bytes", Topic: "u", Data: []byte("\x02\xc9\x99"), JSON: `"ə"`},
}

// A decoding is the reference decoder of that format with one thing broken: fault gets the decoder's result.
type decoding func(t *serde.Tape, data []byte) (serde.Value, error)

func (d decoding) Decode(_ context.Context, t *serde.Tape, _ string, data []byte) (serde.Value, error) {
	return d(t, data)
}

func reference(t *serde.Tape, data []byte) (serde.Value, error) {
	if data == nil {
		return t.Null(), nil
	}
	if len(data) == 0 || len(data) != int(data[0])+1 {
		return serde.Value{}, errors.New("the length is wrong")
	}
	return serde.StringDecoder{}.Decode(context.Background(), t, "", data[1:])
}

func TestReferencePasses(t *testing.T) {
	Test(t, decoding(reference), samples)
	TestEncoder(t, encodingFunc(encodeReference), decoding(reference), samples)
}

func FuzzDecode(f *testing.F) { Fuzz(f, decoding(reference), samples) }

// TestBrokenDecoders breaks the reference in one way each and expects the check that is there for it to complain.
func TestBrokenDecoders(t *testing.T) {
	for _, tc := range []struct {
		broken, caughtBy, says string
		d                      func() decoding
	}{
		{"another value", "samples", `want "hello"`, func() decoding {
			return func(t *serde.Tape, data []byte) (serde.Value, error) {
				if len(data) == 6 {
					return t.String("HELLO"), nil
				}
				return reference(t, data)
			}
		}},
		{"null is an error", "null", "want null", func() decoding {
			return func(t *serde.Tape, data []byte) (serde.Value, error) { return reference(t, append([]byte{}, data...)) }
		}},
		{"keeps bytes", "borrowing", `want "hello"`, keepsBytes},
		{"shares a buffer", "borrowing", "after others were decoded", sharesBuffer},
		{"changes its input", "samples", "changed its input", func() decoding {
			return func(t *serde.Tape, data []byte) (serde.Value, error) {
				v, err := reference(t, data)
				if len(data) > 0 {
					data[0]++
				}
				return v, err
			}
		}},
		{"panics", "hostile input", "Decode panics", func() decoding {
			return func(t *serde.Tape, data []byte) (serde.Value, error) {
				if len(data) > 0 {
					return t.String(string(data[1 : 1+int(data[0])])), nil
				}
				return reference(t, data)
			}
		}},
		{"neither value nor error", "hostile input", "neither a value nor an error", func() decoding {
			return func(t *serde.Tape, data []byte) (serde.Value, error) {
				v, _ := reference(t, data)
				return v, nil
			}
		}},
		{"value and error", "hostile input", "a value and an error", func() decoding {
			return func(t *serde.Tape, data []byte) (serde.Value, error) {
				v, err := reference(t, data)
				if err != nil {
					v = t.Null()
				}
				return v, err
			}
		}},
		{"says nothing", "hostile input", "an error without a text", func() decoding {
			return func(t *serde.Tape, data []byte) (serde.Value, error) {
				v, err := reference(t, data)
				if err != nil {
					err = errors.New(" ")
				}
				return v, err
			}
		}},
		{"breaks after hostile input", "hostile input", "broken for good", breaksForGood},
		{"allocates what a length says", "memory", "are allowed", func() decoding {
			return func(t *serde.Tape, data []byte) (serde.Value, error) {
				if len(data) > 4 {
					_ = make([]byte, binary.BigEndian.Uint32(data)>>8)
				}
				return reference(t, data)
			}
		}},
		{"one at a time", "concurrency", "busy", oneAtATime},
	} {
		t.Run(tc.caughtBy+"/"+tc.broken, func(t *testing.T) {
			s := &suite{d: tc.d(), samples: samples}
			i := slices.IndexFunc(decoderChecks, func(c check) bool { return c.name == tc.caughtBy })
			expectComplaint(t, tc.says, func(w testing.TB) { decoderChecks[i].run(s, w) })
		})
	}
}

// keepsBytes remembers texts by their first byte, with the bytes that it was lent.
func keepsBytes() decoding {
	last := map[string][]byte{}
	return func(t *serde.Tape, data []byte) (serde.Value, error) {
		v, err := reference(t, data)
		if err != nil || len(data) < 2 {
			return v, err
		}
		if kept := last[string(data[:2])]; kept != nil {
			return t.BorrowString(kept), nil
		}
		last[string(data[:2])] = data[1:]
		return v, nil
	}
}

func sharesBuffer() decoding {
	buf := make([]byte, 0, 1<<20)
	return func(t *serde.Tape, data []byte) (serde.Value, error) {
		if _, err := reference(serde.NewTape(), data); err != nil || len(data) == 0 {
			return reference(t, data)
		}
		buf = append(buf[:0], data[1:]...)
		return t.BorrowString(buf), nil
	}
}

func breaksForGood() decoding {
	broken := false
	return func(t *serde.Tape, data []byte) (serde.Value, error) {
		if broken = broken || len(data) > 60; broken {
			return serde.Value{}, errors.New("broken for good")
		}
		return reference(t, data)
	}
}

func oneAtATime() decoding {
	var mu sync.Mutex
	return func(t *serde.Tape, data []byte) (serde.Value, error) {
		if !mu.TryLock() {
			return serde.Value{}, errors.New("busy")
		}
		defer mu.Unlock()
		for range 3 {
			runtime.Gosched()
		}
		return reference(t, data)
	}
}

// A fuzz target finds what the other checks find.
func TestBrokenDecodersInFuzzing(t *testing.T) {
	for says, d := range map[string]decoding{
		"Decode panics": func(*serde.Tape, []byte) (serde.Value, error) { panic("oops") },
		"are allowed": func(t *serde.Tape, data []byte) (serde.Value, error) {
			_ = bytes.Repeat(data, 1<<20)
			return reference(t, data)
		},
		"isn't JSON": func(t *serde.Tape, _ []byte) (serde.Value, error) { // a Decimal that the tape took for a number
			w := t.Write(nil, nil, 1)
			w.Copy(serde.Name{}, serde.Decimal, []byte("1,5"))
			return w.Value(nil)
		},
		"can't be written": func(t *serde.Tape, _ []byte) (serde.Value, error) {
			v := t.Null()
			t.Reset()
			return v, nil
		},
	} {
		t.Run(says, func(t *testing.T) {
			s := &suite{d: d, samples: samples}
			expectComplaint(t, says, func(w testing.TB) { s.checkInput(w, "t", []byte("\x05hello")) })
		})
	}
}

// An encodingFunc is an encoder of the same format.
type encodingFunc func(dst []byte, v serde.Value) ([]byte, error)

func (e encodingFunc) Encode(_ context.Context, dst []byte, _ string, v serde.Value) ([]byte, error) {
	return e(dst, v)
}

func encodeReference(dst []byte, v serde.Value) ([]byte, error) {
	text, ok := v.Text()
	if !ok || len(text) > math.MaxUint8 || v.Kind() != serde.String {
		return dst, errors.New("want a text of at most 255 bytes")
	}
	return append(append(dst, byte(len(text))), text...), nil
}

// TestBrokenEncoders breaks the reference in one way each and expects the check that is there for it to complain.
func TestBrokenEncoders(t *testing.T) {
	for _, tc := range []struct {
		broken, caughtBy, says string
		e                      func() encodingFunc
	}{
		{"another text", "round trip", "encoded and decoded", func() encodingFunc {
			return func(dst []byte, v serde.Value) ([]byte, error) {
				text, _ := v.Text()
				return append(append(dst, byte(len(text))), bytes.ToUpper(text)...), nil
			}
		}},
		{"another one each time", "round trip", "the second time", func() encodingFunc {
			n := byte(0)
			return func(dst []byte, v serde.Value) ([]byte, error) {
				n++
				dst, err := encodeReference(dst, v)
				return append(dst, n), err
			}
		}},
		{"changes the value", "round trip", "after it was encoded", func() encodingFunc {
			return func(dst []byte, v serde.Value) ([]byte, error) {
				if text, ok := v.Text(); ok && len(text) > 0 {
					text[0]++
				}
				return encodeReference(dst, v)
			}
		}},
		{"overwrites dst", "dst", "dst had", func() encodingFunc {
			return func(dst []byte, v serde.Value) ([]byte, error) { return encodeReference(dst[:0], v) }
		}},
		{"forgets dst", "dst", "dst had", func() encodingFunc {
			return func(_ []byte, v serde.Value) ([]byte, error) { return encodeReference(nil, v) }
		}},
		{"gives what it borrowed", "borrowing", "has changed since", func() encodingFunc {
			return func(dst []byte, v serde.Value) ([]byte, error) {
				if text, ok := v.Text(); ok && len(dst) == 0 {
					return text, nil
				}
				return encodeReference(dst, v)
			}
		}},
		{"gives its own buffer", "borrowing", "has changed since", func() encodingFunc {
			buf := make([]byte, 0, 1024)
			return func(dst []byte, v serde.Value) (_ []byte, err error) {
				buf, err = encodeReference(append(buf[:0], dst...), v)
				return buf, err
			}
		}},
		{"leaves a part after an error", "values that don't fit", "after an error", func() encodingFunc {
			return func(dst []byte, v serde.Value) ([]byte, error) {
				out, err := encodeReference(dst, v)
				if err != nil {
					out = append(out, 1)
				}
				return out, err
			}
		}},
		{"loses dst after an error", "values that don't fit", "after an error", func() encodingFunc {
			return func(dst []byte, v serde.Value) ([]byte, error) {
				out, err := encodeReference(dst, v)
				if err != nil {
					out = nil
				}
				return out, err
			}
		}},
		{"takes no value", "values that don't fit", "no error", func() encodingFunc {
			return func(dst []byte, v serde.Value) ([]byte, error) {
				if !v.Exists() {
					return append(dst, 0), nil
				}
				return encodeReference(dst, v)
			}
		}},
		{"panics", "values that don't fit", "panics", func() encodingFunc {
			return func(dst []byte, v serde.Value) ([]byte, error) {
				if v.Kind() != serde.String {
					panic(v.Kind())
				}
				return encodeReference(dst, v)
			}
		}},
		{"one at a time", "concurrency", "busy", func() encodingFunc {
			var mu sync.Mutex
			return func(dst []byte, v serde.Value) ([]byte, error) {
				if !mu.TryLock() {
					return dst, errors.New("busy")
				}
				defer mu.Unlock()
				for range 3 {
					runtime.Gosched()
				}
				return encodeReference(dst, v)
			}
		}},
	} {
		t.Run(tc.caughtBy+"/"+tc.broken, func(t *testing.T) {
			s := &encoding{suite: suite{d: decoding(reference), samples: samples}, e: tc.e()}
			i := slices.IndexFunc(encoderChecks, func(c encoderCheck) bool { return c.name == tc.caughtBy })
			expectComplaint(t, tc.says, func(w testing.TB) { encoderChecks[i].run(s, w) })
		})
	}
}
