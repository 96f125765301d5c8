// Package template compiles text settings that hold fields of a record, such as
// "dt={time:yyyy-MM-dd}/{value.city}", and evaluates them record by record.
//
// A field stands in braces; two braces stand for one:
//
//	{topic} {partition} {connector}      where the record comes from
//	{key} {key.id} {value.city}          what the decoders and handlers made of it
//	{header.x} {header["odd name"]}      the last header of that name
//	{offset} {timestamp} {id}            timestamp in milliseconds since 1970
//	{time:yyyy-MM-dd}                    a time, see [Time]
//	{position:%010d}                     the offset of the file's first record
//	{hash:2}                             hex digits that spread files over prefixes
//	{hash:2:value.id}                    hex digits that spread a field's values
//
// Numbers take a width: {partition:%04d}.
//
// Where the text is a path ([Options.Path]), what a message holds can't change the
// shape of the path: each value is escaped by [EscapePath].
package template
