//go:build race

package protobuf_test

// raced says that the race detector is on, under which a sync.Pool forgets at random, and random trials take ten times as long and
// find nothing more.
const raced = true
