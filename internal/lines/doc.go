// Package lines encodes rows, one behind the other, into a compressed stream of bytes for files and objects: lines of JSON, raw values, lines of
// CSV, and the blocks of Avro object containers.
//
// A [Writer] collects the rows of one file in a block. A [Codec] compresses a block as
// a gzip member or a zstd frame of its own, and one member after another is a valid file
// (RFC 1952, section 2.2; RFC 8878, section 3). So an encoder, which holds 0.8 to 9 MB, is only busy while a block
// is compressed, and all open files share as many as there are processors.
//
// [Avro] and [CSV] files have columns. A row's members go to the columns of their names, or of aliases that older versions had for them; a column
// without a member has its default. What a column takes is told by package cell; anything else is a Permanent error that names the column. Members that
// no column takes go to the column for the rest, or are counted.
package lines
