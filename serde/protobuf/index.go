package protobuf

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// GlueMessage is the message type with an index of AWS Glue's serde.
//
// Its index is the position in the list of the file's messages, those inside others too, by full name in
// the order of their bytes: with Vehicle, Vehicle.Pos and Alarm, Alarm is 0, Vehicle 1, Vehicle.Pos 2. The entry types that protobuf makes
// of maps ("Vehicle.TagsEntry") are among them; messages of imported files aren't. Source: MessageIndexFinder.getAll in
// github.com/awslabs/aws-glue-schema-registry.
func (f *File) GlueMessage(index int) (*Message, error) {
	if index < 0 || index >= len(f.glue) {
		return nil, fmt.Errorf("protobuf: the schema has no message with index %d: it has %d messages", index, len(f.glue))
	}
	return f.glue[index], nil
}

// GlueIndex is the index that [File.GlueMessage] takes; -1 for a message of an imported file.
func (m *Message) GlueIndex() int { return m.glue }

// GlueSplit reads the message index in front of a message of AWS Glue's serde, after decompression: an unsigned varint
// (CodedOutputStream.writeUInt32NoTag in ProtobufWireFormatEncoder).
func (f *File) GlueSplit(data []byte) (m *Message, rest []byte, err error) {
	index, n := protowire.ConsumeVarint(data)
	if n < 0 {
		return nil, nil, errors.New("protobuf: there is no message index")
	}
	if m, err = f.GlueMessage(int(min(index, 1<<31))); err != nil {
		return nil, nil, err
	}
	return m, data[n:], nil
}

// AppendGlueIndex appends what GlueSplit reads. The message must be of the file itself.
func (m *Message) AppendGlueIndex(dst []byte) ([]byte, error) {
	if m.glue < 0 {
		return dst, m.imported()
	}
	return protowire.AppendVarint(dst, uint64(m.glue)), nil
}

func (m *Message) imported() error {
	return fmt.Errorf("protobuf: message %s has no index, since another file declares it", m.Name())
}

// PathMessage is the message type at a path of indexes in the tree of declarations, as Confluent's serde names
// them: [1, 0] is the first message inside the second one of the file. Maps' entries don't count.
func (f *File) PathMessage(path []int) (*Message, error) {
	in, m := f.top, (*Message)(nil)
	for _, i := range path {
		if i < 0 || i >= len(in) {
			m = nil
			break
		}
		m = in[i]
		in = m.inside
	}
	if m == nil {
		const most = 10
		return nil, fmt.Errorf("protobuf: the schema has no message with path %v", slices.Clone(path[:min(len(path), most)]))
	}
	return m, nil
}

// Path is the path that [File.PathMessage] takes, nil for a message of an imported file. It must not be changed.
func (m *Message) Path() []int { return m.path }

// ConfluentSplit reads the message indexes in front of a message of Confluent's serde, behind the schema's id: their number and then each, as
// signed (zigzag) varints; a single 0 stands for [0].
func (f *File) ConfluentSplit(data []byte) (m *Message, rest []byte, err error) {
	count, rest, err := index(data)
	if err != nil {
		return nil, nil, err
	}
	if count > maxDepth {
		return nil, nil, fmt.Errorf("protobuf: a path of %d message indexes is longer than the limit of %d", count, maxDepth)
	}
	var room [maxDepth]int
	path := room[:max(count, 1)]
	for i := range count {
		if path[i], rest, err = index(rest); err != nil {
			return nil, nil, err
		}
	}
	if m, err = f.PathMessage(path); err != nil {
		return nil, nil, err
	}
	return m, rest, nil
}

// index reads a signed varint that is at least 0.
func index(data []byte) (i int, rest []byte, err error) {
	x, n := protowire.ConsumeVarint(data)
	if n < 0 {
		return 0, nil, errors.New("protobuf: the message indexes are incomplete")
	}
	signed := protowire.DecodeZigZag(x)
	if signed < 0 || signed > 1<<31 {
		return 0, nil, fmt.Errorf("protobuf: the message index %d isn't possible", signed)
	}
	return int(signed), data[n:], nil
}

// AppendConfluentIndex appends what ConfluentSplit reads. The message must be of the file itself.
func (m *Message) AppendConfluentIndex(dst []byte) ([]byte, error) {
	switch {
	case m.path == nil:
		return dst, m.imported()
	case len(m.path) == 1 && m.path[0] == 0:
		return append(dst, 0), nil
	}
	dst = protowire.AppendVarint(dst, protowire.EncodeZigZag(int64(len(m.path))))
	for _, i := range m.path {
		dst = protowire.AppendVarint(dst, protowire.EncodeZigZag(int64(i)))
	}
	return dst, nil
}
