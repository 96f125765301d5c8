package avro

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"runtime"
	"slices"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// SyncLen is the length of the marker behind each block of a container. Each container has one of its own, at random.
const SyncLen = syncLen

// A ContainerCodec writes the parts of object containers, and compresses their blocks (specification, Object Container Files). It is safe for
// concurrent use; at most GOMAXPROCS calls compress at a time, the others wait for them.
type ContainerCodec struct {
	name  string
	level int

	busy chan struct{} // as many places as packers
	mu   sync.Mutex
	idle []packer // the one used last is at the end
}

// A packer compresses a block.
type packer interface {
	pack(dst, block []byte) []byte
}

const (
	defaultDeflate = 6 // zlib's, and so that of most writers
	defaultZstd    = 3 // that of zstd, and of Avro's Java library
	mostZstd       = 22
)

// NewContainerCodec makes a codec: "null", "deflate", "snappy" or "zstandard", "" for null. level is the codec's own scale, 0 its default: deflate 1
// to 9 (default 6), zstandard 1 to 22, of which klauspost/compress tells four apart (default 3); snappy and null have none.
func NewContainerCodec(name string, level int) (*ContainerCodec, error) {
	name, err := codecNamed([]byte(name))
	if err != nil {
		return nil, fmt.Errorf("avro container: %w", err)
	}
	top := map[string]int{codecDeflate: flate.BestCompression, codecZstd: mostZstd}[name]
	if level < 0 || level > top {
		return nil, fmt.Errorf("avro container: codec %s has no level %d: 0 (the default) to %d", name, level, top)
	}
	return &ContainerCodec{name: name, level: level, busy: make(chan struct{}, runtime.GOMAXPROCS(0))}, nil
}

// Name is the codec's name in headers.
func (c *ContainerCodec) Name() string { return c.name }

// AppendHeader appends what a container begins with. schema is the text of the rows' schema.
func (c *ContainerCodec) AppendHeader(dst []byte, schema string, marker [SyncLen]byte) []byte {
	dst = append(dst, fileMagic...)
	dst = binary.AppendVarint(dst, 2) // entries of the metadata
	for _, text := range [...]string{metaSchema, schema, metaCodec, c.name} {
		dst = append(binary.AppendVarint(dst, int64(len(text))), text...)
	}
	dst = append(dst, 0)
	return append(dst, marker[:]...)
}

// The metadata that every container has.
const (
	metaSchema = "avro.schema"
	metaCodec  = "avro.codec"
)

// AppendBlock appends a block of count rows. No rows append nothing. dst and rows don't overlap.
func (c *ContainerCodec) AppendBlock(dst []byte, count int64, rows []byte, marker [SyncLen]byte) []byte {
	if count == 0 {
		return dst
	}
	dst = binary.AppendVarint(dst, count)
	if c.name == codecNull {
		dst = append(binary.AppendVarint(dst, int64(len(rows))), rows...)
		return append(dst, marker[:]...)
	}
	// The length goes before the data and is known behind them: they are packed where the longest one would let them begin.
	at := len(dst)
	dst = slices.Grow(dst, binary.MaxVarintLen64)[:at+binary.MaxVarintLen64]
	dst = c.pack(dst, rows)
	packed := dst[at+binary.MaxVarintLen64:]
	dst = binary.AppendVarint(dst[:at], int64(len(packed)))
	dst = append(dst, packed...) // moves it down
	return append(dst, marker[:]...)
}

func (c *ContainerCodec) pack(dst, block []byte) []byte {
	c.busy <- struct{}{}
	p := c.take()
	dst = p.pack(dst, block)
	c.mu.Lock()
	c.idle = append(c.idle, p)
	c.mu.Unlock()
	<-c.busy
	return dst
}

func (c *ContainerCodec) take() packer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.idle); n > 0 {
		p := c.idle[n-1]
		c.idle = c.idle[:n-1]
		return p
	}
	switch c.name {
	case codecDeflate:
		return newDeflater(c.level)
	case codecZstd:
		return newZstd(c.level)
	}
	return snapper{}
}

// A deflater writes RFC 1951's format, without a header or a checksum.
type deflater struct {
	w   *flate.Writer
	out []byte
}

func newDeflater(level int) *deflater {
	if level == 0 {
		level = defaultDeflate
	}
	d := &deflater{}
	d.w, _ = flate.NewWriter(d, level) // NewContainerCodec checked the level
	return d
}

// Write takes what the flate.Writer made.
func (d *deflater) Write(p []byte) (int, error) {
	d.out = append(d.out, p...)
	return len(p), nil
}

func (d *deflater) pack(dst, block []byte) []byte {
	d.out = dst
	d.w.Reset(d)
	_, _ = d.w.Write(block) // fails only where Write above does
	_ = d.w.Close()
	dst, d.out = d.out, nil
	return dst
}

// A snapper writes Snappy's block format, with the CRC-32 of the block behind it, the highest byte first.
type snapper struct{}

func (snapper) pack(dst, block []byte) []byte {
	at, most := len(dst), snappy.MaxEncodedLen(len(block))
	dst = slices.Grow(dst, most+crc32.Size)
	packed := snappy.Encode(dst[at:at+most], block)
	return binary.BigEndian.AppendUint32(dst[:at+len(packed)], crc32.ChecksumIEEE(block))
}

// A zstdPacker writes a frame of Zstandard (RFC 8878).
type zstdPacker struct{ w *zstd.Encoder }

func newZstd(level int) zstdPacker {
	if level == 0 {
		level = defaultZstd
	}
	w, _ := zstd.NewWriter(nil, // the options are constants within their limits
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)),
		zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(1<<20), // a block is hardly longer
		zstd.WithLowerEncoderMem(true))
	return zstdPacker{w}
}

func (p zstdPacker) pack(dst, block []byte) []byte { return p.w.EncodeAll(block, dst) }
