package table

import (
	"fmt"
	"strconv"
	"strings"
)

// A HiveType is the type of a column as Hive, AWS Glue and Athena write it: bigint, decimal(10,2), array<struct<a:int>> (Apache Hive, LanguageManual
// Types; Amazon Athena, Data types in Amazon Athena). It keeps what is no [Type], so that a type of somebody else's can be compared and written
// again. It is shared and must not be changed.
type HiveType struct {
	Name    string       // in lower case: bigint, timestamp with local time zone, array
	Args    []int        // in parentheses: precision and scale, or a length
	Members []HiveMember // in angle brackets: of a struct; those of others are types alone, of elements, or of a map's keys and values
}

// A HiveMember is what has a type inside another.
type HiveMember struct {
	Name    string // of a struct's
	Type    HiveType
	Comment string
}

const (
	hiveArray  = "array"
	hiveMap    = "map"
	hiveStruct = "struct"
)

// maxHiveType is how many bytes the type of a column may have (AWS Glue Web API reference, Column: Type).
const maxHiveType = 131_072

// HiveDigits is how many digits a decimal may have (Amazon Athena, Data types in Amazon Athena).
const HiveDigits = 38

// Decimal is how many digits a decimal has, and how many of them behind the point (Apache Hive, LanguageManual Types: Decimals).
func (t HiveType) Decimal() (precision, scale int) {
	precision = 10
	if len(t.Args) > 0 {
		precision = t.Args[0]
	}
	if len(t.Args) > 1 {
		scale = t.Args[1]
	}
	return precision, scale
}

// String is the type's text, which ParseHiveType reads.
func (t HiveType) String() string { return string(t.append(nil)) }

func (t *HiveType) append(dst []byte) []byte {
	dst = append(dst, t.Name...)
	for i, n := range t.Args {
		dst = append(dst, "(,"[min(i, 1)])
		dst = strconv.AppendInt(dst, int64(n), 10)
	}
	if len(t.Args) > 0 {
		dst = append(dst, ')')
	}
	for i := range t.Members {
		dst = append(dst, "<,"[min(i, 1)])
		dst = t.Members[i].append(dst, t.Name == hiveStruct)
	}
	if len(t.Members) > 0 {
		dst = append(dst, '>')
	}
	return dst
}

func (m *HiveMember) append(dst []byte, named bool) []byte {
	if !named {
		return m.Type.append(dst)
	}
	if name := m.Name; strings.ContainsAny(name, endsOfName+"`") || strings.Trim(name, spaces) != name {
		dst = appendQuoted(dst, '`', name)
	} else {
		dst = append(dst, name...)
	}
	dst = m.Type.append(append(dst, ':'))
	if m.Comment != "" {
		dst = appendQuoted(append(dst, " comment "...), '\'', m.Comment)
	}
	return dst
}

func appendQuoted(dst []byte, quote byte, text string) []byte {
	q := string(quote)
	return append(append(append(dst, quote), strings.ReplaceAll(text, q, q+q)...), quote)
}

// hiveKinds are the types that need no more than their names.
var hiveKinds = map[string]Kind{
	"boolean": Bool, "tinyint": Int32, "smallint": Int32, "int": Int32, "integer": Int32, "bigint": Int64, "long": Int64,
	"float": Float32, "real": Float32, "double": Float64, "double precision": Float64, "string": String,
	"binary": Bytes, "date": Date, "timestamp": TimestampMicros, "timestamp with local time zone": TimestampMicros,
}

// ParseHive is the type of a column of the type that the text says. All of it may be null. tinyint and smallint are Int32, char and varchar String,
// timestamp is TimestampMicros: what they hold fits. What can't be a column here is an error: uniontype, maps with other keys than texts, intervals.
//
// An integer in a column of times counts the column's own unit (package cell): microseconds in a timestamp, whatever a producer of plain JSON meant; days in
// a date.
func ParseHive(text string) (Type, error) {
	parsed, err := ParseHiveType(text)
	if err != nil {
		return Type{}, err
	}
	left := MaxColumns
	t, err := parsed.typ(&left)
	if err != nil {
		return Type{}, fmt.Errorf("hive type %.100q: %w", text, err)
	}
	return t, nil
}

// typ is the Type that holds the values of t. left is how many there may still be.
func (t *HiveType) typ(left *int) (Type, error) {
	if *left--; *left < 0 {
		return Type{}, fmt.Errorf("it has more than %d types", MaxColumns)
	}
	out := Type{Nullable: true}
	args, members := 0, 0 // at most, and as many as there must be
	kind, ok := hiveKinds[t.Name]
	switch {
	case ok:
		out.Kind = kind
	case t.Name == "char" || t.Name == "varchar":
		out.Kind, args = String, 1
	case t.Name == "decimal" || t.Name == "numeric":
		out.Kind, args = Decimal, 2
		out.Precision, out.Scale = t.Decimal()
	case t.Name == hiveArray:
		out.Kind, members = List, 1
	case t.Name == hiveMap:
		out.Kind, members = Map, 2
	case t.Name == hiveStruct:
		out.Kind, members = Struct, max(len(t.Members), 1)
	default:
		return Type{}, fmt.Errorf("%.100s is no type that can be a column here", t.Name)
	}
	switch {
	case len(t.Args) > args || len(t.Members) != members:
		return Type{}, fmt.Errorf("what %.100s has in brackets isn't what belongs to %s", t, t.Name)
	case out.Kind == Decimal && (out.Precision < 1 || out.Precision > HiveDigits || out.Scale > out.Precision):
		return Type{}, fmt.Errorf("%.100s: a decimal has 1 to %d digits, and 0 to as many behind the point", t, HiveDigits)
	case out.Kind == Struct:
		return t.structure(out, left)
	case members > 0:
		return t.container(out, left)
	}
	return out, nil
}

// container is out with the type of a list's elements, or of a map's values.
func (t *HiveType) container(out Type, left *int) (Type, error) {
	if out.Kind == Map {
		key, err := t.Members[0].Type.typ(left)
		if err != nil {
			return Type{}, err
		}
		if key.Kind != String {
			return Type{}, fmt.Errorf("the keys of a map are %s; only texts can be here", key)
		}
	}
	elem, err := t.Members[len(t.Members)-1].Type.typ(left)
	out.Elem = &elem
	return out, err
}

func (t *HiveType) structure(out Type, left *int) (Type, error) {
	seen := make(map[string]bool, len(t.Members))
	for i := range t.Members {
		m := &t.Members[i]
		if seen[m.Name] {
			return Type{}, fmt.Errorf("a struct has the field %.100q twice", m.Name)
		}
		seen[m.Name] = true
		typ, err := m.Type.typ(left)
		if err != nil {
			return Type{}, err
		}
		out.Fields = append(out.Fields, Field{Name: m.Name, Type: typ, Doc: m.Comment})
	}
	return out, nil
}
