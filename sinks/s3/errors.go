package s3

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/identity"
)

// An operation is a call of S3, as messages name it, and the right that it needs.
type operation struct{ verb, right string }

var (
	opList     = operation{"list", "s3:ListBucket"}
	opGet      = operation{"get", "s3:GetObject"}
	opHead     = operation{"look at", "s3:GetObject"}
	opPut      = operation{"put", "s3:PutObject"}
	opCreate   = operation{"create an upload of", "s3:PutObject"}
	opPart     = operation{"upload a part of", "s3:PutObject"}
	opComplete = operation{"complete", "s3:PutObject"}
	opTag      = operation{"tag", "s3:PutObjectTagging"}
	opParts    = operation{"look at the upload of", "s3:ListMultipartUploadParts"}
	opAbort    = operation{"abort the upload of", "s3:AbortMultipartUpload"}
	opBury     = operation{"put dead letters into", "s3:PutObject"}
)

// Codes that calls are decided by.
const (
	codeNoSuchKey    = "NoSuchKey"
	codeNoSuchUpload = "NoSuchUpload"
	codeInvalidPart  = "InvalidPart"
	codeDenied       = "AccessDenied"
)

// An answer is what S3, or STS before it, said instead of success. The zero answer: there was none.
type answer struct {
	code, text string
	status     int
	header     http.Header
}

// answerOf is the answer in an error; the zero answer if err is nil or never got one.
func answerOf(err error) (a answer) {
	if reply, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && reply.Response != nil && reply.Response.Response != nil {
		a.status, a.header = reply.HTTPStatusCode(), reply.Response.Header
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		a.code = api.ErrorCode()
		a.text = a.code
		if m := strings.TrimSpace(api.ErrorMessage()); m != "" && m != a.code {
			a.text += ": " + strings.TrimSuffix(m, ".")
		}
	}
	if a.text == "" && a.status > 0 {
		a.text = strconv.Itoa(a.status) + " " + http.StatusText(a.status)
	}
	if id := a.header.Get("X-Amz-Request-Id"); id != "" {
		a.text += " (request " + id + ")"
	}
	return a
}

// unnamed reports whether the answer is a status and no more: HEAD has no body.
func (a *answer) unnamed() bool {
	switch a.code {
	case "", "UnknownError", "NotFound", "Forbidden", "BadRequest", "MovedPermanently":
		return true
	}
	return false
}

// denied reports a lack of rights.
func (a *answer) denied() bool {
	return a.status == http.StatusForbidden && (a.code == codeDenied || a.unnamed())
}

// A verdict is what an error code means for the connector, with a hint for the person who reads it.
type verdict struct {
	class connector.Class
	hint  string
}

const (
	retryable = connector.Retryable
	systemic  = connector.Systemic
)

