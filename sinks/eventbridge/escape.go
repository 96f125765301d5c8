package eventbridge

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// appendEscaped appends JSON text as the content of a JSON string. JSON text has quotes everywhere, and no control characters but white space between
// tokens: with that known, it takes less time than serde.AppendString, which is made for texts.
func appendEscaped(dst, text []byte) []byte {
	dst = slices.Grow(dst, 2*len(text)+8)
	n := len(dst)
	dst = dst[:cap(dst)]
	for len(text) >= 8 {
		w := binary.LittleEndian.Uint64(text)
		binary.LittleEndian.PutUint64(dst[n:], w)
		m := special(w)
		if m == 0 {
			n += 8
			text = text[8:]
			continue
		}
		at := bits.TrailingZeros64(m) >> 3
		n = escapeByte(dst, n+at, text[at])
		text = text[at+1:]
	}
	for _, c := range text {
		n = escapeByte(dst, n, c)
	}
	return dst[:n]
}

// escapeByte writes c to dst[n:], which has room for it, and returns where the next byte goes.
func escapeByte(dst []byte, n int, c byte) int {
	switch c {
	case '"', '\\':
	case '\t':
		c = 't'
	case '\n':
		c = 'n'
	case '\r':
		c = 'r'
	default:
		dst[n] = c
		return n + 1
	}
	dst[n], dst[n+1] = '\\', c
	return n + 2
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks the quotes, backslashes and control characters of w, exactly up to the first.
func special(w uint64) uint64 {
	return (((w ^ '"'*ones) - ones) | ((w ^ '\\'*ones) - ones) | (w - 0x20*ones)) & ^w & highs
}
