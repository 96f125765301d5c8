package avro

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/millrace/millrace/serde"
)

// TestAgree compares Decode and AppendJSON for random records, whole and changed, without a reader's schema and with an equal one.
func TestAgree(t *testing.T) {
	read, refused := 0, 0
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 6))
		text := randomSchema(r)
		s, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		p, err := Compile(s, Options{})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		same, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		resolved, err := Compile(s, Options{Reader: same})
		if err != nil {
			t.Fatalf("%s: with itself as the reader's schema: %v", text, err)
		}
		for range 10 {
			m := datumMaker{r: r}
			m.make(s, 0)
			if _, ok := agree(t, text, p, m.out); !ok {
				t.Errorf("%s: %x isn't read", text, m.out)
			}
			data := bytes.Clone(m.out)
			if len(data) > 0 {
				data[r.IntN(len(data))] ^= byte(1 << r.IntN(8))
				if r.IntN(2) == 0 {
					data = data[:r.IntN(len(data))]
				}
			}
			got, ok := agree(t, text, p, data)
			if again, okAgain := agree(t, text, resolved, data); ok != okAgain || got != again {
				t.Errorf("%s: %x is %s, with an equal reader's schema %s", text, data, got, again)
			}
			if ok {
				read++
			} else {
				refused++
			}
		}
	}
	if read < 100 || refused < 100 {
		t.Errorf("%d records were read and %d refused: the test shows little", read, refused)
	}
}

// agree decodes data both ways; ok is false where its bytes are refused.
func agree(t *testing.T, schema string, p *Program, data []byte) (text string, ok bool) {
	t.Helper()
	direct, directErr := p.AppendJSON(nil, data)
	v, err := p.Decode(serde.NewTape(), data)
	var want []byte
	jsonErr := err
	if err == nil {
		want, jsonErr = v.AppendJSON(nil)
	}
	if (jsonErr == nil) != (directErr == nil) || jsonErr == nil && !bytes.Equal(want, direct) {
		t.Errorf("%s: %x: AppendJSON gives %s, %v; the value's gives %s, %v", schema, data, direct, directErr, want, jsonErr)
	}
	return string(direct), err == nil
}

// A set is as good as new after a fault within maps.
func TestKeySetIsEmptied(t *testing.T) {
	var s keySet
	for range keepKeys + 1 {
		s.begin()
		s.add(0, 1)
	}
	s.done()
	if len(s.spans) != 0 || len(s.open) != 0 || cap(s.spans) > keepKeys {
		t.Errorf("%d keys of %d maps, room for %d", len(s.spans), len(s.open), cap(s.spans))
	}
}
