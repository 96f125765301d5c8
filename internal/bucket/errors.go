package bucket

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/awserror"
	"github.com/millrace/millrace/internal/identity"
)

// An Operation is a call of S3, as messages name it, and the right that it needs.
type Operation struct{ Verb, Right string }

// The operation of [Bucket.Put].
var opPut = Operation{"put", rightPut}

// Rights and codes that errors are judged by.
const (
	rightPut   = "s3:PutObject"
	codeDenied = "AccessDenied"
)

// An Answer is what S3, or STS before it, said instead of success. The zero Answer: there was none.
type Answer struct {
	Code, Text string // Text is the code and the message
	Status     int
	header     http.Header
}

// AnswerOf is the answer in an error; the zero Answer if err is nil or never got one.
func AnswerOf(err error) (a Answer) {
	if reply, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && reply.Response != nil && reply.Response.Response != nil {
		a.header = reply.Response.Header
	}
	a.Status, a.Code, a.Text = awserror.Said(err)
	if id := a.header.Get("X-Amz-Request-Id"); id != "" {
		a.Text += " (request " + id + ")"
	}
	return a
}

// Unnamed reports whether the answer is a status and no more: HEAD has no body.
func (a *Answer) Unnamed() bool {
	switch a.Code {
	case "", "UnknownError", "NotFound", "Forbidden", "BadRequest", "MovedPermanently":
		return true
	}
	return false
}

// Denied reports a lack of rights.
func (a *Answer) Denied() bool {
	return a.Status == http.StatusForbidden && (a.Code == codeDenied || a.Unnamed())
}

// A Verdict is what an error code means for the connector, with a hint for the person who reads it.
type Verdict = awserror.Verdict

const (
	retryable = connector.Retryable
	systemic  = connector.Systemic
)

// verdicts by the codes of S3 (API reference, "Error responses"). What is neither here nor in the bucket's own Verdicts is judged as for all services.
var verdicts = map[string]Verdict{
	"503 SlowDown":                   {Class: retryable},
	"OperationAborted":               {Class: retryable},
	"ConditionalRequestConflict":     {Class: retryable},
	"IncompleteBody":                 {Class: retryable},
	"BadDigest":                      {Class: retryable, Hint: "bytes were changed on their way"},
	"XAmzContentChecksumMismatch":    {Class: retryable, Hint: "bytes were changed on their way"},
	"XAmzContentSHA256Mismatch":      {Class: retryable, Hint: "bytes were changed on their way"},
	"TemporaryRedirect":              {Class: retryable, Hint: "the bucket is new, or moves"},
	"KMS.ThrottlingException":        {Class: retryable, Hint: "KMS limits its requests: encryption.bucket_key saves most of them"},
	"KMS.KMSInternalException":       {Class: retryable},
	"KMS.DependencyTimeoutException": {Class: retryable},

	"NoSuchBucket":          {Class: systemic, Hint: "create the bucket, or look at bucket, region and endpoint"},
	"InvalidBucketName":     {Class: systemic, Hint: "look at bucket"},
	"AllAccessDisabled":     {Class: systemic, Hint: "AWS disabled the bucket"},
	"AccountProblem":        {Class: systemic, Hint: "AWS says that something is wrong with the account"},
	"NotSignedUp":           {Class: systemic, Hint: "the account isn't signed up for S3"},
	"TokenRefreshRequired":  {Class: systemic, Hint: "the credentials have expired: renew them"},
	"InvalidToken":          {Class: systemic, Hint: "the session token isn't one of this store: look at where credentials come from, and at endpoint"},
	"InvalidAccessKeyId":    {Class: systemic, Hint: "the store doesn't know the access key: look at access_key, or where credentials come from"},
	"SignatureDoesNotMatch": {Class: systemic, Hint: "the secret key isn't that of the access key: look at secret_key, or where credentials come from"},
	"RequestTimeTooSkewed":  {Class: systemic, Hint: "this machine's clock is wrong"},
	"QuotaExceeded":         {Class: systemic, Hint: "the bucket is full"},
	"MethodNotAllowed":      {Class: systemic, Hint: "is endpoint an S3 store?"},
	"NotImplemented":        {Class: systemic, Hint: "this store lacks what the request asks for: look at checksum, acl and encryption"},

	"AccessControlListNotSupported":   {Class: systemic, Hint: "the bucket has no ACLs: leave acl out"},
	"InvalidEncryptionAlgorithmError": {Class: systemic, Hint: "look at encryption.type"},
	"KMS.DisabledException":           {Class: systemic, Hint: "the KMS key is disabled: look at encryption.kms_key"},
	"KMS.NotFoundException":           {Class: systemic, Hint: "there is no such KMS key in the bucket's region: look at encryption.kms_key"},
	"KMS.KMSInvalidStateException":    {Class: systemic, Hint: "the KMS key can't be used now: look at encryption.kms_key"},
	"KMS.InvalidKeyUsageException":    {Class: systemic, Hint: "the KMS key isn't one for encryption: look at encryption.kms_key"},
	"KMS.AccessDeniedException":       {Class: systemic, Hint: "the credentials need kms:GenerateDataKey and kms:Decrypt on encryption.kms_key"},
}

