package avro

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/millrace/millrace/serde"
)

// ContainerConfig is the configuration of the decoder avro_container: messages that are Avro object containers, each with the schema that it
// was written with (specification, Object Container Files).
type ContainerConfig struct {
	// How many records a message holds: "one", or "array" for any number of them, which become an array. A message with another number than
	// one is an error with "one".
	Records string `yaml:"records"`
	// The schema to read with, as JSON text or {file: PATH}: its aliases, defaults and types apply. Default: the one in the message.
	Reader string `yaml:"reader"`
	// How timestamps are read: "rfc3339" as such, "epoch" as the integers that were written.
	Timestamps string `yaml:"timestamps"`
	// Bytes that the blocks of a message may unpack to, all together.
	MaxOutput int `yaml:"max_output"`
	// Limits of a record. A limit that depends on the length of a record goes by that of its block.
	Limits Limits `yaml:",inline"`
}

const (
	recordsOne, recordsArray = "one", "array"

	defaultOutput = 16 << 20 // bytes; Kafka's messages have at most 1 MiB by default (message.max.bytes)
)

// DefaultContainerConfig reads messages of one record each.
func DefaultContainerConfig() ContainerConfig {
	return ContainerConfig{Records: recordsOne, MaxOutput: defaultOutput}
}

// Validate reports settings that can't be.
func (c ContainerConfig) Validate() error {
	switch {
	case c.Records != "" && c.Records != recordsOne && c.Records != recordsArray:
		return fmt.Errorf("records is %.40q, expected one or array", c.Records)
	case c.MaxOutput < 0 || c.MaxOutput > math.MaxInt32:
		return fmt.Errorf("max_output is %d, expected 1 to %d bytes, or 0 for the default", c.MaxOutput, math.MaxInt32)
	}
	if err := c.Limits.Validate(); err != nil {
		return fmt.Errorf("%w", err)
	}
	if _, err := newCompiler(c.Timestamps); err != nil {
		return fmt.Errorf("%w", err)
	}
	if _, err := c.reader(); err != nil {
		return fmt.Errorf("reader: %w", err)
	}
	return nil
}

func (c ContainerConfig) reader() (*Schema, error) {
	if c.Reader == "" {
		return nil, nil
	}
	return Parse(c.Reader)
}

// A ContainerDecoder decodes messages that are Avro object containers. It is safe for concurrent use.
//
// A container says how many bytes it unpacks to only by doing so. What a message takes is therefore bounded by the setting max_output, and
// grows as its blocks are unpacked, at most four times ahead of them. Apart from that the bound of every decoder holds, 64 times the bytes,
// here those that were unpacked, and 1 MiB.
type ContainerDecoder struct {
	config   ContainerConfig
	reader   *Schema
	unpacker unpacker

	programs atomic.Pointer[map[string]*Program] // by the text of the schema; a map isn't changed once it is here
	compile  sync.Mutex
}

// Bounds of the programs that are kept. Beyond them all are forgotten, and those in use compiled again.
const (
	mostPrograms    = 256
	mostProgramText = 8 << 20 // bytes of schemas
)

var _ serde.Decoder = (*ContainerDecoder)(nil)

// NewContainer makes a ContainerDecoder.
func NewContainer(c ContainerConfig) (*ContainerDecoder, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Records == "" {
		c.Records = recordsOne
	}
	if c.MaxOutput == 0 {
		c.MaxOutput = defaultOutput
	}
	reader, err := c.reader()
	if err != nil {
		return nil, err
	}
	d := &ContainerDecoder{config: c, reader: reader}
	d.programs.Store(&map[string]*Program{})
	return d, nil
}

// Decode makes the value of the record in a container, or an array of its records, and null where Kafka holds no value. The value borrows
// data where the container isn't compressed. Records know the schema in the container, with the name of its type and its text.
func (d *ContainerDecoder) Decode(_ context.Context, t *serde.Tape, _ string, data []byte) (serde.Value, error) {
	if data == nil {
		return t.Null(), nil
	}
	v, err := d.decode(t, data)
	if err != nil {
		return serde.Value{}, fmt.Errorf("avro container: %w", err)
	}
	return v, nil
}

