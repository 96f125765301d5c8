package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/internal/lines"
)

const (
	s3Bucket = "bench"
	// Records of an object, as in the measurements that the targets come from.
	s3Records = 100_000
	// A block of rows that is compressed at once, as Millrace does.
	s3Block = 256 << 10
)

// floorS3 compresses values as lines, by the codec that Millrace uses, and puts each object whole: no
// multipart uploads, no signatures, no checksums, no links, and a status that isn't 200 ends it.
func floorS3(compression lines.Compression) func(ctx context.Context, s settings) error {
	return func(ctx context.Context, s settings) error {
		codec, err := lines.NewCodec(compression, 0)
		if err != nil {
			return err
		}
		return consume(ctx, s, func(p int32) (worker, error) {
			return &s3Object{put: func(n int, body []byte) error {
				return plainPut(ctx, fmt.Sprintf("%s/%s/%s/%d/%d%s", s.s3, s3Bucket, s.topic, p, n, codec.Extension()), body)
			}, codec: codec}, nil
		})
	}
}

// An s3Object gathers rows, one object after the other.
type s3Object struct {
	put         func(n int, body []byte) error
	codec       *lines.Codec
	block, body []byte
	rows, n     int
}

func (o *s3Object) take(r *kgo.Record) error {
	o.block = append(append(o.block, r.Value...), '\n')
	if len(o.block) >= s3Block {
		o.compress()
	}
	if o.rows++; o.rows == s3Records {
		return o.end()
	}
	return nil
}

func (o *s3Object) compress() {
	o.body = o.codec.Append(o.body, o.block)
	o.block = o.block[:0]
}

func (o *s3Object) end() error {
	if o.rows == 0 {
		return nil
	}
	o.compress()
	err := o.put(o.n, o.body)
	o.body, o.rows, o.n = o.body[:0], 0, o.n+1
	return err
}

func plainPut(ctx context.Context, url string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("PUT %s: %s", url, answer.Status)
	}
	return nil
}
