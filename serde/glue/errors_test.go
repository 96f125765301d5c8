package glue

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde/registry"
)

// answered is the SDK's error of an answer.
func answered(status int, code, message string) error {
	var err error = &smithy.GenericAPIError{Code: code, Message: message}
	if code == "" {
		err = errors.New("unreadable")
	}
	reply := &smithyhttp.Response{Response: &http.Response{StatusCode: status}}
	return &smithy.OperationError{ServiceID: "Glue", OperationName: "X", Err: &smithyhttp.ResponseError{Response: reply, Err: err}}
}

func TestFailure(t *testing.T) {
	a := asked{registry: "fleet", region: "eu-west-1"}
	for name, x := range map[string]struct {
		err  error
		want connector.Class
		text string
	}{
		"throttled":                    {answered(400, "ThrottlingException", "Rate exceeded"), retryable, "limits the requests"},
		"internal":                     {answered(500, "InternalServiceException", "oops"), retryable, "InternalServiceException: oops"},
		"timed out there":              {answered(400, "OperationTimeoutException", ""), retryable, ""},
		"unknown 503":                  {answered(503, "", ""), retryable, "503 Service Unavailable"},
		"too many":                     {answered(429, "Whatever", ""), retryable, ""},
		"unknown 400":                  {answered(400, "Whatever", "no"), systemic, "Whatever: no"},
		"404 of a proxy":               {answered(404, "", ""), systemic, "404 Not Found"},
		"a success that can't be read": {answered(200, "", ""), retryable, ""},
		"denied":                       {answered(400, "AccessDeniedException", "User x is not authorized"), systemic, "the credentials need glue:GetSchemaVersion on registry fleet and its schemas"},
		"denied by KMS":                {answered(400, "AccessDeniedException", "not authorized: kms:Decrypt"), systemic, "kms:Decrypt on the KMS key"},
		"no such key":                  {answered(400, "UnrecognizedClientException", ""), systemic, "doesn't know the access key"},
		"expired":                      {answered(400, "ExpiredTokenException", ""), systemic, "have expired"},
		"signature":                    {answered(400, "InvalidSignatureException", ""), systemic, "clock is wrong"},
		"input":                        {answered(400, "InvalidInputException", "bad"), systemic, "look at registry"},
		"quota":                        {answered(400, "ResourceNumberLimitExceededException", ""), systemic, "quota"},
		"encryption":                   {answered(400, "GlueEncryptionException", ""), systemic, "kms:Decrypt"},
		"race":                         {answered(400, "AlreadyExistsException", ""), retryable, ""},
		"cancelled":                    {fmt.Errorf("x: %w", context.Canceled), retryable, "context canceled"},
		"late":                         {fmt.Errorf("x: %w", context.DeadlineExceeded), retryable, "no answer in time"},
		"refused":                      {&smithyhttp.RequestSendError{Err: errors.New("connection refused")}, retryable, "connection refused (look at region"},
		"http":                         {&smithyhttp.RequestSendError{Err: http.ErrSchemeMismatch}, systemic, "speaks http"},
	} {
		err := a.failure(opVersion, "schema version 7", x.err)
		if got := connector.ClassOf(err); got != x.want || !strings.Contains(err.Error(), x.text) || !errors.Is(err, x.err) || errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: %s: %v, want %s: ...%s", name, got, err, x.want, x.text)
		}
		if !strings.HasPrefix(err.Error(), "get schema version 7: AWS Glue in eu-west-1: ") {
			t.Errorf("%s: %v doesn't say what was done", name, err)
		}
	}
	err := a.failure(opVersion, "schema version 7", answered(400, "EntityNotFoundException", "Schema version is not found."))
	if !errors.Is(err, registry.ErrNotFound) || err.Error() != "AWS Glue in eu-west-1 has no schema version 7 (EntityNotFoundException: Schema version is not found)" {
		t.Errorf("not found: %v", err)
	}
}
