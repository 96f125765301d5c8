package restore

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/avro"
)

const (
	avroMagic = "Obj\x01"
	avroSync  = 16      // bytes of the marker behind the head and each block
	mostHead  = 4 << 20 // bytes of a container's head, which has its schema
)

// containerRows are the rows of an Avro object container (specification, Object Container Files), block by block. The head with one block behind it
// is a container itself, which the decoder for messages takes.
type containerRows struct {
	from    *bufio.Reader
	decoder *avro.ContainerDecoder
	tape    *serde.Tape
	part    []byte // the head, and the block that is read
	head    int    // bytes of the head
	block   int
	rows    serde.Value // those of the block
	next    int
	close   func() error
}

func newContainer(from io.Reader, end func() error) (*containerRows, error) {
	config := avro.DefaultContainerConfig()
	config.Records, config.MaxOutput = "array", mostRow
	decoder, err := avro.NewContainer(config)
	if err != nil {
		return nil, err
	}
	r := &containerRows{from: bufio.NewReaderSize(from, 64<<10), decoder: decoder, tape: serde.NewTape(), close: end}
	if err := r.begin(); err != nil {
		return nil, fmt.Errorf("the head of an Avro container: %w", cutOff(err))
	}
	return r, nil
}

// cutOff makes the end of the bytes an error, where it isn't the end of the file.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// begin reads the head: the magic, a map of texts, and the marker.
func (r *containerRows) begin() error {
	if err := r.take(int64(len(avroMagic)), mostHead); err != nil {
		return err
	}
	if string(r.part) != avroMagic {
		return fmt.Errorf("it begins with %q, and containers do with %q", r.part, avroMagic)
	}
	for {
		n, err := r.long()
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if n < 0 { // the length in bytes follows
			if _, err := r.long(); err != nil {
				return err
			}
			n = -n
		}
		for range 2 * min(n, mostHead) { // a key and a value each; there can't be more than bytes
			size, err := r.long()
			if err == nil {
				err = r.take(size, mostHead)
			}
			if err != nil {
				return err
			}
		}
	}
	err := r.take(avroSync, mostHead)
	r.head = len(r.part)
	return err
}

// long copies a number to the part, and reads it.
func (r *containerRows) long() (int64, error) {
	at := len(r.part)
	for range binary.MaxVarintLen64 {
		c, err := r.from.ReadByte()
		if err != nil {
			return 0, err
		}
		r.part = append(r.part, c)
		if c < 0x80 {
			x, n := binary.Varint(r.part[at:])
			if n <= 0 {
				break
			}
			return x, nil
		}
	}
	return 0, errors.New("a number has more than 64 bits")
}

// take copies n bytes to the part, which may have most.
func (r *containerRows) take(n, most int64) error {
	if n < 0 || n > most-int64(len(r.part)) {
		return tooLong("it", n)
	}
	var err error
	for end := len(r.part) + int(n); err == nil && len(r.part) < end; {
		at := len(r.part)
		step := min(end-at, max(64<<10, at)) // no room for what isn't there
		r.part = append(r.part, make([]byte, step)...)
		_, err = io.ReadFull(r.from, r.part[at:])
	}
	return err
}

func (r *containerRows) Next() (serde.Value, error) {
	for r.next == r.rows.Len() {
		if err := r.load(); err != nil {
			return serde.Value{}, err
		}
	}
	r.next++
	return r.rows.Index(r.next - 1), nil
}

// load reads the next block.
func (r *containerRows) load() error {
	if _, err := r.from.Peek(1); err != nil {
		return err
	}
	r.part = r.part[:r.head]
	_, err := r.long() // its rows
	var size int64
	if err == nil {
		size, err = r.long()
	}
	if err == nil {
		err = r.take(size, math.MaxInt32)
	}
	if err == nil {
		err = r.take(avroSync, math.MaxInt32)
	}
	r.block++
	if err != nil {
		return fmt.Errorf("block %d of an Avro container: %w", r.block, cutOff(err))
	}
	r.tape.Reset()
	r.rows, r.next = serde.Value{}, 0
	rows, err := r.decoder.Decode(context.Background(), r.tape, "", r.part) // it asks nobody
	if err != nil {
		return fmt.Errorf("block %d: %w", r.block, err)
	}
	r.rows = rows
	return nil
}

func (r *containerRows) Close() error { return r.close() }
