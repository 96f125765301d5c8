package awsjson

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/identity"
)

// A Verdict is what an error code means for the connector, with a hint for the person who reads it.
type Verdict struct {
	Class connector.Class
	Hint  string
}

const (
	retryable = connector.Retryable
	systemic  = connector.Systemic

	expiredHint = "the credentials have expired: renew them, and start again if they came from the environment or a file"
	keyHint     = "AWS doesn't know the access key: look at where credentials come from"
	clockHint   = "the secret key isn't that of the access key, or this machine's clock is wrong"
)

// verdicts by the codes that all services share ("Common errors" of each API reference) and those of STS. What is neither here nor in the service's own
// table is retryable if its status says so, else systemic: nothing is ever dropped for an answer that nobody knows.
var verdicts = map[string]Verdict{
	"ThrottlingException":      {retryable, "AWS limits the requests of the account"},
	"Throttling":               {retryable, "AWS limits the requests of the account"},
	"ThrottledException":       {retryable, "AWS limits the requests of the account"},
	"TooManyRequestsException": {retryable, "AWS limits the requests of the account"},
	"RequestLimitExceeded":     {retryable, "AWS limits the requests of the account"},
	"SlowDown":                 {retryable, "AWS limits the requests of the account"},
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
	"MissingAuthenticationToken":          {systemic, "the request had no signature: look at where credentials come from"},
	"MissingAuthenticationTokenException": {systemic, "the request had no signature: look at where credentials come from"},
	"OptInRequired":                       {systemic, "the account isn't signed up for the service, or not in this Region"},
	"SubscriptionRequiredException":       {systemic, "the account isn't signed up for the service"},
	"UnknownOperationException":           {systemic, "is endpoint the right service?"},
}

// doubted are the codes by which credentials are refused: the next call retrieves them anew.
var doubted = map[string]bool{
	"ExpiredToken": true, "ExpiredTokenException": true, "InvalidSignatureException": true, "SignatureDoesNotMatch": true,
	"InvalidClientTokenId": true, "InvalidAccessKeyId": true, "UnrecognizedClientException": true,
}

// An Answer is what a service said instead of success. Its Body is the caller's.
type Answer struct {
	Status        int
	Code, Message string
	Body          []byte
	id            string
	wait          time.Duration
}

// Error is the code and the message.
func (a *Answer) Error() string {
	text := a.Code
	if text == "" {
		text = strconv.Itoa(a.Status) + " " + http.StatusText(a.Status)
	}
	if m := strings.TrimSpace(a.Message); m != "" && m != a.Code {
		text += ": " + strings.TrimSuffix(m, ".")
	}
	if a.id != "" {
		text += " (request " + a.id + ")"
	}
	return text
}

// Refusal is the Answer in an error of Call, nil if there was none.
func Refusal(err error) *Answer {
	a, _ := errors.AsType[*Answer](err)
	return a
}

func answerOf(r *http.Response, body []byte) *Answer {
	a := &Answer{Status: r.StatusCode, Body: append([]byte(nil), body...), id: r.Header.Get("X-Amzn-Requestid"), wait: retryAfter(r.Header)}
	var fields struct {
		Type    string `json:"__type"`
		Code    string `json:"code"`
		Message string `json:"message"` // or Message: the case of names doesn't count
	}
	if json.Unmarshal(body, &fields) != nil {
		fields.Message = fmt.Sprintf("%.200q", body)
	}
	a.Message = fields.Message
	for _, code := range []string{r.Header.Get("X-Amzn-Errortype"), fields.Type, fields.Code} {
		if code = codeOf(code); code != "" {
			a.Code = code
			break
		}
	}
	return a
}

// codeOf is the name in the type of an error: aws.protocoltests#FooError:http://... is FooError.
func codeOf(text string) string {
	text, _, _ = strings.Cut(text, ":")
	return text[strings.LastIndexByte(text, '#')+1:]
}

