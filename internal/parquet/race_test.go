//go:build race

package parquet

// raced says that the race detector is on, under which random trials take ten times as long and find nothing more, and a sync.Pool forgets at random.
const raced = true
