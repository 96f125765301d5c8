package eventbridge

import (
	"context"
	"fmt"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/identity"
)

// A putter puts objects into a bucket, in place of what has their keys. Its errors have their class. It doesn't keep body.
type putter interface {
	Put(ctx context.Context, key string, body []byte, contentType string) error
	Close() error
}

// An offload keeps parts of events in S3.
type offload struct {
	putter
	prefix string
	arn    string // of the objects, up to their keys
	always bool
}

// open connects to the bucket, in the bus's Region and as who sends the events unless the settings say otherwise. It calls nothing.
func (o Offload) open(ctx context.Context, who identity.Config, region string) (*offload, error) {
	if o.Region == "" && o.Endpoint == "" {
		o.Region = region
	}
	if o.Profile == "" && !o.AccessKey.IsSet() && o.AssumeRole.ARN == "" {
		o.Profile, o.AccessKey, o.SecretKey, o.AssumeRole = who.Profile, who.AccessKey, who.SecretKey, who.AssumeRole
	}
	b, err := o.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return o.to(b, b.Region), nil
}

// to is an offload to a bucket in a Region.
func (o Offload) to(p putter, region string) *offload {
	arn := "arn:" + partitionOf(region) + ":s3:::" + o.Bucket + "/"
	if strings.HasPrefix(o.Bucket, "arn:") { // an access point
		arn = o.Bucket + "/object/"
	}
	return &offload{putter: p, prefix: o.Prefix, arn: arn, always: o.When == whenAlways}
}

// partitionOf is the part of AWS that a Region belongs to (AWS General Reference, "Amazon Resource Names").
func partitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// event appends the entry of the i-th record. If the settings say so, a part of it is put into S3 first. Errors have their class.
func (s *Sink) event(ctx context.Context, dst []byte, e *entry, b *connector.Batch, i int) ([]byte, error) {
	if s.offload != nil && s.offload.always {
		return s.light(ctx, dst, e, b, i)
	}
	out, err := s.shape.append(dst, e, b, i)
	switch {
	case err != nil:
		return dst, err
	case e.size <= s.maxRequest:
		return out, nil
	case s.offload == nil:
		return dst, s.tooLarge(e.size)
	}
	return s.light(ctx, out[:len(dst)], e, b, i)
}

// light is an event with a part in S3, if it has that part. The object's key is the same whenever the record is sent, and so are its bytes.
func (s *Sink) light(ctx context.Context, dst []byte, e *entry, b *connector.Batch, i int) ([]byte, error) {
	from := len(dst)
	part, ok, err := s.shape.offloaded(dst, b, i)
	if err != nil {
		return dst, err
	}
	arn := ""
	if ok {
		key := string(b.AppendID([]byte(s.offload.prefix), i))
		if err := s.offload.Put(ctx, key, part[from:], "application/json"); err != nil {
			return dst, fmt.Errorf("oversize.s3: %w", err)
		}
		arn = s.offload.arn + key
	}
	if dst, err = s.shape.offload(part[:from], e, b, i, arn); err != nil {
		return dst, err
	}
	if e.size > s.maxRequest {
		return dst[:from], s.tooLarge(e.size)
	}
	return dst, nil
}

// nowhere takes everything.
type nowhere struct{}

func (nowhere) Put(context.Context, string, []byte, string) error { return nil }
func (nowhere) Close() error                                      { return nil }
