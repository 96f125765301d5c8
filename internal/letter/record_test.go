package letter_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/letter"
)

const topicID = "1f0a93c2000000000000000000000007"

func TestIdentity(t *testing.T) {
	for id, ok := range map[string]bool{
		topicID + "-3-7-0": true, topicID + "-3-7-12": true, topicID + "-3-8-0": false, topicID + "-2-7-0": false, "": false,
		"x" + topicID[1:] + "-3-7-0": false, topicID[1:] + "-3-7-0": false, topicID + "-3-7": false,
	} {
		l := letter.Letter{ID: id, Topic: "cars", Partition: 3, Offset: 7}
		got, said := l.TopicID()
		if said != ok || ok && fmt.Sprintf("%x", got) != topicID {
			t.Errorf("%q: %x %v", id, got, said)
		}
	}
	if l := (letter.Letter{Topic: "cars", Partition: 3, Offset: 7}); l.Name() != "cars/3/7" {
		t.Error(l.Name())
	}
}

func TestReplays(t *testing.T) {
	header := func(values ...string) (l letter.Letter) {
		for i := range values {
			l.Headers = append(l.Headers, letter.Header{Name: letter.HeaderReplays, Value: &values[i]})
		}
		x := "x"
		l.Headers = append(l.Headers, letter.Header{Name: "own", Value: &x})
		return l
	}
	for _, test := range []struct {
		l    letter.Letter
		want int
	}{{header(), 0}, {header("2"), 2}, {header("1", "2"), 2}, {header("-1"), 0}, {header("x"), 0}, {header("99999999999"), 0}} {
		if got := test.l.Replays(); got != test.want {
			t.Errorf("%+v: %d", test.l.Headers, got)
		}
		if diff := cmp.Diff([]connector.Header{{Name: "own", Value: []byte("x")}}, test.l.RecordHeaders()); diff != "" {
			t.Error(diff)
		}
	}
}

// Of what the record itself had, nothing is taken away, and what is no letter isn't taken for one.
func TestFromRecord(t *testing.T) {
	errorOf := func(name, value string) connector.Header {
		return connector.Header{Name: "__connect.errors." + name, Value: []byte(value)}
	}
	own := []connector.Header{{Name: "h", Value: []byte{0xff}}, {Name: "millrace.id", Value: []byte("its own")}, errorOf("topic", "its own"), {Name: "n"}}
	added := []connector.Header{
		errorOf("topic", "cars"), errorOf("partition", "3"), errorOf("offset", "7"), errorOf("connector.name", "gps"), errorOf("task.id", "0"), errorOf("stage", "TASK_PUT"),
		errorOf("class.name", "millrace"), errorOf("exception.class.name", "x"), errorOf("exception.message", "no\xff"), errorOf("exception.stacktrace", ""),
		{Name: "millrace.id", Value: []byte(topicID + "-3-7-0")},
	}
	r := connector.Record{RawKey: []byte{0xfe}, Timestamp: 5, LogAppendTime: true, Headers: append(append([]connector.Header{}, own...), added...)}
	l, ok := letter.FromRecord(&r)
	if diff := cmp.Diff(own, l.RawHeaders()); !ok || diff != "" {
		t.Error(ok, diff)
	}
	if l.ID != topicID+"-3-7-0" || l.Topic != "cars" || l.Partition != 3 || l.Offset != 7 || l.Connector != "gps" || l.Stage != "TASK_PUT" || l.Error != "no\ufffd" ||
		l.Timestamp != 5 || !l.LogAppendTime || !cmp.Equal(l.RawKey(), r.RawKey) || l.RawValue() != nil {
		t.Errorf("%+v", l)
	}
	for i := range 3 { // topic, partition, offset
		r := r
		r.Headers = append(append([]connector.Header{}, added[:i]...), added[i+1:]...)
		if _, ok := letter.FromRecord(&r); ok {
			t.Errorf("a letter without %s", added[i].Name)
		}
	}
}

// A line that can't be read is told, and the next ones are read.
func TestReadLines(t *testing.T) {
	var buf bytes.Buffer
	f := connector.Failure{Source: &connector.Source{}, Record: &connector.Record{}, Err: errors.New("no"), ID: "a"}
	if err := letter.Append(&buf, &f); err != nil {
		t.Fatal(err)
	}
	line := buf.String()
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{line + line, "f line 1: a, f line 2: a, "},
		{line + "{\n\n" + line, "f line 1: a, f line 2: ERROR unexpected end, f line 4: a, "},
		{line + line[:20], "f line 1: a, f line 2: ERROR the last line is incomplete, "},
		{line + strings.TrimSuffix(line, "\n"), "f line 1: a, f line 2: a, "},
		{"[]\n", "f line 1: ERROR cannot unmarshal array, "},
	} {
		got := ""
		err := letter.ReadLines(t.Context(), strings.NewReader(test.text), "f", func(place string, l *letter.Letter, err error) error {
			if err != nil {
				for _, known := range []string{"unexpected end", "the last line is incomplete", "cannot unmarshal array"} {
					if strings.Contains(err.Error(), known) {
						got += place + ": ERROR " + known + ", "
					}
				}
				return nil
			}
			got += place + ": " + l.ID + ", "
			return nil
		})
		if err != nil || got != test.want {
			t.Errorf("%q: got %q, want %q: %v", test.text, got, test.want, err)
		}
	}
	stop := errors.New("stop")
	if err := letter.ReadLines(t.Context(), strings.NewReader(line+line), "f", func(string, *letter.Letter, error) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

func TestKind(t *testing.T) {
	for text, want := range map[string]string{
		`value.lat is "x" at byte 17`:                    `value.lat is "..." at byte N`,
		`value.lat is "a \"b" at byte 4`:                 `value.lat is "..." at byte N`,
		"no `x` in 1f0a93c2-0000-0000-0000-00000000000f": "no `...` in N-N-N-N-N",
		`filter: rule "value.a > 10": value.a is "x"`:    `filter: rule "value.a > 10": value.a is "..."`,
		`it's "open`:               `it's "open`,
		"v2 of utf8, base64, 0x1F": "v2 of utf8, base64, 0x1F",
		"\x1b[31mred\xff":          " [31mred\ufffd",
		"":                         "",
		strings.Repeat("é", 400):   strings.Repeat("é", 150),
		"offset 12 of 3.5, -4: dead beef cafe001": "offset N of N.N, -N: dead beef N",
	} {
		if got := letter.Kind(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// What is told apart is bounded.
func TestGroupsAreBounded(t *testing.T) {
	var g letter.Groups
	letters := 0
	for a := 'a'; a <= 'z'; a++ {
		for b := 'a'; b <= 'z'; b++ {
			for _, c := range "xyz" {
				letters++
				g.Add(&letter.Letter{Topic: "t", Error: string([]rune{'q', a, b, c})})
			}
		}
	}
	var sum int64
	other := int64(0)
	for _, group := range g.Sorted() {
		sum += group.Count
		if group.Kind == letter.Other {
			other = group.Count
		}
	}
	if g.Len() != 1001 || sum != int64(letters) || other != int64(letters)-1000 {
		t.Error(g.Len(), sum, other)
	}
}
