package letter_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/letter"
)

// Every byte comes back: null and empty stay apart, and what isn't UTF-8 isn't replaced.
func TestRoundTrip(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for name, b := range map[string][]byte{
		"null": nil, "empty": {}, "text": []byte("a\nb<>&\u2028\x00\"é"), "replacement": []byte("\ufffd"),
		"cut": []byte("\xc3"), "surrogate": []byte("\xed\xa0\x80"), "all": all, "looks like base64": []byte("YQ=="),
	} {
		t.Run(name, func(t *testing.T) {
			headers := []connector.Header{{Name: "h", Value: b}, {Name: "h", Value: []byte("x")}, {Name: string(b)}}
			f := connector.Failure{
				Source: &connector.Source{Partition: connector.Partition{Topic: "cars", ID: 3}, Connector: "gps"},
				Record: &connector.Record{Offset: 7, RawKey: b, RawValue: b, Timestamp: -1, Headers: headers},
				Stage:  connector.StageLoad, Err: errors.New("no"), ID: "00-3-7-0",
			}
			var buf bytes.Buffer
			if err := letter.Append(&buf, &f); err != nil {
				t.Fatal(err)
			}
			line := buf.Bytes()
			if n := bytes.IndexByte(line, '\n'); n != len(line)-1 {
				t.Errorf("the line ends at %d of %d", n, len(line))
			}
			l, err := letter.Read(line)
			if err != nil {
				t.Fatal(err)
			}
			if !cmp.Equal(l.RawKey(), b) || !cmp.Equal(l.RawValue(), b) {
				t.Errorf("key %q, value %q, want %q", l.RawKey(), l.RawValue(), b)
			}
			if diff := cmp.Diff(headers, l.RawHeaders()); diff != "" {
				t.Error(diff)
			}
			if l.ID != f.ID || l.Topic != "cars" || l.Partition != 3 || l.Offset != 7 || l.Timestamp != -1 || l.Stage != "TASK_PUT" || l.Error != "no" || l.Connector != "gps" {
				t.Errorf("got %+v", l)
			}
		})
	}
	if _, err := letter.Read([]byte("{")); err == nil {
		t.Error("half a line was read")
	}
}
