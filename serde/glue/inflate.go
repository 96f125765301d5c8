package glue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/zlib"

	"github.com/millrace/millrace/serde"
)

const (
	keepScratch = 1 << 20   // bytes of a scratch that is kept for the next value
	firstPart   = 256 << 10 // bytes of output, and 4 for each of input, that are unpacked before it is counted how many there are
)

// An inflater unpacks payloads (zlib, RFC 1950). It is reused, one value at a time.
type inflater struct {
	in      bytes.Reader
	out     io.ReadCloser // made for the first payload with a valid header
	scratch []byte
}

// inflaters are reused.
type inflaters struct{ pool sync.Pool }

// inflate unpacks a payload to the tape's memory. The output has at most so many bytes; memory grows only as there is output, and a payload that
// unpacks to more than a few times its size is counted before it is kept.
func (p *inflaters) inflate(t *serde.Tape, payload []byte, most int) ([]byte, error) {
	f, ok := p.pool.Get().(*inflater)
	if !ok {
		f = &inflater{}
	}
	out, err := f.unpack(payload, most)
	if err == nil {
		out = t.Keep(out)
	}
	if f.in.Reset(nil); cap(f.scratch) > keepScratch {
		f.scratch = nil
	}
	p.pool.Put(f)
	if err != nil {
		return nil, fmt.Errorf("unpack the payload (zlib): %w", err)
	}
	return out, nil
}

// unpack is the output, valid until the next call.
func (f *inflater) unpack(payload []byte, most int) ([]byte, error) {
	if err := f.begin(payload); err != nil {
		return nil, err
	}
	first := min(most, 4*len(payload)+firstPart)
	done, err := f.read(first)
	if err != nil || done {
		return f.scratch, err
	}
	n, err := io.Copy(io.Discard, io.LimitReader(f.out, int64(most-len(f.scratch))+1))
	if err != nil {
		return nil, broken(err)
	}
	total := len(f.scratch) + int(n)
	if total > most {
		return nil, fmt.Errorf("it unpacks to more than %d bytes; max_message allows no more", most)
	}
	if err := f.begin(payload); err != nil {
		return nil, err
	}
	f.scratch = slices.Grow(f.scratch, total+1)
	_, err = f.read(total)
	return f.scratch, err
}

// begin starts to unpack a payload.
func (f *inflater) begin(payload []byte) (err error) {
	f.in.Reset(payload)
	f.scratch = f.scratch[:0]
	if f.out == nil {
		f.out, err = zlib.NewReader(&f.in)
	} else {
		err = f.out.(zlib.Resetter).Reset(&f.in, nil)
	}
	if err != nil {
		return broken(err)
	}
	return nil
}

// read adds output to the scratch until there are most bytes and more to come, or the end was reached and checked.
func (f *inflater) read(most int) (done bool, err error) {
	for {
		if len(f.scratch) == cap(f.scratch) {
			f.scratch = slices.Grow(f.scratch, max(len(f.scratch), 4<<10))
		}
		n, err := f.out.Read(f.scratch[len(f.scratch):min(cap(f.scratch), most+1)])
		f.scratch = f.scratch[:len(f.scratch)+n]
		switch {
		case len(f.scratch) > most:
			return false, nil
		case errors.Is(err, io.EOF) && f.in.Len() > 0:
			return false, fmt.Errorf("%d bytes are behind its end", f.in.Len())
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil:
			return false, broken(err)
		}
	}
}

// broken says what is wrong with a payload.
func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it was cut")
	}
	return err
}
