//go:build race

package envelope

// raced says that the race detector is on.
const raced = true
