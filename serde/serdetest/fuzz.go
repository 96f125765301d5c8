package serdetest

import (
	"testing"

	"github.com/millrace/millrace/serde"
)

// Fuzz is the body of a decoder's fuzz target. It begins with the samples, and checks for each input what [Test] checks for
// hostile input: a value or an error and no panic; the input isn't changed; at most 64 times its size and 1 MiB are allocated; and what
// was decoded is written as valid JSON, or is an error to write. An input is decoded for the topic of the sample that it was made of.
//
//	func FuzzDecode(f *testing.F) {
//		serdetest.Fuzz(f, newDecoder(f), samples)
//	}
//
// Inputs that were found to be interesting are kept in testdata/fuzz/FuzzDecode, as bytes behind the sample's number, and
// run with the other tests.
func Fuzz(f *testing.F, d serde.Decoder, samples []Sample) {
	if len(samples) == 0 || len(samples) > 256 {
		f.Fatal("serdetest: 1 to 256 samples are needed")
	}
	for i := range samples {
		f.Add(byte(i), samples[i].Data)
	}
	s := &suite{d: d, samples: samples}
	f.Fuzz(func(t *testing.T, sample byte, data []byte) {
		s.checkInput(t, samples[int(sample)%len(samples)].Topic, data)
	})
}

// checkInput checks one input of a fuzz target.
func (s *suite) checkInput(t testing.TB, topic string, data []byte) {
	before := allocated()
	v, err := s.decode(t, serde.NewTape(), topic, data)
	if n := allocated() - before; n > allocBase { // look again: others' allocations may be in it
		before = allocated()
		_, _ = s.decode(t, serde.NewTape(), topic, data)
		reportAllocation(t, data, min(n, allocated()-before))
	}
	if err == nil {
		checkWritable(t, v, data)
	}
}
