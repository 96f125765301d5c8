package pattern

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
)

// A pattern that compiles has fields, and is the same in white space.
func FuzzCompile(f *testing.F) {
	for _, r := range rows(f) {
		f.Add([]byte(r.Pattern))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Compile(text)
		if err != nil {
			if len(err.Error()) > 2_000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		if len(p.Fields()) == 0 {
			t.Error("no fields")
		}
		if q, err := Compile([]byte(" " + string(text) + "\n")); len(text) < maxSize-1 && (err != nil || strings.Join(p.Fields(), "\n") != strings.Join(q.Fields(), "\n")) {
			t.Errorf("with white space around it: %v", err)
		}
	})
}

// Matching ends, and what it finds doesn't depend on other fields of the event, nor on a choice that can't be.
func FuzzMatch(f *testing.F) {
	for _, r := range rows(f) {
		f.Add([]byte(r.Pattern), []byte(r.Event))
	}
	f.Fuzz(func(t *testing.T, text, data []byte) {
		p, err := Compile(text)
		if err != nil {
			return
		}
		tape := serde.NewTape()
		e, err := tape.JSON(data, serde.Limits{})
		if err != nil || e.Kind() != serde.Object || len(data) > 1<<16 {
			return
		}
		got := p.Match(e)
		const other = "another name, which no pattern has by chance"
		more, err := tape.With(e, []string{other}, []serde.Value{tape.Int64(1)})
		if err != nil || strings.Contains(string(text), other) {
			return
		}
		if p.Match(more) != got {
			t.Errorf("with one more field: %t", !got)
		}
		if q, err := Compile([]byte(`{"$or":[{"` + other + `":[2]},` + string(text) + `]}`)); err == nil && q.Match(more) != got {
			t.Errorf("as one of a choice: %t", !got)
		}
	})
}
