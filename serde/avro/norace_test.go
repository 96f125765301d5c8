//go:build !race

package avro

const raced = false
