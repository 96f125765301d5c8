package avro

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/millrace/millrace/serde"
)

// What a default may be is checked twice. Parse refuses what Java's Schema.Parser refuses with its default settings (Avro 1.11 and 1.12): a
// default of another JSON type than the field's. As there, a symbol that the enum doesn't have, a fixed of another size, and characters above
// U+00FF in bytes pass, for schemas with them are registered and their data can be read; they are refused when the default is needed.
// The default of a union may be of any of its branches, as Avro 1.12 takes it; Java 1.11 takes the first branch only.

// Bounds of the work that defaults cause. Each value of one is compared with types of unions, which can double from level to level; so can the
// values that defaults take from defaults inside them.
const (
	triesBase, triesPerByte = 4096, 64 // of types, for one default
	maxDefaults             = 1 << 16  // values of all defaults of a schema that are written out
	membersPerTry           = 512      // names that are compared in the time of a try
)

var errLongDefault = errors.New("the default has too many values")

// checkDefault reports a default that doesn't fit its field's type.
func checkDefault(f *Field) error {
	tape := serde.NewTape()
	v, err := tape.JSON(f.Default, serde.Limits{Depth: 3 * maxDepth})
	if err != nil {
		return fmt.Errorf("default: %w", err)
	}
	c := defaults{left: triesBase + triesPerByte*len(f.Default)}
	switch ok := c.fits(f.Type, v); {
	case c.left < 0:
		return errLongDefault
	case !ok:
		return fmt.Errorf("the default %.100s doesn't fit the type %s", f.Default, f.Type.key())
	}
	return nil
}

// defaults counts the values of defaults that may still be visited.
type defaults struct{ left int }

func (c *defaults) fits(s *Schema, v serde.Value) bool {
	if c.left--; c.left < 0 {
		return false
	}
	k := v.Kind()
	switch s.Type {
	case Null:
		return k == serde.Null
	case Boolean:
		return k == serde.Bool
	case Int, Long:
		_, ok := wholeDefault(s, v)
		return ok
	case Float, Double:
		_, ok := floatDefault(v)
		return ok
	case Array, Map:
		return (s.Type == Array && k == serde.Array || s.Type == Map && k == serde.Object) && c.allFit(s, v)
	case Union:
		for _, b := range s.Branches {
			if c.fits(b, v) {
				return true
			}
		}
		return false
	case Record:
		return k == serde.Object && c.membersFit(s, v)
	}
	return k == serde.String
}

func (c *defaults) allFit(s *Schema, v serde.Value) bool {
	for e := range v.Elements() {
		if !c.fits(s.Items, e) {
			return false
		}
	}
	for _, e := range v.Members() {
		if !c.fits(s.Items, e) {
			return false
		}
	}
	return true
}

// membersFit doesn't look at the defaults of fields that v leaves out: each is checked for itself.
func (c *defaults) membersFit(s *Schema, v serde.Value) bool {
	for i := range s.Fields {
		f := &s.Fields[i]
		c.left -= v.Len() / membersPerTry
		m := v.Field(f.Name)
		if m.Exists() && !c.fits(f.Type, m) || !m.Exists() && f.Default == nil {
			return false
		}
	}
	return true
}

// wholeDefault is an integer that is written as one: Java refuses 1.0.
func wholeDefault(s *Schema, v serde.Value) (int64, bool) {
	n, ok := v.Int64()
	if text, _ := v.Number(); v.Kind() != serde.Int64 && string(text) != "-0" {
		return 0, false
	}
	return n, ok && (s.Type == Long || n == int64(int32(n)))
}

// floatDefault is a number, or a text that Java reads as one: "NaN", "Infinity", "1.5".
func floatDefault(v serde.Value) (float64, bool) {
	var text []byte
	switch v.Kind() {
	case serde.Int64, serde.Float64, serde.Decimal:
		text, _ = v.Number()
	case serde.String:
		text, _ = v.Text()
		if !javaNumber(text) {
			return 0, false
		}
	default:
		return 0, false
	}
	f, err := strconv.ParseFloat(string(text), 64)
	return f, err == nil || errors.Is(err, strconv.ErrRange) // out of range is infinite, as in Java
}

// javaNumber reports whether Java's Double.valueOf may take a text that strconv.ParseFloat takes.
func javaNumber(text []byte) bool {
	digit := false
	for _, c := range text {
		if c == '_' {
			return false
		}
		digit = digit || c-'0' <= 9
	}
	switch string(text) {
	case "NaN", "Infinity", "-Infinity", "+Infinity":
		return true
	}
	return digit
}