// verdicts by the codes of S3 (API reference, "Error responses") and STS. What isn't here is retryable if its
// status says so, else systemic: nothing is ever dropped for an answer that nobody knows.
var verdicts = map[string]verdict{
	"InternalError":                  {retryable, ""},
	"ServiceUnavailable":             {retryable, ""},
	"SlowDown":                       {retryable, ""},
	"503 SlowDown":                   {retryable, ""},
	"Throttling":                     {retryable, ""},
	"ThrottlingException":            {retryable, ""},
	"RequestLimitExceeded":           {retryable, ""},
	"BandwidthLimitExceeded":         {retryable, ""},
	"RequestTimeout":                 {retryable, ""},
	"RequestTimeoutException":        {retryable, ""},
	"OperationAborted":               {retryable, ""},
	"ConditionalRequestConflict":     {retryable, ""},
	"IncompleteBody":                 {retryable, ""},
	"BadDigest":                      {retryable, "bytes were changed on their way"},
	"XAmzContentChecksumMismatch":    {retryable, "bytes were changed on their way"},
	"XAmzContentSHA256Mismatch":      {retryable, "bytes were changed on their way"},
	"TemporaryRedirect":              {retryable, "the bucket is new, or moves"},
	"KMS.ThrottlingException":        {retryable, "KMS limits its requests: encryption.bucket_key saves most of them"},
	"KMS.KMSInternalException":       {retryable, ""},
	"KMS.DependencyTimeoutException": {retryable, ""},

	"NoSuchBucket":                {systemic, "create the bucket, or look at bucket, region and endpoint"},
	"InvalidBucketName":           {systemic, "look at bucket"},
	"AllAccessDisabled":           {systemic, "AWS disabled the bucket"},
	"AccountProblem":              {systemic, "AWS says that something is wrong with the account"},
	"NotSignedUp":                 {systemic, "the account isn't signed up for S3"},
	"ExpiredToken":                {systemic, "the credentials have expired: renew them, and start again if they came from the environment or a file"},
	"ExpiredTokenException":       {systemic, "the credentials have expired: renew them, and start again if they came from the environment or a file"},
	"TokenRefreshRequired":        {systemic, "the credentials have expired: renew them"},
	"RequestExpired":              {systemic, "this machine's clock is wrong, or the credentials have expired"},
	"InvalidToken":                {systemic, "the session token isn't one of this store: look at where credentials come from, and at endpoint"},
	"InvalidClientTokenId":        {systemic, "AWS doesn't know the access key: look at where credentials come from"},
	"UnrecognizedClientException": {systemic, "AWS doesn't know the access key: look at where credentials come from"},
	"InvalidAccessKeyId":          {systemic, "the store doesn't know the access key: look at access_key, or where credentials come from"},
	"SignatureDoesNotMatch":       {systemic, "the secret key isn't that of the access key: look at secret_key, or where credentials come from"},
	"RequestTimeTooSkewed":        {systemic, "this machine's clock is wrong"},
	"InvalidStorageClass":         {systemic, "look at storage_class"},
	"InvalidTag":                  {systemic, "look at tags"},
	"KeyTooLongError":             {systemic, "look at path and prefix"},
	"EntityTooLarge":              {systemic, "lower rotate.size"},
	"EntityTooSmall":              {systemic, "raise part_size: this store wants larger parts"},
	"InvalidObjectState":          {systemic, "it was moved to an archive: restore it, and keep rules of the bucket off the links"},
	"QuotaExceeded":               {systemic, "the bucket is full"},
	"MethodNotAllowed":            {systemic, "is endpoint an S3 store?"},
	"NotImplemented":              {systemic, "this store lacks what the request asks for: look at checksum, acl, encryption, storage_class and tags"},

	"AccessControlListNotSupported":   {systemic, "the bucket has no ACLs: leave acl out"},
	"InvalidEncryptionAlgorithmError": {systemic, "look at encryption.type"},
	"KMS.DisabledException":           {systemic, "the KMS key is disabled: look at encryption.kms_key"},
	"KMS.NotFoundException":           {systemic, "there is no such KMS key in the bucket's region: look at encryption.kms_key"},
	"KMS.KMSInvalidStateException":    {systemic, "the KMS key can't be used now: look at encryption.kms_key"},
	"KMS.InvalidKeyUsageException":    {systemic, "the KMS key isn't one for encryption: look at encryption.kms_key"},
	"KMS.AccessDeniedException":       {systemic, "the credentials need kms:GenerateDataKey and kms:Decrypt on encryption.kms_key"},
}

// elsewhere are the codes by which S3 says that the bucket is in another region.
var elsewhere = map[string]bool{
	"PermanentRedirect": true, "MovedPermanently": true, "AuthorizationHeaderMalformed": true, "IllegalLocationConstraintException": true,
	"InvalidRegion": true, "Redirect": true,
}

// A failed error has a text of its own in place of the SDK's, which is long, and the SDK's error behind it.
type failed struct {
	text string
	err  error
}

func (e *failed) Error() string { return e.text }
func (e *failed) Unwrap() error { return e.err }

// failure gives the error of a call its class, and says what was done to which key and what can be changed.
func (b *bucket) failure(o operation, key string, err error) error {
	a := answerOf(err)
	v, text := b.judge(o, &a, err)
	text = fmt.Sprintf("%s %s/%s: %s", o.verb, b.place(), key, text)
	if v.hint != "" {
		text += " (" + v.hint + ")"
	}
	err = v.class.Wrap(&failed{text, err})
	if wait := retryAfter(a.header); wait > 0 {
		err = connector.WithWait(wait, err)
	}
	return err
}

