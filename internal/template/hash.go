package template

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/millrace/millrace/connector"
)

// maxHash is the most digits of a hash: 32 bits. S3 splits a bucket by prefixes, of which two digits make 256.
const maxHash = 8

// parseHash reads what follows {hash: in {hash:2} or {hash:2:value.id}.
func (t *Template) parseHash(p *part, format string) error {
	digits, field, ofField := strings.Cut(format, ":")
	n, err := strconv.ParseUint(digits, 10, 8)
	if err != nil || n < 1 || n > maxHash {
		return fmt.Errorf("a hash has 1 to %d digits, as in {hash:2} or {hash:2:value.id}", maxHash)
	}
	p.width = int(n)
	if !ofField {
		if !t.opts.Position {
			return errors.New("it is of a file's position and can't stand here; {hash:2:value.id} is that of a field")
		}
		return nil
	}
	// What the digits are of is never seen, and isn't escaped.
	of, err := Compile("{"+field+"}", Options{Null: t.opts.Null, MissingIsError: t.opts.MissingIsError})
	var wrong *Error
	switch {
	case errors.As(err, &wrong):
		return errors.New(wrong.Reason)
	case err != nil:
		return err
	case len(of.parts) != 1 || !hashable(of.parts[0].kind):
		return errors.New("a hash is of {value.NAME}, {key}, {header.NAME} or {topic}")
	}
	p.of = of
	return nil
}

func hashable(k kind) bool { return k == topic || k == key || k == value || k == header }

// appendHash appends the first digits of the XXH64 (seed 0, 16 hex digits, those of the highest bits first) of a text: of
// the field's, or of "topic/partition/position". This never changes: readers may compute it, and a record read again must find its file.
func (t *Template) appendHash(dst []byte, p *part, b *connector.Batch, i int, first int64) ([]byte, error) {
	out := dst
	if p.of != nil {
		var err error
		out, err = p.of.appendField(dst, &p.of.parts[0], b, i, first, nil)
		if err != nil {
			return dst, err
		}
	} else {
		s := b.Source()
		out = append(out, s.Topic...)
		out = append(out, '/')
		out = strconv.AppendInt(out, int64(s.ID), 10)
		out = append(out, '/')
		out = strconv.AppendInt(out, first, 10)
	}
	sum := xxhash.Sum64(out[len(dst):])
	dst = out[:len(dst)]
	for n := range p.width {
		dst = append(dst, lowerHex[sum>>(60-4*n)&15])
	}
	return dst, nil
}

const lowerHex = "0123456789abcdef"
