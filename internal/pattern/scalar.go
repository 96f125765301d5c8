package pattern

import (
	"github.com/millrace/millrace/serde"
)

// A scalar is a value of an event, as its JSON has it.
type scalar struct {
	kind  serde.Kind // Null, Bool, String or Decimal, which is any number; Missing: it can't be written as JSON
	yes   bool       // of a Bool
	text  []byte     // of a String; JSON text of a number, nil where only n is known
	n     int64      // of a number that is whole
	whole bool       // the number is n
}

// set is false for values that must be written first: those that aren't from a JSON text.
func (s *scalar) set(v serde.Value) (ok bool) {
	if s.text, ok = v.Number(); ok {
		s.kind = serde.Decimal
		s.n, s.whole = v.Int64()
		return true
	}
	switch v.Kind() {
	case serde.Null:
		s.kind = serde.Null
	case serde.Bool:
		s.kind = serde.Bool
		s.yes, _ = v.Bool()
	case serde.String:
		s.kind = serde.String
		s.text, _ = v.Text()
	case serde.Int64:
		s.kind = serde.Decimal
		s.n, s.whole = v.Int64()
	default: // numbers that were computed; dates, times, bytes and UUIDs, which are texts in JSON
		return false
	}
	return true
}

// write sets the text to the value's JSON, which it keeps in room.
func (s *scalar) write(v serde.Value, room *[]byte) {
	text, err := v.AppendJSON((*room)[:0])
	*room = text
	switch {
	case err != nil: // NaN, or a year that RFC 3339 can't write: it can't be in an event
		s.kind = serde.Missing
	case text[0] == '"':
		s.kind, s.text = serde.String, text[1:len(text)-1] // these texts have no escapes
	default:
		s.kind, s.text = serde.Decimal, text
	}
}
