package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// An unpacker decompresses pages, one after the other.
type unpacker struct {
	gzip *gzip.Reader
	zstd *zstd.Decoder
}

// firstRoom is how much memory an unpacker begins with; it grows as data comes, whatever a page says of its size.
const firstRoom = 64 << 10

var errSize = errors.New("it doesn't unpack to the size that it says")

// unpack decompresses data to size bytes, in room if it fits in there. Uncompressed data are borrowed.
func (u *unpacker) unpack(room []byte, c format.CompressionCodec, data []byte, size int) (out []byte, err error) {
	room = room[:0]
	switch c {
	case format.Uncompressed:
		out = data
	case format.Snappy:
		out, err = unsnap(room, data, size)
	case format.Gzip:
		out, err = u.gunzip(room, data, size)
	case format.Zstd:
		out, err = u.unzstd(room, data, size)
	default:
		return nil, fmt.Errorf("compression %s isn't supported: none, snappy, gzip and zstd are", c)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("compression %s: %w", c, err)
	case len(out) != size:
		return nil, fmt.Errorf("compression %s: %w", c, errSize)
	}
	return out, nil
}

func unsnap(room, data []byte, size int) ([]byte, error) {
	const most = 64 // bytes that one can unpack to: a copy has at least two for up to 64 (format_description.txt of google/snappy)
	n, err := snappy.DecodedLen(data)
	if err != nil || n != size || n > len(data)*most {
		return nil, errors.Join(errSize, err)
	}
	if cap(room) < n {
		room = make([]byte, n)
	}
	return snappy.Decode(room[:n], data)
}

func (u *unpacker) gunzip(room, data []byte, size int) ([]byte, error) {
	from := bytes.NewReader(data)
	if u.gzip == nil {
		u.gzip = new(gzip.Reader)
	}
	if err := u.gzip.Reset(from); err != nil {
		return nil, err
	}
	if cap(room) < min(size, firstRoom) {
		room = make([]byte, 0, min(size, firstRoom))
	}
	for {
		if len(room) == cap(room) {
			if len(room) > size {
				return nil, errSize
			}
			room = append(room, 0)[:len(room)]
		}
		n, err := u.gzip.Read(room[len(room):cap(room)])
		room = room[:len(room)+n]
		if errors.Is(err, io.EOF) {
			return room, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (u *unpacker) unzstd(room, data []byte, size int) ([]byte, error) {
	if u.zstd == nil {
		var err error
		u.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(mostPage))
		if err != nil {
			return nil, err
		}
	}
	if cap(room) < min(size, firstRoom) {
		room = make([]byte, 0, min(size, firstRoom))
	}
	for {
		out, err := u.zstd.DecodeAll(data, room[:0:min(cap(room), size)])
		switch {
		case err == nil:
			return out, nil
		case !errors.Is(err, zstd.ErrDecoderSizeExceeded):
			return nil, err
		case cap(room) >= size:
			return nil, errSize
		}
		room = make([]byte, 0, min(4*cap(room), size))
	}
}

// close ends what holds memory.
func (u *unpacker) close() {
	if u.zstd != nil {
		u.zstd.Close()
	}
}
