package confluent

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde/registry"
)

// Every failure has a class, and none but the registry's own "not found" says anything about a schema.
func TestFailure(t *testing.T) {
	answer := func(status, code int, text string) error {
		raw := text
		if code != 0 {
			raw = fmt.Sprintf(`{"error_code":%d,"message":%q}`, code, text)
		} else {
			text = ""
		}
		return &sr.ResponseError{StatusCode: status, ErrorCode: code, Message: text, Raw: []byte(raw)}
	}
	unreachable := func(err error) error {
		return fmt.Errorf("unable to GET %q: %w", "http://r/schemas/ids/1", &url.Error{Op: "Get", URL: "http://r/schemas/ids/1", Err: err})
	}
	undecoded := func(err error) error {
		return fmt.Errorf("unable to decode ok response body from GET %q: %w", "http://r/schemas/ids/1", err)
	}
	unread := func(err error) error {
		return fmt.Errorf("unable to read response body from GET %q: %w", "http://r/schemas/ids/1", err)
	}
	const notFound connector.Class = 99
	for _, tt := range []struct {
		name  string
		err   error
		class connector.Class
		says  string
	}{
		{"no schema", answer(404, 40403, "Schema 1 not found"), notFound, "the registry http://r answers 404 (40403): Schema 1 not found"},
		{"no subject", answer(404, 40401, "Subject 'x' not found."), notFound, "(40401)"},
		{"no version", answer(404, 40402, "Version 3 not found."), notFound, "(40402)"},
		{"wrong path", answer(404, 404, "HTTP 404 Not Found"), connector.Systemic, "look at the path of url"},
		{"another server", answer(404, 0, "<html>nginx</html>"), connector.Systemic, "the registry http://r answers 404 (look at the path of url)"},
		{"unauthorized", answer(401, 40101, "Unauthorized"), connector.Systemic, "look at user and password"},
		{"forbidden", answer(403, 40301, "User is denied operation Read"), connector.Systemic, "user and password need the right to read"},
		{"redirected", answer(302, 0, ""), connector.Systemic, "redirects aren't followed"},
		{"bad request", answer(400, 400, "what?"), connector.Systemic, "answers 400: what?"},
		{"incompatible", answer(409, 409, "Schema being registered is incompatible"), connector.Systemic, "answers 409: Schema being registered is incompatible"},
		{"invalid", answer(422, 42201, "Input schema is an invalid Avro schema"), connector.Systemic, "answers 422 (42201): Input schema"},
		{"timeout there", answer(408, 0, ""), connector.Retryable, "408"},
		{"throttled", answer(429, 42901, "Too many requests"), connector.Retryable, "429"},
		{"failed", answer(500, 50001, "Error in the backend data store"), connector.Retryable, "500 (50001): Error in the backend"},
		{"unavailable", answer(503, 0, "<html>"+strings.Repeat("x", 1<<20)), connector.Retryable, "answers 503"},
		{"a long message", answer(500, 50001, strings.Repeat("x", 1<<20)), connector.Retryable, "xxx..."},
		{"lines", answer(500, 50001, "a\nb\x1b[31m"), connector.Retryable, "a b?[31m"},

		{"refused", unreachable(&net.OpError{Op: "dial", Net: "tcp", Err: &os.SyscallError{Syscall: "connect", Err: syscall.ECONNREFUSED}}), connector.Retryable, "ask the registry http://r: dial tcp: connect: connection refused"},
		{"no such host", unreachable(&net.DNSError{Err: "no such host", Name: "r", IsNotFound: true}), connector.Retryable, "no such host"},
		{"too slow", unreachable(context.DeadlineExceeded), connector.Retryable, "it doesn't answer in time"},
		{"hangs up", unreachable(io.EOF), connector.Retryable, "EOF"},
		{"cut", unread(io.ErrUnexpectedEOF), connector.Retryable, "the response ends too early"},
		{"too long", unread(&http.MaxBytesError{Limit: maxResponse}), connector.Systemic, "more than 8388608 bytes"},
		{"no JSON", undecoded(&json.SyntaxError{}), connector.Systemic, "is there a registry at url?"},
		{"other JSON", undecoded(&json.UnmarshalTypeError{Value: "string", Type: reflect.TypeFor[int]()}), connector.Systemic, "is there a registry at url?"},
		{"nothing", errNoSchema, connector.Systemic, "the response holds no schema: is there a registry at url?"},
		{"unknown authority", unreachable(&tls.CertificateVerificationError{Err: errors.New("signed by unknown authority")}), connector.Systemic, "look at tls.ca_file"},
		{"no certificate", unreachable(&net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}), connector.Systemic, "tls.cert_file"},
		{"no TLS", unreachable(tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}), connector.Systemic, "begin url with http://"},
		{"no password", unreachable(&settingError{"password", errors.New("read secret msk/reader: access denied")}), connector.Systemic, "password: read secret msk/reader: access denied"},
		{"anything else", errors.New("oops"), connector.Retryable, "ask the registry http://r: oops"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := asked{"http://r", "user and password"}.failure(tt.err)
			class := connector.ClassOf(err)
			if errors.Is(err, registry.ErrNotFound) {
				class = notFound
			}
			if class != tt.class || !strings.Contains(err.Error(), tt.says) || !errors.Is(err, tt.err) {
				t.Errorf("%v, class %d, want %q, class %d", err, class, tt.says, tt.class)
			}
			var answer *sr.ResponseError
			if errors.As(err, &answer) && len(answer.Raw)+len(answer.Message) > 500 {
				t.Errorf("the error keeps %d bytes", len(answer.Raw)+len(answer.Message))
			}
			if len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\n\x1b<") {
				t.Errorf("this isn't for a log: %q", err)
			}
		})
	}
	for _, status := range []int{401, 403} {
		if err := (asked{"http://r", ""}).failure(answer(status, 0, "")); !strings.Contains(err.Error(), "set user and password, or token") {
			t.Errorf("%d without credentials: %v", status, err)
		}
	}
}
