// Package confluent decodes what serializers of Confluent's Schema Registry wrote, or of one that speaks its API: a byte 0, the id of a
// schema in four bytes, big-endian, and the value as Avro, JSON or Protobuf, in which the indexes of the message stand before it (Confluent
// documentation, "Wire format").
//
// Newer serializers can put the schema's id, a GUID, into a header of the record (__value_schema_id, __key_schema_id) and nothing before the
// value. A [serde.Decoder] sees keys and values alone, so that it can't find it there: such values can be decoded by
// [Assume], or by telling the producer to write the id before the value.
//
// A [Decoder] looks each schema up once. A [Client] reads what is registered, and an [Encoder] writes values that any deserializer of Confluent's reads.
package confluent