func (d *ContainerDecoder) decode(t *serde.Tape, data []byte) (serde.Value, error) {
	if len(data) > math.MaxInt32 {
		return serde.Value{}, fmt.Errorf("%d bytes are more than the limit of %d", len(data), math.MaxInt32)
	}
	h, err := readHeader(data)
	if err != nil {
		return serde.Value{}, err
	}
	total, err := h.count(data)
	if err != nil {
		return serde.Value{}, err
	}
	if d.config.Records == recordsOne && total != 1 {
		return serde.Value{}, fmt.Errorf("the message has %d records, expected one; set records: array to decode them all", total)
	}
	p, err := d.program(h.schema)
	if err != nil {
		return serde.Value{}, err
	}
	r := records{d: d, t: t, p: p, output: d.config.MaxOutput}
	for at := h.end; at < len(data); {
		b, _ := h.block(data, at) // count found no fault
		if err := r.block(h.codec, b); err != nil {
			return serde.Value{}, fmt.Errorf("block at byte %d: %w", at, err)
		}
		at = b.end
	}
	if d.config.Records == recordsOne {
		return r.first, nil
	}
	return t.Array(r.all), nil
}

// program is the program of a schema, compiled when it is first met.
func (d *ContainerDecoder) program(text []byte) (*Program, error) {
	if p := (*d.programs.Load())[string(text)]; p != nil {
		return p, nil
	}
	s, err := Parse(string(text))
	if err != nil {
		return nil, err
	}
	attached := &serde.Schema{Format: serde.Avro, Name: s.Name, Text: string(text), Reader: d.config.Reader}
	p, err := Compile(s, Options{Reader: d.reader, Schema: attached, Timestamps: d.config.Timestamps, Limits: d.config.Limits})
	if err != nil {
		return nil, err
	}
	d.keep(attached.Text, p)
	return p, nil
}

func (d *ContainerDecoder) keep(text string, p *Program) {
	d.compile.Lock()
	defer d.compile.Unlock()
	old := *d.programs.Load()
	size := len(text)
	for known := range old {
		size += len(known)
	}
	kept := make(map[string]*Program, len(old)+1)
	if len(old) < mostPrograms && size <= mostProgramText {
		for known, program := range old {
			kept[known] = program
		}
	}
	if len(text) <= mostProgramText {
		kept[text] = p
	}
	d.programs.Store(&kept)
}

// records are those of a container.
type records struct {
	d      *ContainerDecoder
	t      *serde.Tape
	p      *Program
	output int // bytes that may still be unpacked
	first  serde.Value
	all    []serde.Value
}

func (r *records) block(codec string, b fileBlock) error {
	data, err := r.d.unpacker.unpack(r.t, codec, b.data, r.output)
	if err != nil {
		return err
	}
	if codec != codecNull {
		r.output -= len(data)
	}
	left, at := r.p.limits.nodes(len(data)), 0
	if b.count > left {
		return fmt.Errorf("it has %d records, more than the limit nodes of %d allows", b.count, left)
	}
	for range b.count {
		var v serde.Value
		if v, at, err = r.p.decodeAt(r.t, data, at, &left); err != nil {
			return err
		}
		if r.d.config.Records == recordsOne {
			r.first = v
		} else {
			r.all = append(r.all, v)
		}
	}
	if at < len(data) {
		return fmt.Errorf("%d bytes are left behind its %d records", len(data)-at, b.count)
	}
	return nil
}

// decodeAt decodes the value that begins at a byte of data, and tells where it ends. left is how many nodes it may have, and is reduced to
// what remains.
func (p *Program) decodeAt(t *serde.Tape, data []byte, at int, left *int) (serde.Value, int, error) {
	if *left < 1 {
		return serde.Value{}, at, fmt.Errorf("the records have more than %d parts, the limit nodes", p.limits.nodes(len(data)))
	}
	d := decoding{input: p.input(data)}
	d.left = *left
	d.w = t.Write(data, p.names, d.left)
	d.left--
	i, f := d.run(p.root[:], at)
	if f != nil {
		d.w.Discard()
		return serde.Value{}, i, f
	}
	*left = d.left
	v, err := d.w.Value(p.schema)
	return v, i, err
}

