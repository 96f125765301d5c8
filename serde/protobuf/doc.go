// Package protobuf decodes protobuf messages to values, and encodes values as messages, by schemas that are known
// at run time: the text of a .proto file, or a FileDescriptorSet that protoc or buf made.
//
// [Parse] and [ParseDescriptorSet] make a [File], which has a [Message] for each message type. A Message decodes and encodes.
//
// # Values
//
// A message becomes an object with all its fields, in the order in which the schema declares them, under
// the names that it declares ([Options] can change that). Fields are optional where the message may say that they
// aren't set: proto2's optional fields, proto3's with the word optional, and messages.
//
//	scalar                 Bool, Int64, Float64, String, Bytes; a uint64 above 1<<63-1 is a Decimal
//	enum                   the name as a String; a number without a name is an Int64
//	repeated               Array
//	map                    Object; keys that are numbers or bools are text
//	message, group         Object
//	field that isn't set   null if it is optional, else its default: 0, "", false, [], {}
//	oneof                  the member that is set; the others are absent
//	Timestamp              Timestamp; a String with 9 decimals if it is finer than a microsecond
//	Duration               String by ISO 8601: "PT1.5S"
//	wrappers (Int32Value)  the scalar, or null
//	Struct, Value, ListValue  the JSON that they hold
//	other well-known types as the messages that they are: Any has type_url and value, FieldMask has paths
//
// Fields that the schema doesn't know, extensions among them, and fields of another wire type than the schema's are skipped, as all
// implementations of protobuf do.
//
// # Hostile input
//
// Messages nest 64 deep at most, and a value has a limited number of parts ([Options].Nodes). Decoding doesn't use dynamicpb, which
// panics over some maps' entries (google.golang.org/protobuf v1.36.12) and allocates 160 bytes for each byte of a message that holds empty messages, 320 MB for 2 MB
// (go test -v -run TestMemory prints it and what this package allocates). Schemas are bounded before they are compiled.
package protobuf
