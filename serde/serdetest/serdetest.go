// Package serdetest is the conformance suite of decoders: what every
// [serde.Decoder] must do, whatever its format.
package serdetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/serde"
)

// A Sample is a record that the decoder under test understands.
type Sample struct {
	Name  string
	Topic string
	Data  []byte
	JSON  string // what the value is written as
}

// What a Decode of n bytes may allocate on an empty tape: allocFactor * n + allocBase bytes.
const (
	allocFactor = 64
	allocBase   = 1 << 20
)

// Test runs the suite: samples decode to what they should, on empty and on used
// tapes; nil is null; bytes are borrowed, not changed and not kept; input that was cut, changed
// or made up gives a value or an error, never a panic, and never takes
// memory beyond 64 times its size and 1 MiB; many goroutines may decode at once.
func Test(t *testing.T, d serde.Decoder, samples []Sample) {
	if len(samples) == 0 {
		t.Fatal("serdetest: no samples")
	}
	s := suite{d: d, samples: samples}
	t.Run("samples", s.testSamples)
	t.Run("null", s.testNull)
	t.Run("borrowing", s.testBorrowing)
	t.Run("hostile input", s.testHostileInput)
	t.Run("memory", s.testMemory)
	t.Run("concurrency", s.testConcurrency)
}

type suite struct {
	d       serde.Decoder
	samples []Sample
}

// decode checks what holds for every Decode: an error comes without a value, has a text,
// and data isn't changed.
func (s *suite) decode(t testing.TB, tape *serde.Tape, topic string, data []byte) (serde.Value, error) {
	before := bytes.Clone(data)
	v, err := s.d.Decode(t.Context(), tape, topic, data)
	switch {
	case !bytes.Equal(data, before):
		t.Errorf("Decode changed its input %.100q", before)
	case err == nil && !v.Exists():
		t.Errorf("%.100q: neither a value nor an error", data)
	case err != nil && v.Exists():
		t.Errorf("%.100q: a value and an error: %v", data, err)
	case err != nil && strings.TrimSpace(err.Error()) == "":
		t.Errorf("%.100q: an error without a text", data)
	}
	return v, err
}

// expect decodes a sample from a copy of its bytes, which it returns with the value.
func (s *suite) expect(t testing.TB, tape *serde.Tape, sample Sample) (serde.Value, []byte) {
	data := bytes.Clone(sample.Data)
	v, err := s.decode(t, tape, sample.Topic, data)
	if err != nil {
		t.Errorf("%s: %v", sample.Name, err)
		return serde.Value{}, data
	}
	expectJSON(t, sample.Name, v, sample.JSON)
	return v, data
}

func expectJSON(t testing.TB, name string, v serde.Value, want string) {
	if got, err := v.AppendJSON(nil); err != nil || string(got) != want {
		t.Errorf("%s: got %s (%v), want %s", name, got, err, want)
	}
}

func (s *suite) testSamples(t *testing.T) {
	tape := serde.NewTape()
	for range 3 {
		for _, sample := range s.samples {
			s.expect(t, serde.NewTape(), sample)
			s.expect(t, tape, sample)
		}
		tape.Reset()
	}
}

func (s *suite) testNull(t *testing.T) {
	v, err := s.d.Decode(t.Context(), serde.NewTape(), s.samples[0].Topic, nil)
	if err != nil || v.Kind() != serde.Null {
		t.Errorf("nil decodes to %s, %v, want null", v.Kind(), err)
	}
}

// A decoder that keeps bytes of one record, or of one tape, shows in the next.
func (s *suite) testBorrowing(t *testing.T) {
	tape, kept := serde.NewTape(), serde.NewTape()
	for _, sample := range s.samples {
		v, data := s.expect(t, tape, sample)
		clone := kept.Clone(v)
		for i := range data {
			data[i] ^= 0x55
		}
		if clone.Exists() {
			expectJSON(t, sample.Name+" cloned, its bytes overwritten", clone, sample.JSON)
		}
		s.expect(t, tape, sample)
		tape.Reset()
		s.expect(t, tape, sample)
	}
}

// hostile yields samples cut and changed, and bytes that no producer sent.
func (s *suite) hostile(yield func(topic string, data []byte) bool) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, sample := range s.samples {
		for n := range min(len(sample.Data), 2000) {
			if !yield(sample.Topic, sample.Data[:n:n]) || !yield(sample.Topic, sample.Data[n:]) {
				return
			}
		}
		for range 2000 {
			data := bytes.Clone(sample.Data)
			for range 1 + random.IntN(3) {
				if len(data) > 0 {
					data[random.IntN(len(data))] = byte(random.Uint32())
				}
			}
			if !yield(sample.Topic, data) {
				return
			}
		}
		// The beginning of a record, where headers and lengths are, and something else behind it.
		for n := range min(len(sample.Data), 32) {
			for _, tail := range [][]byte{bytes.Repeat([]byte{0xFF}, 64), bytes.Repeat([]byte{0}, 64), bytes.Repeat([]byte{0x7F}, 64)} {
				if !yield(sample.Topic, append(bytes.Clone(sample.Data[:n]), tail...)) {
					return
				}
			}
		}
	}
	for range 2000 {
		data := make([]byte, random.IntN(64))
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		if !yield(s.samples[0].Topic, data) {
			return
		}
	}
}

func (s *suite) testHostileInput(t *testing.T) {
	tape, n := serde.NewTape(), 0
	for topic, data := range s.hostile {
		if v, err := s.decode(t, tape, topic, data); err == nil {
			_, _ = v.AppendJSON(nil) // it may fail, but not panic
			_, _ = tape.Clone(v).AppendText(nil)
		}
		if n++; n%100 == 0 {
			tape.Reset()
		}
	}
	for _, sample := range s.samples { // and the decoder still works
		s.expect(t, tape, sample)
	}
}

func (s *suite) testMemory(t *testing.T) {
	check := func(topic string, data []byte) {
		var before, after runtime.MemStats
		tape := serde.NewTape()
		runtime.ReadMemStats(&before)
		_, _ = s.d.Decode(t.Context(), tape, topic, data)
		runtime.ReadMemStats(&after)
		if n, most := after.TotalAlloc-before.TotalAlloc, uint64(allocFactor*len(data)+allocBase); n > most {
			t.Errorf("decoding %d bytes %.60q allocated %d, at most %d are allowed", len(data), data, n, most)
		}
	}
	n := 0
	for topic, data := range s.hostile {
		if n++; n%10 == 0 { // reading the memory's statistics stops the program
			check(topic, data)
		}
	}
	for _, pattern := range []string{"\x00", "\xff", "\x7f", " ", "[", "{", `"`, "0", "-", "[0,", "[[],", `{"a":`, `"\u0061`, "\x01\x02"} {
		for _, head := range []string{"", "[", `{"x":"`, string(s.samples[0].Data[:min(len(s.samples[0].Data), 18)])} {
			check(s.samples[0].Topic, []byte(head+strings.Repeat(pattern, 1<<20/len(pattern))))
		}
	}
	var array, object strings.Builder
	array.WriteString("[0")
	object.WriteString(`{"":0`)
	for i := range 1 << 18 {
		array.WriteString(",0")
		fmt.Fprintf(&object, `,"%x":0`, i)
	}
	check(s.samples[0].Topic, []byte(array.String()+"]"))
	check(s.samples[0].Topic, []byte(object.String()+"}"))
}

func (s *suite) testConcurrency(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			tape := serde.NewTape()
			for range 100 {
				for _, sample := range s.samples {
					s.expect(t, tape, sample)
				}
				tape.Reset()
			}
		})
	}
	wg.Wait()
}
