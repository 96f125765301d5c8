package bucket

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/identity"
)

// Connection is the settings by which a bucket is reached, and those of every object that is put there.
type Connection struct {
	// Name of the bucket, or the ARN of an access point. Required.
	Bucket string `yaml:"bucket"`
	// AWS Region of the bucket. Empty: what the environment of the AWS SDK says (AWS_REGION, or the profile's), and us-east-1 where
	// endpoint is set.
	Region string `yaml:"region"`
	// URL of an S3-compatible store or a VPC endpoint, https or http. Empty: that of AWS in region. The environment's (AWS_ENDPOINT_URL) doesn't count.
	Endpoint string `yaml:"endpoint"`
	// Whether the bucket's name stands in the path of a request and not in the host's name. Many S3-compatible stores want that.
	PathStyle bool `yaml:"path_style"`
	// Profile of the AWS SDK's shared configuration files. Empty: AWS_PROFILE, or its default.
	Profile string `yaml:"profile"`
	// Access key of an S3-compatible store. Empty: credentials are found as the AWS SDK does (roles of pods and instances, environment, profile).
	AccessKey secret.Text `yaml:"access_key"`
	// Secret key to access_key.
	SecretKey secret.Text `yaml:"secret_key"`
	// IAM role to write as.
	AssumeRole AssumeRole `yaml:"assume_role"`
	// Account that has to own the bucket, 12 digits. If it is another's, every request is denied.
	ExpectedBucketOwner string `yaml:"expected_bucket_owner"`
	// Encryption of what is put. Empty: the bucket's own, which on AWS is at least SSE-S3.
	Encryption Encryption `yaml:"encryption"`
	// Canned ACL, such as bucket-owner-full-control. Empty: none is sent, as buckets without ACLs want it. Needs s3:PutObjectAcl.
	ACL string `yaml:"acl"`
	// What protects bytes on their way: crc32c, which S3 keeps with the object; or none, for stores that don't know it, and the SHA-256 of the
	// signature does, at more CPU.
	Checksum string `yaml:"checksum"`
}

// AssumeRole is the role that STS is asked for.
type AssumeRole = identity.AssumeRole

// Encryption is how S3 keeps objects.
type Encryption struct {
	// sse_s3 (keys of S3), sse_kms (a key of KMS) or dsse_kms (two layers).
	Type string `yaml:"type" short:"true"`
	// ARN or id of the KMS key. Empty: the one that AWS manages for S3. The writer needs kms:GenerateDataKey and kms:Decrypt.
	KMSKey string `yaml:"kms_key"`
	// Whether S3 makes keys from one of the bucket's, which saves requests to KMS. Otherwise the bucket's setting counts.
	BucketKey bool `yaml:"bucket_key"`
}

// The values of encryption.type and checksum.
const (
	SSES3   = "sse_s3"
	SSEKMS  = "sse_kms"
	DSSEKMS = "dsse_kms"

	ChecksumCRC  = "crc32c"
	ChecksumNone = "none"
)

// DefaultConnection holds the defaults.
func DefaultConnection() Connection { return Connection{Checksum: ChecksumCRC} }

// identity is as whom the bucket is written.
func (c *Connection) identity() identity.Config {
	return identity.Config{Region: c.Region, Profile: c.Profile, AccessKey: c.AccessKey, SecretKey: c.SecretKey, AssumeRole: c.AssumeRole}
}

// Place names the bucket in messages.
func (c *Connection) Place() string { return "s3://" + c.Bucket }

// What AWS takes (Amazon S3 User Guide, "General purpose bucket naming rules", which old buckets and other stores widen).
var (
	bucketNames  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$`)
	accessPoints = regexp.MustCompile(`^arn:aws[a-z-]*:s3:[a-z0-9-]+:\d{12}:accesspoint[/:][a-z0-9-]{3,50}$`)
	accounts     = regexp.MustCompile(`^\d{12}$`)
)

// Validate checks everything that can be checked without a connection. It tells all mistakes at once.
func (c *Connection) Validate() error {
	var acls []string
	for _, a := range types.ObjectCannedACL("").Values() {
		acls = append(acls, string(a))
	}
	errs := []error{
		c.validateBucket(), identity.CheckURL("endpoint", c.Endpoint), c.identity().Validate(), c.Encryption.validate(),
		oneOf("acl", c.ACL, acls...), oneOf("checksum", c.Checksum, ChecksumCRC, ChecksumNone),
	}
	refuse := func(when bool, format string, args ...any) {
		if when {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(c.Checksum == "", "checksum is empty; it must be one of crc32c, none")
	refuse(c.ExpectedBucketOwner != "" && c.Endpoint == "" && !accounts.MatchString(c.ExpectedBucketOwner),
		"expected_bucket_owner is %q; it must be an account of 12 digits", c.ExpectedBucketOwner)
	return errors.Join(errs...)
}

func (c *Connection) validateBucket() error {
	switch b := c.Bucket; {
	case b == "":
		return errors.New("bucket is missing: the bucket to write to")
	case strings.Contains(b, "://"):
		return fmt.Errorf("bucket is %q; it must be the name alone: put folders into path", b)
	case strings.HasSuffix(b, "--x-s3"):
		return fmt.Errorf("bucket %q is a directory bucket, which doesn't list keys in their order: links need a general purpose bucket", b)
	case !bucketNames.MatchString(b) && !accessPoints.MatchString(b):
		return fmt.Errorf("bucket is %q; it must be the name of a bucket or the ARN of an access point", b)
	}
	return nil
}

func (e *Encryption) validate() error {
	if err := oneOf("encryption.type", e.Type, SSES3, SSEKMS, DSSEKMS); err != nil {
		return err
	}
	switch {
	case e.KMSKey != "" && e.Type != SSEKMS && e.Type != DSSEKMS:
		return errors.New("encryption.kms_key needs encryption.type sse_kms or dsse_kms")
	case e.BucketKey && e.Type != SSEKMS:
		return errors.New("encryption.bucket_key needs encryption.type sse_kms")
	}
	return nil
}

// oneOf checks a setting that may be empty.
func oneOf(name, value string, allowed ...string) error {
	if value == "" {
		return nil
	}
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("%s is %q; it must be one of %s", name, value, strings.Join(allowed, ", "))
}
