package serdetest

import (
	"bytes"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"sync"
	"testing"

	"github.com/millrace/millrace/serde"
)

// TestEncoder runs the suite of encoders: what e writes, d reads, and both see the values of the samples, whose Data is
// decoded by d at first; a clone of a value, as handlers make them, is encoded like the value itself; what stands in dst stays, after
// an error too; the value isn't changed, and nothing of it is kept or borrowed by the result; the same value gives the same bytes each time; what
// doesn't fit the schema is an error, never a panic; many goroutines may encode at once.
//
// The samples' topics are those that e is asked to encode for.
func TestEncoder(t *testing.T, e serde.Encoder, d serde.Decoder, samples []Sample) {
	if len(samples) == 0 {
		t.Fatal("serdetest: no samples")
	}
	for _, c := range encoderChecks {
		t.Run(c.name, func(t *testing.T) { c.run(&encoding{suite: suite{d: d, samples: samples}, e: e}, t) })
	}
}

type encoding struct {
	suite
	e serde.Encoder
}

type encoderCheck struct {
	name string
	run  func(*encoding, testing.TB)
}

var encoderChecks = []encoderCheck{
	{"round trip", (*encoding).checkRoundTrip},
	{"dst", (*encoding).checkDst},
	{"borrowing", (*encoding).checkBorrowing},
	{"values that don't fit", (*encoding).checkMisfits},
	{"concurrency", (*encoding).checkConcurrency},
}

// encode checks what holds for every Encode: it doesn't panic, what stood in dst is still there, and nothing else after an error.
func (s *encoding) encode(t testing.TB, dst []byte, topic string, v serde.Value) (out []byte, err error) {
	before := bytes.Clone(dst)
	defer func() {
		if p := recover(); p != nil {
			out, err = dst, fmt.Errorf("panic: %v", p)
			t.Errorf("Encode of a value of kind %s panics: %v\n%s", v.Kind(), p, debug.Stack())
		}
	}()
	out, err = s.e.Encode(t.Context(), dst, topic, v)
	switch {
	case err == nil && !bytes.HasPrefix(out, before):
		t.Errorf("dst had %.100q, and after Encode it has %.100q", before, out)
	case err != nil && !bytes.Equal(out, before):
		t.Errorf("dst had %.100q, and after an error it has %.100q: %v", before, out, err)
	case !bytes.Equal(dst, before):
		t.Errorf("Encode wrote over what stood in dst: %.100q, now %.100q", before, dst)
	}
	return out, err
}

// encoded is the encoding of a sample's value.
func (s *encoding) encoded(t testing.TB, sample Sample, v serde.Value) []byte {
	out, err := s.encode(t, nil, sample.Topic, v)
	if err != nil {
		t.Errorf("%s: encode: %v", sample.Name, err)
	}
	return out
}

func (s *encoding) checkRoundTrip(t testing.TB) {
	for _, sample := range s.samples {
		tape := serde.NewTape()
		v, _ := s.expect(t, tape, sample)
		if !v.Exists() {
			continue
		}
		out := s.encoded(t, sample, v)
		expectJSON(t, sample.Name+", after it was encoded", v, sample.JSON)
		again := sample
		again.Name, again.Data = sample.Name+", encoded and decoded", out
		s.expect(t, tape, again)

		if other := s.encoded(t, sample, v); !bytes.Equal(other, out) {
			t.Errorf("%s: encoded as %.200q, and the second time as %.200q", sample.Name, out, other)
		}
		if other := s.encoded(t, sample, serde.NewTape().Clone(v)); !bytes.Equal(other, out) {
			t.Errorf("%s: encoded as %.200q, and its clone as %.200q", sample.Name, out, other)
		}
	}
}

// checkDst encodes behind other bytes, with and without room for more.
func (s *encoding) checkDst(t testing.TB) {
	const head = "what stands here already"
	for _, sample := range s.samples {
		v, _ := s.expect(t, serde.NewTape(), sample)
		if !v.Exists() {
			continue
		}
		want := append([]byte(head), s.encoded(t, sample, v)...)
		for _, room := range []int{0, 1, 4, 4096} {
			dst := append(make([]byte, 0, len(head)+room), head...)
			if out, err := s.encode(t, dst, sample.Topic, v); err != nil || !bytes.Equal(out, want) {
				t.Errorf("%s: encoded behind other bytes, with room for %d more: %.200q (%v), want %.200q", sample.Name, room, out, err, want)
			}
		}
	}
}

