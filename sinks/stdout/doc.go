// Package stdout is the sink that prints records, one line each, for looking at a topic and for pipes.
//
// Guarantee: every record is printed at least once, in the partition's order.
package stdout
