package awserror

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/identity"
)

func TestOf(t *testing.T) {
	for _, c := range []struct {
		code   string
		status int
		class  connector.Class
		hint   string // "": none
	}{
		{"ThrottlingException", 400, retryable, "limits the requests of the account"},
		{"TooManyRequestsException", 429, retryable, "limits the requests of the account"},
		{"RequestLimitExceeded", 400, retryable, "limits the requests of the account"},
		{"SlowDown", 503, retryable, ""},
		{"InternalFailure", 400, retryable, ""},
		{"InternalServerError", 500, retryable, ""},
		{"ServiceUnavailable", 503, retryable, ""},
		{"RequestTimeout", 400, retryable, ""},
		{"ExpiredToken", 400, systemic, "have expired"},
		{"ExpiredTokenException", 403, systemic, "have expired"},
		{"RequestExpired", 400, systemic, "clock is wrong"},
		{"InvalidSignatureException", 400, systemic, "clock is wrong"},
		{"SignatureDoesNotMatch", 403, systemic, "clock is wrong"},
		{"InvalidClientTokenId", 403, systemic, "doesn't know the access key"},
		{"UnrecognizedClientException", 400, systemic, "doesn't know the access key"},
		{"MissingAuthenticationTokenException", 400, systemic, "no signature"},
		{"OptInRequired", 403, systemic, "isn't signed up"},
		{"SomethingNew", 400, systemic, ""},
		{"SomethingNew", 404, systemic, ""},
		{"SomethingNew", 413, systemic, ""},
		{"", 403, systemic, ""},
		{"", 301, systemic, ""},
		{"SomethingNew", 200, retryable, ""},
		{"SomethingNew", 408, retryable, ""},
		{"SomethingNew", 429, retryable, ""},
		{"SomethingNew", 500, retryable, ""},
		{"", 504, retryable, ""},
	} {
		v := Of(c.code, c.status)
		if v.Class != c.class || (v.Hint == "") != (c.hint == "") || !strings.Contains(v.Hint, c.hint) {
			t.Errorf("%d %s: %v (%s); want %v (%s)", c.status, c.code, v.Class, v.Hint, c.class, c.hint)
		}
	}
}

// What refuses credentials is systemic, for somebody has to give others if the next ones are refused too.
func TestDoubted(t *testing.T) {
	for code, want := range map[string]bool{
		"ExpiredTokenException": true, "InvalidSignatureException": true, "UnrecognizedClientException": true, "InvalidClientTokenId": true,
		"AccessDeniedException": false, "ThrottlingException": false, "": false,
	} {
		if Doubted(code) != want {
			t.Errorf("%q: %v", code, !want)
		}
		if want && Of(code, 400).Class != systemic {
			t.Errorf("%q isn't systemic", code)
		}
	}
}

func answered(status int, code, message string) error {
	reply := &smithyhttp.Response{Response: &http.Response{StatusCode: status}}
	return &smithy.OperationError{ServiceID: "X", OperationName: "Y", Err: &smithyhttp.ResponseError{Response: reply, Err: &smithy.GenericAPIError{Code: code, Message: message}}}
}

