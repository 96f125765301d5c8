package letter

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
)

// A Box is a dead letter, opened to be read. One goroutine uses it.
type Box interface {
	// Read reads what was there when it was called, and passes each letter on, with its place for people. What is no letter, or is only the
	// beginning of one, is passed on as an error with its place, and reading goes on. An error of found ends it.
	Read(ctx context.Context, found Found) error
	// Place names it for people: "s3://bucket", "/folder", "topic dlq".
	Place() string
	Close() error
}

// Found is called with a letter, or with why there is none at that place. The letter is the callee's.
type Found func(place string, l *Letter, err error) error

// maxLine bounds a line. The largest record that brokers and producers are commonly set to take has 96 MiB; more is one of JSON's escapes,
// six bytes for one, and isn't read.
const maxLine = 256 << 20

// ReadLines reads lines that Append wrote. name says where they are. A last line without its end is an error for found, unless it is
// whole: a process that was killed left it.
func ReadLines(ctx context.Context, r io.Reader, name string, found Found) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, ended, err := readLine(lines, maxLine)
		if err != nil && !errors.Is(err, errLong) {
			return fmt.Errorf("read %s, line %d: %w", name, n, err)
		}
		if len(line) == 0 && !ended && err == nil {
			return nil
		}
		if failed := pass(fmt.Sprintf("%s line %d", name, n), line, ended, err, found); failed != nil {
			return failed
		}
		if !ended {
			return nil
		}
	}
}

// pass passes a line on.
func pass(place string, line []byte, ended bool, err error, found Found) error {
	if err == nil && len(line) == 0 {
		return nil
	}
	var l Letter
	if err == nil {
		l, err = Read(line)
	}
	switch {
	case err == nil:
		return found(place, &l, nil)
	case !ended && !errors.Is(err, errLong):
		err = errors.New("the last line is incomplete: the process that wrote it was killed, and its records came again")
	}
	return found(place, nil, err)
}

var errLong = fmt.Errorf("the line has more than %d MiB", maxLine>>20)

// readLine reads a line without its end; ended is false for the rest of a file that lacks it. Of a line that is too long nothing is kept.
func readLine(r *bufio.Reader, most int) (line []byte, ended bool, err error) {
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if ended = err == nil; ended {
			part = part[:len(part)-1]
		}
		if long = long || len(line)+len(part) > most; long {
			line = nil
		} else {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return nil, false, err
		case long:
			return nil, ended, errLong
		}
		return line, ended, nil
	}
}
