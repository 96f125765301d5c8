package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// codecs unpack the four compressions of Kafka into memory that was sized before, from what the compressed bytes say of
// themselves. Their methods may be called by several goroutines.
type codecs struct {
	most int64 // bytes of one batch

	gzips, lz4s  sync.Pool // of *gzip.Reader, *lz4.Reader
	zstds, tight sync.Pool // of *zstd.Decoder: tight are for what may be more than most
}

var (
	errShort     = errors.New("there is more than was made room for")
	errUndefined = errors.New("unknown compression")
)

// size is how many bytes src unpacks to, as it says itself. Unless it is exact, it is the most of lz4 and zstd, and
// of gzip where to begin: there may be more.
func (c *codecs) size(src []byte, codec kgo.CompressionCodecType) (n int64, exact bool, err error) {
	switch codec {
	case kgo.CodecGzip:
		return gzipSize(src), false, nil
	case kgo.CodecSnappy:
		n, err = snappySize(src)
		return n, true, err
	case kgo.CodecLz4:
		n, err = lz4Size(src)
		return n, false, err
	case kgo.CodecZstd:
		return zstdSize(src)
	default:
		return 0, false, errUndefined
	}
}

// unpack appends what src unpacks to to dst, up to its capacity. If there is more, the error is errShort.
func (c *codecs) unpack(dst, src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	switch codec {
	case kgo.CodecGzip:
		r, ok := c.gzips.Get().(*gzip.Reader)
		if !ok {
			r = new(gzip.Reader)
		}
		defer c.gzips.Put(r)
		if err := r.Reset(bytes.NewReader(src)); err != nil {
			return nil, err
		}
		return fill(dst, r)
	case kgo.CodecLz4:
		r, ok := c.lz4s.Get().(*lz4.Reader)
		if !ok {
			r = lz4.NewReader(nil)
		}
		defer c.lz4s.Put(r)
		r.Reset(bytes.NewReader(src))
		return fill(dst, r)
	case kgo.CodecSnappy:
		return unpackSnappy(dst, src)
	case kgo.CodecZstd:
		return c.unpackZstd(dst, src)
	default:
		return nil, errUndefined
	}
}

// zstdBlock is the largest size of a block (RFC 8878, section 3.1.1.2.4).
const zstdBlock = 128 << 10

// unpackZstd decodes into dst, without a window beside it. The library finds out that there is too much behind the block that was: what may
// be more than most needs room for a block above it.
func (c *codecs) unpackZstd(dst, src []byte) ([]byte, error) {
	pool, limit := &c.zstds, zstd.WithDecodeAllCapLimit(true)
	if int64(cap(dst)) > c.most {
		pool, limit = &c.tight, zstd.WithDecoderMaxMemory(uint64(c.most))
	}
	d, ok := pool.Get().(*zstd.Decoder)
	if !ok {
		var err error
		if d, err = zstd.NewReader(nil, zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(1), limit); err != nil {
			return nil, err
		}
	}
	defer pool.Put(d)
	out, err := d.DecodeAll(src, dst)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return nil, errShort
	}
	return out, err
}

