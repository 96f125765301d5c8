package bucket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
)

const (
	transient = connector.Retryable
	blocking  = connector.Systemic
)

// TestAnswers: what S3 says becomes a class and a hint. The answers are those of AWS's API reference and of real servers.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		a     reply
		class connector.Class
		want  []string
	}{
		{reply{status: 500, code: "InternalError", message: "We encountered an internal error. Please try again."}, transient, []string{"InternalError: We encountered"}},
		{reply{status: 503, code: "SlowDown", message: "Please reduce your request rate."}, transient, []string{"SlowDown: Please reduce your request rate (request R1)"}},
		{reply{status: 503, code: "ServiceUnavailable"}, transient, nil},
		{reply{status: 503, body: "<html>proxy</html>"}, transient, []string{"ServiceUnavailable"}},
		{reply{status: 502, body: "bad gateway"}, transient, nil},
		{reply{status: 429, code: "TooManyRequests"}, transient, nil},
		{reply{status: 400, code: "RequestTimeout", message: "Your socket connection to the server was not read from"}, transient, nil},
		{reply{status: 400, code: "BadDigest", message: "The CRC32C you specified did not match"}, transient, []string{"changed on their way"}},
		{reply{status: 409, code: "OperationAborted"}, transient, nil},
		{reply{status: 409, code: "SomethingNew"}, transient, nil},
		{reply{status: 400, code: "KMS.ThrottlingException"}, transient, []string{"encryption.bucket_key"}},
		{reply{hangUp: true}, transient, []string{"EOF", "look at endpoint, http://127.0.0.1"}},

		{reply{status: 403, code: "AccessDenied", message: "Access Denied"}, blocking, []string{"AccessDenied: Access Denied", "the credentials need s3:PutObject and s3:PutObjectAcl on lake", "expected_bucket_owner"}},
		{reply{status: 403, code: "AccessDenied", message: "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: kms:GenerateDataKey on resource: k"}, blocking,
			[]string{"kms:GenerateDataKey and kms:Decrypt on encryption.kms_key"}},
		{reply{status: 404, code: "NoSuchBucket", message: "The specified bucket does not exist"}, blocking, []string{"bucket, region and endpoint"}},
		{reply{status: 301, code: "PermanentRedirect", message: "x", header: map[string]string{"X-Amz-Bucket-Region": "eu-west-3"}}, blocking, []string{"set region to that, not us-east-1", "in region eu-west-3"}},
		{reply{status: 301, header: map[string]string{"X-Amz-Bucket-Region": "eu-west-3", "Location": "http://elsewhere.invalid/"}}, blocking, []string{"in region eu-west-3"}},
		{reply{status: 400, code: "AuthorizationHeaderMalformed", message: "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'"}, blocking, []string{"in region eu-west-1"}},
		{reply{status: 400, code: "AuthorizationHeaderMalformed", message: `The authorization header is malformed; the region "us-east-1" is wrong; expecting "eu-west-2"`}, blocking, []string{"in region eu-west-2"}},
		{reply{status: 400, code: "IllegalLocationConstraintException", message: "The unspecified location constraint is incompatible"}, blocking, []string{"isn't in region us-east-1: set region"}},
		{reply{status: 400, code: "ExpiredToken", message: "The provided token has expired."}, blocking, []string{"have expired", "renew"}},
		{reply{status: 400, code: "InvalidToken"}, blocking, []string{"session token"}},
		{reply{status: 403, code: "InvalidAccessKeyId", message: "The AWS Access Key Id you provided does not exist in our records."}, blocking, []string{"access_key"}},
		{reply{status: 403, code: "SignatureDoesNotMatch", message: "The request signature we calculated does not match"}, blocking, []string{"secret_key"}},
		{reply{status: 403, code: "RequestTimeTooSkewed", message: "The difference between the request time and the current time is too large."}, blocking, []string{"clock"}},
		{reply{status: 400, code: "KMS.DisabledException", message: "arn:... is disabled."}, blocking, []string{"encryption.kms_key"}},
		{reply{status: 400, code: "KMS.NotFoundException"}, blocking, []string{"encryption.kms_key"}},
		{reply{status: 400, code: "AccessControlListNotSupported", message: "The bucket does not allow ACLs"}, blocking, []string{"leave acl out"}},
		{reply{status: 405, code: "MethodNotAllowed"}, blocking, []string{"endpoint"}},
		{reply{status: 501, code: "NotImplemented"}, blocking, []string{"checksum, acl and encryption"}},
		{reply{status: 400, code: "SomethingNew", message: "nobody knows"}, blocking, []string{"SomethingNew: nobody knows"}},
		{reply{status: 404, body: "<html>not a store</html>"}, blocking, []string{"NotFound"}},
	} {
		t.Run(fmt.Sprintf("%d %s", c.a.status, c.a.code), func(t *testing.T) {
			d := newDouble(t)
			b := open(t, connection(d.URL, everything))
			d.answers(c.a)
			err := b.Put(t.Context(), "a/b", nil, "text/plain")
			if connector.ClassOf(err) != c.class {
				t.Errorf("class %v, want %v: %v", connector.ClassOf(err), c.class, err)
			}
			for _, want := range append(c.want, "put s3://lake/a/b: ") {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v doesn't say %q", err, want)
				}
			}
			if n := len(d.sent()); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
			noSecrets(t, err)
		})
	}
}

