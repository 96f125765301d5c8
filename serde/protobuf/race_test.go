//go:build race

package protobuf_test

// raced says that the race detector is on, under which a sync.Pool forgets at random.
const raced = true
