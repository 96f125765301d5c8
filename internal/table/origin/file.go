package origin

import (
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// ReadFile reads the columns that a file gives: an Avro schema, a JSON Schema, a .proto file that imports nothing but google/protobuf, or a schema as
// Marshal writes it. message is the full name of the Protobuf message that rows are of; it may be "" where the file has only one that isn't inside
// another, and belongs to no other file.
func File(content, message string) (*table.Schema, error) {
	content = strings.TrimSpace(strings.TrimPrefix(content, "\uFEFF"))
	if content == "" {
		return nil, errors.New("the schema file is empty")
	}
	if content[0] != '{' && content[0] != '[' && content[0] != '"' {
		return Of(&serde.Schema{Format: serde.Protobuf, Text: content, Type: message, Name: message})
	}
	if message != "" {
		return nil, fmt.Errorf("the message %.200q is named, and the schema file isn't a .proto file but JSON", message)
	}
	v, err := serde.NewTape().JSON([]byte(content), serde.Limits{Nodes: maxSchemaValues})
	if err != nil {
		return nil, fmt.Errorf("read the schema file: it begins like JSON: %w", err)
	}
	switch typ := text(v.Field("type")); {
	case v.Field("columns").Exists():
		s, err := table.Unmarshal([]byte(content))
		if err == nil && len(s.Columns()) == 0 {
			return nil, errors.New("the schema file has no columns")
		}
		return s, err
	case v.Kind() != serde.Object, typ == "record", typ == "error", v.Field("fields").Exists():
		return Of(&serde.Schema{Format: serde.Avro, Text: content})
	case v.Field("properties").Exists(), v.Field("$schema").Exists(), v.Field("$ref").Exists(), v.Field("allOf").Exists(), typ == "object":
		return Of(&serde.Schema{Format: serde.JSONSchema, Text: content})
	}
	return nil, errors.New(`the schema file is neither an Avro schema ("type": "record"), nor a JSON Schema ("properties"), nor a .proto file, nor a schema with "columns"`)
}
