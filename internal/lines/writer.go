package lines

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/millrace/millrace/serde"
)

// Format is the name of a row's encoding.
type Format string

// The formats. ParseFormat knows JSON and Raw.
const (
	JSON Format = "json" // the value as JSON; null for a tombstone
	Raw  Format = "raw"  // strings and bytes as they are, anything else as JSON, nothing for a tombstone

	// RawLengths is Raw with the length of each value before it, in four bytes, big-endian, and nothing behind it.
	RawLengths Format = "raw with lengths"

	rawSeparated = "raw separated by "
)

// RawSeparated is Raw with another text than a newline behind each value.
func RawSeparated(separator string) Format {
	if separator == "\n" {
		return Raw
	}
	return Format(rawSeparated + separator)
}

// separator is the text behind each row, and whether rows are raw.
func (f Format) separator() (s string, raw bool) {
	if s, raw = strings.CutPrefix(string(f), rawSeparated); raw {
		return s, true
	}
	return "\n", f == Raw
}

// ParseFormat checks the name of a format; "" is JSON.
func ParseFormat(name string) (Format, error) {
	switch f := Format(name); f {
	case "":
		return JSON, nil
	case JSON, Raw:
		return f, nil
	}
	return "", fmt.Errorf("there is no format %q: json, raw", name)
}

// Extension is what the name of an uncompressed file ends in: ".json" and ".txt" where rows are lines, ".bin" elsewhere.
func (f Format) Extension() string {
	switch f {
	case "", JSON:
		return ".json"
	case Raw:
		return ".txt"
	}
	return ".bin"
}

var (
	errNewline   = errors.New("the text holds a newline, which would make two lines of it; format json keeps such values apart")
	errSeparator = errors.New("the text holds the separator, which would make two of it")
	errLong      = errors.New("the text is too long for a length of four bytes")
	errNothing   = errors.New("there is no value")
)

// Append appends v as a line, with its newline or what the format has instead. The error is about this value and comes back with dst unchanged.
func (f Format) Append(dst []byte, v serde.Value) ([]byte, error) {
	if f == RawLengths {
		return appendLength(dst, v)
	}
	start := len(dst)
	out, err := dst, error(nil)
	separator, raw := f.separator()
	switch {
	case raw:
		out, err = v.AppendText(dst)
		if err == nil {
			n := len(out)
			// A reader cuts at the first separator: it has to be this one.
			if out = append(out, separator...); bytes.Index(out[start:], []byte(separator)) == n-start {
				return out, nil
			}
			err = errSeparator
			if f == Raw {
				err = errNewline
			}
		}
	case !v.Exists():
		err = errNothing
	default:
		out, err = v.AppendJSON(dst)
	}
	if err != nil {
		return dst, err
	}
	return append(out, '\n'), nil
}

func appendLength(dst []byte, v serde.Value) ([]byte, error) {
	out, err := v.AppendText(append(dst, 0, 0, 0, 0))
	if err != nil {
		return dst, err
	}
	n := len(out) - len(dst) - 4
	if n > math.MaxUint32 {
		return dst, errLong
	}
	binary.BigEndian.PutUint32(out[len(dst):], uint32(n))
	return out, nil
}

// A Writer collects the rows of one file. It is used by one goroutine at a time.
//
// Rows gather in a block until the caller takes it:
//
//	if w.Pending() >= limit {
//		p := w.Block(&scratch)   // compressed
//		... append p to the file or part ...
//		w.Next(len(p), limit)
//	}
type Writer struct {
	codec    *Codec
	format   Format
	block    []byte
	finished int64
	rows     int64
}

// NewWriter makes a Writer of an empty file.
func NewWriter(c *Codec, f Format) *Writer { return &Writer{codec: c, format: f} }

// Add appends a row to the block. The error is about this value; no part of it stays in the block.
func (w *Writer) Add(v serde.Value) error {
	block, err := w.format.Append(w.block, v)
	if err != nil {
		return err
	}
	w.block = block
	w.rows++
	return nil
}

// Rows is how many rows were added.
func (w *Writer) Rows() int64 { return w.rows }

// Pending is the length of the open block, uncompressed.
func (w *Writer) Pending() int64 { return int64(len(w.block)) }

// Encoded is 0: how far a block can be compressed is known when it is.
func (w *Writer) Encoded() int64 { return 0 }

// Pack does nothing: the block is what can be compressed.
func (w *Writer) Pack(int64) {}

// Held is the memory that the Writer holds, in bytes.
func (w *Writer) Held() int64 { return int64(cap(w.block)) }

// End is nothing: files of lines end with a line.
func (w *Writer) End(*[]byte) []byte { return nil }

// Finished is the length of the file without the open block.
func (w *Writer) Finished() int64 { return w.finished }

// Block is the open block as the file's next bytes. They lie in scratch, which grows as needed and may be shared by
// many Writers, or in the Writer itself: they are valid until the next Add, Next, or use of scratch. Until Next, Block
// gives them again.
func (w *Writer) Block(scratch *[]byte) []byte {
	if w.codec.compression == None {
		return w.block
	}
	*scratch = w.codec.Append((*scratch)[:0], w.block)
	return *scratch
}

// Next starts a new block; n is the length of what Block gave. Memory beyond keep bytes is let go.
func (w *Writer) Next(n int, keep int64) {
	w.finished += int64(n)
	w.block = w.block[:0]
	if int64(cap(w.block)) > keep {
		w.block = nil
	}
}
