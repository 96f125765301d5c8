// Package avro reads and writes Avro: the binary encoding, object containers and schemas (Apache Avro 1.12.0 Specification).
//
// A [Schema] is compiled once into a [Program], which walks the bytes of a record to a [serde.Value] or straight to JSON text, without an
// allocation per record. A program may be of two schemas: the one that wrote the data and the one that reads it. Names are taken as Java takes
// them with validation switched off: producers in the field have schemas with hyphens in them.
package avro
