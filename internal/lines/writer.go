package lines

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/millrace/millrace/serde"
)

// Format is the name of a row's encoding.
type Format string

// What ParseFormat knows.
const (
	JSON Format = "json" // the value as JSON; null for a tombstone
	Raw  Format = "raw"  // strings and bytes as they are, anything else as JSON, nothing for a tombstone
)

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

// Extension is what the name of an uncompressed file ends in: ".json" or ".txt".
func (f Format) Extension() string {
	if f == Raw {
		return ".txt"
	}
	return ".json"
}

var (
	errNewline = errors.New("the text holds a newline, which would make two lines of it; format json keeps such values apart")
	errNothing = errors.New("there is no value")
)

// Append appends v as a line, with its newline. The error is about this value and comes back with dst unchanged.
func (f Format) Append(dst []byte, v serde.Value) ([]byte, error) {
	start := len(dst)
	out, err := dst, error(nil)
	switch {
	case f == Raw:
		out, err = v.AppendText(dst)
		if err == nil && bytes.IndexByte(out[start:], '\n') >= 0 {
			err = errNewline
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
func (w *Writer) Pending() int { return len(w.block) }

// Held is the memory that the Writer holds, in bytes.
func (w *Writer) Held() int64 { return int64(cap(w.block)) }

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
func (w *Writer) Next(n, keep int) {
	w.finished += int64(n)
	w.block = w.block[:0]
	if cap(w.block) > keep {
		w.block = nil
	}
}