func noSecrets(t *testing.T, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), "hush") || strings.Contains(fmt.Sprintf("%+v", e), "hush") {
			t.Errorf("the error shows a secret: %+v", e)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{"7": 7 * time.Second, "": 0, "soon": 0, "-1": 0} {
		d := newDouble(t)
		b := open(t, connection(d.URL))
		d.answers(reply{status: 503, code: "SlowDown", header: map[string]string{"Retry-After": header}})
		err := b.Put(t.Context(), "k", nil, "text/plain")
		if connector.LeastWait(err) != want || connector.ClassOf(err) != connector.Retryable {
			t.Errorf("Retry-After %q: wait %v, class %v", header, connector.LeastWait(err), connector.ClassOf(err))
		}
	}
}

// What isn't answered names the setting, and passes by itself or not.
func TestConnectionErrors(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := newDouble(t)
	for name, c := range map[string]struct {
		endpoint string
		change   func(*Connection)
		class    connector.Class
		want     []string
	}{
		"nobody listens":    {"http://" + closed.Addr().String(), nil, transient, []string{"refused", "look at endpoint, http://" + closed.Addr().String()}},
		"no such host":      {"http://s3.invalid", nil, transient, []string{"look at endpoint, http://s3.invalid"}},
		"bucket's own host": {"http://s3.invalid", func(c *Connection) { c.PathStyle = false }, transient, []string{"path_style: true"}},
		"unknown authority": {secure.URL, nil, blocking, []string{"AWS_CA_BUNDLE"}},
		"not TLS":           {strings.Replace(plain.URL, "http:", "https:", 1), nil, blocking, []string{"look at endpoint"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := connection(c.endpoint)
			if c.change != nil {
				c.change(&cfg)
			}
			b := open(t, cfg)
			err := b.Put(t.Context(), "k", nil, "text/plain")
			if connector.ClassOf(err) != c.class {
				t.Errorf("class %v, want %v: %v", connector.ClassOf(err), c.class, err)
			}
			for _, want := range append(c.want, "put s3://lake/k: ") {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v doesn't say %q", err, want)
				}
			}
		})
	}
}

// A call ends with its context, and says so.
func TestEndedContext(t *testing.T) {
	d := newDouble(t)
	b := open(t, connection(d.URL))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Put(ctx, "k", nil, "text/plain"); !errors.Is(err, context.Canceled) || connector.ClassOf(err) != transient {
		t.Errorf("%v: %v", connector.ClassOf(err), err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 0)
	defer cancel()
	if err := b.Put(ctx, "k", nil, "text/plain"); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("%v", err)
	}
}
