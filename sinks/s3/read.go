package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/bucket"
)

// ReadRange fills p with the bytes of an object from at on, or answers chain.ErrMissing. io.ErrUnexpectedEOF says that the object ends before.
func (s *store) ReadRange(ctx context.Context, key string, p []byte, at int64) error {
	if len(p) == 0 {
		return nil
	}
	bound, cancel := bucket.Bounded(ctx, bucket.CallTimeout, int64(len(p)))
	defer cancel()
	span := fmt.Sprintf("bytes=%d-%d", at, at+int64(len(p))-1)
	out, err := s.Client.GetObject(bound, &awss3.GetObjectInput{Bucket: s.Name, Key: &key, Range: &span, ExpectedBucketOwner: s.Owner})
	switch a := bucket.AnswerOf(err); {
	case err == nil:
	case a.Code == codeNoSuchKey || a.Status == http.StatusNotFound && a.Unnamed():
		return s.missing(opGet, key)
	case a.Status == http.StatusRequestedRangeNotSatisfiable:
		return connector.Permanent.Errorf("get %s/%s from byte %d: %w", s.Place(), key, at, io.ErrUnexpectedEOF)
	case a.Denied():
		return s.decide(ctx, opGet, key, err)
	default:
		return s.Failure(opGet, key, err)
	}
	defer out.Body.Close()
	n, err := io.ReadFull(out.Body, p)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return connector.Retryable.Errorf("get %s/%s: the answer ended after %d of %d bytes: %w", s.Place(), key, n, len(p), io.ErrUnexpectedEOF)
	}
	return s.Failure(opGet, key, err)
}

// SetChain chooses another chain, beside the one of the settings. For commands that write records again.
func (c *Config) SetChain(name string) { c.Chain = name }
