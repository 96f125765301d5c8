package serdetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

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
// memory beyond 64 times its size and 1 MiB; what it decodes to is written as valid JSON, or is an
// error to write; many goroutines may decode at once.
func Test(t *testing.T, d serde.Decoder, samples []Sample) {
	if len(samples) == 0 {
		t.Fatal("serdetest: no samples")
	}
	for _, c := range decoderChecks {
		t.Run(c.name, func(t *testing.T) { c.run(&suite{d: d, samples: samples}, t) })
	}
}

type suite struct {
	d       serde.Decoder
	samples []Sample
}

// A check takes a testing.TB, so that the suite's own tests can watch it fail.
type check struct {
	name string
	run  func(*suite, testing.TB)
}

var decoderChecks = []check{
	{"samples", (*suite).checkSamples},
	{"null", (*suite).checkNull},
	{"borrowing", (*suite).checkBorrowing},
	{"hostile input", (*suite).checkHostileInput},
	{"memory", (*suite).checkMemory},
	{"concurrency", (*suite).checkConcurrency},
}

// decode checks what holds for every Decode: it doesn't panic, an error comes without a value, has a text,
// and data isn't changed.
func (s *suite) decode(t testing.TB, tape *serde.Tape, topic string, data []byte) (v serde.Value, err error) {
	before := bytes.Clone(data)
	defer func() {
		if p := recover(); p != nil {
			v, err = serde.Value{}, fmt.Errorf("panic: %v", p)
			t.Errorf("%.100q: Decode panics: %v\n%s", before, p, debug.Stack())
		}
	}()
	v, err = s.d.Decode(t.Context(), tape, topic, data)
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

func (s *suite) checkSamples(t testing.TB) {
	tape := serde.NewTape()
	for range 3 {
		for _, sample := range s.samples {
			s.expect(t, serde.NewTape(), sample)
			s.expect(t, tape, sample)
		}
		tape.Reset()
	}
}

func (s *suite) checkNull(t testing.TB) {
	for _, sample := range s.samples {
		v, err := s.decode(t, serde.NewTape(), sample.Topic, nil)
		if err != nil || v.Kind() != serde.Null {
			t.Errorf("nil decodes to %s, %v, want null", v.Kind(), err)
		}
	}
}

// A decoder that keeps bytes of one record, or of one tape, shows in the next.
func (s *suite) checkBorrowing(t testing.TB) {
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
	s.checkNeighbours(t)
}

// checkNeighbours has the values of all samples on one tape at once, as a batch has.
func (s *suite) checkNeighbours(t testing.TB) {
	tape := serde.NewTape()
	var values []serde.Value
	for _, sample := range s.samples {
		v, _ := s.expect(t, tape, sample)
		values = append(values, v)
	}
	for i, v := range values {
		if v.Exists() {
			expectJSON(t, s.samples[i].Name+", after others were decoded on its tape", v, s.samples[i].JSON)
		}
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

func (s *suite) checkHostileInput(t testing.TB) {
	tape, n := serde.NewTape(), 0
	for topic, data := range s.hostile {
		if v, err := s.decode(t, tape, topic, data); err == nil {
			checkWritable(t, v, data)
		}
		if n++; n%100 == 0 {
			tape.Reset()
		}
	}
	for _, sample := range s.samples { // and the decoder still works
		s.expect(t, tape, sample)
	}
}

// checkWritable writes a value that hostile data decoded to. That may fail, but neither panic nor write what isn't JSON.
func checkWritable(t testing.TB, v serde.Value, data []byte) {
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("%.100q: the value can't be written: panic: %v\n%s", data, p, debug.Stack())
		}
	}()
	text, err := v.AppendJSON(nil)
	if err == nil && (!json.Valid(text) || !utf8.Valid(text)) {
		t.Errorf("%.100q is written as %.200q, which isn't JSON", data, text)
	}
	clone := serde.NewTape().Clone(v)
	if again, errAgain := clone.AppendJSON(nil); (err == nil) != (errAgain == nil) || err == nil && !bytes.Equal(text, again) {
		t.Errorf("%.100q is written as %.200q (%v), its clone as %.200q (%v)", data, text, err, again, errAgain)
	}
	_, _ = clone.AppendText(nil)
}

func (s *suite) checkMemory(t testing.TB) {
	n := 0
	for topic, data := range s.hostile {
		if n++; n%10 == 0 { // reading the memory's statistics stops the program
			s.checkAllocation(t, topic, data)
		}
	}
	topic, head := s.samples[0].Topic, string(s.samples[0].Data[:min(len(s.samples[0].Data), 18)])
	for _, pattern := range []string{"\x00", "\xff", "\x7f", " ", "[", "{", `"`, "0", "-", "[0,", "[[],", `{"a":`, `"\u0061`, "\x01\x02"} {
		for _, head := range []string{"", "[", `{"x":"`, head} {
			s.checkAllocation(t, topic, []byte(head+strings.Repeat(pattern, 1<<20/len(pattern))))
		}
	}
	var array, object strings.Builder
	array.WriteString("[0")
	object.WriteString(`{"":0`)
	for i := range 1 << 18 {
		array.WriteString(",0")
		fmt.Fprintf(&object, `,"%x":0`, i)
	}
	s.checkAllocation(t, topic, []byte(array.String()+"]"))
	s.checkAllocation(t, topic, []byte(object.String()+"}"))
}

func (s *suite) checkAllocation(t testing.TB, topic string, data []byte) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _ = s.decode(t, serde.NewTape(), topic, data)
	runtime.ReadMemStats(&after)
	reportAllocation(t, data, after.TotalAlloc-before.TotalAlloc)
}

// reportAllocation complains of what is more than a Decode of data may allocate. The copy that decode makes of data is within allocFactor.
func reportAllocation(t testing.TB, data []byte, n uint64) {
	if most := uint64(allocFactor*len(data) + allocBase); n > most {
		t.Errorf("decoding %d bytes %.60q allocated %d, at most %d are allowed", len(data), data, n, most)
	}
}

// allocated is all that the program has allocated so far, in bytes. It is much cheaper than runtime.ReadMemStats, and less exact: a part
// is counted only when it is collected, by whoever did it.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func (s *suite) checkConcurrency(t testing.TB) {
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
