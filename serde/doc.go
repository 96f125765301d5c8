// Package serde holds the values that records are made of and the decoders
// that make them from bytes.
//
// A [Value] is a handle of 16 bytes into a [Tape]. The tape belongs to a batch of
// records: decoders and handlers append to it, everybody else only reads, and
// when the batch is done, Reset empties the tape for the next one. The tape holds
// no pointers per value, so that the garbage collector has nothing to
// follow, and copies no text: a value of a JSON document points into the bytes that were
// decoded. What wasn't changed is written as it was read, byte for
// byte, so that a number such as 9007199254740993 is never rounded.
package serde
