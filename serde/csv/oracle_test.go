package csv_test

import (
	"bytes"
	stdcsv "encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/csv"
)

// wide has more columns than the oracle's records, all texts, and no nulls.
func wide(t testing.TB) *csv.Decoder {
	return decoder(t, func(c *csv.Config) {
		c.Columns = nil
		for i := range 64 {
			c.Columns = append(c.Columns, columns(fmt.Sprint("c", i))...)
		}
		c.Null, c.Missing, c.Extra = nil, "null", "ignore"
	})
}

// oracle is the one record that encoding/csv reads.
func oracle(data []byte) ([]string, error) {
	r := stdcsv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	first, err := r.Read()
	if err != nil {
		return nil, err
	}
	if _, err = r.Read(); err != io.EOF {
		return nil, fmt.Errorf("more than one record: %w", err)
	}
	return first, nil
}

// comparable reports whether the two read the same language here. encoding/csv skips empty lines in front, takes a
// carriage return without a line feed for text, and makes a line feed of a carriage return with one.
func isComparable(data []byte) bool {
	return len(data) > 0 && data[0] != '\n' && data[0] != '\r' && bytes.IndexByte(data, '\r') < 0
}

// Random records are read as encoding/csv reads them, and refused where it refuses them.
func TestOracle(t *testing.T) {
	d, tape := wide(t), serde.NewTape()
	random := rand.New(rand.NewPCG(7, 8))
	pieces := []string{`"`, `"`, `""`, ",", ",", "\n", "a", "bc", " ", `","`, "ə", `"a"`, `"b""c"`, "12"}
	read, refused := 0, 0
	for range 200_000 {
		var b bytes.Buffer
		for range random.IntN(10) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		if data := b.Bytes(); isComparable(data) {
			want, err := oracle(data)
			if compare(t, d, tape, data, want, err); err != nil {
				refused++
			} else {
				read++
			}
		}
		tape.Reset()
	}
	if read < 10_000 || refused < 10_000 {
		t.Errorf("%d records were read and %d refused: too few to say anything", read, refused)
	}
}

func compare(t *testing.T, d *csv.Decoder, tape *serde.Tape, data []byte, want []string, wantErr error) {
	t.Helper()
	v, err := d.Decode(t.Context(), tape, "t", data)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%q: got %v, encoding/csv says %v", data, err, wantErr)
	}
	if err != nil {
		return
	}
	for i, field := range want {
		if text, ok := v.Field(fmt.Sprint("c", i)).Text(); !ok || string(text) != field {
			t.Fatalf("%q: field %d is %q, encoding/csv says %q", data, i, text, field)
		}
	}
	if next := v.Field(fmt.Sprint("c", len(want))); next.Kind() != serde.Null {
		t.Fatalf("%q: there is a field more than the %d of encoding/csv", data, len(want))
	}
}

// What encoding/csv writes is read back, whatever the texts hold.
func TestRoundTrip(t *testing.T) {
	d, tape := wide(t), serde.NewTape()
	random := rand.New(rand.NewPCG(9, 10))
	letters := []rune("ab,\"\n\r \tə;'\\\x00\u2028")
	for range 20_000 {
		fields := make([]string, 1+random.IntN(6))
		for i := range fields {
			var text strings.Builder
			for range random.IntN(8) {
				text.WriteRune(letters[random.IntN(len(letters))])
			}
			fields[i] = text.String()
		}
		var b bytes.Buffer
		w := stdcsv.NewWriter(&b)
		if err := w.Write(fields); err != nil {
			t.Fatal(err)
		}
		w.Flush()
		compare(t, d, tape, b.Bytes(), fields, nil)
		tape.Reset()
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"1,a,true\n", `"1","a ""b""",f`, "1,\"a\r\nb\",f", ",,", "\xef\xbb\xbf1,a", `1,a"b`, "1,a,t\n2,b,f"} {
		f.Add([]byte(seed))
	}
	texts := wide(f)
	typed := decoder(f, func(c *csv.Config) {
		c.Columns = columns("i:int, f:float, n:decimal, b:bool, d:date, t:time, at:timestamp, u:uuid, j:json, x:bytes, h:bytes(hex), p:timestamp(dd/MMM/yyyy:HH:mm:ss Z)")
		c.Missing, c.Extra, c.Trim = "null", "ignore", true
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		tape := serde.NewTape()
		if v, err := typed.Decode(t.Context(), tape, "t", data); err == nil {
			if _, err := v.AppendJSON(nil); err != nil {
				t.Errorf("%q: %v", data, err)
			}
		}
		v, err := texts.Decode(t.Context(), tape, "t", data)
		if err == nil {
			if _, err := v.AppendJSON(nil); err != nil {
				t.Errorf("%q: %v", data, err)
			}
		}
		if want, wantErr := oracle(data); isComparable(data) && bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) == false && len(want) < 64 && bytes.Equal(data, bytes.ToValidUTF8(data, nil)) {
			compare(t, texts, tape, data, want, wantErr)
		}
	})
}
