// Package lines encodes rows, one line each, into a compressed stream of bytes for files and objects.
//
// A [Writer] collects the rows of one file in a block. A [Codec] compresses a block as
// a gzip member or a zstd frame of its own, and one member after another is a valid file
// (RFC 1952, section 2.2; RFC 8878, section 3). So an encoder, which holds 0.8 to 9 MB, is only busy while a block
// is compressed, and all open files share as many as there are processors.
package lines
