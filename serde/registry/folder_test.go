package registry_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

const id = "4011a9bf-321a-4198-b03f-c24d46147ccb"

func TestFolderKeepsSchemas(t *testing.T) {
	f := registry.Folder{Dir: filepath.Join(t.TempDir(), "schemas")}
	if _, ok, err := f.Find(id); ok || err != nil {
		t.Fatalf("a folder that isn't there: %v, %v", ok, err)
	}
	saved := []*serde.Schema{
		{Format: serde.Avro, Name: "a", ID: id, Version: 1, Text: `"long"`},
		{Format: serde.JSONSchema, Name: "a", ID: "5", Version: 2, Text: "{}", References: []serde.Reference{{Name: "x", Text: "y"}}},
		{Format: serde.Protobuf, Name: "b", ID: "6", Version: 9, Text: `syntax = "proto3";`},
	}
	for _, s := range saved {
		if err := f.Save(s); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range saved {
		if got, ok, err := f.Find(s.ID); !ok || err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("got %+v, %v, want %+v", got, err, s)
		}
	}
	for _, x := range []struct {
		name   string
		number int64
		want   *serde.Schema
	}{{"a", 0, saved[1]}, {"a", 1, saved[0]}, {"a", 3, nil}, {"b", 0, saved[2]}, {"c", 0, nil}} {
		got, ok, err := f.Named(x.name, x.number)
		if err != nil || ok != (x.want != nil) || ok && !reflect.DeepEqual(got, x.want) {
			t.Errorf("%s %d: got %+v, %v", x.name, x.number, got, err)
		}
	}
	files, err := os.ReadDir(f.Dir)
	if err != nil || len(files) != 4 {
		t.Errorf("files left over: %v, %v", files, err)
	}
}

// Files may be put there by hand, without versions.json.
func TestFolderWithoutVersions(t *testing.T) {
	f := registry.Folder{Dir: t.TempDir()}
	write(t, f, id+".avsc", `"long"`)
	want := &serde.Schema{Format: serde.Avro, ID: id, Text: `"long"`}
	if got, ok, err := f.Find(id); !ok || err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestFolderMistakes(t *testing.T) {
	for name, x := range map[string]struct {
		files map[string]string
		want  string
	}{
		"two formats":   {map[string]string{id + ".avsc": "1", id + ".proto": "2"}, "two schemas of id"},
		"versions.json": {map[string]string{id + ".avsc": "1", "versions.json": "["}, "versions.json"},
		"too large":     {map[string]string{id + ".avsc": strings.Repeat(" ", 4<<20+1)}, id + ".avsc"},
	} {
		f := registry.Folder{Dir: t.TempDir()}
		for file, text := range x.files {
			write(t, f, file, text)
		}
		if _, ok, err := f.Find(id); ok || err == nil || !strings.Contains(err.Error(), x.want) || !strings.Contains(err.Error(), f.Dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f := registry.Folder{Dir: t.TempDir()}
	if err := os.Mkdir(filepath.Join(f.Dir, id+".json"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Find(id); err == nil {
		t.Error("a folder was read as a schema")
	}
}

// An id comes out of a record: it leads nowhere but to files of the folder.
func TestIDIsNoPath(t *testing.T) {
	f := registry.Folder{Dir: filepath.Join(t.TempDir(), "in")}
	if err := os.Mkdir(f.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, f, "../0.json", "{}")
	for _, id := range []string{"", ".", "..", "../0", "..\\0", "a/b", "versions", "\x00", "A", strings.Repeat("0", 65)} {
		if s, ok, err := f.Find(id); ok || err != nil {
			t.Errorf("%q: %+v, %v", id, s, err)
		}
		if err := f.Save(&serde.Schema{Format: serde.Avro, ID: id, Text: `"long"`}); err == nil {
			t.Errorf("%q was saved", id)
		}
	}
	if err := f.Save(&serde.Schema{Format: "XML", ID: "1"}); err == nil {
		t.Error("a format without a file extension was saved")
	}
}

func write(t *testing.T, f registry.Folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(f.Dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
