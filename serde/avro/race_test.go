//go:build race

package avro

// raced says that the race detector is on, under which TestDifferential takes ten times as long and finds nothing more, and a sync.Pool forgets at random.
const raced = true
