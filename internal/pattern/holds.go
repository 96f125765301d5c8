package pattern

import (
	"bytes"
	"net/netip"

	"github.com/millrace/millrace/serde"
)

type op uint8

const (
	isNull op = iota
	isTrue
	isFalse
	isText    // text
	isNumber  // low
	isAddress // network
	exists
	hasPrefix  // text
	hasSuffix  // text
	equalsFold // letters
	hasPrefixFold
	hasSuffixFold
	wildcard // parts
	numeric  // low, high
	anythingBut
	missing // no test of a value: {"exists": false}
)

// A test is one element of a field's list. It holds for a value or not.
type test struct {
	op      op
	text    string
	letters []letter
	parts   [][]byte     // of a wildcard: what is before, between and behind its asterisks
	network netip.Prefix // of a cidr, or a single address
	low     limit
	high    limit
	not     []test // of anything-but: none of them may hold
}

// A limit is an end of a range of numbers.
type limit struct {
	number
	set       bool
	inclusive bool
}

func (t *test) holds(s *scalar) bool {
	switch t.op {
	case exists:
		return true
	case anythingBut:
		for i := range t.not {
			if t.not[i].holds(s) {
				return false
			}
		}
		return true
	case isNull:
		return s.kind == serde.Null
	case isTrue, isFalse:
		return s.kind == serde.Bool && s.yes == (t.op == isTrue)
	case isNumber:
		return s.kind == serde.Decimal && s.compare(&t.low.number) == 0
	case numeric:
		return s.kind == serde.Decimal && t.between(s)
	default:
		return s.kind == serde.String && t.holdsText(s.text)
	}
}

func (t *test) between(s *scalar) bool {
	if t.low.set {
		if o := s.compare(&t.low.number); o < 0 || o == 0 && !t.low.inclusive {
			return false
		}
	}
	if t.high.set {
		if o := s.compare(&t.high.number); o > 0 || o == 0 && !t.high.inclusive {
			return false
		}
	}
	return true
}

func (t *test) holdsText(text []byte) bool {
	switch t.op {
	case isText:
		return string(text) == t.text
	case isAddress:
		a, ok := addressOf(text)
		return ok && t.network.Contains(a)
	case hasPrefix:
		return len(text) >= len(t.text) && string(text[:len(t.text)]) == t.text
	case hasSuffix:
		return len(text) >= len(t.text) && string(text[len(text)-len(t.text):]) == t.text
	case equalsFold:
		rest, ok := cutPrefix(text, t.letters)
		return ok && len(rest) == 0
	case hasPrefixFold:
		_, ok := cutPrefix(text, t.letters)
		return ok
	case hasSuffixFold:
		return endsIn(text, t.letters)
	case wildcard:
		return t.matchParts(text)
	}
	return false
}

// matchParts looks for the parts one behind the other. The first must be at the beginning, the last at the end.
func (t *test) matchParts(text []byte) bool {
	first, last := t.parts[0], t.parts[len(t.parts)-1]
	if len(t.parts) == 1 {
		return bytes.Equal(text, first)
	}
	if len(text) < len(first)+len(last) || !bytes.HasPrefix(text, first) || !bytes.HasSuffix(text, last) {
		return false
	}
	rest := text[len(first) : len(text)-len(last)]
	for _, part := range t.parts[1 : len(t.parts)-1] {
		i := bytes.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return true
}
