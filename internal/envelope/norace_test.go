//go:build !race

package envelope

const raced = false