// fill reads r to its end into dst's capacity.
func fill(dst []byte, r io.Reader) ([]byte, error) {
	for {
		room := dst[len(dst):cap(dst)]
		if len(room) == 0 {
			room = make([]byte, 1) // is this the end?
		}
		n, err := r.Read(room)
		if n > 0 && len(dst) == cap(dst) {
			return nil, errShort
		}
		dst = dst[:len(dst)+n]
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// deflateMost is how many bytes one byte of deflate stands for at most: 258 in two bits (RFC 1951, section 3.2.5).
const deflateMost = 1032

// gzipSize is what the trailer of the last member says (RFC 1952, section 2.3.1), if that is possible. Nearly always it is the only member.
func gzipSize(src []byte) int64 {
	if len(src) < 18 {
		return 0
	}
	return min(int64(binary.LittleEndian.Uint32(src[len(src)-4:])), deflateMost*int64(len(src)))
}

// xerial begins the framing that Java's producers put around blocks of snappy: eight bytes, and two versions of four.
const xerial = "\x82SNAPPY\x00"

const xerialHeader = len(xerial) + 8

// eachSnappy calls block for each block of snappy in src, with the size that it says it unpacks to.
func eachSnappy(src []byte, block func(b []byte, n int) error) error {
	one := func(b []byte) error {
		n, err := s2.DecodedLen(b)
		if err != nil {
			return err
		}
		return block(b, n)
	}
	if len(src) <= xerialHeader || string(src[:len(xerial)]) != xerial {
		return one(src)
	}
	for src = src[xerialHeader:]; len(src) > 0; {
		if len(src) < 4 {
			return io.ErrUnexpectedEOF
		}
		n := int64(binary.BigEndian.Uint32(src))
		if src = src[4:]; n > int64(len(src)) {
			return io.ErrUnexpectedEOF
		}
		if err := one(src[:n]); err != nil {
			return err
		}
		src = src[n:]
	}
	return nil
}

func snappySize(src []byte) (sum int64, err error) {
	err = eachSnappy(src, func(_ []byte, n int) error {
		sum += int64(n)
		return nil
	})
	return sum, err
}

func unpackSnappy(dst, src []byte) ([]byte, error) {
	err := eachSnappy(src, func(b []byte, n int) error {
		at := len(dst)
		if n > cap(dst)-at {
			return errShort
		}
		dst = dst[:at+n]
		_, err := s2.Decode(dst[at:], b)
		return err
	})
	return dst, err
}

// lz4Size adds up the blocks of lz4 frames at their largest size; only the last one of a frame is smaller. (LZ4 Frame Format Description, version 1.6.4)
func lz4Size(src []byte) (sum int64, err error) {
	for len(src) > 0 {
		if len(src) < 7 {
			return 0, io.ErrUnexpectedEOF
		}
		if magic := binary.LittleEndian.Uint32(src); magic != 0x184D2204 {
			return 0, fmt.Errorf("lz4: %#x doesn't begin a frame", magic)
		}
		flags, size := src[4], src[5]>>4&7
		if size < 4 {
			return 0, fmt.Errorf("lz4: block size %d", size)
		}
		largest := int64(1) << (8 + 2*size) // 64 KiB to 4 MiB
		at := 7
		if flags&0x08 != 0 {
			at += 8 // the size of the content
		}
		if flags&0x01 != 0 {
			at += 4 // the dictionary's id
		}
		for {
			if len(src) < at+4 {
				return 0, io.ErrUnexpectedEOF
			}
			n := binary.LittleEndian.Uint32(src[at:])
			at += 4
			if n == 0 {
				break
			}
			raw := n&(1<<31) != 0
			n &^= 1 << 31
			if int64(n) > int64(len(src)-at) {
				return 0, io.ErrUnexpectedEOF
			}
			if raw {
				sum += int64(n)
			} else {
				sum += largest
			}
			at += int(n)
			if flags&0x10 != 0 {
				at += 4 // the block's checksum
			}
		}
		if flags&0x04 != 0 {
			at += 4 // the content's checksum
		}
		if at > len(src) {
			return 0, io.ErrUnexpectedEOF
		}
		src = src[at:]
	}
	return sum, nil
}

// zstdSize is what zstd frames say of their contents; where one says nothing, its blocks count, at their largest size. (RFC 8878, section 3.1.1)
func zstdSize(src []byte) (sum int64, exact bool, _ error) {
	exact = true
	for len(src) > 0 {
		var h zstd.Header
		if err := h.Decode(src); err != nil {
			return 0, false, err
		}
		if h.Skippable {
			n := int64(h.HeaderSize) + int64(h.SkippableSize)
			if n > int64(len(src)) {
				return 0, false, io.ErrUnexpectedEOF
			}
			src = src[n:]
			continue
		}
		n, at, err := zstdBlocks(src, h.HeaderSize)
		if err != nil {
			return 0, false, err
		}
		if h.HasCheckSum {
			at += 4
		}
		if at > len(src) {
			return 0, false, io.ErrUnexpectedEOF
		}
		switch {
		case !h.HasFCS:
			exact = false
		case h.FrameContentSize > math.MaxInt32:
			return math.MaxInt32, true, nil // more than any limit
		default:
			n = int64(h.FrameContentSize)
		}
		sum += n
		src = src[at:]
	}
	return sum, exact, nil
}

// zstdBlocks adds up the blocks of a frame from an offset on, and returns the offset behind them.
func zstdBlocks(src []byte, at int) (sum int64, end int, _ error) {
	for {
		if len(src) < at+3 {
			return 0, 0, io.ErrUnexpectedEOF
		}
		head := uint32(src[at]) | uint32(src[at+1])<<8 | uint32(src[at+2])<<16
		at += 3
		last, kind, size := head&1 != 0, head>>1&3, int(head>>3)
		switch kind {
		case 0: // as it is
			sum += int64(size)
		case 1: // one byte, repeated
			sum += int64(size)
			size = 1
		case 2:
			sum += zstdBlock
		default:
			return 0, 0, errors.New("zstd: reserved type of block")
		}
		if size > len(src)-at {
			return 0, 0, io.ErrUnexpectedEOF
		}
		at += size
		if last {
			return sum, at, nil
		}
	}
}
