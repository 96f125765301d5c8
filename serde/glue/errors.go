package glue

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/identity"
	"github.com/millrace/millrace/serde/registry"
)

// An operation is a call of AWS Glue, as messages name it, and the right that it needs.
type operation struct{ verb, right string }

var (
	opVersion    = operation{"get", "glue:GetSchemaVersion"}
	opSchema     = operation{"get", "glue:GetSchema"}
	opSchemas    = operation{"list the schemas of", "glue:ListSchemas"}
	opDefinition = operation{"find", "glue:GetSchemaByDefinition"}
	opCreate     = operation{"create", "glue:CreateSchema"}
	opRegister   = operation{"register a version of", "glue:RegisterSchemaVersion"}
)

// A verdict is what an error code means for the connector, with a hint for the person who reads it.
type verdict struct {
	class connector.Class
	hint  string
}

const (
	retryable = connector.Retryable
	systemic  = connector.Systemic

	codeNotFound = "EntityNotFoundException"
	codeDenied   = "AccessDeniedException"

	limitHint   = "AWS Glue limits the requests of the account"
	expiredHint = "the credentials have expired: renew them, and start again if they came from the environment or a file"
	keyHint     = "AWS doesn't know the access key: look at where credentials come from"
	clockHint   = "the secret key isn't that of the access key, or this machine's clock is wrong"
	kmsHint     = "the credentials need kms:Decrypt on the KMS key of the registry, and the key must be enabled"
)

// verdicts by the codes of AWS Glue (API reference, "AWS Glue exceptions" and "Common errors") and STS. What isn't here is retryable if
// its status says so, else systemic: no record is given up for an answer that says nothing of its schema.
var verdicts = map[string]verdict{
	"ThrottlingException":             {retryable, limitHint},
	"Throttling":                      {retryable, limitHint},
	"TooManyRequestsException":        {retryable, limitHint},
	"RequestLimitExceeded":            {retryable, limitHint},
	"InternalServiceException":        {retryable, ""},
	"InternalServerException":         {retryable, ""},
	"InternalFailure":                 {retryable, ""},
	"InternalError":                   {retryable, ""},
	"ServiceUnavailable":              {retryable, ""},
	"OperationTimeoutException":       {retryable, ""},
	"RequestTimeout":                  {retryable, ""},
	"ConcurrentModificationException": {retryable, ""},
	"ConflictException":               {retryable, ""},
	"AlreadyExistsException":          {retryable, "somebody else creates it now"},

	"InvalidInputException":                {systemic, "look at registry, and at the schema's name and definition"},
	"ValidationException":                  {systemic, "look at registry, and at the schema's name and definition"},
	"ResourceNumberLimitExceededException": {systemic, "the account's quota is used up (AWS Glue endpoints and quotas, Schema Registry)"},
	"GlueEncryptionException":              {systemic, kmsHint},
	"KMSKeyNotAccessibleFault":             {systemic, kmsHint},
	"UnknownOperationException":            {systemic, "is endpoint an AWS Glue?"},
	"ExpiredToken":                         {systemic, expiredHint},
	"ExpiredTokenException":                {systemic, expiredHint},
	"RequestExpired":                       {systemic, "this machine's clock is wrong, or the credentials have expired"},
	"InvalidSignatureException":            {systemic, clockHint},
	"SignatureDoesNotMatch":                {systemic, clockHint},
	"IncompleteSignature":                  {systemic, clockHint},
	"InvalidClientTokenId":                 {systemic, keyHint},
	"UnrecognizedClientException":          {systemic, keyHint},
	"MissingAuthenticationTokenException":  {systemic, "the request had no signature: look at where credentials come from"},
}

// A failed error has a text of its own in place of the SDK's, which is long, and the SDK's error behind it.
type failed struct {
	text string
	err  error
}

func (e *failed) Error() string { return e.text }
func (e *failed) Unwrap() error { return e.err }

// An asked is where a question goes, for messages, and who asks.
type asked struct {
	registry, region, endpoint string
	login                      *login // nil: somebody else's
}

func (c Connection) asked(l *login) asked { return asked{c.Registry, c.Region, c.Endpoint, l} }

