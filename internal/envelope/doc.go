// Package envelope makes one value of a whole record, for files that keep everything that a topic holds, and takes it apart again.
//
// An envelope is an object with these members, in this order:
//
//	topic           string
//	partition       integer
//	offset          integer
//	timestamp       timestamp in milliseconds; null if the record has none
//	timestamp_type  CreateTime, LogAppendTime or NoTimestampType, as Kafka's Java client names them
//	key             see below
//	headers         a list of objects, in the record's order; each has a name and a value, which is null if the header has none
//	value           see below; null for a tombstone
//
// key and value are what decoders and handlers made of them, so that columns have types. Restored, a string gives its UTF-8 text, bytes give
// themselves, null gives Kafka's null, and anything else its JSON text. So a text, bytes, and JSON that was written without line breaks come back byte
// for byte from JSON lines; but neither does the wire format of a schema registry, nor a JSON text that is a string or null. From columns JSON
// comes back with the columns' members, in their order, null where a member was missing, and without what stands in the column for the rest.
//
// With the setting raw, key and value are Kafka's bytes, and come back exactly, always; what handlers did to them isn't in it.
//
// # Lines of JSON
//
// JSON has no bytes, and a base64 text looks like any other. Where a key, a value or the value of a header is bytes, the member
// is called key_base64 or value_base64 instead. The values of headers, and raw keys and values, are bytes that often are texts: if they are
// UTF-8, they stand as such in key or value.
//
// A timestamp that RFC 3339 can't write, one after the year 9999, is an integer of milliseconds.
//
// # Columns
//
// In Parquet and Avro files the members are columns, and bytes are binary columns: the values of headers always, keys and values where they
// are bytes. [Compiled.Columns] makes the columns of an envelope around those of a value.
package envelope