func TestSaid(t *testing.T) {
	for want, err := range map[string]error{
		"400 Strange Strange: it is strange": answered(400, "Strange", " it is strange.\n"),
		"503  503 Service Unavailable":       answered(503, "", ""),
		"404  404 Not Found: who":            answered(404, "", "who"),
		"400 Twice Twice":                    answered(400, "Twice", "Twice"),
		"0  ":                                errors.New("x"),
	} {
		status, code, text := Said(fmt.Errorf("wrapped: %w", err))
		if got := fmt.Sprintf("%d %s %s", status, code, text); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if status, code, text := Said(nil); status != 0 || code != "" || text != "" {
		t.Errorf("of nothing: %d %s %s", status, code, text)
	}
}

// unknown is the error of credentials that can't be had for a reason.
func unknown(t *testing.T, reason error) *identity.Error {
	t.Helper()
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	c, err := identity.Config{AccessKey: secret.New("id"), SecretKey: secret.From(nowhere{reason})}.Load(t.Context(), "a test")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Credentials.Retrieve(t.Context())
	e, ok := errors.AsType[*identity.Error](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	return e
}

// nowhere is a place whose secret can't be read.
type nowhere struct{ reason error }

func (nowhere) String() string                                 { return "secret lake" }
func (n nowhere) Read(context.Context, string) (string, error) { return "", n.reason }

func TestIdentity(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/lake"
	for name, c := range map[string]struct {
		reason error
		role   string
		class  connector.Class
		want   []string
	}{
		"none":           {errors.New("nothing found"), "", systemic, []string{"nothing found", "give this process credentials"}},
		"role denied":    {answered(403, "AccessDenied", "may not"), role, systemic, []string{"AccessDenied: may not", "trust policy of " + role}},
		"key of role":    {answered(403, "InvalidClientTokenId", "x"), role, systemic, []string{"doesn't know the access key"}},
		"busy":           {answered(400, "Throttling", "x"), role, retryable, []string{"Throttling: x"}},
		"down":           {answered(503, "", ""), role, retryable, []string{"503 Service Unavailable"}},
		"called off":     {context.Canceled, "", retryable, []string{"canceled"}},
		"call was over":  {&aws.RequestCanceledError{Err: context.DeadlineExceeded}, "", retryable, []string{"give this process credentials"}},
		"takes too long": {context.DeadlineExceeded, "", systemic, []string{"give this process credentials"}},
	} {
		t.Run(name, func(t *testing.T) {
			v, text := Identity(unknown(t, c.reason), c.role)
			if v.Class != c.class || !strings.HasPrefix(text, "no credentials: ") {
				t.Errorf("%v: %s", v.Class, text)
			}
			for _, want := range c.want {
				if !strings.Contains(text+" "+v.Hint, want) {
					t.Errorf("%s (%s) doesn't say %q", text, v.Hint, want)
				}
			}
		})
	}
}

func TestConnection(t *testing.T) {
	const endpoint, way = "https://lake.example.com", "the way to AWS"
	for name, c := range map[string]struct {
		err        error
		class      connector.Class
		text, hint string
	}{
		"sent by the SDK":   {&smithyhttp.RequestSendError{Err: &url.Error{Op: "Post", URL: endpoint, Err: errors.New("refused")}}, retryable, "refused", "look at endpoint, " + endpoint},
		"sent by ourselves": {&url.Error{Op: "Post", URL: endpoint, Err: errors.New("refused")}, retryable, "refused", "look at endpoint, " + endpoint},
		"called off":        {fmt.Errorf("x: %w", context.Canceled), retryable, "context canceled", ""},
		"too late":          {&url.Error{Err: context.DeadlineExceeded}, retryable, "no answer in time", "look at endpoint"},
		"no TLS":            {&url.Error{Err: http.ErrSchemeMismatch}, systemic, http.ErrSchemeMismatch.Error(), "the server speaks http, not https"},
		"unknown authority": {fmt.Errorf("tls: %w", x509.UnknownAuthorityError{}), systemic, "tls: ", "AWS_CA_BUNDLE"},
		"another's name":    {fmt.Errorf("tls: %w", x509.HostnameError{Host: "x", Certificate: &x509.Certificate{}}), systemic, "tls: ", "look at endpoint"},
	} {
		v, text := Connection(c.err, endpoint, way)
		if v.Class != c.class || !strings.HasPrefix(text, c.text) || !strings.Contains(v.Hint, c.hint) || (c.hint == "") != (v.Hint == "") {
			t.Errorf("%s: %v: %s (%s)", name, v.Class, text, v.Hint)
		}
	}
	if v, _ := Connection(errors.New("x"), "", way); v.Hint != "look at region, and at the way to AWS" {
		t.Errorf("without endpoint: %s", v.Hint)
	}
	if !NoHost(fmt.Errorf("x: %w", &net.DNSError{IsNotFound: true})) || NoHost(&net.DNSError{}) || NoHost(errors.New("x")) {
		t.Error("hosts that aren't there")
	}
}

func TestWrap(t *testing.T) {
	reason := errors.New("long")
	err := Verdict{Class: systemic, Hint: "do this"}.Wrap("short", reason, nil)
	if err.Error() != "short (do this)" || connector.ClassOf(err) != systemic || !errors.Is(err, reason) || connector.LeastWait(err) != 0 {
		t.Errorf("%v: %v", connector.ClassOf(err), err)
	}
	for header, want := range map[string]time.Duration{"7": 7 * time.Second, "": 0, "soon": 0, "-1": 0, time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat): 0} {
		err := Verdict{Class: retryable}.Wrap("short", reason, http.Header{"Retry-After": {header}})
		if connector.LeastWait(err) != want || connector.ClassOf(err) != retryable || err.Error() != "short" {
			t.Errorf("Retry-After %q: wait %v of %v", header, connector.LeastWait(err), err)
		}
	}
	at := http.Header{"Retry-After": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}}
	if wait := connector.LeastWait(Verdict{}.Wrap("short", reason, at)); wait < 50*time.Minute || wait > time.Hour {
		t.Errorf("wait %v until a time in an hour", wait)
	}
}
