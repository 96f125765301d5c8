package s3

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"

	"github.com/millrace/millrace/internal/chain"
)

// crcFromHex is the checksum of a link as S3 writes it; nil if it has none.
func crcFromHex(digits string) *string {
	sum, err := hex.DecodeString(digits)
	if err != nil || len(sum) != crc32.Size {
		return nil
	}
	text := base64.StdEncoding.EncodeToString(sum)
	return &text
}

// crcToHex is a checksum of S3 as links have it; "" if it isn't one of a whole object.
func crcToHex(text *string) string {
	if text == nil {
		return ""
	}
	sum, err := base64.StdEncoding.DecodeString(*text)
	if err != nil || len(sum) != crc32.Size {
		return ""
	}
	return hex.EncodeToString(sum)
}

// A reader reads bytes in pieces without copying them together.
type reader struct {
	p     chain.Bytes
	size  int64
	at    int64 // in the whole
	piece int   // that holds at
	from  int64 // where the piece begins
}

func newReader(p chain.Bytes) *reader { return &reader{p: p, size: p.Len()} }

func (r *reader) Read(dst []byte) (int, error) {
	for r.piece < len(r.p) {
		if rest := r.p[r.piece][r.at-r.from:]; len(rest) > 0 {
			n := copy(dst, rest)
			r.at += int64(n)
			return n, nil
		}
		r.from += int64(len(r.p[r.piece]))
		r.piece++
	}
	return 0, io.EOF
}

// Seek is for the SDK, which reads a body that it signs twice.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 || offset > r.size {
		return 0, errors.New("seek outside of a part")
	}
	r.at, r.piece, r.from = offset, 0, 0
	for r.piece < len(r.p) && r.from+int64(len(r.p[r.piece])) <= offset {
		r.from += int64(len(r.p[r.piece]))
		r.piece++
	}
	return offset, nil
}
