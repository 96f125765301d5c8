package csv

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/column"
)

// Format is the format of the schemas of values that were decoded here. No registry knows it.
const Format serde.Format = "CSV"

// Config is the csv decoder's configuration.
type Config struct {
	// Columns in their order, each with its type: {id: int, name: string, at: {type: timestamp, format: dd.MM.yyyy HH:mm, zone: Europe/Berlin}}.
	Columns []column.Column `yaml:"columns" short:"true"`
	// Character between fields: one ASCII character, "\t" for a tab. Default a comma.
	Delimiter string `yaml:"delimiter"`
	// Character around fields that hold delimiters, quotes or line breaks: one ASCII character, or none. Default ".
	Quote string `yaml:"quote"`
	// Texts that mean null in a field without quotes: ["", "\\N"]. Default the empty text; [] for no nulls.
	Null []string `yaml:"null"`
	// An empty field in quotes is null too, but in columns of type string. For producers that put quotes around every field.
	QuotedNull bool `yaml:"quoted_null"`
	// What happens when a record has more fields than there are columns: fail (the default) or ignore.
	Extra string `yaml:"extra"`
	// What happens when a record has fewer fields than there are columns: fail (the default), or null for those that are missing.
	Missing string `yaml:"missing"`
	// Remove spaces and tabs around fields; those inside quotes stay.
	Trim bool `yaml:"trim"`
}

// DefaultConfig is RFC 4180's format, with no columns yet.
func DefaultConfig() Config {
	return Config{Delimiter: ",", Quote: `"`, Null: []string{""}, Extra: "fail", Missing: "fail"}
}

// Validate reports settings that can't be.
func (c Config) Validate() error {
	_, err := New(c)
	return err
}

// A Decoder decodes CSV. It is safe for concurrent use.
type Decoder struct {
	set       *column.Set
	schema    *serde.Schema
	plain     [256]bool // bytes that an unquoted field goes on with
	delimiter byte
	quote     int // none: noQuote
	nulls     []string
	config    Config
}

var _ serde.Decoder = (*Decoder)(nil)

// noQuote is no byte.
const noQuote = -1

