package s3

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/identity"
)

// A bucket is a client for one bucket, with what every call of the sink and the dead letter needs. It is safe for
// concurrent use.
type bucket struct {
	Connection
	client *awss3.Client
	sdk    aws.Config
	owner  *string // ExpectedBucketOwner
}

// Close closes the connections that are idle.
func (b *bucket) Close() error {
	identity.Close(b.sdk)
	return nil
}

const (
	callTimeout = 30 * time.Second // of a call without much to send
	finishing   = 5 * time.Minute  // "this can take several minutes": API reference, CompleteMultipartUpload
	leastRate   = 128 << 10        // bytes a second: what is sent slower than that times out
)

// connect makes the client of valid settings. It calls nothing but what the SDK asks for credentials.
func (c *Connection) connect(ctx context.Context) (*bucket, error) {
	found, err := c.identity().Load(ctx, c.place())
	if err != nil {
		return nil, err
	}
	b := &bucket{Connection: *c, sdk: found}
	if b.Region = found.Region; b.Region == "" {
		if c.Endpoint == "" {
			return nil, connector.Systemic.Errorf("the AWS Region of %s isn't known: set region, or AWS_REGION", c.place())
		}
		b.Region = "us-east-1"
	}
	if c.ExpectedBucketOwner != "" {
		b.owner = &c.ExpectedBucketOwner
	}
	b.client = awss3.NewFromConfig(found, func(o *awss3.Options) {
		o.Region, o.BaseEndpoint, o.UsePathStyle = b.Region, identity.Endpoint(c.Endpoint), c.PathStyle
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.DisableLogOutputChecksumValidationSkipped = true
		o.UseARNRegion = true
		o.DisableMultiRegionAccessPoints = true // what they read may be old
	})
	return b, nil
}

// bounded ends a call that isn't answered.
func bounded(ctx context.Context, least time.Duration, bytes int64) (context.Context, context.CancelFunc) {
	longest := least + time.Duration(bytes/leastRate)*time.Second
	return context.WithTimeout(ctx, longest)
}

// unsigned leaves the bytes out of the signature: their CRC-32C is in it, and S3 checks that.
func (b *bucket) unsigned(o *awss3.Options) {
	if b.Checksum == checksumCRC {
		o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
	}
}

// encryption is what the headers of a new object say.
func (e *Encryption) header() (sse types.ServerSideEncryption, key *string, bucketKey *bool) {
	switch e.Type {
	case sseS3:
		sse = types.ServerSideEncryptionAes256
	case sseKMS:
		sse = types.ServerSideEncryptionAwsKms
	case dsseKMS:
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

// put puts a small object; once only if nothing has its key.
func (b *bucket) put(ctx context.Context, key string, body []byte, contentType string, once bool) error {
	ctx, cancel := bounded(ctx, callTimeout, int64(len(body)))
	defer cancel()
	in := &awss3.PutObjectInput{
		Bucket: &b.Bucket, Key: &key, ExpectedBucketOwner: b.owner, ContentType: &contentType, ContentLength: aws.Int64(int64(len(body))),
		Body: newReader([][]byte{body}), ACL: types.ObjectCannedACL(b.ACL),
	}
	in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = b.Encryption.header()
	if b.Checksum == checksumCRC {
		in.ChecksumCRC32C = aws.String(crc([][]byte{body}))
	}
	if once {
		in.IfNoneMatch = aws.String("*")
	}
	_, err := b.client.PutObject(ctx, in, b.unsigned)
	return err
}
