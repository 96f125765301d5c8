package csv

import (
	"bytes"
	"fmt"

	"github.com/millrace/millrace/serde/column"
)

// A scanner finds the fields of a record.
type scanner struct {
	decoder *Decoder
	data    []byte
	at      int // where the next field begins
}

// A field is where a field's text is, without its quotes.
type field struct {
	from, to int
	quoted   bool
	doubled  bool // there are quotes in it, doubled
}

// next finds field n of the record. Behind the last one, at is where the line ends.
func (s *scanner) next(n int) (f field, last bool, err error) {
	d, i := s.decoder, s.at
	if d.config.Trim {
		i = s.space(i)
	}
	if i < len(s.data) && int(s.data[i]) == d.quote {
		f, i, err = s.quoted(n, i)
		if err != nil {
			return f, false, err
		}
	} else {
		f.from = i
		for i < len(s.data) && d.plain[s.data[i]] {
			i++
		}
		f.to = i
		for d.config.Trim && f.to > f.from && isSpace(s.data[f.to-1]) {
			f.to--
		}
	}
	switch {
	case i == len(s.data):
		s.at = i
		return f, true, nil
	case s.data[i] == d.delimiter:
		s.at = i + 1
		return f, false, nil
	case s.data[i] == '\n', s.data[i] == '\r' && (i+1 == len(s.data) || s.data[i+1] == '\n'):
		s.at = i
		return f, true, nil
	}
	return f, false, s.misplaced(n, i, f)
}

// quoted finds field n, whose quote is at i, and where it ends.
func (s *scanner) quoted(n, i int) (f field, end int, err error) {
	quote, start := byte(s.decoder.quote), i
	i++
	f = field{from: i, quoted: true}
	for {
		j := bytes.IndexByte(s.data[i:], quote)
		if j < 0 {
			return f, 0, fmt.Errorf("column %s: the quote at byte %d isn't closed", s.column(n), start)
		}
		i += j + 1
		if i == len(s.data) || s.data[i] != quote {
			break
		}
		f.doubled = true
		i++
	}
	f.to = i - 1
	if s.decoder.config.Trim {
		i = s.space(i)
	}
	return f, i, nil
}

// misplaced is the error of byte i, which can't be where it is, behind or in field n.
func (s *scanner) misplaced(n, i int, f field) error {
	switch {
	case f.quoted:
		return fmt.Errorf("column %s: expected a delimiter at byte %d behind a quoted field, found %s (a quote inside is written twice)",
			s.column(n), i, column.Shape(s.data[i:]))
	case s.data[i] == '\r':
		return fmt.Errorf("column %s: a carriage return at byte %d of a field without quotes", s.column(n), i)
	}
	return fmt.Errorf("column %s: a quote at byte %d of a field without quotes; a field that holds quotes is quoted, and they are written twice",
		s.column(n), i)
}

// rest checks that the record's line is the last one; empty lines may follow.
func (s *scanner) rest() error {
	for i := s.at; i < len(s.data); i++ {
		if c := s.data[i]; c != '\n' && c != '\r' {
			return fmt.Errorf("a second record begins at byte %d: %s; a message holds one record", i, column.Shape(s.data[i:]))
		}
	}
	return nil
}

// column names field n, if it is one.
func (s *scanner) column(n int) string {
	if n < s.decoder.set.Len() {
		return fmt.Sprintf("%d %q", n+1, s.decoder.set.Name(n))
	}
	return fmt.Sprint(n + 1)
}

func (s *scanner) space(i int) int {
	for i < len(s.data) && isSpace(s.data[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }
