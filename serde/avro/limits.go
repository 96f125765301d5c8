package avro

import (
	"fmt"
	"math"
)

// Limits bound what a value may hold, so that bytes which claim more than they have cost nothing. Zero means the default.
type Limits struct {
	// Records, arrays and maps inside each other. Default 64.
	Depth int `yaml:"depth"`
	// Items of one array or entries of one map. Default: as many as nodes allows.
	Items int `yaml:"items"`
	// Bytes of one string or of bytes. Default: as many as the record has.
	TextLen int `yaml:"text_length"`
	// Values of a record, with records, arrays and maps, those that are skipped, and one for each 3 bytes of text that decimals, UUIDs and local
	// timestamps are written as. Each takes 24 bytes of memory. Default: 16384 and three for each two bytes of the record.
	Nodes int `yaml:"nodes"`
	// Bytes of the JSON text of a record, where it is written without decoding it to a value first. Default: 1 MiB and 64 for each byte of the record.
	JSONLen int `yaml:"json_length"`
}

const (
	defaultDepth = 64
	mostDepth    = 4096 // each level takes some 500 bytes of stack

	nodesBase             = 16 << 10
	jsonPerByte, jsonBase = 64, 1 << 20

	// Bytes of copied text that count like a node. While a tape grows, a node takes up to 30 bytes, and text four times its size: 1.5 nodes and their
	// texts for each byte stay below 64 bytes, whatever the mixture is.
	textPerNode = 3
)

// Validate reports limits that can't be.
func (l Limits) Validate() error {
	for _, x := range []struct {
		setting string
		n, most int
	}{
		{"depth", l.Depth, mostDepth},
		{"items", l.Items, math.MaxInt32},
		{"text_length", l.TextLen, math.MaxInt32},
		{"nodes", l.Nodes, 1 << 28},
		{"json_length", l.JSONLen, math.MaxInt32},
	} {
		if x.n < 0 || x.n > x.most {
			return fmt.Errorf("%s is %d, expected 1 to %d, or 0 for the default", x.setting, x.n, x.most)
		}
	}
	return nil
}

// withDefaults leaves at zero what depends on the record.
func (l Limits) withDefaults() Limits {
	if l.Depth == 0 {
		l.Depth = defaultDepth
	}
	if l.Items == 0 {
		l.Items = math.MaxInt32
	}
	if l.TextLen == 0 {
		l.TextLen = math.MaxInt32
	}
	return l
}

// nodes is how many a record of n bytes may have.
func (l *Limits) nodes(n int) int {
	if l.Nodes > 0 {
		return l.Nodes
	}
	return n + n/2 + nodesBase
}

// output is how long the JSON text of a record of n bytes may be.
func (l *Limits) output(n int) int {
	if l.JSONLen > 0 {
		return l.JSONLen
	}
	return jsonPerByte*n + jsonBase
}
