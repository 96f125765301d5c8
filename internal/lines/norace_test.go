//go:build !race

package lines

const raced = false
