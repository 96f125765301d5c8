package avro

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"github.com/millrace/millrace/serde"
)

// The codecs of blocks (specification, Required Codecs and Optional Codecs).
const (
	codecNull    = "null"
	codecDeflate = "deflate"
	codecSnappy  = "snappy"
	codecZstd    = "zstandard"
)

// codecNamed is the codec that a header names.
func codecNamed(name []byte) (string, error) {
	for _, codec := range []string{codecNull, codecDeflate, codecSnappy, codecZstd} {
		if string(name) == codec {
			return codec, nil
		}
	}
	if len(name) == 0 {
		return codecNull, nil // as Java reads it
	}
	return "", fmt.Errorf("its codec is %.40q, which isn't supported; null, deflate, snappy and zstandard are", name)
}

// An unpacker unpacks blocks. It may be used by any number of goroutines.
type unpacker struct {
	flates sync.Pool // of *inflater
	zstds  sync.Pool // of *zstd.Decoder
	rooms  sync.Pool // of *[]byte
}

const (
	firstRoom = 32 << 10
	keepRoom  = 1 << 20 // bytes that are kept for the next block

	// A copy of Snappy's format makes 64 bytes of 3, so that a length beyond that is a lie (google/snappy, format_description.txt).
	snappyMost, snappyBytes = 64, 3
)

// errOutput is for blocks that unpack to more than they may.
var errOutput = errors.New("the blocks unpack to more than max_output allows")

// unpack is the content of a block. It is data itself or on the tape.
func (u *unpacker) unpack(t *serde.Tape, codec string, data []byte, most int) ([]byte, error) {
	if codec == codecNull {
		return data, nil
	}
	room, _ := u.rooms.Get().(*[]byte)
	if room == nil {
		room = new([]byte)
	}
	var err error
	switch codec {
	case codecDeflate:
		*room, err = u.inflate((*room)[:0], data, most)
	case codecSnappy:
		*room, err = unsnap((*room)[:0], data, most)
	default:
		*room, err = u.unzstd((*room)[:0], data, most)
	}
	var out []byte
	if err == nil {
		out = t.Keep(*room)
	}
	if cap(*room) <= keepRoom {
		u.rooms.Put(room)
	}
	if err != nil {
		return nil, fmt.Errorf("codec %s: %w", codec, err)
	}
	return out, nil
}

type inflater struct {
	from bytes.Reader
	r    io.ReadCloser
}

// inflate unpacks RFC 1951's format, which is without the header and the checksum of RFC 1950.
func (u *unpacker) inflate(dst, data []byte, most int) ([]byte, error) {
	f, _ := u.flates.Get().(*inflater)
	if f == nil {
		f = &inflater{}
		f.r = flate.NewReader(&f.from)
	}
	defer u.flates.Put(f)
	f.from.Reset(data)
	if err := f.r.(flate.Resetter).Reset(&f.from, nil); err != nil {
		return dst, err
	}
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, make([]byte, max(firstRoom, len(dst)))...)[:len(dst)]
		}
		n, err := f.r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst) > most:
			return dst, errOutput
		case err == io.EOF && f.from.Len() > 0:
			return dst, fmt.Errorf("%d bytes are left behind the compressed data", f.from.Len())
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst, err
		}
	}
}

// unsnap unpacks Snappy's block format, behind which there is a CRC-32 of what it unpacks to.
func unsnap(dst, data []byte, most int) ([]byte, error) {
	if len(data) < crc32.Size {
		return dst, errors.New("the block ends before its checksum")
	}
	packed, sum := data[:len(data)-crc32.Size], binary.BigEndian.Uint32(data[len(data)-crc32.Size:])
	n, err := snappy.DecodedLen(packed)
	switch {
	case err != nil:
		return dst, err
	case n > most:
		return dst, errOutput
	case n > len(packed)/snappyBytes*snappyMost+snappyMost:
		return dst, fmt.Errorf("%d bytes can't unpack to %d", len(packed), n)
	}
	if cap(dst) < n {
		dst = make([]byte, n)
	}
	if dst, err = snappy.Decode(dst[:n], packed); err != nil {
		return dst, err
	}
	if crc32.ChecksumIEEE(dst) != sum {
		return dst, errors.New("the checksum isn't that of the block")
	}
	return dst, nil
}

// unzstd unpacks Zstandard's format (RFC 8878). A frame may say how long it is; room is made four times as large each time that it was too small.
func (u *unpacker) unzstd(dst, data []byte, most int) ([]byte, error) {
	z, _ := u.zstds.Get().(*zstd.Decoder)
	if z == nil {
		var err error
		z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return dst, err
		}
	}
	defer u.zstds.Put(z)
	if cap(dst) < firstRoom {
		dst = make([]byte, 0, firstRoom)
	}
	for {
		dst = dst[:0:min(cap(dst), most)]
		out, err := z.DecodeAll(data, dst)
		switch {
		case err == nil:
			return out, nil
		case !errors.Is(err, zstd.ErrDecoderSizeExceeded):
			return dst, err
		case cap(dst) == most:
			return dst, errOutput
		}
		dst = make([]byte, 0, min(4*cap(dst), most))
	}
}
