package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/table"
)

// An avroRecord is the schema that AvroSerDe reads files by, with fields as they are.
type avroRecord struct {
	Type      string      `json:"type"`
	Name      string      `json:"name"`
	Namespace string      `json:"namespace,omitempty"`
	Fields    []avroField `json:"fields"`
}

type avroField struct {
	name string
	json.RawMessage
}

// UnmarshalJSON keeps the field's text.
func (f *avroField) UnmarshalJSON(text []byte) error {
	var named struct{ Name string }
	if err := json.Unmarshal(text, &named); err != nil {
		return err
	}
	f.name, f.RawMessage = named.Name, append(json.RawMessage(nil), text...)
	return nil
}

// literalOf is the Avro schema of fields. Each may be null, and is where a file lacks it.
func literalOf(name string, fields []table.Field) (string, error) {
	s := table.Schema{Name: name}
	for _, f := range fields {
		f.Type.Nullable, f.Default = true, nil
		s.Fields = append(s.Fields, f)
	}
	text, err := s.Avro()
	if err != nil {
		return "", err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil {
		return "", err
	}
	if compact.Len() > maxProperty {
		return "", fmt.Errorf("its Avro schema has %d bytes; the Data Catalog takes %d", compact.Len(), maxProperty)
	}
	return compact.String(), nil
}

// mergeLiteral is the literal of a table with the fields of another that were added or widened; those names are in small letters.
func mergeLiteral(have, want string, changed map[string]bool) (string, error) {
	var ours, theirs avroRecord
	if err := json.Unmarshal([]byte(want), &ours); err != nil {
		return "", fmt.Errorf("read our Avro schema: %w", err)
	}
	if err := json.Unmarshal([]byte(have), &theirs); err != nil || theirs.Type != "record" {
		return "", fmt.Errorf("its %s isn't the schema of a record", avroLiteral)
	}
	at := map[string]int{}
	for i, f := range theirs.Fields {
		at[strings.ToLower(f.name)] = i
	}
	for _, f := range ours.Fields {
		i, there := at[strings.ToLower(f.name)]
		switch {
		case !there:
			theirs.Fields = append(theirs.Fields, f)
		case changed[strings.ToLower(f.name)]:
			theirs.Fields[i] = f
		}
	}
	text, err := json.Marshal(theirs)
	return string(text), err
}
