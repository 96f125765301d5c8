package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/letter"
	"github.com/millrace/millrace/internal/template"
)

// letterKey is the end of the key of an object that a DeadLetter put: see letterName.
var letterKey = regexp.MustCompile(`[^/]\+[0-9]+\+[0-9]{10,}-[0-9a-f]{8}\.jsonl(\.gz|\.zst|\.sz)?$`)

// OpenLetters opens the bucket to read its letters: those of a connector if the path has {connector}; of all for "". It asks the bucket nothing yet.
func (c DeadLetterConfig) OpenLetters(ctx context.Context, connectorName string) (letter.Box, error) {
	if err := c.Validate(); err != nil {
		return nil, connector.Fatal.Wrap(err)
	}
	client, err := connect(ctx, &c.Connection)
	if err != nil {
		return nil, err
	}
	folder := c.Path
	if connectorName != "" {
		name := string(template.EscapePath(nil, []byte(connectorName)))
		folder = strings.ReplaceAll(folder, "{connector}", strings.NewReplacer("{", "{{", "}", "}}").Replace(name))
	}
	return &letterBox{store: &store{Bucket: client}, prefix: dataPrefix(folder)}, nil
}

// A letterBox reads the objects that a DeadLetter put.
type letterBox struct {
	*store
	prefix string
}

const lettersListed = 1000 // a page; S3 gives no more (API reference, ListObjectsV2, MaxKeys)

// Read reads the objects by key.
func (b *letterBox) Read(ctx context.Context, found letter.Found) error {
	after := ""
	for more := true; more; {
		var keys []string
		err := chain.Try(ctx, func() (err error) {
			keys, more, err = b.List(ctx, b.prefix, after, lettersListed)
			return err
		})
		if err != nil {
			return err
		}
		for _, key := range keys {
			after = key
			if !letterKey.MatchString(key) {
				continue
			}
			if err := b.object(ctx, key, found); err != nil {
				return err
			}
		}
	}
	return nil
}

// object reads an object. One that was deleted since it was listed holds nothing.
func (b *letterBox) object(ctx context.Context, key string, found letter.Found) error {
	var body io.ReadCloser
	err := chain.Try(ctx, func() (err error) {
		body, err = b.Open(ctx, key)
		return err
	})
	if errors.Is(err, chain.ErrMissing) {
		return nil
	}
	if err != nil {
		return err
	}
	defer body.Close()
	place := b.Place() + "/" + key
	plain, done, err := unpack(body, path.Ext(key))
	if err != nil {
		return found(place, nil, fmt.Errorf("it can't be decompressed: %w", err))
	}
	defer done()
	return letter.ReadLines(ctx, plain, place, found)
}

// unpack reads what is compressed as the extension says. done ends it.
func unpack(from io.Reader, ext string) (plain io.Reader, done func(), err error) {
	switch ext {
	case ".gz":
		z, err := gzip.NewReader(from)
		return z, func() {}, err
	case ".zst":
		z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	case ".sz":
		return s2.NewReader(from), func() {}, nil
	}
	return from, func() {}, nil
}
