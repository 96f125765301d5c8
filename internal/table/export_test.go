package table

import "pgregory.net/rapid"

// For tests of what imports this package: histories of schemas, and what they are with JSON as text.

func History(t *rapid.T) []*Schema          { return history(t) }
func Snapshot(t *rapid.T, s *Schema) string { return snapshot(t, s) }

// JSONAsText is the columns of s as an Avro schema holds them.
func JSONAsText(s *Schema) *Schema {
	out := &Schema{Fields: cloneFields(s.Fields)}
	jsonIsText(out.Fields)
	return out
}

func jsonIsText(fields []Field) {
	for i := range fields {
		for t := &fields[i].Type; t != nil; t = t.Elem {
			if t.Kind == JSON {
				t.Kind = String
			}
			jsonIsText(t.Fields)
		}
	}
}
