//go:build !race

package protobuf_test

const raced = false
