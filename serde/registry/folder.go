package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/millrace/millrace/serde"
)

// A Folder holds schemas by their ids: ID.avsc is Avro, ID.json a JSON Schema, ID.proto Protobuf. versions.json, which may be left out, says
// for each id the name, the version number, and the schemas that it imports.
type Folder struct{ Dir string }

const (
	versionsFile = "versions.json"
	maxVersions  = 64 << 20
	maxFile      = 4 << 20 // bytes; AWS Glue takes schemas of 170,000 characters (AWS Glue endpoints and quotas), Confluent's of 1 MB
)

// ids are the names of files that are looked for: an id is never a path.
var ids = regexp.MustCompile(`^[0-9a-f-]{1,64}$`)

// formats by the ends of files' names.
var formats = []struct {
	extension string
	format    serde.Format
}{{".avsc", serde.Avro}, {".json", serde.JSONSchema}, {".proto", serde.Protobuf}}

// A version is an entry of versions.json.
type version struct {
	Name       string      `json:"name"`
	Version    int64       `json:"version,omitempty"`
	References []reference `json:"references,omitempty"`
}

type reference struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Find is the schema of an id; ok is false if the folder has none. An error names the file that has to be mended.
func (f Folder) Find(id string) (s *serde.Schema, ok bool, err error) {
	if !ids.MatchString(id) {
		return nil, false, nil
	}
	for _, x := range formats {
		text, err := f.read(id+x.extension, maxFile)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, false, err
		case s != nil:
			return nil, false, fmt.Errorf("the schema folder %s has two schemas of id %s: remove one", f.Dir, id)
		}
		s = &serde.Schema{Format: x.format, ID: id, Text: string(text)}
	}
	if s == nil {
		return nil, false, nil
	}
	versions, err := f.versions()
	if err != nil {
		return nil, false, err
	}
	v := versions[id]
	s.Name, s.Version = v.Name, v.Version
	for _, r := range v.References {
		s.References = append(s.References, serde.Reference{Name: r.Name, Text: r.Text})
	}
	return s, true, nil
}

// Named is a version of a schema, the newest that the folder has if number is 0; ok is false if it has none. Versions whose number isn't known
// don't count.
func (f Folder) Named(name string, number int64) (s *serde.Schema, ok bool, err error) {
	versions, err := f.versions()
	if err != nil {
		return nil, false, err
	}
	found, best := "", int64(0)
	for id, v := range versions {
		if v.Name == name && v.Version > best && (number == 0 || v.Version == number) {
			found, best = id, v.Version
		}
	}
	return f.Find(found)
}

// Save puts a schema into the folder, which is made if it isn't there, and its name into versions.json. Files are replaced whole. It is called by one
// goroutine of one process at a time.
func (f Folder) Save(s *serde.Schema) error {
	if !ids.MatchString(s.ID) {
		return fmt.Errorf("save a schema in %s: %q is no id", f.Dir, s.ID)
	}
	extension := ""
	for _, x := range formats {
		if x.format == s.Format {
			extension = x.extension
		}
	}
	if extension == "" {
		return fmt.Errorf("save schema %s in %s: its format is %q", s.ID, f.Dir, s.Format)
	}
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		return fmt.Errorf("save schema %s: %w", s.ID, err)
	}
	versions, err := f.versions()
	if err != nil {
		return err
	}
	v := version{Name: s.Name, Version: s.Version}
	for _, r := range s.References {
		v.References = append(v.References, reference(r))
	}
	versions[s.ID] = v
	text, err := json.MarshalIndent(versions, "", "  ")
	if err != nil {
		return fmt.Errorf("save schema %s: %w", s.ID, err)
	}
	// versions.json comes first: whoever finds the schema finds its name.
	if err := f.replace(versionsFile, append(text, '\n')); err != nil {
		return err
	}
	return f.replace(s.ID+extension, []byte(s.Text))
}

// versions is versions.json, empty if it isn't there.
func (f Folder) versions() (map[string]version, error) {
	versions := map[string]version{}
	text, err := f.read(versionsFile, maxVersions)
	if errors.Is(err, fs.ErrNotExist) {
		return versions, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &versions); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(f.Dir, versionsFile), err)
	}
	return versions, nil
}

func (f Folder) read(name string, most int64) ([]byte, error) {
	path := filepath.Join(f.Dir, name)
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read a schema: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, fmt.Errorf("%s isn't a file of at most %d bytes", path, most)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a schema: %w", err)
	}
	return text, nil
}

// replace writes a file beside its place and moves it there.
func (f Folder) replace(name string, text []byte) (err error) {
	path := filepath.Join(f.Dir, name)
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	file, err := os.CreateTemp(f.Dir, strings.TrimSuffix(name, filepath.Ext(name))+".*.tmp")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }() // once it was moved it isn't there
	_, err = file.Write(text)
	err = errors.Join(err, file.Chmod(0o644), file.Sync(), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
