// Package origin finds the columns that values have: of what they were written with ([Of]), or of a file ([File]).
//
// Schemas of Avro, Protobuf and JSON Schema become a [table.Schema] as the decoders of these formats decode values: a column has the name and
// the type that the value has. A package that needs columns, but not where they come from, imports package table alone, which brings no parser.
package origin
