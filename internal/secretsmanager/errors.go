package secretsmanager

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/identity"
)

// A verdict is what an error code means for the connector, with a hint for the person who reads it.
type verdict struct {
	class connector.Class
	hint  string
}

const (
	retryable = connector.Retryable
	systemic  = connector.Systemic

	decryptHint = "the credentials need kms:Decrypt on the KMS key of the secret, and the key must be enabled"
	expiredHint = "the credentials have expired: renew them, and start again if they came from the environment or a file"
)

// verdicts by the codes of Secrets Manager (API reference, GetSecretValue and "Common errors") and STS. What isn't here is retryable if its
// status says so, else systemic.
var verdicts = map[string]verdict{
	"ThrottlingException":    {retryable, "Secrets Manager limits its requests"},
	"Throttling":             {retryable, "Secrets Manager limits its requests"},
	"RequestLimitExceeded":   {retryable, "Secrets Manager limits its requests"},
	"LimitExceededException": {retryable, "Secrets Manager limits its requests"},
	"InternalServiceError":   {retryable, ""},
	"InternalFailure":        {retryable, ""},
	"ServiceUnavailable":     {retryable, ""},

	"InvalidRequestException":     {systemic, "a secret that is marked for deletion can't be read: restore it"},
	"InvalidParameterException":   {systemic, "look at secret"},
	"ValidationException":         {systemic, "look at secret"},
	"DecryptionFailure":           {systemic, decryptHint},
	"ExpiredToken":                {systemic, expiredHint},
	"ExpiredTokenException":       {systemic, expiredHint},
	"RequestExpired":              {systemic, "this machine's clock is wrong, or the credentials have expired"},
	"InvalidSignatureException":   {systemic, "the secret key isn't that of the access key, or this machine's clock is wrong"},
	"InvalidClientTokenId":        {systemic, "AWS doesn't know the access key: look at where credentials come from"},
	"UnrecognizedClientException": {systemic, "AWS doesn't know the access key: look at where credentials come from"},
}

const (
	codeNotFound = "ResourceNotFoundException"
	codeDenied   = "AccessDeniedException"
)

// A failed error has a text of its own in place of the SDK's, which is long, and the SDK's error behind it.
type failed struct {
	text string
	err  error
}

func (e *failed) Error() string { return e.text }
func (e *failed) Unwrap() error { return e.err }

// failure gives the error of a call its class, and says what can be changed.
func failure(at location, region string, err error) error {
	v, text := judge(at, region, err)
	if v.hint != "" {
		text += " (" + v.hint + ")"
	}
	return v.class.Wrap(&failed{"Secrets Manager in " + region + ": " + text, err})
}

// judge is the verdict on an error, and what it says.
func judge(at location, region string, err error) (verdict, string) {
	status, code, text := said(err)
	v, known := verdicts[code]
	unknown, unsigned := errors.AsType[*identity.Error](err)
	switch {
	case unsigned && text == "":
		text = unknown.Error()
		fallthrough
	case unsigned:
		if !known || v.class == systemic {
			v = verdict{systemic, "give this process credentials: a role of the pod or instance, AWS_PROFILE, the environment"}
		}
		return v, "no credentials: " + text
	case code == codeNotFound:
		return verdict{systemic, fmt.Sprintf("there is no secret %s in region %s: look at its name and region", at.name, region)}, text
	case code == codeDenied && strings.Contains(strings.ToLower(text), "kms"):
		return verdict{systemic, decryptHint}, text
	case code == codeDenied:
		return verdict{systemic, "the credentials need secretsmanager:GetSecretValue on " + at.name}, text
	case status == 0 && code == "":
		return unreached(err)
	case known:
	case status >= http.StatusInternalServerError || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		v.class = retryable
	default:
		v.class = systemic
	}
	return v, text
}

// said is what Secrets Manager, or STS before it, answered; zero where there was no answer.
func said(err error) (status int, code, text string) {
	if reply, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && reply.Response != nil && reply.Response.Response != nil {
		status = reply.HTTPStatusCode()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
		text = code
		if m := strings.TrimSpace(api.ErrorMessage()); m != "" && m != code {
			text += ": " + strings.TrimSuffix(m, ".")
		}
	}
	if text == "" && status > 0 {
		text = fmt.Sprintf("%d %s", status, http.StatusText(status))
	}
	return status, code, text
}

// unreached is the verdict where nobody answered.
func unreached(err error) (verdict, string) {
	var untrusted x509.UnknownAuthorityError
	var misnamed x509.HostnameError
	switch {
	case errors.As(err, &untrusted), errors.As(err, &misnamed):
		return verdict{systemic, "look at AWS_CA_BUNDLE, and at what stands between this machine and AWS"}, sent(err)
	case errors.Is(err, context.DeadlineExceeded):
		return verdict{retryable, "is there a way to it, such as a VPC endpoint com.amazonaws.REGION.secretsmanager?"}, fmt.Sprintf("no answer within %s", callTimeout)
	}
	return verdict{class: retryable}, sent(err)
}

// sent is the error without what the SDK puts around it.
func sent(err error) string {
	if e, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		err = e.Err
	}
	return err.Error()
}
