package s3

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/millrace/millrace/connector"
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
	// Access key of an S3-compatible store. Empty: credentials are found as the AWS SDK does (roles of pods and instances, environment, profile).
	AccessKey connector.Secret `yaml:"access_key"`
	// Secret key to access_key.
	SecretKey connector.Secret `yaml:"secret_key"`
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
type AssumeRole struct {
	// Which role: its ARN, such as arn:aws:iam::123456789012:role/NAME.
	ARN string `yaml:"arn" short:"true"`
	// What the role's trust policy wants as sts:ExternalId.
	ExternalID connector.Secret `yaml:"external_id"`
	// Name of the session, which CloudTrail shows.
	SessionName string `yaml:"session_name"`
	// URL of STS, https or http. Empty: that of AWS in region.
	Endpoint string `yaml:"endpoint"`
}

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
	sseS3   = "sse_s3"
	sseKMS  = "sse_kms"
	dsseKMS = "dsse_kms"

	checksumCRC  = "crc32c"
	checksumNone = "none"
)

const defaultSession = "millrace"

func defaultConnection() Connection {
	return Connection{AssumeRole: AssumeRole{SessionName: defaultSession}, Checksum: checksumCRC}
}

// place names the bucket in messages.
func (c *Connection) place() string { return "s3://" + c.Bucket }

// What AWS takes (IAM API reference, AssumeRole; Amazon S3 User Guide, "General purpose bucket naming rules", which old
// buckets and other stores widen).
var (
	bucketNames  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$`)
	accessPoints = regexp.MustCompile(`^arn:aws[a-z-]*:s3:[a-z0-9-]+:\d{12}:accesspoint[/:][a-z0-9-]{3,50}$`)
	regions      = regexp.MustCompile(`^[a-z0-9-]{2,40}$`)
	roles        = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$`)
	sessions     = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	externalIDs  = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`)
	accounts     = regexp.MustCompile(`^\d{12}$`)
)

// validate checks everything that can be checked without a connection.
func (c *Connection) validate() []error {
	var acls []string
	for _, a := range types.ObjectCannedACL("").Values() {
		acls = append(acls, string(a))
	}
	errs := []error{
		c.validateBucket(), checkURL("endpoint", c.Endpoint), c.AssumeRole.validate(), c.Encryption.validate(),
		oneOf("acl", c.ACL, acls...), oneOf("checksum", c.Checksum, checksumCRC, checksumNone),
	}
	refuse := func(when bool, format string, args ...any) {
		if when {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(c.Checksum == "", "checksum is empty; it must be one of crc32c, none")
	refuse(c.Region != "" && !regions.MatchString(c.Region), "region is %q; it must be one such as eu-west-1", c.Region)
	refuse((c.AccessKey == "") != (c.SecretKey == ""), "access_key and secret_key must be set both, or neither")
	refuse(c.ExpectedBucketOwner != "" && c.Endpoint == "" && !accounts.MatchString(c.ExpectedBucketOwner),
		"expected_bucket_owner is %q; it must be an account of 12 digits", c.ExpectedBucketOwner)
	return errs
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

func (r *AssumeRole) validate() error {
	switch {
	case r.ARN == "" && (r.ExternalID != "" || r.Endpoint != ""):
		return errors.New("assume_role needs arn: the role")
	case r.ARN == "":
		return nil
	case !roles.MatchString(r.ARN):
		return fmt.Errorf("assume_role.arn is %q; it must be one such as arn:aws:iam::123456789012:role/NAME", r.ARN)
	case r.ExternalID != "" && (len(r.ExternalID) > 1224 || !externalIDs.MatchString(r.ExternalID.Reveal())):
		return errors.New("assume_role.external_id must have 2 to 1,224 letters, digits and _ + = , . @ : / -")
	case !sessions.MatchString(r.SessionName):
		return fmt.Errorf("assume_role.session_name is %q; it must have 2 to 64 letters, digits and _ + = , . @ -", r.SessionName)
	}
	return checkURL("assume_role.endpoint", r.Endpoint)
}

func (e *Encryption) validate() error {
	if err := oneOf("encryption.type", e.Type, sseS3, sseKMS, dsseKMS); err != nil {
		return err
	}
	switch {
	case e.KMSKey != "" && e.Type != sseKMS && e.Type != dsseKMS:
		return errors.New("encryption.kms_key needs encryption.type sse_kms or dsse_kms")
	case e.BucketKey && e.Type != sseKMS:
		return errors.New("encryption.bucket_key needs encryption.type sse_kms")
	}
	return nil
}

func checkURL(name, text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return fmt.Errorf("%s must be a URL such as https://s3.example.com or http://localhost:9000", name)
	case u.User != nil:
		return fmt.Errorf("%s can't hold credentials: set access_key and secret_key", name)
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%s can't hold ? or #", name)
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

// storageClasses are those that an object can be put into.
func storageClasses() []string {
	var all []string
	for _, s := range []types.StorageClass{
		types.StorageClassStandard, types.StorageClassReducedRedundancy, types.StorageClassStandardIa, types.StorageClassOnezoneIa,
		types.StorageClassIntelligentTiering, types.StorageClassGlacierIr, types.StorageClassGlacier, types.StorageClassDeepArchive,
	} {
		all = append(all, string(s))
	}
	return all
}
