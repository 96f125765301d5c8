// Package awserror says what errors of AWS mean for the connector, as far as all services say the same: answers about credentials, calls that nobody
// answered, and what the text of an error is.
package awserror

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/identity"
)

// A Verdict is what an error means for the connector, with a hint for the person who reads it.
type Verdict struct {
	Class connector.Class
	Hint  string
}

const (
	retryable = connector.Retryable
	systemic  = connector.Systemic

	limitHint   = "AWS limits the requests of the account"
	expiredHint = "the credentials have expired: renew them, and start again if they came from the environment or a file"
	keyHint     = "AWS doesn't know the access key: look at where credentials come from"
	clockHint   = "the secret key isn't that of the access key, or this machine's clock is wrong"
	signedHint  = "the request had no signature: look at where credentials come from"
)

// verdicts by the codes that services share ("Common Errors" of each API reference) and those of STS.
var verdicts = map[string]Verdict{
	"Throttling":               {retryable, limitHint},
	"ThrottlingException":      {retryable, limitHint},
	"ThrottledException":       {retryable, limitHint},
	"RequestThrottled":         {retryable, limitHint},
	"TooManyRequestsException": {retryable, limitHint},
	"RequestLimitExceeded":     {retryable, limitHint},
	"BandwidthLimitExceeded":   {retryable, ""},
	"SlowDown":                 {retryable, ""},
	"InternalFailure":          {retryable, ""},
	"InternalError":            {retryable, ""},
	"InternalException":        {retryable, ""},
	"InternalServerError":      {retryable, ""},
	"InternalServerException":  {retryable, ""},
	"InternalServiceException": {retryable, ""},
	"ServiceUnavailable":       {retryable, ""},
	"RequestTimeout":           {retryable, ""},
	"RequestTimeoutException":  {retryable, ""},

	"ExpiredToken":                        {systemic, expiredHint},
	"ExpiredTokenException":               {systemic, expiredHint},
	"RequestExpired":                      {systemic, "this machine's clock is wrong, or the credentials have expired"},
	"InvalidSignatureException":           {systemic, clockHint},
	"SignatureDoesNotMatch":               {systemic, clockHint},
	"IncompleteSignature":                 {systemic, clockHint},
	"IncompleteSignatureException":        {systemic, clockHint},
	"InvalidClientTokenId":                {systemic, keyHint},
	"InvalidAccessKeyId":                  {systemic, keyHint},
	"UnrecognizedClientException":         {systemic, keyHint},
	"MissingAuthenticationToken":          {systemic, signedHint},
	"MissingAuthenticationTokenException": {systemic, signedHint},
	"OptInRequired":                       {systemic, "the account isn't signed up for the service, or not in this Region"},
	"SubscriptionRequiredException":       {systemic, "the account isn't signed up for the service"},
}

// Of is the verdict on an answer: that on its code if it is one that all services share, else that on its status. What nobody knows is retryable if the
// status says so, else systemic: nothing is ever dropped for it.
func Of(code string, status int) Verdict {
	if v, ok := verdicts[code]; ok {
		return v
	}
	switch {
	case status >= http.StatusInternalServerError, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout,
		status == http.StatusOK: // the answer can't be read, or it is an error in the body of a success
		return Verdict{Class: retryable}
	}
	return Verdict{Class: systemic}
}

// Doubted reports whether a code refuses the credentials: the next call should retrieve them anew.
func Doubted(code string) bool {
	switch code {
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature",
		"InvalidClientTokenId", "InvalidAccessKeyId", "UnrecognizedClientException":
		return true
	}
	return false
}

// Said is what was answered, by an error of the SDK: the status, the code, and both with the message in a text. They are zero where there was no answer.
func Said(err error) (status int, code, text string) {
	if reply, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && reply.Response != nil && reply.Response.Response != nil {
		status = reply.HTTPStatusCode()
	}
	message := ""
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code, message = api.ErrorCode(), api.ErrorMessage()
	}
	return status, code, Text(status, code, message)
}

// Text is what an answer says: its code, or its status where it has none, and the message.
func Text(status int, code, message string) string {
	text := code
	if text == "" && status > 0 {
		text = strconv.Itoa(status) + " " + http.StatusText(status)
	}
	if m := strings.TrimSpace(message); m != "" && m != code {
		text += ": " + strings.TrimSuffix(m, ".")
	}
	return text
}

// Identity is the verdict where there were no credentials to sign with, and what happened. role is the ARN of the role that was to be assumed, or "".
func Identity(err *identity.Error, role string) (Verdict, string) {
	status, code, text := Said(err)
	if text == "" {
		text = err.Error()
	}
	hint := "give this process credentials (a role of the pod or instance, AWS_PROFILE, the environment), or set access_key and secret_key"
	if role != "" {
		hint = "look at assume_role: the trust policy of " + role + ", external_id, and whether the process's own credentials may call sts:AssumeRole"
	}
	v, known := verdicts[code]
	_, late := errors.AsType[*aws.RequestCanceledError](err) // the call ended before its credentials were there
	switch {
	case known:
	case status >= http.StatusInternalServerError || errors.Is(err, context.Canceled):
		v = Verdict{Class: retryable}
	case late:
		v = Verdict{retryable, hint}
	default:
		v = Verdict{systemic, hint}
	}
	return v, "no credentials: " + text
}

// Connection is the verdict where nothing was answered, and what happened. endpoint is the setting, or ""; way is what to look at besides region without it.
func Connection(err error, endpoint, way string) (Verdict, string) {
	if sent, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		err = sent.Err
	}
	if sent, ok := errors.AsType[*url.Error](err); ok { // it begins with the method and the URL
		err = sent.Err
	}
	text, at := err.Error(), "look at region, and at "+way
	if endpoint != "" {
		at = "look at endpoint, " + endpoint
	}
	var untrusted x509.UnknownAuthorityError
	var misnamed x509.HostnameError
	switch {
	case errors.Is(err, context.Canceled):
		return Verdict{Class: retryable}, context.Canceled.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return Verdict{retryable, at}, "no answer in time"
	case errors.Is(err, http.ErrSchemeMismatch):
		return Verdict{systemic, at + ": the server speaks http, not https"}, text
	case errors.As(err, &untrusted):
		return Verdict{systemic, "AWS_CA_BUNDLE names a file with the authorities that may sign the server's certificate"}, text
	case errors.As(err, &misnamed):
		return Verdict{systemic, at}, text
	}
	return Verdict{retryable, at}, text
}

// NoHost reports whether there was nobody of that name.
func NoHost(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}

// A failed error has a text of its own, with what it came of behind it.
type failed struct {
	text string
	err  error
}

// New is an error with a text of its own in place of err's, which is long where it is the SDK's, and err behind it.
func New(text string, err error) error { return &failed{text, err} }

func (e *failed) Error() string { return e.text }
func (e *failed) Unwrap() error { return e.err }

// Wrap is [New] with the verdict's class, and its hint behind the text. header is that of the answer, whose Retry-After counts, or nil.
func (v Verdict) Wrap(text string, err error, header http.Header) error {
	if v.Hint != "" {
		text += " (" + v.Hint + ")"
	}
	err = v.Class.Wrap(&failed{text, err})
	if wait := retryAfter(header); wait > 0 {
		err = connector.WithWait(wait, err)
	}
	return err
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
