// Package cell makes what a column holds of values, the same for all formats of files that have columns.
//
// A column takes what converts without loss, but for what is finer than its unit:
//
//	json              any value, as its JSON text
//	boolean           a bool
//	int32, int64      a number that is an integer of so many bits: 80, 80.0, 8e1
//	float32, float64  a number of any kind: the nearest
//	decimal           a number that has no more digits, before and behind the point
//	string            a text; a date, a time, a timestamp or a UUID as its text
//	bytes, fixed      bytes, or a base64 text (RFC 4648, section 4)
//	uuid              a UUID, or its text (RFC 9562)
//	date              a date, a text 2026-01-31, or an integer: days since 1970-01-01
//	time_*            a time of day, a text 08:00:00.123, or an integer: milliseconds or microseconds since midnight, as the column's type says
//	timestamp_*       a timestamp, a text 2026-01-31T08:00:00.123Z (RFC 3339), or an integer: milliseconds or microseconds since
//	                  1970-01-01T00:00Z, as the column's type says
//
// Times that are finer than the column's unit are cut, towards the past: nanoseconds in a column of microseconds, microseconds in one of milliseconds.
// An integer counts the column's own unit because decoders of Avro and Protobuf that are told timestamps: epoch give the integers that were written, and
// the columns of their schemas have the units of those.
//
// A text of a timestamp may have a space for the T, and no offset: it is UTC then, or local where the column is. Anything else is refused, by a Permanent
// error that names the column and both types, and tells nothing of what the value holds.
package cell
