// Package columns finds out which columns the records of a topic have, while they are written.
//
// Values know the schema that they were written with, where their format has one (Avro, Protobuf, JSON Schema). Columns of plain values are
// inferred from the first of them, and what was inferred is kept beside the links, put with If-None-Match, so that all processes
// and all later starts have the same. Or they are set, or those of a table in a data catalog.
//
// Versions of a schema that can hold each other's rows are one group, with the columns of all of them: files of a group hold rows of any version.
package columns
