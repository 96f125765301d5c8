package s3

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/millrace/millrace/connector"
)

// A bucket is a client for one bucket, with what every call of the sink and the dead letter needs. It is safe for
// concurrent use.
type bucket struct {
	Connection
	client    *awss3.Client
	transport *http.Transport
	owner     *string // ExpectedBucketOwner
}

// Close closes the connections that are idle.
func (b *bucket) Close() error {
	b.transport.CloseIdleConnections()
	return nil
}

const (
	dialTimeout  = 5 * time.Second
	callTimeout  = 30 * time.Second // of a call without much to send
	finishing    = 5 * time.Minute  // "this can take several minutes": API reference, CompleteMultipartUpload
	leastRate    = 128 << 10        // bytes a second: what is sent slower than that times out
	idleTimeout  = 30 * time.Second
	connections  = 256 // at a time; staging bounds what is under way by bytes
	roleDuration = time.Hour
	roleRenewal  = 5 * time.Minute // before its end
)

// connect makes the client of valid settings. It calls nothing but what the SDK asks for credentials.
func (c *Connection) connect(ctx context.Context) (*bucket, error) {
	var options []func(*awsconfig.LoadOptions) error
	if c.Region != "" {
		options = append(options, awsconfig.WithRegion(c.Region))
	}
	if c.AccessKey != "" {
		options = append(options, awsconfig.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(c.AccessKey.Reveal(), c.SecretKey.Reveal(), "")))
	}
	found, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, connector.Systemic.Errorf("read the configuration of the AWS SDK for %s: %w", c.place(), err)
	}
	b := &bucket{Connection: *c, transport: transport(found.HTTPClient)}
	if b.Region = found.Region; b.Region == "" {
		if c.Endpoint == "" {
			return nil, connector.Systemic.Errorf("the AWS Region of %s isn't known: set region, or AWS_REGION", c.place())
		}
		b.Region = "us-east-1"
	}
	if c.ExpectedBucketOwner != "" {
		b.owner = &c.ExpectedBucketOwner
	}
	// A redirect is an answer: it names the bucket's region.
	client := &http.Client{Transport: b.transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	found.HTTPClient, found.Credentials = client, identity{b.assume(found.Credentials, client)}
	b.client = awss3.NewFromConfig(found, func(o *awss3.Options) {
		o.Region, o.BaseEndpoint, o.UsePathStyle = b.Region, endpoint(c.Endpoint), c.PathStyle
		o.Retryer = aws.NopRetryer{} // the connector retries
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.DisableLogOutputChecksumValidationSkipped = true
		o.UseARNRegion = true
		o.DisableMultiRegionAccessPoints = true // what they read may be old
	})
	return b, nil
}

// endpoint is nil where AWS's own is meant, so that the environment's doesn't count.
func endpoint(url string) *string {
	if url == "" {
		return nil
	}
	return &url
}

// transport is the SDK's, which holds the authorities of AWS_CA_BUNDLE, as one of ours.
func transport(client aws.HTTPClient) *http.Transport {
	from, ok := client.(*awshttp.BuildableClient)
	if !ok {
		from = awshttp.NewBuildableClient()
	}
	t := from.GetTransport() // a copy
	t.DialContext = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	t.MaxIdleConns, t.MaxIdleConnsPerHost, t.MaxConnsPerHost = connections, connections, connections
	t.IdleConnTimeout = idleTimeout
	return t
}

// assume is the role's credentials, if there is a role. They are renewed in time.
func (b *bucket) assume(own aws.CredentialsProvider, client *http.Client) aws.CredentialsProvider {
	r := b.AssumeRole
	if r.ARN == "" {
		return own
	}
	asked := sts.New(sts.Options{
		Region: b.Region, BaseEndpoint: endpoint(r.Endpoint), Credentials: own, HTTPClient: client, Retryer: aws.NopRetryer{},
	})
	role := stscreds.NewAssumeRoleProvider(asked, r.ARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.Duration = r.SessionName, roleDuration
		if r.ExternalID != "" {
			o.ExternalID = aws.String(r.ExternalID.Reveal())
		}
	})
	return aws.NewCredentialsCache(role, func(o *aws.CredentialsCacheOptions) {
		o.ExpiryWindow, o.ExpiryWindowJitterFrac = roleRenewal, 0.5
	})
}

// An identity is where credentials come from. Its errors can be told from those of S3.
type identity struct{ aws.CredentialsProvider }

func (i identity) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := i.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return c, &identityError{err}
	}
	return c, nil
}

type identityError struct{ err error }

func (e *identityError) Error() string { return e.err.Error() }
func (e *identityError) Unwrap() error { return e.err }

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
