package glue

// The header of a value (github.com/awslabs/aws-glue-schema-registry, AWSSchemaRegistryConstants).
const (
	headerVersion  = 3
	notCompressed  = 0
	zlibCompressed = 5

	// HeaderSize is the length of the header: its version, the compression, and the id of the schema version.
	HeaderSize = 1 + 1 + 16
)

// Split takes a value apart: the id of the schema version that wrote it, and the payload behind the header, which is data's and may be compressed. ok is false
// if data has no header of AWS Glue.
func Split(data []byte) (id [16]byte, payload []byte, compressed, ok bool) {
	if len(data) < HeaderSize || data[0] != headerVersion || data[1] != notCompressed && data[1] != zlibCompressed {
		return id, nil, false, false
	}
	copy(id[:], data[2:HeaderSize])
	return id, data[HeaderSize:], data[1] == zlibCompressed, true
}

// AppendHeader appends the header of a value that the schema version of id writes.
func AppendHeader(dst []byte, id [16]byte, compressed bool) []byte {
	compression := byte(notCompressed)
	if compressed {
		compression = zlibCompressed
	}
	return append(append(dst, headerVersion, compression), id[:]...)
}
