package glue_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/awsjson"
	"github.com/millrace/millrace/serde/glue"
	"github.com/millrace/millrace/serde/registry"
)

// get asks for a schema version, with credentials that are there.
func get(ctx context.Context, t *testing.T, c glue.Connection) error {
	t.Helper()
	client, err := c.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if ctx.Err() != nil {
		_, _ = client.Version(t.Context(), [16]byte{})
	}
	_, err = client.Version(ctx, [16]byte{15: 7})
	return err
}

const (
	unasked   = "00000000-0000-0000-0000-000000000007"
	retryable = connector.Retryable
	systemic  = connector.Systemic
)

// failed checks an error's class and text, and that it says what was done.
func failed(t *testing.T, name string, err error, class connector.Class, text string) {
	t.Helper()
	if got := connector.ClassOf(err); got != class || !strings.Contains(fmt.Sprint(err), text) || errors.Is(err, registry.ErrNotFound) {
		t.Errorf("%s: %s: %v, want %s: ...%s", name, got, err, class, text)
	}
	if !strings.HasPrefix(fmt.Sprint(err), "get schema version "+unasked+": AWS Glue in eu-west-1: ") || strings.Contains(err.Error(), "SECRETEXAMPLE") {
		t.Errorf("%s: %v doesn't say what was done", name, err)
	}
}

func TestAnswersThatRefuse(t *testing.T) {
	server := glueDouble(t)
	for name, x := range map[string]struct {
		reply
		want connector.Class
		text string
	}{
		"throttled":       {reply{400, "ThrottlingException", "Rate exceeded"}, retryable, "limits the requests"},
		"internal":        {reply{500, "InternalServiceException", "oops"}, retryable, "InternalServiceException: oops"},
		"timed out there": {reply{400, "OperationTimeoutException", ""}, retryable, ""},
		"unknown 503":     {reply{503, "", ""}, retryable, "503 Service Unavailable"},
		"too many":        {reply{429, "Whatever", ""}, retryable, ""},
		"unknown 400":     {reply{400, "Whatever", "no"}, systemic, "Whatever: no"},
		"404 of a proxy":  {reply{404, "", ""}, systemic, "404 Not Found"},
		"denied":          {reply{400, "AccessDeniedException", "User x is not authorized"}, systemic, "(the credentials need glue:GetSchemaVersion on registry fleet and its schemas)"},
		"denied by STS":   {reply{403, "AccessDenied", ""}, systemic, "(the credentials need glue:GetSchemaVersion on registry fleet and its schemas)"},
		"denied by KMS":   {reply{400, "AccessDeniedException", "not authorized: kms:Decrypt"}, systemic, "(the credentials need kms:Decrypt on the KMS key"},
		"no such key":     {reply{400, "UnrecognizedClientException", ""}, systemic, "doesn't know the access key"},
		"expired":         {reply{400, "ExpiredTokenException", ""}, systemic, "have expired"},
		"signature":       {reply{400, "InvalidSignatureException", ""}, systemic, "clock is wrong"},
		"input":           {reply{400, "InvalidInputException", "bad"}, systemic, "InvalidInputException: bad (look at registry"},
		"input, rejected": {reply{400, "ValidationException", "bad"}, systemic, "look at registry"},
		"quota":           {reply{400, "ResourceNumberLimitExceededException", ""}, systemic, "quota"},
		"encryption":      {reply{400, "GlueEncryptionException", ""}, systemic, "kms:Decrypt"},
		"encryption, key": {reply{400, "KMSKeyNotAccessibleFault", ""}, systemic, "kms:Decrypt"},
		"race":            {reply{400, "AlreadyExistsException", ""}, retryable, "somebody else creates it"},
		"change":          {reply{400, "ConcurrentModificationException", ""}, retryable, "somebody else is changing it"},
		"conflict":        {reply{400, "ConflictException", ""}, retryable, ""},
		"another service": {reply{400, "UnknownOperationException", ""}, systemic, "is endpoint AWS Glue?"},
	} {
		server.fail(&x.reply)
		err := get(t.Context(), t, server.connection())
		failed(t, name, err, x.want, x.text)
		if a := awsjson.Refusal(err); a == nil || a.Status != x.status {
			t.Errorf("%s: answer %+v", name, a)
		}
	}
	server.fail(nil)
	err := get(t.Context(), t, server.connection())
	if want := "AWS Glue in eu-west-1 has no schema version " + unasked + " (EntityNotFoundException: Schema is not found)"; !errors.Is(err, registry.ErrNotFound) || fmt.Sprint(err) != want ||
		connector.ClassOf(err) != retryable {
		t.Errorf("not found: %s: %v, want %s", connector.ClassOf(err), err, want)
	}
}

// A success that isn't one of AWS Glue passes.
func TestAnswersThatAreNone(t *testing.T) {
	for body, text := range map[string]string{
		"<html>": "the answer can't be read: ", "": "the answer can't be read: ", "[]": "the answer can't be read: ",
		`{"VersionNumber":"one"}`: "the answer can't be read: ",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		c := glueDouble(t).connection()
		c.Endpoint = server.URL
		failed(t, body, get(t.Context(), t, c), retryable, text)
		server.Close()
	}
}

func TestNoAnswer(t *testing.T) {
	server, gone := glueDouble(t), glueDouble(t)
	gone.Close()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for name, x := range map[string]struct {
		ctx      context.Context
		endpoint string
		want     connector.Class
		text     string
	}{
		"cancelled": {cancelled, server.URL, retryable, "context canceled"},
		"late":      {late, server.URL, retryable, "no answer in time (look at endpoint, " + server.URL},
		"refused":   {t.Context(), gone.URL, retryable, "connection refused (look at endpoint, " + gone.URL},
		"http":      {t.Context(), strings.Replace(server.URL, "http:", "https:", 1), systemic, "speaks http"},
	} {
		c := server.connection()
		c.Endpoint = x.endpoint
		err := get(x.ctx, t, c)
		failed(t, name, err, x.want, x.text)
		if cause := x.ctx.Err(); cause != nil && !errors.Is(err, cause) {
			t.Errorf("%s: %v doesn't wrap %v", name, err, cause)
		}
	}
}

// How long AWS Glue asks to be left alone is heard.
func TestRetryAfter(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	c := glueDouble(t).connection()
	c.Endpoint = server.URL
	if err := get(t.Context(), t, c); connector.LeastWait(err) != 7*time.Second {
		t.Errorf("wait %s of %v", connector.LeastWait(err), err)
	}
}
