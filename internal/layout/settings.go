package layout

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/template"
)

// Settings are those of our S3 sink that follow from another product's.
type Settings struct {
	// Path is the template of keys, without extension. One that ends in a slash gets a name: [FileName].
	Path string `json:"path"`
	Time Time   `json:"time"`
	// Null stands for null in Path; "" is the default's, __null__. Missing is "error" where a record without a field of Path isn't
	// written, else "".
	Null    string `json:"if_null,omitempty"`
	Missing string `json:"if_missing,omitempty"`
	// Format is json, raw, parquet, avro or csv; "" where there is none like it.
	Format string `json:"format,omitempty"`
	// Compression is that of the objects, for parquet and avro that of their blocks; "" where there is none like it.
	Compression string `json:"compression,omitempty"`
	// Extension is what the other product's names end in.
	Extension string `json:"extension"`
	Rotate    Rotate `json:"rotate"`
	// Sink are further settings of the sink.
	Sink []Setting `json:"sink,omitempty"`
	// DeadLetter is the path of what can't be written, "" where there is none.
	DeadLetter string `json:"dead_letter,omitempty"`
	// Notes say what isn't the same, in sentences.
	Notes []string `json:"notes,omitempty"`

	fields    [][]string // of values, in Path: for examples
	timeField []string
}

// Time says which time {time} in Path shows, as template.Time does.
type Time struct {
	From  string             `json:"from,omitempty"`
	Zone  string             `json:"zone,omitempty"`
	Unit  string             `json:"unit,omitempty"`
	Floor connector.Duration `json:"floor,omitzero"`
}

// Rotate says when objects are closed. 0 is our default.
type Rotate struct {
	Size    connector.Bytes    `json:"size,omitzero"`
	Age     connector.Duration `json:"age,omitzero"`
	Records int64              `json:"records,omitzero"`
}

// A Setting is one of the sink: its name, and its value as YAML.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// FileName is what a path that ends in a slash is followed by, as package staging has it.
const FileName = "{topic}+{partition}+{position:%010d}"

// Options are what Path is compiled with.
func (s *Settings) Options() template.Options {
	return template.Options{
		Path: true, Position: true, Null: s.Null, MissingIsError: s.Missing == "error",
		Time: &template.Time{From: s.Time.From, Zone: s.Time.Zone, Unit: s.Time.Unit, Floor: time.Duration(s.Time.Floor)},
	}
}

// Compile compiles Path, with a name where it has none. unique: keys end in a number and random digits besides.
func (s *Settings) Compile() (path *template.Template, unique bool, err error) {
	text := s.Path
	named := !strings.HasSuffix(text, "/") && text != ""
	if !named {
		text += FileName
	}
	path, err = template.Compile(text, s.Options())
	if err != nil {
		return nil, false, fmt.Errorf("path: %w", err)
	}
	return path, !named || !path.HasPosition(), nil
}

// Name is the key of an object whose first record is the i-th of b. Where keys end in a number and random
// digits, tail stands for "-NUMBER-DIGITS".
func (s *Settings) Name(b *connector.Batch, i int, tail string) (string, error) {
	path, unique, err := s.Compile()
	if err != nil {
		return "", err
	}
	name, err := path.Append(nil, b, i, b.At(i).Offset)
	if err != nil {
		return "", err
	}
	if !unique {
		tail = ""
	}
	return string(name) + tail + s.Extension, nil
}

func (s *Settings) note(format string, args ...any) {
	s.Notes = append(s.Notes, fmt.Sprintf(format, args...))
}

// set adds a setting of the sink whose value is a text.
func (s *Settings) set(name, text string) {
	s.Sink = append(s.Sink, Setting{name, quote(text)})
}

func (s *Settings) setRaw(name, value string) { s.Sink = append(s.Sink, Setting{name, value}) }

// quote is a text as YAML: JSON's quotes are YAML's too.
func quote(text string) string {
	plain := text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_./") == ""
	switch strings.ToLower(text) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n", ".nan", ".inf", "-.inf":
		plain = false
	}
	if plain && text[0] != '-' && text[0] != '.' {
		return text
	}
	return jsonText(text)
}

func jsonText(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(text) != nil { // a text never fails
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// literal is a text as templates write it.
func literal(text string) string {
	return strings.NewReplacer("{", "{{", "}", "}}").Replace(text)
}

// field is a field of a template that leads along names below a root such as "value".
func field(root string, names ...string) string {
	var b strings.Builder
	b.WriteByte('{')
	b.WriteString(root)
	for _, name := range names {
		if bare(name) {
			b.WriteByte('.')
			b.WriteString(name)
		} else {
			b.WriteByte('[')
			b.WriteString(jsonText(name))
			b.WriteByte(']')
		}
	}
	b.WriteByte('}')
	return b.String()
}

// bare reports whether a path takes a name without quotes.
func bare(name string) bool {
	for i := range len(name) {
		if c := name[i]; !letter(c) && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return name != ""
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