// checkBorrowing spoils everything that an Encode was given, and looks at what it gave.
func (s *encoding) checkBorrowing(t testing.TB) {
	tape := serde.NewTape()
	var outs, copies [][]byte
	for range 2 {
		for _, sample := range s.samples {
			v, data := s.expect(t, tape, sample)
			if !v.Exists() {
				continue
			}
			out := s.encoded(t, sample, v)
			outs, copies = append(outs, out), append(copies, bytes.Clone(out))
			for i := range data {
				data[i] ^= 0x55
			}
			tape.Reset()
		}
	}
	for i, out := range outs {
		if sample := s.samples[i%len(s.samples)]; !bytes.Equal(out, copies[i]) {
			t.Errorf("%s: what Encode gave has changed since: %.200q, was %.200q", sample.Name, out, copies[i])
		}
	}
}

// checkMisfits encodes values that few schemas have. Some may fit; a Missing one never does.
func (s *encoding) checkMisfits(t testing.TB) {
	const head = "head"
	dst := append(make([]byte, 0, 4096), head...)
	for _, topic := range s.topics() {
		if out, err := s.encode(t, dst, topic, serde.Value{}); err == nil {
			t.Errorf("Encode of no value gives %.100q and no error", out[len(head):])
		}
		for _, v := range misfits(serde.NewTape()) {
			_, _ = s.encode(t, dst, topic, v)
		}
	}
	for _, sample := range s.samples {
		tape := serde.NewTape()
		v, _ := s.expect(t, tape, sample)
		for _, broken := range brokenMembers(tape, v) {
			_, _ = s.encode(t, dst, sample.Topic, broken)
		}
	}
	if string(dst) != head {
		t.Errorf("dst has %q", dst)
	}
	s.checkRoundTrip(t) // and the encoder still works
}

func (s *encoding) topics() []string {
	var topics []string
	for _, sample := range s.samples {
		if !slices.Contains(topics, sample.Topic) {
			topics = append(topics, sample.Topic)
		}
	}
	return topics
}

// misfits are values of all kinds that hold what formats have trouble with.
func misfits(t *serde.Tape) []serde.Value {
	deep, _ := t.JSON(append(bytes.Repeat([]byte("["), 60), bytes.Repeat([]byte("]"), 60)...), serde.Limits{})
	huge, _ := t.JSON([]byte(`{"":1e999,"a":-99999999999999999999,"a\u0000b":[null,{"x":[]}]}`), serde.Limits{})
	return []serde.Value{
		t.Null(), t.Bool(true), t.Int64(math.MinInt64), t.Int64(math.MaxInt64), t.Float64(math.NaN()), t.Float64(math.Inf(-1)),
		t.Float64(math.MaxFloat64), t.String(""), t.String("\xff\xfe"), t.String("\x00"), t.CopyBytes([]byte{0xFF, 0}), t.Date(math.MinInt32),
		t.TimeOfDay(-1), t.TimeOfDay(math.MaxInt64), t.UUID([16]byte{}), deep, huge,
	}
}

// brokenMembers are copies of an object with one member of another kind, or without it.
func brokenMembers(t *serde.Tape, v serde.Value) []serde.Value {
	if v.Kind() != serde.Object {
		return nil
	}
	var broken []serde.Value
	for name := range v.Members() {
		for _, other := range append(misfits(t), serde.Value{}) {
			if b, err := t.With(v, []string{name}, []serde.Value{other}); err == nil {
				broken = append(broken, b)
			}
		}
	}
	return broken
}

func (s *encoding) checkConcurrency(t testing.TB) {
	var want [][]byte
	for _, sample := range s.samples {
		v, _ := s.expect(t, serde.NewTape(), sample)
		if !v.Exists() {
			return
		}
		want = append(want, s.encoded(t, sample, v))
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			tape := serde.NewTape()
			for range 100 {
				for i, sample := range s.samples {
					v, _ := s.expect(t, tape, sample)
					if out := s.encoded(t, sample, v); !bytes.Equal(out, want[i]) {
						t.Errorf("%s: encoded as %.200q beside others, alone as %.200q", sample.Name, out, want[i])
					}
				}
				tape.Reset()
			}
		})
	}
	wg.Wait()
}
