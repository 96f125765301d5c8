//go:build race

package avro

// raced says that the race detector is on, under which TestDifferential takes ten times as long and finds nothing more.
const raced = true