// judge is the verdict on an error, and what it says.
func (b *bucket) judge(o operation, a *answer, err error) (verdict, string) {
	if unknown, ok := errors.AsType[*identity.Error](err); ok {
		return b.judgeIdentity(a, unknown)
	}
	if a.status == 0 && a.code == "" {
		return b.judgeConnection(err)
	}
	v, known := verdicts[a.code]
	switch {
	case elsewhere[a.code] || a.status == http.StatusMovedPermanently:
		v = verdict{systemic, b.regionHint(a)}
	case a.code == codeDenied && strings.Contains(a.text, "kms:"):
		v = verdicts["KMS.AccessDeniedException"]
	case a.denied():
		v = verdict{systemic, b.rightHint(o)}
	case known:
	case a.status >= http.StatusInternalServerError || a.status == http.StatusTooManyRequests || a.status == http.StatusRequestTimeout ||
		a.status == http.StatusConflict || a.status == http.StatusOK: // an error in the body of a success
		v.class = retryable
	default:
		v.class = systemic
	}
	return v, a.text
}

func (b *bucket) rightHint(o operation) string {
	right := o.right
	if b.ACL != "" && right == opPut.right {
		right += " and s3:PutObjectAcl"
	}
	hint := "the credentials need " + right + " on " + b.Bucket
	if b.ExpectedBucketOwner != "" {
		hint += ", and expected_bucket_owner must be its account"
	}
	return hint
}

// expecting is how S3 names the region in AuthorizationHeaderMalformed.
var expecting = regexp.MustCompile(`expecting ['"]([a-z0-9-]+)['"]`)

func (b *bucket) regionHint(a *answer) string {
	region := a.header.Get("X-Amz-Bucket-Region")
	if m := expecting.FindStringSubmatch(a.text); region == "" && m != nil {
		region = m[1]
	}
	if region == "" {
		return fmt.Sprintf("the bucket isn't in region %s: set region to its own", b.Region)
	}
	return fmt.Sprintf("the bucket is in region %s: set region to that, not %s", region, b.Region)
}

// judgeIdentity is the verdict where there were no credentials to sign with.
func (b *bucket) judgeIdentity(a *answer, err *identity.Error) (verdict, string) {
	text, about := err.Error(), "give this process credentials (a role of the pod or instance, AWS_PROFILE, the environment), or set access_key and secret_key"
	if b.AssumeRole.ARN != "" {
		about = fmt.Sprintf("look at assume_role: the trust policy of %s, external_id, and whether the process's own credentials may call sts:AssumeRole", b.AssumeRole.ARN)
	}
	if a.text != "" {
		text = a.text
	}
	v, known := verdicts[a.code]
	switch {
	case known && v.class == retryable, a.status >= http.StatusInternalServerError:
		return verdict{class: retryable}, "no credentials: " + text
	case known && !strings.Contains(v.hint, "bucket"):
		about = v.hint
	case errors.Is(err, context.Canceled):
		return verdict{class: retryable}, "no credentials: " + text
	}
	return verdict{systemic, about}, "no credentials: " + text
}

// judgeConnection is the verdict where nothing was answered.
func (b *bucket) judgeConnection(err error) (verdict, string) {
	text := err.Error()
	if sent, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		text = sent.Err.Error()
	}
	at := "look at region, and at the way to AWS"
	if b.Endpoint != "" {
		at = "look at endpoint, " + b.Endpoint
	}
	switch {
	case errors.Is(err, context.Canceled):
		return verdict{class: retryable}, context.Canceled.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return verdict{retryable, at}, "no answer in time"
	case errors.Is(err, http.ErrSchemeMismatch):
		return verdict{systemic, at + ": the server speaks http, not https"}, text
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return verdict{systemic, at + "; a bucket with dots in its name needs path_style: true"}, text
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return verdict{systemic, "AWS_CA_BUNDLE names a file with the authorities that may sign the server's certificate"}, text
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound && b.Endpoint != "" && !b.PathStyle {
		return verdict{retryable, at + "; where no host is named after the bucket, set path_style: true"}, text
	}
	return verdict{retryable, at}, text
}

// retryAfter is how long a server asks to be left alone (RFC 9110, section 10.2.3).
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return time.Until(at)
	}
	return 0
}
