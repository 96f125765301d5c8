package file

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/letter"
)

// Letters of all files are read by name; the rest of a process that was killed is told, and isn't fatal.
func TestOpenLetters(t *testing.T) {
	dir := t.TempDir()
	c := DefaultDeadLetterConfig()
	c.Dir = filepath.Join(dir, "dead")
	read := func() (ids, odd []string) {
		t.Helper()
		box, err := c.OpenLetters(t.Context(), "any")
		if err != nil {
			t.Fatal(err)
		}
		defer box.Close()
		err = box.Read(t.Context(), func(place string, l *letter.Letter, why error) error {
			if l == nil {
				odd = append(odd, place+": "+why.Error())
			} else {
				ids = append(ids, l.ID)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return ids, odd
	}
	if ids, odd := read(); len(ids)+len(odd) > 0 {
		t.Error("a folder that isn't there:", ids, odd)
	}
	d, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		f := connector.Failure{Source: &connector.Source{Connector: name}, Record: &connector.Record{}, ID: name}
		if err := d.Bury(t.Context(), []connector.Failure{f, f}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(c.Dir, "a-*.jsonl"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	f, err := os.OpenFile(files[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"id":"cut","topic`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Dir, "notes.txt"), []byte("no letter"), 0o600); err != nil {
		t.Fatal(err)
	}
	ids, odd := read()
	want := files[0] + " line 3: the last line is incomplete: the process that wrote it was killed, and its records came again"
	if !slices.Equal(ids, []string{"a", "a", "b", "b"}) || !slices.Equal(odd, []string{want}) {
		t.Error(ids, odd)
	}
}
