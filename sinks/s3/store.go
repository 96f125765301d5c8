package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/bucket"
	"github.com/millrace/millrace/internal/chain"
)

// A store is a bucket as chains use it. It is safe for concurrent use.
type store struct {
	*bucket.Bucket
	storageClass string
	contentType  string
	tags         map[string]string
	rangeTags    bool
	tagFound     bool      // Look tags too: whoever completed the object may have died before
	besides      io.Closer // closed with the store; may be nil
}

var (
	_ chain.Store  = (*store)(nil)
	_ chain.Stater = (*store)(nil)
	_ chain.Opener = (*store)(nil)
	_ chain.Prober = (*store)(nil)
)

// Close closes the connections.
func (s *store) Close() error {
	err := s.Bucket.Close()
	if s.besides != nil {
		err = errors.Join(err, s.besides.Close())
	}
	return err
}

// List returns keys in the order of their bytes, as general purpose buckets list them (API reference, ListObjectsV2).
func (s *store) List(ctx context.Context, prefix, after string, max int) ([]string, bool, error) {
	ctx, cancel := bucket.Bounded(ctx, bucket.CallTimeout, 0)
	defer cancel()
	in := &awss3.ListObjectsV2Input{Bucket: s.Name, Prefix: &prefix, MaxKeys: aws.Int32(int32(max)), ExpectedBucketOwner: s.Owner}
	if after != "" {
		in.StartAfter = &after
	}
	out, err := s.Client.ListObjectsV2(ctx, in)
	if err != nil {
		return nil, false, s.Failure(opList, prefix, err)
	}
	keys := make([]string, len(out.Contents))
	for i := range out.Contents {
		keys[i] = aws.ToString(out.Contents[i].Key)
	}
	return keys, aws.ToBool(out.IsTruncated), nil
}

// Get reads a link.
func (s *store) Get(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := bucket.Bounded(ctx, bucket.CallTimeout, 0)
	defer cancel()
	from, err := s.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	body, err := readAtMost(from, chain.MaxLink)
	if errors.Is(err, errTooLong) {
		return nil, connector.Systemic.Errorf("get %s/%s: %w", s.Place(), key, err)
	}
	if err != nil {
		return nil, s.Failure(opGet, key, err)
	}
	return body, nil
}

var errTooLong = errors.New("it is too long for a link")

func readAtMost(from io.Reader, most int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, most+1))
	if err == nil && int64(len(body)) > most {
		return nil, fmt.Errorf("%w: more than %d bytes", errTooLong, most)
	}
	return body, err
}

// Open begins to read an object, whose body is bounded by ctx alone.
func (s *store) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	out, err := s.open(ctx, key)
	if err != nil {
		return nil, err
	}
	return out.Body, nil
}

func (s *store) open(ctx context.Context, key string) (*awss3.GetObjectOutput, error) {
	out, err := s.Client.GetObject(ctx, &awss3.GetObjectInput{Bucket: s.Name, Key: &key, ExpectedBucketOwner: s.Owner})
	switch a := bucket.AnswerOf(err); {
	case err == nil:
		return out, nil
	case isMissing(a):
		return nil, s.missing(opGet, key)
	case a.Denied():
		return nil, s.decide(ctx, opGet, key, err)
	}
	return nil, s.Failure(opGet, key, err)
}

// decide finds out what a denial of key means. Without s3:ListBucket, S3 denies what isn't there too (API reference, GetObject and
// HeadObject), so a list is asked. It returns ErrMissing, or an error that says which right is needed.
func (s *store) decide(ctx context.Context, o bucket.Operation, key string, denied error) error {
	keys, _, err := s.List(ctx, key, "", 1)
	switch {
	case err == nil && (len(keys) == 0 || keys[0] != key):
		return s.missing(o, key)
	case err == nil:
		return s.Failure(o, key, denied)
	case isDenied(err):
		return connector.Systemic.Errorf("%w: s3:ListBucket on %s is needed, without which nobody can tell what is denied from what isn't there", err, *s.Name)
	}
	return err // it says more than the denial: HEAD has no body, and so no reason
}

func isDenied(err error) bool {
	a := bucket.AnswerOf(err)
	return a.Denied()
}

func (s *store) missing(o bucket.Operation, key string) error {
	return fmt.Errorf("%s %s/%s: %w", o.Verb, s.Place(), key, chain.ErrMissing)
}

func (s *store) exists(o bucket.Operation, key string) error {
	return fmt.Errorf("%s %s/%s: %w", o.Verb, s.Place(), key, chain.ErrExists)
}

// Put puts a link, or whatever else is written once.
func (s *store) Put(ctx context.Context, key string, body []byte) error {
	return s.put(ctx, key, body, "If-None-Match", bucket.Condition{Absent: true})
}

// put puts a small object on a condition, which the header states.
func (s *store) put(ctx context.Context, key string, body []byte, header string, when bucket.Condition) error {
	err := s.Send(ctx, key, body, "application/json", when)
	switch a := bucket.AnswerOf(err); {
	case err == nil:
		return nil
	case a.Status == http.StatusPreconditionFailed:
		return s.exists(opPut, key)
	case when.ETag != nil && isMissing(a):
		return s.missing(opPut, key)
	case a.Status == http.StatusNotImplemented:
		return fmt.Errorf("put %s/%s with %s: %w (%s)", s.Place(), key, header, errors.ErrUnsupported, a.Text)
	}
	return s.Failure(opPut, key, err)
}

// isMissing reports whether an answer says that nothing has the key.
func isMissing(a bucket.Answer) bool {
	return a.Code == codeNoSuchKey || a.Status == http.StatusNotFound && a.Unnamed()
}

// Look says what is visible under an object's key: the tail in the metadata tells whose it is.
func (s *store) Look(ctx context.Context, o *chain.Object) (chain.Sight, error) {
	out, err := s.head(ctx, o.Key, false)
	switch {
	case errors.Is(err, chain.ErrMissing):
		return chain.Nothing, nil
	case err != nil:
		return chain.Nothing, err
	case out.Metadata[metaTail] != o.Tail:
		return chain.Foreign, nil
	}
	if s.tagFound {
		if err := s.tag(ctx, o); err != nil {
			return chain.Nothing, err
		}
	}
	return chain.Ours, nil
}

// Stat describes an object. Its checksum is known if it was uploaded with one of the whole.
func (s *store) Stat(ctx context.Context, key string) (chain.Stat, error) {
	out, err := s.head(ctx, key, true)
	if err != nil {
		return chain.Stat{}, err
	}
	return chain.Stat{Size: aws.ToInt64(out.ContentLength), CRC: crcToHex(out.ChecksumCRC32C), Tail: out.Metadata[metaTail]}, nil
}

func (s *store) head(ctx context.Context, key string, checksum bool) (*awss3.HeadObjectOutput, error) {
	bound, cancel := bucket.Bounded(ctx, bucket.CallTimeout, 0)
	defer cancel()
	in := &awss3.HeadObjectInput{Bucket: s.Name, Key: &key, ExpectedBucketOwner: s.Owner}
	if checksum && s.Checksum == bucket.ChecksumCRC {
		in.ChecksumMode = "ENABLED"
	}
	out, err := s.Client.HeadObject(bound, in)
	switch a := bucket.AnswerOf(err); {
	case err == nil:
		return out, nil
	case a.Status == http.StatusNotFound:
		return nil, s.missing(opHead, key)
	case a.Status >= 300 && a.Status < 500: // HEAD has no body: what is wrong, only another call says
		return nil, s.decide(ctx, opHead, key, err)
	}
	return nil, s.Failure(opHead, key, err)
}
