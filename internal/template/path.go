package template

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

const (
	// maxValue bounds the escaped form of one value in a path. Linux's NAME_MAX is
	// 255, and a file's name has to hold a number and an extension besides.
	maxValue = 200
	// MaxSegment is the longest name between two slashes, in bytes: Linux's NAME_MAX.
	MaxSegment = 255
	// MaxPath is the longest path, in bytes: an S3 key's limit.
	MaxPath = 1024

	hashed = 16 // hex digits that stand for what was cut off a long value
)

// safe are the bytes that a path takes as they are. Everything else is written %XX.
var safe = func() (t [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") {
		t[c] = true
	}
	return t
}()

// EscapePath appends v so that it is a part of one path segment whatever it holds:
// letters, digits, - _ and . (but a leading .) stay, every other byte becomes %XX. What
// would be longer than 200 bytes is cut and ends in ~ and 16 hex digits of the value's SHA-256. Different
// values give different texts. An empty v appends nothing.
func EscapePath(dst, v []byte) []byte {
	if string(v) == NullSegment {
		return append(dst, "%5F_null__"...)
	}
	start, end := len(dst), len(v)
	if end > maxValue {
		end = maxValue + 1 // escaping never shortens
	}
	for i, c := range v[:end] {
		if safe[c] && (c != '.' || i > 0) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	if len(dst)-start <= maxValue {
		return dst
	}
	sum := sha256.Sum256(v)
	dst = append(dst[:start+maxValue-hashed-1], '~')
	return hex.AppendEncode(dst, sum[:hashed/2])
}

// checkNull refuses what can't stand for a value in a path.
func checkNull(null string) error {
	for i := range len(null) {
		if !safe[null[i]] || i == 0 && null[i] == '.' || i == maxValue {
			return &Error{Text: null, At: i, Reason: "what stands for null has letters, digits, - _ and . (but not first), at most 200"}
		}
	}
	return nil
}

// escapeBut is EscapePath for paths in which null stands for values that aren't there: a value that is this text is escaped too.
func escapeBut(null string) func(dst, v []byte) []byte {
	if null == NullSegment {
		return EscapePath
	}
	return func(dst, v []byte) []byte {
		if string(v) == null {
			dst = append(dst, '%', upperHex[v[0]>>4], upperHex[v[0]&15])
			return append(dst, v[1:]...)
		}
		return EscapePath(dst, v)
	}
}

const upperHex = "0123456789ABCDEF"

// checkPath refuses a text that wouldn't be a path below a root whatever its fields hold. A
// field is never empty and never begins with a dot: a letter can stand for it.
func (t *Template) checkPath() error {
	var shape strings.Builder
	for i := range t.parts {
		switch p := &t.parts[i]; p.kind {
		case literal:
			shape.Write(p.text)
		case timeOf:
			shape.WriteString(p.pattern.shape())
		default:
			shape.WriteByte('x')
		}
	}
	if err := checkShape(shape.String()); err != nil {
		return t.errorAt(0, "%v", err)
	}
	return nil
}

func checkShape(s string) error {
	if s == "" {
		return errors.New("a path is empty")
	}
	if strings.HasPrefix(s, "/") {
		return errors.New("a path begins with a name, not with /")
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return fmt.Errorf("a path can't hold the control character %q", s[i])
		}
	}
	for segment := range strings.SplitSeq(s, "/") {
		switch segment {
		case "":
			return errors.New("a path can't hold // or end in /")
		case ".", "..":
			return fmt.Errorf("a path can't hold %s as a name", segment)
		}
	}
	return nil
}

// checkSegments refuses what no file system takes.
func checkSegments(path []byte) error {
	if len(path) > MaxPath {
		return fmt.Errorf("it would have %d bytes, more than %d", len(path), MaxPath)
	}
	for len(path) > MaxSegment {
		i := bytes.IndexByte(path, '/')
		if i < 0 {
			i = len(path)
		}
		if i > MaxSegment {
			return fmt.Errorf("a name in it would have %d bytes, more than %d", i, MaxSegment)
		}
		path = path[min(i+1, len(path)):]
	}
	return nil
}
