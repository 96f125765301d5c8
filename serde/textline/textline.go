package textline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/column"
)

// Format is the format of the schemas of values that were decoded here. No registry knows it.
const Format serde.Format = "TEXT"

// Config is the text_line decoder's configuration.
type Config struct {
	// Name of a built-in pattern: apache_common, apache_combined, nginx_combined, alb, s3_access, cloudfront, vpc_flow,
	// syslog_rfc5424, syslog_rfc3164 or logfmt. Instead of regexp.
	Pattern string `yaml:"pattern" short:"true"`
	// Regular expression in RE2's syntax that matches the whole line, with a name for each group: (?P<status>\d+) (?P<path>\S+).
	// Groups that only group are written (?:...). At most 10,000 characters. Instead of pattern.
	Regexp string `yaml:"regexp" kind:"rule"`
	// Types of members that aren't texts, or not of the type that the pattern gives them: {status: int, at: {type: timestamp, format: epoch_millis}}.
	Types []column.Column `yaml:"types"`
	// Texts of groups of the regexp that mean null, such as "-". A group that takes no part in the match is null in any
	// case, and so is an empty one whose type isn't string.
	Null []string `yaml:"null"`
	// Lines of a record are one text for the regexp: (?s) at its beginning lets a dot match the line breaks between them.
	MultiLine bool `yaml:"multi_line"`
	// Bytes that a line may have. Default 1048576.
	LineLength int `yaml:"line_length"`
}

const (
	defaultLineLength = 1 << 20
	maxRegexp         = 10_000 // characters: compiling takes memory in proportion to them
)

// DefaultConfig is a Config without a pattern.
func DefaultConfig() Config { return Config{LineLength: defaultLineLength} }

// Validate reports settings that can't be.
func (c Config) Validate() error {
	_, err := New(c)
	return err
}

// A Decoder decodes lines of text. It is safe for concurrent use.
type Decoder struct {
	name      string // of the pattern, for messages
	pattern   pattern
	set       *column.Set
	schema    *serde.Schema
	multiLine bool
	most      int
}

var _ serde.Decoder = (*Decoder)(nil)

// A pattern knows what a line consists of. It is safe for concurrent use.
type pattern interface {
	// columns are the members with their types, where the pattern knows them.
	columns() []column.Column
	// members is how many members and elements a line of n bytes may have besides the columns.
	members(n int) int
}

// A line is what is being decoded.
type line struct {
	text []byte
	tape *serde.Tape
	set  *column.Set
	row  column.Row
}

// New makes a Decoder.
func New(c Config) (*Decoder, error) {
	d := &Decoder{name: c.Pattern, multiLine: c.MultiLine, most: c.LineLength}
	var problems []error
	if c.LineLength < 1 || c.LineLength > math.MaxInt32 {
		problems = append(problems, fmt.Errorf("line_length is %d, expected 1 to %d", c.LineLength, math.MaxInt32))
	}
	columns, err := d.choose(c)
	if err == nil {
		d.set, err = column.Compile(columns)
		if err != nil {
			err = fmt.Errorf("types: %w", err)
		}
	}
	if err = errors.Join(append(problems, err)...); err != nil {
		return nil, err
	}
	d.schema = &serde.Schema{Format: Format, Name: d.name, Text: d.set.Text()}
	return d, nil
}

// choose finds the pattern and gives its columns the types of the configuration.
func (d *Decoder) choose(c Config) ([]column.Column, error) {
	switch {
	case c.Pattern == "" && c.Regexp == "", c.Pattern != "" && c.Regexp != "":
		return nil, errors.New("text_line needs a pattern or a regexp, and not both")
	case c.Regexp != "":
		p, err := newExpression(c.Regexp, c.Null)
		if err != nil {
			return nil, fmt.Errorf("regexp: %w", err)
		}
		d.name, d.pattern = "regexp", p
	default:
		var ok bool
		if d.pattern, ok = builtin(c.Pattern); !ok {
			return nil, fmt.Errorf("pattern is %q, expected one of %s", c.Pattern, strings.Join(Patterns(), ", "))
		}
		if len(c.Null) > 0 {
			return nil, errors.New("null: the built-in patterns know what null is; the setting is for regexp")
		}
		if c.MultiLine {
			return nil, errors.New("multi_line: the built-in patterns know what a record is; the setting is for regexp")
		}
		d.multiLine = c.Pattern == syslogNew
	}
	return retype(d.name, d.pattern.columns(), c.Types)
}

