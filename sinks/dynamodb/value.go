package dynamodb

import (
	"encoding/base64"

	"github.com/millrace/millrace/serde"
)

// A scalar is one of DynamoDB's types that keys and sets consist of, by its letter in DynamoDB's JSON; 0 is none of them.
type scalar byte

const (
	textScalar   scalar = 'S'
	numberScalar scalar = 'N'
	binaryScalar scalar = 'B'
)

func (s scalar) String() string { return string(s) }

// scalarOf is the type that v is stored as.
func scalarOf(v serde.Value) scalar {
	if _, ok := v.Number(); ok {
		return numberScalar // Kind would look at all digits
	}
	switch v.Kind() {
	case serde.String, serde.Date, serde.Time, serde.Timestamp, serde.UUID:
		return textScalar
	case serde.Int64, serde.Float64, serde.Decimal:
		return numberScalar
	case serde.Bytes:
		return binaryScalar
	}
	return 0
}

// appendScalar appends v in quotes; size is what DynamoDB counts. It is canonical: equal values have one text.
func appendScalar(dst []byte, v serde.Value, s scalar) (out []byte, size int, err error) {
	switch s {
	case numberScalar:
		dst, size, err = appendNumber(append(dst, '"'), v, true)
		return append(dst, '"'), size, err
	case binaryScalar:
		dst, size = appendBase64(dst, v)
		return dst, size, nil
	}
	if text, ok := v.Text(); ok {
		if dst, err = serde.AppendString(dst, text); err != nil { // not as it was written, with escapes or without
			return dst, 0, problem("can't be stored: %w", err)
		}
		return dst, len(text), nil
	}
	return appendText(dst, v)
}

// appendText appends a value that is stored as text, in quotes and as its JSON.
func appendText(dst []byte, v serde.Value) (out []byte, size int, err error) {
	from := len(dst)
	if dst, err = v.AppendJSON(dst); err != nil {
		return dst, 0, problem("can't be stored: %w", err)
	}
	if v.Kind() == serde.String {
		return dst, v.Len(), nil
	}
	return dst, len(dst) - from - len(`""`), nil
}

func appendBase64(dst []byte, v serde.Value) (out []byte, size int) {
	text, _ := v.Text()
	dst = base64.StdEncoding.AppendEncode(append(dst, '"'), text)
	return append(dst, '"'), len(text)
}

// appendValue appends v as DynamoDB's JSON has it: {"S":"x"}, {"M":{...}}. size is in bytes, as DynamoDB counts; sets is what
// of the setting sets is below v; level is that of what v is in, of which the item is 1. An error leads on from v's path.
func appendValue(dst []byte, v serde.Value, sets *setPath, level int) (out []byte, size int, err error) {
	if text, ok := v.Number(); ok { // first: Kind would look at all digits
		dst, size, err = appendDecimal(append(dst, `{"N":"`...), text, false)
		return append(dst, `"}`...), size, err
	}
	switch v.Kind() {
	case serde.String, serde.Date, serde.Time, serde.Timestamp, serde.UUID:
		dst, size, err = appendText(append(dst, `{"S":`...), v)
		return append(dst, '}'), size, err
	case serde.Bool:
		if yes, _ := v.Bool(); yes {
			return append(dst, `{"BOOL":true}`...), 1, nil
		}
		return append(dst, `{"BOOL":false}`...), 1, nil
	case serde.Null:
		return append(dst, `{"NULL":true}`...), 1, nil
	case serde.Int64, serde.Float64, serde.Decimal:
		dst, size, err = appendNumber(append(dst, `{"N":"`...), v, false)
		return append(dst, `"}`...), size, err
	case serde.Bytes:
		dst, size = appendBase64(append(dst, `{"B":`...), v)
		return append(dst, '}'), size, nil
	case serde.Array:
		return appendList(dst, v, sets, level+1)
	case serde.Object:
		return appendMap(dst, v, sets, level+1)
	}
	return dst, 0, problem("is %s", v.Kind())
}

func appendList(dst []byte, v serde.Value, sets *setPath, level int) (out []byte, size int, err error) {
	if level > maxNesting {
		return dst, 0, errNesting()
	}
	dst = append(dst, `{"L":[`...)
	size, i := containerSize, 0
	for element := range v.Elements() {
		var n int
		if dst, n, err = appendValue(dst, element, sets, level); err != nil {
			return dst, 0, inElement(i, err)
		}
		if size += n + elementSize; size > maxItemSize {
			return dst, 0, errSize()
		}
		dst = append(dst, ',')
		i++
	}
	return append(closed(dst, ']'), '}'), size, nil
}

func appendMap(dst []byte, v serde.Value, sets *setPath, level int) (out []byte, size int, err error) {
	if level > maxNesting {
		return dst, 0, errNesting()
	}
	dst = append(dst, `{"M":{`...)
	size = containerSize
	for name, member := range v.Members() {
		from, n := len(dst), 0
		if dst, n, err = appendMember(dst, name, member, sets, level); err != nil {
			return dst, 0, err
		}
		if len(dst) == from {
			continue
		}
		if size += n + elementSize; size > maxItemSize {
			return dst, 0, errSize()
		}
	}
	return append(closed(dst, '}'), '}'), size, nil
}

// appendMember appends "name":{"S":"x"}, with a comma, and nothing of an empty set, which DynamoDB doesn't have. size counts the name.
// sets is what is below the member's object.
func appendMember(dst []byte, name string, v serde.Value, sets *setPath, level int) (out []byte, size int, err error) {
	below := sets.at(name)
	if below.empties(v) {
		return dst, 0, nil
	}
	if dst, err = appendName(dst, name); err != nil {
		return dst, 0, inMember(name, err)
	}
	if below != nil && below.set {
		dst, size, err = appendSet(dst, v)
	} else {
		dst, size, err = appendValue(dst, v, below, level)
	}
	if err != nil {
		return dst, 0, inMember(name, err)
	}
	return append(dst, ','), size + len(name), nil
}

// appendName appends an attribute's name and a colon.
func appendName(dst []byte, name string) ([]byte, error) {
	if len(name) == 0 || len(name) > maxName {
		return dst, problem("has a name of %d bytes; DynamoDB takes 1 to %d", len(name), maxName)
	}
	if plainName(name) {
		dst = append(append(dst, '"'), name...)
		return append(dst, '"', ':'), nil
	}
	dst, err := serde.AppendString(dst, []byte(name))
	if err != nil {
		return dst, problem("has a name that can't be stored: %w", err)
	}
	return append(dst, ':'), nil
}

// plainName: a name has letters, digits and the characters between them in ASCII, as nearly all have; JSON needs no escapes for it.
func plainName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c-'0' > 'z'-'0' || c == '\\' {
			return false
		}
	}
	return true
}

// closed ends a list: its last comma becomes c.
func closed(dst []byte, c byte) []byte {
	if last := len(dst) - 1; dst[last] == ',' {
		dst[last] = c
		return dst
	}
	return append(dst, c)
}

func errNesting() error {
	return problem("lies too deep: lists and maps may stand in one another on %d levels, of which the item is the first", maxNesting)
}

func errSize() error {
	return problem("has more than %d bytes (400 KB) by DynamoDB's count, which is the most for an item", maxItemSize)
}