// elsewhere are the codes by which S3 says that the bucket is in another region.
var elsewhere = map[string]bool{
	"PermanentRedirect": true, "MovedPermanently": true, "AuthorizationHeaderMalformed": true, "IllegalLocationConstraintException": true,
	"InvalidRegion": true, "Redirect": true,
}

// Failure gives the error of a call its class, and says what was done to which key and what can be changed.
func (b *Bucket) Failure(o Operation, key string, err error) error {
	a := AnswerOf(err)
	v, text := b.judge(o, &a, err)
	return v.Wrap(fmt.Sprintf("%s %s/%s: %s", o.Verb, b.Place(), key, text), err, a.header)
}

// judge is the verdict on an error, and what it says.
func (b *Bucket) judge(o Operation, a *Answer, err error) (Verdict, string) {
	if unknown, ok := errors.AsType[*identity.Error](err); ok {
		return awserror.Identity(unknown, b.AssumeRole.ARN)
	}
	if a.Status == 0 && a.Code == "" {
		return b.judgeConnection(err)
	}
	switch {
	case elsewhere[a.Code] || a.Status == http.StatusMovedPermanently:
		return Verdict{Class: systemic, Hint: b.regionHint(a)}, a.Text
	case a.Code == codeDenied && strings.Contains(a.Text, "kms:"):
		return verdicts["KMS.AccessDeniedException"], a.Text
	case a.Denied():
		return Verdict{Class: systemic, Hint: b.rightHint(o)}, a.Text
	}
	for _, table := range []map[string]Verdict{b.Verdicts, verdicts} {
		if v, ok := table[a.Code]; ok {
			return v, a.Text
		}
	}
	if a.Status == http.StatusConflict {
		return Verdict{Class: retryable}, a.Text
	}
	return awserror.Of(a.Code, a.Status), a.Text
}

func (b *Bucket) rightHint(o Operation) string {
	right := o.Right
	if b.ACL != "" && right == rightPut {
		right += " and s3:PutObjectAcl"
	}
	hint := "the credentials need " + right + " on " + b.Connection.Bucket
	if b.ExpectedBucketOwner != "" {
		hint += ", and expected_bucket_owner must be its account"
	}
	return hint
}

// expecting is how S3 names the region in AuthorizationHeaderMalformed.
var expecting = regexp.MustCompile(`expecting ['"]([a-z0-9-]+)['"]`)

func (b *Bucket) regionHint(a *Answer) string {
	region := a.header.Get("X-Amz-Bucket-Region")
	if m := expecting.FindStringSubmatch(a.Text); region == "" && m != nil {
		region = m[1]
	}
	if region == "" {
		return fmt.Sprintf("the bucket isn't in region %s: set region to its own", b.Region)
	}
	return fmt.Sprintf("the bucket is in region %s: set region to that, not %s", region, b.Region)
}

// judgeConnection is the verdict where nothing was answered.
func (b *Bucket) judgeConnection(err error) (Verdict, string) {
	v, text := awserror.Connection(err, b.Endpoint, "the way to AWS")
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		v.Hint += "; a bucket with dots in its name needs path_style: true"
	}
	if awserror.NoHost(err) && b.Endpoint != "" && !b.PathStyle {
		v.Hint += "; where no host is named after the bucket, set path_style: true"
	}
	return v, text
}
