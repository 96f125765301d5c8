package restore

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/serde"
)

// lineRows are lines.
type lineRows struct {
	from  *bufio.Reader
	tape  *serde.Tape
	plain bool // lines are texts, not JSON
	line  []byte
	n     int64
	close func() error
}

func newLines(from io.Reader, plain bool, end func() error) *lineRows {
	return &lineRows{from: bufio.NewReaderSize(from, 64<<10), tape: serde.NewTape(), plain: plain, close: end}
}

func (r *lineRows) Next() (serde.Value, error) {
	r.tape.Reset()
	line, err := r.read()
	if err != nil {
		return serde.Value{}, err
	}
	r.n++
	if r.plain {
		return r.tape.BorrowBytes(line), nil
	}
	v, err := r.tape.JSON(line, serde.Limits{})
	if err != nil {
		return v, fmt.Errorf("line %d: %w", r.n, err)
	}
	return v, nil
}

// read reads a line without its end. It is borrowed from the reader where it fits in there.
func (r *lineRows) read() ([]byte, error) {
	r.line = r.line[:0]
	for {
		part, err := r.from.ReadSlice('\n')
		switch {
		case err == nil && len(r.line) == 0:
			return part[:len(part)-1], nil
		case err == nil:
			r.line = append(r.line, part[:len(part)-1]...)
			return r.line, nil
		case errors.Is(err, io.EOF) && len(r.line)+len(part) == 0:
			return nil, io.EOF
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("line %d has no end: the object was cut off", r.n+1)
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("behind line %d: %w", r.n, err)
		}
		if r.line = append(r.line, part...); len(r.line) > mostRow {
			return nil, tooLong(fmt.Sprintf("line %d", r.n+1), int64(len(r.line)))
		}
	}
}

func (r *lineRows) Close() error { return r.close() }
