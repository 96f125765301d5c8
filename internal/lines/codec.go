package lines

import (
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Compression is the name of a codec.
type Compression string

// What NewCodec knows.
const (
	None   Compression = "none"
	Gzip   Compression = "gzip"
	Zstd   Compression = "zstd"
	Snappy Compression = "snappy" // the framing format, framing_format.txt of google/snappy
)

// A Codec compresses blocks. It is safe for concurrent use; at most GOMAXPROCS calls
// compress at a time, the others wait for them.
type Codec struct {
	compression Compression
	level       int

	busy chan struct{} // as many places as encoders
	mu   sync.Mutex
	idle []encoder // the one used last is at the end
}

type encoder interface {
	append(dst, block []byte) []byte
}

// NewCodec makes a codec; "" is None. level is the codec's own scale, 0 its default: gzip 1 to 9
// (default 5), zstd 1 to 22, of which klauspost/compress tells four apart (default 1, the fastest); snappy has none.
func NewCodec(c Compression, level int) (*Codec, error) {
	top := 0
	switch c {
	case "", None:
		c = None
	case Gzip:
		top = gzip.BestCompression
	case Zstd:
		top = 22
	case Snappy:
	default:
		return nil, fmt.Errorf("there is no compression %q: none, gzip, zstd, snappy", string(c))
	}
	if level < 0 || level > top {
		return nil, fmt.Errorf("compression %s has no level %d: 0 (the default) to %d", c, level, top)
	}
	return &Codec{compression: c, level: level, busy: make(chan struct{}, runtime.GOMAXPROCS(0))}, nil
}

// Extension is what a file's name ends in: "", ".gz", ".zst" or ".sz".
func (c *Codec) Extension() string {
	switch c.compression {
	case Gzip:
		return ".gz"
	case Zstd:
		return ".zst"
	case Snappy:
		return ".sz"
	}
	return ""
}

// Append appends block to dst, compressed as a member or frame of its own. An empty block appends nothing.
func (c *Codec) Append(dst, block []byte) []byte {
	if len(block) == 0 {
		return dst
	}
	if c.compression == None {
		return append(dst, block...)
	}
	e := c.take()
	defer c.give(e)
	return e.append(dst, block)
}

func (c *Codec) take() encoder {
	c.busy <- struct{}{}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.idle); n > 0 {
		e := c.idle[n-1]
		c.idle = c.idle[:n-1]
		return e
	}
	switch c.compression {
	case Gzip:
		return newGzip(c.level)
	case Snappy:
		return newSnappy()
	}
	return newZstd(c.level)
}

func (c *Codec) give(e encoder) {
	c.mu.Lock()
	c.idle = append(c.idle, e)
	c.mu.Unlock()
	<-c.busy
}

// A tail is a slice that can be written to.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	return len(p), nil
}

// A streamEncoder makes blocks by an encoder of streams.
type streamEncoder struct {
	w interface {
		io.WriteCloser
		Reset(to io.Writer)
	}
	out tail
}

func newGzip(level int) *streamEncoder {
	if level == 0 {
		level = gzip.DefaultCompression
	}
	e := &streamEncoder{}
	e.w, _ = gzip.NewWriterLevel(&e.out, level) // NewCodec checked the level
	return e
}

func newSnappy() *streamEncoder {
	e := &streamEncoder{}
	// The format's chunks hold at most 64 KiB; one at a time, because callers are the parallel ones.
	e.w = s2.NewWriter(&e.out, s2.WriterSnappyCompat(), s2.WriterBlockSize(64<<10), s2.WriterConcurrency(1))
	return e
}

func (e *streamEncoder) append(dst, block []byte) []byte {
	e.out = dst
	e.w.Reset(&e.out)
	// A tail takes everything: there is no error but the writer's.
	_, _ = e.w.Write(block)
	_ = e.w.Close()
	dst, e.out = e.out, nil
	return dst
}

type zstdEncoder struct{ w *zstd.Encoder }

func newZstd(level int) zstdEncoder {
	w, _ := zstd.NewWriter(nil, // the options are constants within their limits
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(max(level, 1))),
		zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(1<<20), // a block is hardly longer
		zstd.WithLowerEncoderMem(true))
	return zstdEncoder{w}
}

func (e zstdEncoder) append(dst, block []byte) []byte { return e.w.EncodeAll(block, dst) }

// ContentType is that of a file that is plain without compression. With a Content-Encoding instead, clients would unpack what is named .gz.
func (c *Codec) ContentType(plain string) string {
	switch c.compression {
	case Gzip:
		return "application/gzip"
	case Zstd:
		return "application/zstd"
	case Snappy:
		return "application/x-snappy-framed"
	}
	return plain
}