// New makes a Decoder.
func New(c Config) (*Decoder, error) {
	d := &Decoder{quote: noQuote, nulls: slices.Clone(c.Null), config: c}
	var problems []error
	problem := func(err error) { problems = append(problems, err) }
	if len(c.Columns) == 0 {
		problem(errors.New("columns: csv needs at least one column, such as {id: int}"))
	}
	var err error
	if d.set, err = column.Compile(c.Columns); err != nil {
		problem(fmt.Errorf("columns: %w", err))
	}
	if c.Delimiter == `\t` {
		c.Delimiter = "\t"
	}
	if !isCharacter(c.Delimiter) {
		problem(fmt.Errorf("delimiter is %q, expected one ASCII character that is no line break", c.Delimiter))
	} else {
		d.delimiter = c.Delimiter[0]
	}
	switch {
	case c.Quote == "none":
	case !isCharacter(c.Quote):
		problem(fmt.Errorf("quote is %q, expected one ASCII character or none", c.Quote))
	case c.Quote == c.Delimiter:
		problem(fmt.Errorf("quote is %q, the same as delimiter", c.Quote))
	default:
		d.quote = int(c.Quote[0])
	}
	if c.Extra != "fail" && c.Extra != "ignore" {
		problem(fmt.Errorf("extra is %q, expected fail or ignore", c.Extra))
	}
	if c.Missing != "fail" && c.Missing != "null" {
		problem(fmt.Errorf("missing is %q, expected fail or null", c.Missing))
	}
	if c.Trim && (c.Delimiter == " " || c.Delimiter == "\t") {
		problem(errors.New("trim: the delimiter is white space"))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	for i := range d.plain {
		d.plain[i] = i != int(d.delimiter) && i != d.quote && i != '\r' && i != '\n'
	}
	d.schema = &serde.Schema{Format: Format, Name: "csv", Text: d.set.Text()}
	return d, nil
}

// isCharacter reports whether s is one character that can separate or quote.
func isCharacter(s string) bool {
	return len(s) == 1 && s[0] < utf8.RuneSelf && s[0] != '\r' && s[0] != '\n' && s[0] != 0
}

// Decode makes an object of a record, with a member for each column, and null where Kafka holds no value. Texts of the value
// borrow data. An error means that data isn't one record of these columns.
func (d *Decoder) Decode(_ context.Context, t *serde.Tape, _ string, data []byte) (serde.Value, error) {
	if data == nil {
		return t.Null(), nil
	}
	if len(data) > math.MaxInt32 {
		return serde.Value{}, fmt.Errorf("csv: %d bytes are more than the limit of %d", len(data), math.MaxInt32)
	}
	err := column.CheckUTF8(data)
	var v serde.Value
	if err == nil {
		v, err = d.record(t, data)
	}
	if err != nil {
		return serde.Value{}, fmt.Errorf("csv: %w", err)
	}
	return v, nil
}

// record decodes data, which is UTF-8.
func (d *Decoder) record(t *serde.Tape, data []byte) (serde.Value, error) {
	columns := d.set.Len()
	row := d.set.Begin(t, data, columns)
	s := scanner{decoder: d, data: data, at: len(bom(data))}
	for n := 0; ; n++ {
		f, last, err := s.next(n)
		if err != nil {
			return serde.Value{}, err
		}
		if n < columns {
			if err := d.write(&row, t, n, data, f); err != nil {
				return serde.Value{}, err
			}
		} else if d.config.Extra != "ignore" {
			return serde.Value{}, fmt.Errorf("field %d begins at byte %d, and there are %d columns; extra: ignore leaves such fields out", n+1, f.from, columns)
		}
		if last {
			return d.end(&row, &s, n+1)
		}
	}
}

// bom is the byte order mark that data begins with.
func bom(data []byte) []byte {
	if len(data) >= 3 && string(data[:3]) == "\xef\xbb\xbf" {
		return data[:3]
	}
	return nil
}

// write writes field f as column n.
func (d *Decoder) write(row *column.Row, t *serde.Tape, n int, data []byte, f field) error {
	text := data[f.from:f.to]
	if f.quoted {
		if len(text) == 0 && d.config.QuotedNull && d.set.Type(n) != column.String {
			row.Null(n)
			return nil
		}
		if f.doubled {
			return row.Text(n, d.unquote(t, text), f.from, false)
		}
	} else if d.isNull(text) {
		row.Null(n)
		return nil
	}
	return row.Text(n, text, f.from, true)
}

func (d *Decoder) isNull(text []byte) bool {
	for _, s := range d.nulls {
		if string(text) == s {
			return true
		}
	}
	return false
}

// unquote is text with one quote for two, in the tape's memory.
func (d *Decoder) unquote(t *serde.Tape, text []byte) []byte {
	kept := t.Keep(text)
	n := 0
	for i := 0; i < len(kept); i++ {
		kept[n] = kept[i]
		n++
		if int(kept[i]) == d.quote {
			i++ // the second one
		}
	}
	return kept[:n]
}

// end ends a record that had so many fields.
func (d *Decoder) end(row *column.Row, s *scanner, fields int) (serde.Value, error) {
	columns := d.set.Len()
	if fields < columns && d.config.Missing != "null" {
		return serde.Value{}, fmt.Errorf("the record ends at byte %d after %d of %d columns; %q is missing (missing: null reads it as null)",
			s.at, fields, columns, d.set.Name(fields))
	}
	for n := fields; n < columns; n++ {
		row.Null(n)
	}
	if err := s.rest(); err != nil {
		return serde.Value{}, err
	}
	return row.End(d.schema)
}
