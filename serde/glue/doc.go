// Package glue reads and writes values with the header of the AWS Glue Schema Registry, as AWS's serializers for Java do. It can be used without
// the rest of Millrace:
//
//	c := glue.DefaultConfig()
//	c.Region = "eu-west-1"
//	d, err := c.Open(ctx)
//	// ...
//	v, err := d.Decode(ctx, serde.NewTape(), "", message)
//	text, err := v.AppendJSON(nil)
//
// A value begins with 18 bytes: 3, the version of the header; 0, or 5 for a payload that zlib compressed; and the id of the schema version that wrote
// it. [Decoder] gets that version once and keeps it for ever: Avro, JSON Schema or Protobuf, whose payload begins with the index of its
// message. A value of a known version needs no call, no lock and, unless it is compressed, no allocation.
//
// # When AWS Glue doesn't answer
//
// Known schemas go on. A value of an unknown one gives an error of type *[serde.Unavailable], whose class tells whether waiting
// helps (throttling, a timeout) or somebody has to change something (a right that is missing). An id that AWS Glue doesn't know is believed to be
// wrong after 5 minutes. With a schema folder a process starts, and decodes what is in it, while AWS Glue is down.
//
// # Values without the header
//
// A value that begins with a byte 0 and has 5 bytes or more is a Confluent registry's, if one is set. Any other is plain: JSON, text or bytes. So a topic
// may hold what was written before and after a migration. A topic whose values were written bare, with no header at all, needs [Assume].
//
// # Rights
//
// A Decoder needs glue:GetSchemaVersion on the registry and its schemas. An [Encoder] needs glue:GetSchemaByDefinition too, and to register
// what isn't there glue:RegisterSchemaVersion and glue:CreateSchema. [Client.Versions] needs glue:GetSchema and glue:GetSchemaVersion,
// [Client.Schemas] glue:ListSchemas (AWS Glue Developer Guide, "Getting started with Schema Registry").
package glue
