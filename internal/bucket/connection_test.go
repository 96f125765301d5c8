package bucket

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/connector/secret"
)

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Connection)
		want   string // "" = valid
	}{
		"defaults":                  {func(*Connection) {}, ""},
		"no bucket":                 {func(c *Connection) { c.Bucket = "" }, "bucket is missing"},
		"bucket as a URL":           {func(c *Connection) { c.Bucket = "s3://lake/x" }, "put folders into path"},
		"bucket with path":          {func(c *Connection) { c.Bucket = "lake/x" }, "bucket is"},
		"directory bucket":          {func(c *Connection) { c.Bucket = "lake--use1-az4--x-s3" }, "directory bucket"},
		"access point":              {func(c *Connection) { c.Bucket = "arn:aws:s3:us-west-2:123456789012:accesspoint/lake" }, ""},
		"multi-region":              {func(c *Connection) { c.Bucket = "arn:aws:s3::123456789012:accesspoint/x.mrap" }, "bucket is"},
		"dotted bucket":             {func(c *Connection) { c.Bucket = "lake.example.com" }, ""},
		"region":                    {func(c *Connection) { c.Region = "EU (Ireland)" }, "region is"},
		"endpoint without scheme":   {func(c *Connection) { c.Endpoint = "minio:9000" }, "endpoint must be a URL"},
		"endpoint of another kind":  {func(c *Connection) { c.Endpoint = "file:///etc" }, "endpoint must be a URL"},
		"endpoint with credentials": {func(c *Connection) { c.Endpoint = "https://id:hush@s3.example.com" }, "endpoint can't hold credentials"},
		"endpoint with a query":     {func(c *Connection) { c.Endpoint = "https://s3.example.com?x=1" }, "endpoint can't hold ?"},
		"endpoint":                  {func(c *Connection) { c.Endpoint = "http://localhost:9000" }, ""},
		"access key alone":          {func(c *Connection) { c.AccessKey = secret.New("hush") }, "access_key and secret_key must be set both"},
		"secret key alone":          {func(c *Connection) { c.SecretKey = secret.New("hush") }, "access_key and secret_key must be set both"},
		"external id alone":         {func(c *Connection) { c.AssumeRole.ExternalID = secret.New("hush") }, "assume_role needs arn"},
		"role by name":              {func(c *Connection) { c.AssumeRole.ARN = "lake" }, "assume_role.arn is"},
		"session name": {func(c *Connection) {
			c.AssumeRole.ARN, c.AssumeRole.SessionName = "arn:aws:iam::123456789012:role/a/b", "a b"
		}, "session_name"},
		"external id": {func(c *Connection) {
			c.AssumeRole.ARN, c.AssumeRole.ExternalID = "arn:aws:iam::123456789012:role/a/b", secret.New("hush hush")
		}, "external_id must have"},
		"sts endpoint": {func(c *Connection) {
			c.AssumeRole.ARN, c.AssumeRole.Endpoint = "arn:aws:iam::123456789012:role/x", "sts"
		}, "assume_role.endpoint must be a URL"},
		"role":            {func(c *Connection) { c.AssumeRole.ARN = "arn:aws-cn:iam::123456789012:role/a/b" }, ""},
		"owner":           {func(c *Connection) { c.ExpectedBucketOwner = "1234" }, "expected_bucket_owner is"},
		"owner elsewhere": {func(c *Connection) { c.ExpectedBucketOwner, c.Endpoint = "me", "http://localhost" }, ""},
		"encryption":      {func(c *Connection) { c.Encryption.Type = "aes" }, "encryption.type is"},
		"key without kms": {func(c *Connection) { c.Encryption = Encryption{Type: SSES3, KMSKey: "k"} }, "encryption.kms_key needs"},
		"bucket key":      {func(c *Connection) { c.Encryption = Encryption{Type: DSSEKMS, BucketKey: true} }, "encryption.bucket_key needs"},
		"two layers":      {func(c *Connection) { c.Encryption = Encryption{Type: DSSEKMS, KMSKey: "k"} }, ""},
		"acl":             {func(c *Connection) { c.ACL = "everybody" }, "acl is"},
		"checksum":        {func(c *Connection) { c.Checksum = "md5" }, "checksum is"},
		"no checksum":     {func(c *Connection) { c.Checksum = "" }, "checksum is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			at := DefaultConnection()
			at.Bucket = "lake"
			c.change(&at)
			err := at.Validate()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			noSecrets(t, err)
		})
	}
}

// Several mistakes are told at once.
func TestValidateTellsAll(t *testing.T) {
	err := (&Connection{ACL: "x"}).Validate()
	for _, want := range []string{"bucket", "acl", "checksum"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v doesn't say %q", err, want)
		}
	}
}