// field appends the default of a field, its JSON text, as its type is written: the union's index of the first branch that it fits, bytes of
// the characters U+0000 to U+00FF.
func (c *defaults) field(dst []byte, f *Field) ([]byte, error) {
	tape := serde.NewTape()
	v, err := tape.JSON(f.Default, serde.Limits{Depth: 3 * maxDepth})
	if err != nil {
		return dst, fmt.Errorf("default: %w", err)
	}
	out, err := c.append(dst, f.Type, v, 0)
	if err != nil {
		return dst, fmt.Errorf("the default %.100s: %w", f.Default, err)
	}
	return out, nil
}

func (c *defaults) append(dst []byte, s *Schema, v serde.Value, depth int) ([]byte, error) {
	if c.left--; c.left < 0 || depth > maxDepth {
		return nil, errLongDefault
	}
	switch fits := s.Type == Union || s.Type == Record || c.fits(s, v); {
	case c.left < 0:
		return nil, errLongDefault
	case !fits:
		return nil, fmt.Errorf("it doesn't fit the type %s", s.key())
	}
	switch s.Type {
	case Boolean:
		b, _ := v.Bool()
		return encodeBool(dst, b), nil
	case Int, Long:
		n, _ := v.Int64()
		return binary.AppendVarint(dst, n), nil
	case Float:
		f, _ := floatDefault(v)
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(f))), nil
	case Double:
		f, _ := floatDefault(v)
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), nil
	case String:
		text, _ := v.Text()
		return encodeText(dst, text), nil
	case Bytes, Fixed:
		return encodeLatin1(dst, s, v)
	case Enum:
		return encodeSymbol(dst, s, v)
	case Array, Map:
		return c.appendItems(dst, s, v, depth)
	case Record:
		return c.appendFields(dst, s, v, depth)
	case Union:
		for i, b := range s.Branches {
			if c.fits(b, v) {
				return c.append(binary.AppendVarint(dst, int64(i)), b, v, depth)
			}
		}
		if c.left < 0 {
			return nil, errLongDefault
		}
		return nil, errors.New("it fits no type of the union")
	}
	return dst, nil
}

// encodeLatin1 appends bytes or a fixed, whose JSON text has a character for each byte (specification, Complex Types).
func encodeLatin1(dst []byte, s *Schema, v serde.Value) ([]byte, error) {
	text, _ := v.Text()
	n := utf8.RuneCount(text)
	switch {
	case s.Type == Bytes:
		dst = binary.AppendVarint(dst, int64(n))
	case n != s.Size:
		return nil, fmt.Errorf("it has %d bytes, the fixed %.100q has %d", n, s.Name, s.Size)
	}
	for _, r := range string(text) {
		if r > 0xFF {
			return nil, fmt.Errorf("bytes are characters up to U+00FF, not %U", r)
		}
		dst = append(dst, byte(r))
	}
	return dst, nil
}

func encodeSymbol(dst []byte, s *Schema, v serde.Value) ([]byte, error) {
	for i, symbol := range s.Symbols {
		if symbol == text(v) {
			return binary.AppendVarint(dst, int64(i)), nil
		}
	}
	return nil, fmt.Errorf("the enum %.100q has no symbol %.100q", s.Name, text(v))
}

func (c *defaults) appendItems(dst []byte, s *Schema, v serde.Value, depth int) (_ []byte, err error) {
	if v.Len() == 0 {
		return append(dst, 0), nil
	}
	dst = binary.AppendVarint(dst, int64(v.Len()))
	for e := range v.Elements() {
		if dst, err = c.append(dst, s.Items, e, depth+1); err != nil {
			return nil, err
		}
	}
	for name, e := range v.Members() {
		if dst, err = c.append(encodeText(dst, []byte(name)), s.Items, e, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, 0), nil
}

func (c *defaults) appendFields(dst []byte, s *Schema, v serde.Value, depth int) (_ []byte, err error) {
	if v.Kind() != serde.Object {
		return nil, fmt.Errorf("it doesn't fit the type %s", s.key())
	}
	for i := range s.Fields {
		f := &s.Fields[i]
		m := v.Field(f.Name)
		if !m.Exists() {
			if f.Default == nil {
				return nil, fmt.Errorf("the field %.100q of %.100q is missing", f.Name, s.Name)
			}
			if m, err = serde.NewTape().JSON(f.Default, serde.Limits{Depth: 3 * maxDepth}); err != nil {
				return nil, err
			}
		}
		if dst, err = c.append(dst, f.Type, m, depth+1); err != nil {
			return nil, err
		}
	}
	return dst, nil
}
