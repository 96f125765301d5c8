package serde

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// A SyntaxError says where text isn't the JSON that it should be.
type SyntaxError struct {
	Offset int // in bytes, from 0
	text   string
}

func (e *SyntaxError) Error() string { return e.text }

// invalid is an error at byte i; what says what is wrong.
//
//go:noinline
func invalid(i int, what string) error {
	return &SyntaxError{i, "invalid JSON at byte " + strconv.Itoa(i) + ": " + what}
}

// unexpected is an error at byte i, where want belongs: "a value". where says what the text ends in, if it ends.
func unexpected(src []byte, i int, want, where string) error {
	if i >= len(src) {
		return &SyntaxError{len(src), "JSON ends early at byte " + strconv.Itoa(len(src)) + ", " + where}
	}
	return invalid(i, "expected "+want+", found "+found(src[i:]))
}

// atStart is an error at the first byte of a document, where people's settings show.
func atStart(src []byte, i int) error {
	if len(src) == 0 {
		return &SyntaxError{0, "empty value: expected JSON"}
	}
	err := unexpected(src, i, "a value", "before a value")
	if i > 0 {
		return err
	}
	hint := "; it looks like a schema registry message (%s wire format), not JSON"
	switch {
	case src[0] == 0 && len(src) > 5: // https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
		return invalid(0, "expected a value, found byte 0x00"+fmt.Sprintf(hint, "Confluent"))
	case src[0] == 3 && len(src) > 18: // AWS Glue: 3, compression, 16 bytes of the schema version's id
		return invalid(0, "expected a value, found byte 0x03"+fmt.Sprintf(hint, "AWS Glue"))
	case bytes.HasPrefix(src, []byte("\xef\xbb\xbf")):
		return invalid(0, "expected a value, found a byte order mark")
	}
	return err
}

func found(rest []byte) string {
	c := rest[0]
	switch {
	case c >= 0x80:
		if r, _ := utf8.DecodeRune(rest); r != utf8.RuneError && strconv.IsPrint(r) {
			return strconv.QuoteRune(r)
		}
		return fmt.Sprintf("byte 0x%02X", c)
	case c < 0x20 || c == 0x7F:
		return fmt.Sprintf("byte 0x%02X", c)
	case c == '\'':
		return `"'"`
	}
	return "'" + string(rune(c)) + "'"
}
