//go:build race

package lines

// raced says that the race detector is on.
const raced = true
