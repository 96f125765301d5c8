package column

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/serde"
)

// A Type is the type of a column's values.
type Type string

// The types of columns.
const (
	String    Type = "string"
	Int       Type = "int"
	Float     Type = "float"
	Decimal   Type = "decimal"
	Bool      Type = "bool"
	Date      Type = "date"
	Time      Type = "time"
	Timestamp Type = "timestamp"
	UUID      Type = "uuid"
	JSON      Type = "json"
	Bytes     Type = "bytes"
)

var types = []Type{String, Int, Float, Decimal, Bool, Date, Time, Timestamp, UUID, JSON, Bytes}

// A Column is a named part of a record and the type of its values.
type Column struct {
	// Name of the column, which is the name of the value's member.
	Name string `yaml:"name" key:"true" json:"name"`
	// Type of the values: string (the default), int (64 bits), float (64 bits), decimal (any number, digit for
	// digit), bool (true, t, yes, y, 1 or false, f, no, n, 0), date, time, timestamp, uuid, json (any JSON
	// document) or bytes.
	Type Type `yaml:"type" short:"true" json:"type"`
	// How the text is written. For date, time and timestamp a pattern of the letters yyyy yy MM MMM dd HH hh a mm ss
	// SSS (1 to 9 digits) and XXX (an offset such as Z, +01:00 or +0100), with text in single quotes: dd/MM/yyyy HH:mm. Shorter letters (M d H h m s) take
	// one digit too. Or a count since 1970: epoch_seconds, epoch_millis, epoch_micros and epoch_nanos for timestamp, epoch_days
	// for date. The default is ISO 8601: 2026-01-31, 08:15:30.5, 2026-01-31T08:15:30.5Z, with T or a space. For bytes:
	// base64 (the default) or hex.
	Format string `yaml:"format" json:"format,omitempty"`
	// IANA time zone, such as Europe/Berlin, of timestamps that are written without an offset. Default UTC. An
	// hour that the clocks show twice can't be told apart: it is read as either.
	Zone string `yaml:"zone" json:"zone,omitempty"`
}

// maxColumns is above what tables of databases have: 1,600 in Amazon Redshift and PostgreSQL.
const maxColumns = 10_000

// A Set is a list of columns, compiled. It is safe for concurrent use.
type Set struct {
	columns []Column
	fields  []field
	names   serde.Names
	index   map[string]int
}

// A field is a column, compiled.
type field struct {
	name    serde.Name
	typ     Type
	times   *times // of date, time and timestamp
	hex     bool   // of bytes
	expects string // what messages say it is
}

// Compile checks columns and compiles them. Their names are unique. There may be none.
func Compile(columns []Column) (*Set, error) {
	if len(columns) > maxColumns {
		return nil, fmt.Errorf("there are %d columns; at most %d are possible", len(columns), maxColumns)
	}
	s := &Set{columns: slices.Clone(columns), index: make(map[string]int, len(columns))}
	var problems []error
	for i, c := range s.columns {
		if c.Type == "" {
			c.Type = String
			s.columns[i].Type = String
		}
		f, err := c.compile()
		if err == nil {
			f.name, err = s.names.Add(c.Name)
		}
		_, twice := s.index[c.Name]
		switch {
		case c.Name == "":
			err = errors.New("the name is empty")
		case twice:
			err = errors.New("there are two of this name")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("column %q: %w", c.Name, err))
		}
		s.fields = append(s.fields, f)
		s.index[c.Name] = i
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return s, nil
}

func (c Column) compile() (f field, err error) {
	f = field{typ: c.Type, expects: string(c.Type)}
	if !slices.Contains(types, c.Type) {
		return f, fmt.Errorf("type is %q, expected one of %s", c.Type, list())
	}
	if c.Zone != "" && c.Type != Timestamp {
		return f, fmt.Errorf("zone is for timestamps; this is %s", c.Type)
	}
	switch c.Type {
	case Date, Time, Timestamp:
		f.times, err = newTimes(c)
		f.expects += " (" + f.times.written() + ")"
		return f, err
	case Bytes:
		f.expects = "bytes in " + c.Format
		switch c.Format {
		case "hex":
			f.hex = true
		case "":
			f.expects = "bytes in base64"
		case "base64":
		default:
			return f, fmt.Errorf("format of bytes is %q, expected base64 or hex", c.Format)
		}
		return f, nil
	}
	if c.Format != "" {
		return f, fmt.Errorf("format is for date, time, timestamp and bytes; this is %s", c.Type)
	}
	return f, nil
}

func list() string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = string(t)
	}
	return strings.Join(names, ", ")
}

// Len is the number of columns.
func (s *Set) Len() int { return len(s.fields) }

// Name is the name of column i.
func (s *Set) Name(i int) string { return s.columns[i].Name }

// Member is the name of column i for a [serde.Writer], for members that are no text.
func (s *Set) Member(i int) serde.Name { return s.fields[i].name }

// Type is the type of column i.
func (s *Set) Type(i int) Type { return s.fields[i].typ }

// Index is the column of a name; ok is false if there is none. name isn't kept.
func (s *Set) Index(name []byte) (i int, ok bool) {
	i, ok = s.index[string(name)]
	return i, ok
}

// Text is the columns as a JSON array of objects, the text of their [serde.Schema].
func (s *Set) Text() string {
	text, err := json.Marshal(s.columns)
	if err != nil {
		return "" // structs of strings always marshal
	}
	return string(text)
}
