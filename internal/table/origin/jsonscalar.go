package origin

import (
	"slices"
	"strconv"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// typesOf are the JSON types that values may be of which are valid by all of the schemas, null aside; none if they may be of any. "integer" is there only
// where "number" isn't.
func typesOf(all []subschema) (types []string, null bool) {
	said := false
	for _, s := range all {
		these, nullToo := typesNamed(s.v)
		null = null || nullToo
		switch {
		case len(these) == 0:
		case !said:
			types, said = these, true
		default:
			types = common(types, these)
		}
	}
	if !said {
		for _, s := range all {
			if types, nullToo := implied(s.v); len(types) > 0 {
				return types, null || nullToo
			}
		}
	}
	return types, null
}

// mostTypes is how many types JSON Schema has. A longer list is no list of types.
const mostTypes = 7

// typesNamed are the types that a schema names.
func typesNamed(v serde.Value) (types []string, null bool) {
	named := v.Field("type")
	if named.Kind() == serde.String {
		types = []string{text(named)}
	}
	if named.Kind() == serde.Array && named.Len() > mostTypes {
		return nil, false
	}
	for e := range named.Elements() {
		types = append(types, text(e))
	}
	null = slices.Contains(types, "null")
	types = slices.DeleteFunc(types, func(t string) bool { return t == "null" })
	if slices.Contains(types, "number") {
		types = slices.DeleteFunc(types, func(t string) bool { return t == "integer" })
	}
	return types, null
}

// common are the types that are in both lists.
func common(a, b []string) (both []string) {
	for _, t := range a {
		switch {
		case slices.Contains(b, t), t == "integer" && slices.Contains(b, "number"):
			both = append(both, t)
		case t == "number" && slices.Contains(b, "integer"):
			both = append(both, "integer")
		}
	}
	return both
}

// keywords say of which type values are meant to be that a schema without a type is for.
var keywords = []struct{ keyword, of string }{
	{"properties", "object"}, {"additionalProperties", "object"}, {"patternProperties", "object"},
	{"items", "array"}, {"prefixItems", "array"},
	{"format", "string"}, {"pattern", "string"}, {"minLength", "string"}, {"maxLength", "string"}, {"contentEncoding", "string"},
}

// implied are the types of a schema that names none: those of its values, if it lists them.
func implied(v serde.Value) (types []string, null bool) {
	add := func(e serde.Value) {
		of := ""
		switch e.Kind() {
		case serde.Null:
			null = true
			return
		case serde.Bool:
			of = "boolean"
		case serde.Int64:
			of = "integer"
		case serde.Float64, serde.Decimal:
			of = "number"
		case serde.String:
			of = "string"
		case serde.Array:
			of = "array"
		default:
			of = "object"
		}
		if !slices.Contains(types, of) {
			types = append(types, of)
		}
	}
	if c := v.Field("const"); c.Exists() {
		add(c)
		return types, null
	}
	for e := range v.Field("enum").Elements() {
		add(e)
	}
	if slices.Contains(types, "number") {
		types = slices.DeleteFunc(types, func(t string) bool { return t == "integer" })
	}
	if len(types) > 0 {
		return types, null
	}
	for _, k := range keywords {
		if v.Field(k.keyword).Exists() {
			return []string{k.of}, null
		}
	}
	return nil, null
}

// What Confluent's converter for JSON Schema adds for Kafka Connect (JsonSchemaData): the width of numbers, which texts are bytes, and the logical types.
const (
	connectType      = "connect.type"
	connectDecimal   = "org.apache.kafka.connect.data.Decimal"
	connectTimestamp = "org.apache.kafka.connect.data.Timestamp" // milliseconds since 1970 as an integer

	connectPrecision = 38 // of decimals that don't say theirs
)

// jsonScalar is the type of booleans, numbers and texts.
func jsonScalar(all []subschema, of string) table.Type {
	width := first(all, connectType)
	switch of {
	case "boolean":
		return table.Type{Kind: table.Bool}
	case "integer":
		switch {
		case first(all, "title") == connectTimestamp:
			return table.Type{Kind: table.TimestampMillis}
		case width == "int8" || width == "int16" || width == "int32":
			return table.Type{Kind: table.Int32}
		}
		return table.Type{Kind: table.Int64}
	case "number":
		if first(all, "title") == connectDecimal {
			return decimalOf(all)
		}
		if width == "float32" {
			return table.Type{Kind: table.Float32}
		}
		return table.Type{Kind: table.Float64}
	case "string":
		if width == "bytes" || first(all, "contentEncoding") == "base64" {
			return table.Type{Kind: table.Bytes}
		}
		return formatted(all)
	}
	return table.Type{Nullable: true} // no type of JSON Schema
}

// formatted is the type of texts. A text by "time" has a zone, which times of day don't have.
func formatted(all []subschema) table.Type {
	switch first(all, "format") {
	case "date-time":
		return table.Type{Kind: table.TimestampMicros}
	case "date":
		return table.Type{Kind: table.Date}
	case "uuid":
		return table.Type{Kind: table.UUID}
	}
	return table.Type{Kind: table.String}
}

// decimalOf is the type of Kafka Connect's decimals.
func decimalOf(all []subschema) table.Type {
	t := table.Type{Kind: table.Decimal, Precision: connectPrecision}
	for _, s := range all {
		parameters := s.v.Field("connect.parameters")
		if n, err := strconv.Atoi(text(parameters.Field("scale"))); err == nil {
			t.Scale = n
		}
		if n, err := strconv.Atoi(text(parameters.Field("connect.decimal.precision"))); err == nil {
			t.Precision = n
		}
	}
	if t.Precision < 1 || t.Precision > table.MaxDecimal || t.Scale < 0 || t.Scale > t.Precision {
		return table.Type{}
	}
	return t
}

// first is the first text that schemas have under a key.
func first(all []subschema, key string) string {
	for _, s := range all {
		if found := text(s.v.Field(key)); found != "" {
			return found
		}
	}
	return ""
}

// jsonDefault is the default that a property has.
func jsonDefault(all []subschema) []byte {
	for _, s := range all {
		d := s.v.Field("default")
		if d.IsNull() {
			continue
		}
		if found, err := d.AppendJSON(nil); err == nil {
			return found
		}
	}
	return nil
}
