package table

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// A Dialect is the format of the files under a table in AWS Glue: Amazon Athena, and engines that use Hive's types, read columns of one kind
// by different types from different files.
//
//	                       HiveParquet           HiveJSON
//	json                   string                string, as text: an object in the file is not what such a column reads
//	boolean                boolean               boolean
//	int32, int64           int, bigint           int, bigint
//	float32, float64       float, double         float, double
//	decimal                decimal(p,s), up to 38 digits; an error above in Parquet, string in JSON
//	string                 string                string
//	bytes, fixed           binary                string: base64
//	uuid                   binary: 16 bytes      string
//	date                   date                  date: texts 2026-01-31
//	time_millis            int: milliseconds     string: texts 10:00:00
//	time_micros            bigint: microseconds  string
//	timestamp_*            timestamp             timestamp: the SerDe must be told the form of its texts, by timestamp.formats of Hive's JSON SerDe
//	struct, list, map      struct, array, map<string,...>
//
// Athena has no type for times of day in tables, and shows milliseconds of timestamps (Amazon Athena, Data types in Amazon Athena).
type Dialect uint8

// The dialects.
const (
	HiveParquet Dialect = iota
	HiveJSON
)

// Hive is t as the type of a column. Names of struct fields come in lower case, which is how Hive and Athena find them; names that differ in case
// only are an error, and so are those that a type can't have.
func (d Dialect) Hive(t Type) (HiveType, error) {
	out, err := d.of(&t, 0)
	if err == nil {
		if n := len(out.append(nil)); n > maxHiveType {
			err = fmt.Errorf("the type has %d bytes, at most %d are allowed", n, maxHiveType)
		}
	}
	if err != nil {
		return HiveType{}, fmt.Errorf("hive type of %.100s: %w", t, err)
	}
	return out, nil
}

// hiveScalars are the types that need no more than their names, by kind, for each Dialect.
var hiveScalars = map[Kind][2]string{
	JSON:            {"string", "string"},
	Bool:            {"boolean", "boolean"},
	Int32:           {"int", "int"},
	Int64:           {"bigint", "bigint"},
	Float32:         {"float", "float"},
	Float64:         {"double", "double"},
	String:          {"string", "string"},
	Bytes:           {"binary", "string"},
	Fixed:           {"binary", "string"},
	UUID:            {"binary", "string"},
	Date:            {"date", "date"},
	TimeMillis:      {"int", "string"},
	TimeMicros:      {"bigint", "string"},
	TimestampMillis: {"timestamp", "timestamp"},
	TimestampMicros: {"timestamp", "timestamp"},
}

func (d Dialect) of(t *Type, depth int) (HiveType, error) {
	if depth > maxTypeDepth {
		return HiveType{}, fmt.Errorf("types are nested more than %d deep", maxTypeDepth)
	}
	if names, ok := hiveScalars[t.Kind]; ok {
		return HiveType{Name: names[d]}, nil
	}
	switch t.Kind {
	case Decimal:
		return d.decimal(t)
	case List:
		elem, err := d.of(t.Elem, depth+1)
		return HiveType{Name: hiveArray, Members: []HiveMember{{Type: elem}}}, err
	case Map:
		elem, err := d.of(t.Elem, depth+1)
		return HiveType{Name: hiveMap, Members: []HiveMember{{Type: HiveType{Name: "string"}}, {Type: elem}}}, err
	case Struct:
		return d.structure(t, depth)
	}
	return HiveType{}, fmt.Errorf("there is none for the kind %s", t.Kind)
}

func (d Dialect) decimal(t *Type) (HiveType, error) {
	switch {
	case t.Precision <= HiveDigits:
		return HiveType{Name: "decimal", Args: []int{t.Precision, t.Scale}}, nil
	case d == HiveJSON:
		return HiveType{Name: "string"}, nil
	}
	return HiveType{}, fmt.Errorf("a decimal of %d digits is too long, Hive and Athena take %d: make it a string in the schema", t.Precision, HiveDigits)
}

func (d Dialect) structure(t *Type, depth int) (HiveType, error) {
	if len(t.Fields) == 0 {
		return HiveType{}, errors.New("a struct needs a field")
	}
	out := HiveType{Name: hiveStruct, Members: make([]HiveMember, len(t.Fields))}
	seen := make(map[string]string, len(t.Fields))
	for i := range t.Fields {
		name := t.Fields[i].Name
		lower := strings.ToLower(name)
		if other, ok := seen[lower]; ok {
			return HiveType{}, fmt.Errorf("the fields %.100q and %.100q of a struct differ in upper and lower case only", other, name)
		}
		seen[lower] = name
		if name == "" || strings.ContainsFunc(name, notInHiveName) {
			return HiveType{}, fmt.Errorf("the field %.100q of a struct: names may have letters, digits, underscores and points in Athena", name)
		}
		typ, err := d.of(&t.Fields[i].Type, depth+1)
		if err != nil {
			return HiveType{}, err
		}
		out.Members[i] = HiveMember{Name: lower, Type: typ}
	}
	return out, nil
}

// notInHiveName reports a character that can't be in the name of a struct's field (Amazon Athena, Name databases, tables, and columns: Column names and
// complex types).
func notInHiveName(c rune) bool {
	return c != '_' && c != '.' && !unicode.IsLetter(c) && !unicode.IsDigit(c) || c == unicode.ReplacementChar
}

// A HiveColumn is a column of a table in AWS Glue.
type HiveColumn struct{ Name, Type, Comment string }

// FromHive gives the columns of a table in AWS Glue. All may be null, as in Hive. Names are in lower case there: a value's members are found by them
// only if they are too.
func FromHive(name string, columns []HiveColumn) (*Schema, error) {
	s := &Schema{Name: name, Fields: make([]Field, len(columns))}
	for i, c := range columns {
		t, err := ParseHive(c.Type)
		if err != nil {
			return nil, fmt.Errorf("column %.200q of table %.200q: %w", c.Name, name, err)
		}
		s.Fields[i] = Field{Name: c.Name, Type: t, Doc: c.Comment}
	}
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("table %.200q: %w", name, err)
	}
	return s, nil
}
