package bucket

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/identity"
)

// A Bucket is a client for one bucket. It is safe for concurrent use.
type Bucket struct {
	Connection         // with the Region that was found
	Name       *string // the bucket as calls want it
	Owner      *string // ExpectedBucketOwner as calls want it; every call says it
	Client     *awss3.Client
	Verdicts   map[string]Verdict // on codes that say more to who calls than to others; may be nil, and isn't changed once calls are made

	sdk aws.Config
}

const (
	// CallTimeout is that of a call without much to send.
	CallTimeout = 30 * time.Second

	leastRate = 128 << 10 // bytes a second: what is sent slower than that times out
)

// Connect makes the client of valid settings. It calls nothing but what the SDK asks for credentials.
func (c *Connection) Connect(ctx context.Context) (*Bucket, error) {
	found, err := c.identity().Load(ctx, c.Place())
	if err != nil {
		return nil, err
	}
	b := &Bucket{Connection: *c, sdk: found}
	b.Name = &b.Connection.Bucket
	if b.Region = found.Region; b.Region == "" {
		if c.Endpoint == "" {
			return nil, connector.Systemic.Errorf("the AWS Region of %s isn't known: set region, or AWS_REGION", c.Place())
		}
		b.Region = "us-east-1"
	}
	if b.ExpectedBucketOwner != "" {
		b.Owner = &b.ExpectedBucketOwner
	}
	b.Client = awss3.NewFromConfig(found, func(o *awss3.Options) {
		o.Region, o.BaseEndpoint, o.UsePathStyle = b.Region, identity.Endpoint(c.Endpoint), c.PathStyle
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.DisableLogOutputChecksumValidationSkipped = true
		o.UseARNRegion = true
		o.DisableMultiRegionAccessPoints = true // what they read may be old
	})
	return b, nil
}

// Close closes the connections that are idle.
func (b *Bucket) Close() error {
	identity.Close(b.sdk)
	return nil
}

// Put puts a small object in place of what has its key. Errors have their class.
func (b *Bucket) Put(ctx context.Context, key string, body []byte, contentType string) error {
	if err := b.Send(ctx, key, body, contentType, Condition{}); err != nil {
		return b.Failure(opPut, key, err)
	}
	return nil
}

// A Condition is when an object is put. The zero value is always.
type Condition struct {
	Absent bool    // nothing has its key
	ETag   *string // what has its key has this ETag
}

// Send puts a small object, if the condition holds. The error is the SDK's, for [AnswerOf] and [Bucket.Failure].
func (b *Bucket) Send(ctx context.Context, key string, body []byte, contentType string, when Condition) error {
	ctx, cancel := Bounded(ctx, CallTimeout, int64(len(body)))
	defer cancel()
	in := &awss3.PutObjectInput{
		Bucket: b.Name, Key: &key, ExpectedBucketOwner: b.Owner, ContentType: &contentType, ContentLength: aws.Int64(int64(len(body))),
		Body: bytes.NewReader(body), ACL: types.ObjectCannedACL(b.ACL),
	}
	in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = b.Encryption.Header()
	if b.Checksum == ChecksumCRC {
		in.ChecksumCRC32C = aws.String(CRC(body))
	}
	if in.IfMatch = when.ETag; when.Absent {
		in.IfNoneMatch = aws.String("*")
	}
	_, err := b.Client.PutObject(ctx, in, b.Unsigned)
	return err
}

// Bounded ends a call that isn't answered: after least, and the time that so many bytes need on a slow connection.
func Bounded(ctx context.Context, least time.Duration, size int64) (context.Context, context.CancelFunc) {
	longest := least + time.Duration(size/leastRate)*time.Second
	return context.WithTimeout(ctx, longest)
}

// Unsigned leaves the bytes of a call out of its signature: their CRC-32C is in it, and S3 checks that.
func (b *Bucket) Unsigned(o *awss3.Options) {
	if b.Checksum == ChecksumCRC {
		o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
	}
}

// CRC is the CRC-32C of bytes in pieces as S3 writes it: base64 of four bytes, big-endian.
func CRC(pieces ...[]byte) string {
	table := crc32.MakeTable(crc32.Castagnoli) // made once: the package keeps it
	var sum uint32
	for _, p := range pieces {
		sum = crc32.Update(sum, table, p)
	}
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// Header is what the headers of a new object say.
func (e *Encryption) Header() (sse types.ServerSideEncryption, key *string, bucketKey *bool) {
	switch e.Type {
	case SSES3:
		sse = types.ServerSideEncryptionAes256
	case SSEKMS:
		sse = types.ServerSideEncryptionAwsKms
	case DSSEKMS:
		sse = types.ServerSideEncryptionAwsKmsDsse
	}
	if e.KMSKey != "" {
		key = &e.KMSKey
	}
	if e.BucketKey {
		bucketKey = aws.Bool(true)
	}
	return sse, key, bucketKey
}