// retype gives columns other types. Without columns the pattern takes any.
func retype(name string, columns, types []column.Column) ([]column.Column, error) {
	if len(columns) == 0 {
		return types, nil
	}
	columns = slices.Clone(columns)
	var problems []error
	for _, c := range types {
		i := slices.IndexFunc(columns, func(have column.Column) bool { return have.Name == c.Name })
		switch {
		case i < 0:
			problems = append(problems, fmt.Errorf("types: %s has no %q; it has %s", name, c.Name, nameList(columns)))
		case columns[i].Name == structuredData && name == syslogNew:
			problems = append(problems, fmt.Errorf("types: %s is an object; its type can't be changed", c.Name))
		default:
			columns[i] = c
		}
	}
	return columns, errors.Join(problems...)
}

func nameList(columns []column.Column) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

// Decode makes an object of a line, with or without a line break at its end, and null where Kafka holds no value. Texts of
// the value borrow data. An error means that the line doesn't match.
func (d *Decoder) Decode(_ context.Context, t *serde.Tape, _ string, data []byte) (serde.Value, error) {
	if data == nil {
		return t.Null(), nil
	}
	v, err := d.line(t, data)
	if err != nil {
		return serde.Value{}, fmt.Errorf("text line: %w", err)
	}
	return v, nil
}

func (d *Decoder) line(t *serde.Tape, data []byte) (serde.Value, error) {
	text := bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	if len(text) > d.most {
		return serde.Value{}, fmt.Errorf("the line has %d bytes; line_length allows %d", len(text), d.most)
	}
	if at := bytes.IndexByte(text, '\n'); at >= 0 && !d.multiLine {
		return serde.Value{}, fmt.Errorf("a second line begins at byte %d: %s; a message holds one line", at+1, column.Shape(text[at+1:]))
	}
	if err := column.CheckUTF8(text); err != nil {
		return serde.Value{}, err
	}
	l := line{text: text, tape: t, set: d.set}
	l.row = d.set.Begin(t, text, d.set.Len()+d.pattern.members(len(text)))
	if err := d.read(&l); err != nil {
		return serde.Value{}, fmt.Errorf("%s: %w", d.name, err)
	}
	return l.row.End(d.schema)
}

// read writes the members of a line, which is UTF-8 and has no line break at its end. It is no method of the pattern interface, so that
// a line is known not to outlive the call and takes no memory of the heap.
func (d *Decoder) read(l *line) error {
	switch p := d.pattern.(type) {
	case *accessLog:
		return p.read(l)
	case *expression:
		return p.read(l)
	case syslog5424:
		return p.read(l)
	case syslog3164:
		return p.read(l)
	case pairs:
		return p.read(l)
	}
	return fmt.Errorf("%T has no reader", d.pattern)
}

// mismatch is the error of a line that is as the pattern says up to byte at, where what belongs.
func (l *line) mismatch(at int, what string) error {
	return fmt.Errorf("the line doesn't match at byte %d: expected %s; it begins with %s", at, what, column.Shape(l.text))
}

// field writes text[from:to] as column i; empty text is null unless it is a string.
func (l *line) field(i, from, to int) error {
	return l.unpacked(i, l.text[from:to], from, true)
}

// unpacked is field for a text that may lie in the tape's memory instead of the line.
func (l *line) unpacked(i int, text []byte, at int, borrowed bool) error {
	if len(text) == 0 && l.set.Type(i) != column.String {
		l.row.Null(i)
		return nil
	}
	return l.row.Text(i, text, at, borrowed)
}