// A fileHeader is what a container begins with.
type fileHeader struct {
	schema []byte
	codec  string
	sync   []byte
	end    int
}

const (
	fileMagic = "Obj\x01"
	syncLen   = 16
	mostMeta  = 1000 // entries
)

// readHeader reads the magic, the metadata and the sync marker.
func readHeader(data []byte) (h fileHeader, err error) {
	if len(data) < len(fileMagic) || string(data[:len(fileMagic)]) != fileMagic {
		return h, errors.New(`the message doesn't begin with "Obj" and 1, as object containers do`)
	}
	h.codec = codecNull
	r := fileReader{data: data, at: len(fileMagic)}
	entries := 0
	for n := r.long(); n != 0 && r.err == nil; n = r.long() {
		if n < 0 {
			n = -n
			r.long() // the block's length
		}
		if n < 0 || n > mostMeta || entries+int(n) > mostMeta {
			return h, fmt.Errorf("its metadata have more than %d entries", mostMeta)
		}
		entries += int(n)
		for range n {
			key, value := r.bytes(), r.bytes()
			switch string(key) {
			case "avro.schema":
				h.schema = value
			case "avro.codec":
				if h.codec, err = codecNamed(value); err != nil {
					return h, err
				}
			}
		}
	}
	h.sync = r.next(syncLen)
	h.end = r.at
	switch {
	case r.err != nil:
		return h, fmt.Errorf("its header: %w", r.err)
	case h.schema == nil:
		return h, errors.New(`its metadata have no schema, "avro.schema"`)
	case len(h.schema) > maxSchema:
		return h, fmt.Errorf("its schema has %d bytes, at most %d are allowed", len(h.schema), maxSchema)
	}
	return h, nil
}

// A fileBlock is a block of records, as it is stored.
type fileBlock struct {
	count int
	data  []byte
	end   int // where the next one begins
}

// block reads the block at a byte of data, and checks that the sync marker is behind it.
func (h *fileHeader) block(data []byte, at int) (b fileBlock, err error) {
	r := fileReader{data: data, at: at}
	count := r.long()
	b.data = r.bytes()
	marker := r.next(syncLen)
	switch {
	case r.err != nil:
		return b, r.err
	case count < 0 || count > math.MaxInt32:
		return b, fmt.Errorf("it says that it has %d records", count)
	case !bytes.Equal(marker, h.sync):
		return b, errors.New("the sync marker behind it isn't that of the header")
	}
	b.count, b.end = int(count), r.at
	return b, nil
}

// count checks all blocks from the outside, and adds their records up.
func (h *fileHeader) count(data []byte) (total int, err error) {
	for at := h.end; at < len(data); {
		b, err := h.block(data, at)
		if err != nil {
			return 0, fmt.Errorf("block at byte %d: %w", at, err)
		}
		total += b.count
		at = b.end
	}
	return total, nil
}

// A fileReader reads the parts of a container until the first error.
type fileReader struct {
	data []byte
	at   int
	err  error
}

func (r *fileReader) long() int64 {
	if r.err != nil {
		return 0
	}
	x, n := binary.Varint(r.data[r.at:])
	if n <= 0 {
		r.err = fmt.Errorf("byte %d: the data ends within a number, or the number doesn't fit a long", r.at)
		return 0
	}
	r.at += n
	return x
}

func (r *fileReader) bytes() []byte { return r.next(r.long()) }

func (r *fileReader) next(n int64) []byte {
	if r.err == nil && (n < 0 || n > int64(len(r.data)-r.at)) {
		r.err = fmt.Errorf("byte %d: %d bytes should follow, %d are left", r.at, n, len(r.data)-r.at)
	}
	if r.err != nil {
		return nil
	}
	r.at += int(n)
	return r.data[r.at-int(n) : r.at]
}
