// Package restore reads the objects of a sink back, as the records that they were made of.
//
// A chain of links (internal/chain) says which objects hold which offsets of a partition. [Plan] finds them; [Run] reads their rows in the order of
// their offsets, takes their envelopes apart (internal/envelope), and hands the records to a [Producer].
package restore
