package confluent

import "encoding/binary"

// HeaderSize is the length of the header: a byte 0, and the id of the schema.
const HeaderSize = 1 + 4

// Split takes a value apart: the id of the schema that wrote it, and the payload behind the header, which is data's. ok is false if
// data can't have a header.
func Split(data []byte) (id uint32, payload []byte, ok bool) {
	if len(data) < HeaderSize || data[0] != 0 {
		return 0, nil, false
	}
	return binary.BigEndian.Uint32(data[1:]), data[HeaderSize:], true
}

// AppendHeader appends the header of a value that the schema of id writes.
func AppendHeader(dst []byte, id uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, 0), id)
}
