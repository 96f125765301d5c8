package parquet

import (
	"fmt"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// The compressions: parquet-format, Compression.md. SNAPPY is its raw block format.
const (
	Snappy = "snappy"
	Zstd   = "zstd"
	Gzip   = "gzip"
	None   = "none"
)

// parseCompression checks the name and level of a compression.
func parseCompression(name string, level int) (format.CompressionCodec, error) {
	codec, top := format.Snappy, 0
	switch name {
	case "", Snappy:
	case Zstd:
		codec, top = format.Zstd, 22
	case Gzip:
		codec, top = format.Gzip, gzip.BestCompression
	case None:
		codec = format.Uncompressed
	default:
		return 0, fmt.Errorf("there is no compression %q for Parquet files: snappy, zstd, gzip, none", name)
	}
	if level < 0 || level > top {
		return 0, fmt.Errorf("compression %s has no level %d: 0 (the default) to %d", name, level, top)
	}
	return codec, nil
}

// A compressor compresses one page after another.
type compressor interface {
	// append appends page to dst, compressed.
	append(dst, page []byte) []byte
}

// newCompressor makes a compressor of a checked codec and level.
func newCompressor(codec format.CompressionCodec, level int) compressor {
	switch codec {
	case format.Snappy:
		return snappyBlocks{}
	case format.Zstd:
		w, _ := zstd.NewWriter(nil, // the options are constants within their limits
			zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(max(level, 1))),
			zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(1<<20), // a page is hardly longer
			zstd.WithLowerEncoderMem(true))
		return zstdFrames{w}
	case format.Gzip:
		if level == 0 {
			level = gzip.DefaultCompression
		}
		c := &gzipMembers{}
		c.w, _ = gzip.NewWriterLevel(&c.out, level) // the level was checked
		return c
	}
	return plainBytes{}
}

type plainBytes struct{}

func (plainBytes) append(dst, page []byte) []byte { return append(dst, page...) }

type snappyBlocks struct{}

func (snappyBlocks) append(dst, page []byte) []byte {
	n := len(dst)
	dst = slices.Grow(dst, s2.MaxEncodedLen(len(page)))
	out := s2.EncodeSnappy(dst[n:cap(dst)], page)
	return dst[:n+len(out)]
}

type zstdFrames struct{ w *zstd.Encoder }

func (c zstdFrames) append(dst, page []byte) []byte { return c.w.EncodeAll(page, dst) }

type gzipMembers struct {
	w   *gzip.Writer
	out tail
}

func (c *gzipMembers) append(dst, page []byte) []byte {
	c.out = dst
	c.w.Reset(&c.out)
	// A tail takes everything: there is no error.
	_, _ = c.w.Write(page)
	_ = c.w.Close()
	dst, c.out = c.out, nil
	return dst
}

// A tail is a slice that can be written to.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	return len(p), nil
}

// maxPage is the largest page, before and after compression. Lengths in Parquet's headers have 31 bits, and a compressor may add a sixth.
const maxPage = 1 << 30