// A failed error has a text of its own, with what it came of behind it.
type failed struct {
	text string
	err  error
}

func (e *failed) Error() string { return e.text }
func (e *failed) Unwrap() error { return e.err }

// failure gives the error of a call its class, and says what was called and what can be changed. a is nil if there was no answer.
func (c *Client) failure(operation string, a *Answer, err error) error {
	var v Verdict
	var text string
	var wait time.Duration
	switch unknown, unsigned := errors.AsType[*identity.Error](err); {
	case a != nil:
		if doubted[a.Code] {
			c.renewal.Refused(c.config)
		}
		v, text, err, wait = c.judge(operation, a), a.Error(), a, a.wait
	case unsigned:
		v, text = c.judgeIdentity(unknown)
	default:
		v, text = c.judgeConnection(err)
	}
	text = fmt.Sprintf("%s on %s: %s", operation, c.options.Place, text)
	if v.Hint != "" {
		text += " (" + v.Hint + ")"
	}
	err = v.Class.Wrap(&failed{text, err})
	if wait > 0 {
		err = connector.WithWait(wait, err)
	}
	return err
}

// Judge is the verdict on a code that came with no status, such as that of one entry of a request.
func (c *Client) Judge(operation, code string) Verdict {
	return c.judge(operation, &Answer{Status: http.StatusBadRequest, Code: code})
}

func (c *Client) judge(operation string, a *Answer) Verdict {
	if v, ok := c.service.Verdicts[a.Code]; ok {
		return v
	}
	if v, ok := verdicts[a.Code]; ok {
		return v
	}
	switch {
	case strings.HasPrefix(a.Code, "AccessDenied") || strings.HasPrefix(a.Code, "NotAuthorized") || a.Status == http.StatusForbidden:
		return Verdict{systemic, fmt.Sprintf("the credentials need %s:%s on %s", c.service.Signing, operation, c.options.Place)}
	case a.Status >= http.StatusInternalServerError || a.Status == http.StatusTooManyRequests || a.Status == http.StatusRequestTimeout:
		return Verdict{Class: retryable}
	}
	return Verdict{Class: systemic}
}

// judgeIdentity is the verdict where there were no credentials to sign with.
func (c *Client) judgeIdentity(err *identity.Error) (Verdict, string) {
	text, status, code := err.Error(), 0, ""
	if reply, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && reply.Response != nil && reply.Response.Response != nil {
		status = reply.HTTPStatusCode()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
		text = code + ": " + strings.TrimSuffix(api.ErrorMessage(), ".")
	}
	v, known := verdicts[code]
	if !known && status < http.StatusInternalServerError && !errors.Is(err, context.Canceled) {
		v = Verdict{systemic, "give this process credentials (a role of the pod or instance, AWS_PROFILE, the environment), or set access_key and secret_key"}
		if c.role != "" {
			v.Hint = "look at assume_role: the trust policy of " + c.role + ", external_id, and whether the process's own credentials may call sts:AssumeRole"
		}
	}
	return v, "no credentials: " + text
}

// judgeConnection is the verdict where nothing was answered.
func (c *Client) judgeConnection(err error) (Verdict, string) {
	if sent, ok := errors.AsType[*url.Error](err); ok {
		err = sent.Err
	}
	text, at := err.Error(), "look at region, "+c.config.Region+", and at the way to AWS"
	if c.options.Endpoint != "" {
		at = "look at endpoint, " + c.options.Endpoint
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Verdict{Class: retryable}, context.Canceled.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return Verdict{retryable, at}, "no answer in time"
	case errors.Is(err, http.ErrSchemeMismatch):
		return Verdict{systemic, at + ": the server speaks http, not https"}, text
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return Verdict{systemic, "AWS_CA_BUNDLE names a file with the authorities that may sign the server's certificate"}, text
	}
	return Verdict{retryable, at}, text
}

// retryAfter is how long a server asks to be left alone (RFC 9110, section 10.2.3).
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
