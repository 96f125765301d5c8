package handlers

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/serde"
)

// Mask hides the contents of fields. What it makes depends on the content and
// the settings alone, so that every process makes the same. A field that a record doesn't have, or
// that is null, stays so; a path that meets a value of another kind on its way is the record's permanent error, never a
// field left in the clear.
type Mask struct {
	// Fields with the way to mask each: {value.phone: keep_last, value.contacts[*].mail: redact, key: {method: hmac, key: "${MASK_KEY}"}}.
	// A path begins with value or is key, the record's key.
	Fields []MaskedField `yaml:"fields" short:"true"`
}

// A MaskedField is a field and how it is masked.
type MaskedField struct {
	// Path of the field, such as value.phone.
	Path string `yaml:"path" key:"true"`
	// redact puts *** in the place of a text and null in that of anything else. keep_last leaves the
	// last characters of a text, or of a number as text, and puts * for each other; of a text that has no
	// more than those, nothing is left. hmac makes the HMAC-SHA256 (RFC 2104, FIPS 180-4) of a text's bytes, or of a scalar as text, in
	// hexadecimal: equal contents stay equal and can still be joined on.
	Method Method `yaml:"method" short:"true"`
	// Characters that keep_last leaves; default 4.
	Keep int `yaml:"keep"`
	// Key of hmac, at least 16 bytes. Who has it can find a content by trying.
	Key secret.Text `yaml:"key"`
}

// A Method is a way to mask a field.
type Method string

// The methods of masking.
const (
	Redact   Method = "redact"
	KeepLast Method = "keep_last"
	HMAC     Method = "hmac"
)

const (
	redacted = "***"
	keep     = 4  // default of keep_last
	leastKey = 16 // bytes of a key; RFC 2104 discourages keys shorter than the hash, NIST SP 800-107 ones below 112 bits
)

// DefaultMask has the defaults of a Mask.
func DefaultMask() Mask { return Mask{} }

// Validate checks paths, methods and keys.
func (c Mask) Validate() error {
	_, err := c.Open(context.Background())
	return err
}

// A masked is a MaskedField, compiled.
type masked struct {
	name string
	key  bool // of the record's key, not its value
	path fieldPath
	how  *masker
}

// Open makes the handler.
func (c Mask) Open(context.Context) (connector.Handler, error) {
	if len(c.Fields) == 0 {
		return nil, errors.New("fields: mask needs at least one field, such as {value.phone: keep_last}")
	}
	var problems []error
	all := make([]masked, len(c.Fields))
	for i, f := range c.Fields {
		var err error
		if all[i], err = f.compile(); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", f.Path, err))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
		each(b, Apply, func(_ int, r *connector.Record) error {
			value, key := r.Value, r.Key
			for _, m := range all {
				to := &value
				if m.key {
					to = &key
				}
				v, err := m.path.update(b.Tape(), *to, 0, func(v serde.Value) (serde.Value, error) { return m.how.apply(b.Tape(), v) })
				if err != nil {
					return fmt.Errorf("mask %s: %w", m.name, err)
				}
				*to = v
			}
			r.Value, r.Key = value, key
			return nil
		})
		return nil
	}), nil
}

func (f MaskedField) compile() (masked, error) {
	m := masked{name: f.Path}
	root, rest := f.Path, ""
	if i := strings.IndexAny(f.Path, ".["); i >= 0 {
		root, rest = f.Path[:i], f.Path[i:]
	}
	switch root {
	case "key":
		m.key = true
	case "value":
	default:
		return m, fmt.Errorf("a path begins with value or key: write value.%s", f.Path)
	}
	if rest != "" {
		p, err := parseField(strings.TrimPrefix(rest, "."))
		if err != nil {
			return m, err
		}
		m.path = p
	}
	how, err := newMasker(f.Method, f.Keep, f.Key)
	m.how = how
	return m, err
}

// A masker hides one scalar. It is safe for concurrent use.
type masker struct {
	method Method
	keep   int
	hashes sync.Pool // of hash.Hash
}

func newMasker(method Method, last int, key secret.Text) (*masker, error) {
	m := &masker{method: method, keep: last}
	text, known := key.Known()
	switch {
	case method != Redact && method != KeepLast && method != HMAC:
		return nil, fmt.Errorf("mask %q is none of redact, keep_last and hmac", string(method))
	case last != 0 && method != KeepLast:
		return nil, fmt.Errorf("keep is a setting of keep_last, not of %s", method)
	case last < 0 || last > 1000:
		return nil, errors.New("keep is a number from 1 to 1000")
	case key.IsSet() && method != HMAC:
		return nil, fmt.Errorf("key is a setting of hmac, not of %s", method)
	case !known:
		return nil, errors.New("key must be known when the handler is made: read it before")
	case method == HMAC && len(text) < leastKey:
		return nil, fmt.Errorf("hmac needs a key of at least %d bytes, such as {method: hmac, key: \"${MASK_KEY}\"}", leastKey)
	}
	if last == 0 {
		m.keep = keep
	}
	secret := []byte(text)
	m.hashes.New = func() any { return hmac.New(sha256.New, secret) }
	return m, nil
}

func (m *masker) apply(t *serde.Tape, v serde.Value) (serde.Value, error) {
	kind := v.Kind()
	if kind == serde.Missing || kind == serde.Null {
		return v, nil
	}
	if m.method == Redact {
		if kind == serde.String {
			return t.String(redacted), nil
		}
		return t.Null(), nil
	}
	if kind == serde.Array || kind == serde.Object {
		return v, fmt.Errorf("%s takes a scalar, not %s: name the fields in it", m.method, kindName(v))
	}
	text, ok := v.Text()
	if !ok {
		var err error
		if text, err = v.AppendText(nil); err != nil {
			return v, err
		}
	}
	if m.method == HMAC {
		return t.String(m.hash(text)), nil
	}
	if kind == serde.Bool || kind == serde.Bytes {
		return v, fmt.Errorf("keep_last takes a text or a number, not %s", kindName(v))
	}
	return t.String(m.last(text)), nil
}

func (m *masker) hash(text []byte) string {
	h := m.hashes.Get().(hash.Hash)
	defer m.hashes.Put(h)
	h.Reset()
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil))
}

// last replaces all characters but the last ones.
func (m *masker) last(text []byte) string {
	n := utf8.RuneCount(text)
	hidden := n - m.keep
	if hidden <= 0 {
		return strings.Repeat("*", n)
	}
	tail := text
	for range hidden {
		_, size := utf8.DecodeRune(tail)
		tail = tail[size:]
	}
	return string(append(bytes.Repeat([]byte{'*'}, hidden), tail...))
}