// failure gives the error of a call its class, and says what was asked for, unless what is "" because the caller does, and what can be
// changed. That there is no such thing has no class: it wraps registry.ErrNotFound.
func (a asked) failure(o operation, what string, err error) error {
	status, code, text := said(err)
	a.login.refused(code)
	place := a.place()
	if code == codeNotFound {
		if what == "" {
			what = "such schema version"
		}
		return &failed{fmt.Sprintf("%s has no %s (%s)", place, what, text), errors.Join(registry.ErrNotFound, err)}
	}
	v, text := a.judge(o, err, status, code, text)
	if v.hint != "" {
		text += " (" + v.hint + ")"
	}
	text = place + ": " + text
	if what != "" {
		text = o.verb + " " + what + ": " + text
	}
	return v.class.Wrap(&failed{text, err})
}

func (a asked) place() string {
	if a.region == "" {
		return "AWS Glue"
	}
	return "AWS Glue in " + a.region
}

// judge is the verdict on an error, and what it says.
func (a asked) judge(o operation, err error, status int, code, text string) (verdict, string) {
	v, known := verdicts[code]
	unknown, unsigned := errors.AsType[*identity.Error](err)
	switch {
	case unsigned:
		if text == "" {
			text = unknown.Error()
		}
		if v.class == systemic && known || !known && status < http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
			v = verdict{systemic, "give this process credentials (a role of the pod or instance, AWS_PROFILE, the environment), or set access_key and secret_key; with assume_role, look at its trust policy"}
		}
		return v, "no credentials: " + text
	case code == codeDenied && strings.Contains(strings.ToLower(text), "kms:"):
		return verdict{systemic, kmsHint}, text
	case code == codeDenied || code == "AccessDenied":
		return verdict{systemic, fmt.Sprintf("the credentials need %s on registry %s and its schemas", o.right, a.registry)}, text
	case status == 0 && code == "":
		return a.unreached(err)
	case known:
	case status >= http.StatusInternalServerError || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status == http.StatusOK:
		v.class = retryable
	default:
		v.class = systemic
	}
	return v, text
}

// said is what AWS Glue, or STS before it, answered; zero where there was no answer.
func said(err error) (status int, code, text string) {
	if reply, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && reply.Response != nil && reply.Response.Response != nil {
		status = reply.HTTPStatusCode()
	}
	// UnknownError is the SDK's, where there is no code.
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() != "UnknownError" {
		code = api.ErrorCode()
		text = code
		if m := strings.TrimSpace(api.ErrorMessage()); m != "" && m != code {
			text += ": " + strings.TrimSuffix(m, ".")
		}
	}
	if text == "" && status > 0 {
		text = fmt.Sprintf("%d %s", status, http.StatusText(status))
	}
	if broken, ok := errors.AsType[*smithy.DeserializationError](err); ok && status == http.StatusOK {
		text = "the answer can't be read: " + broken.Unwrap().Error()
	}
	return status, code, text
}

// unreached is the verdict where nobody answered.
func (a asked) unreached(err error) (verdict, string) {
	text := err.Error()
	if sent, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		text = sent.Err.Error()
	}
	if u, ok := errors.AsType[*url.Error](err); ok { // it begins with the method and the URL
		text = u.Err.Error()
	}
	at := "look at region, and at the way to AWS, such as a VPC endpoint com.amazonaws.REGION.glue"
	if a.endpoint != "" {
		at = "look at endpoint, " + a.endpoint
	}
	var untrusted x509.UnknownAuthorityError
	var misnamed x509.HostnameError
	switch {
	case errors.Is(err, context.Canceled):
		return verdict{class: retryable}, context.Canceled.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return verdict{retryable, at}, "no answer in time"
	case errors.As(err, &untrusted):
		return verdict{systemic, "AWS_CA_BUNDLE names a file with the authorities that may sign the server's certificate"}, text
	case errors.As(err, &misnamed):
		return verdict{systemic, at}, text
	case errors.Is(err, http.ErrSchemeMismatch):
		return verdict{systemic, at + ": the server speaks http, not https"}, text
	}
	return verdict{retryable, at}, text
}
