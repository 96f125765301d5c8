package awsjson

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/identity"
)

// TestAnswers: what a service says becomes a class, a code and a hint.
func TestAnswers(t *testing.T) {
	clean(t)
	for name, c := range map[string]struct {
		status int
		body   string
		header []string
		class  connector.Class
		code   string
		want   []string
	}{
		"type in the body":         {400, `{"__type":"com.amazon.lake#ThingNotFound","message":"No such thing."}`, nil, blocking, "ThingNotFound", []string{"ThingNotFound: No such thing"}},
		"type with a colon":        {400, `{"__type":"ThingNotFound:http://internal.amazon.com/x","Message":"Here."}`, nil, blocking, "ThingNotFound", []string{"ThingNotFound: Here"}},
		"type in the header":       {400, `{"__type":"Other","message":"m"}`, []string{"X-Amzn-Errortype", "ThingNotFound:http://x"}, blocking, "ThingNotFound", []string{"ThingNotFound: m"}},
		"type in code":             {400, `{"code":"aws#ThingNotFound"}`, nil, blocking, "ThingNotFound", []string{"ThingNotFound"}},
		"id of the request":        {400, `{"__type":"ThingNotFound"}`, []string{"X-Amzn-Requestid", "R1"}, blocking, "ThingNotFound", []string{"ThingNotFound (request R1)"}},
		"its own verdict":          {400, `{"__type":"ConditionFailed"}`, nil, connector.Permanent, "ConditionFailed", []string{"(look at condition)"}},
		"its own over the shared":  {400, `{"__type":"ThrottlingException"}`, nil, transient, "ThrottlingException", []string{"(raise the capacity)"}},
		"shared":                   {400, `{"__type":"RequestLimitExceeded"}`, nil, transient, "RequestLimitExceeded", []string{"limits the requests of the account"}},
		"expired":                  {400, `{"__type":"com.amazon.coral.service#ExpiredTokenException"}`, nil, blocking, "ExpiredTokenException", []string{"have expired"}},
		"signature":                {400, `{"__type":"InvalidSignatureException","message":"Signature expired: 1 is now earlier than 2"}`, nil, blocking, "InvalidSignatureException", []string{"clock is wrong"}},
		"unknown key":              {400, `{"__type":"UnrecognizedClientException"}`, nil, blocking, "UnrecognizedClientException", []string{"doesn't know the access key"}},
		"denied":                   {400, `{"__type":"AccessDeniedException","Message":"User: x is not authorized"}`, nil, blocking, "AccessDeniedException", []string{"the credentials need lk:PutThing on table trips"}},
		"denied by a proxy":        {403, "", nil, blocking, "", []string{"403 Forbidden", "the credentials need lk:PutThing"}},
		"another service":          {404, `{"__type":"com.amazon.coral.service#UnknownOperationException"}`, nil, blocking, "UnknownOperationException", []string{"is endpoint Amazon Lake?"}},
		"HTML":                     {502, "<html>bad \x00 gateway</html>", nil, transient, "", []string{`502 Bad Gateway: "<html>bad \x00 gateway</html>"`}},
		"long HTML":                {400, strings.Repeat("<p>", 1000), nil, blocking, "", []string{"400 Bad Request"}},
		"nothing":                  {503, "", nil, transient, "", []string{"503 Service Unavailable (request R2)"}},
		"too many":                 {429, `{"__type":"SomethingNew"}`, nil, transient, "SomethingNew", nil},
		"something new":            {400, `{"__type":"SomethingNew","message":"nobody knows"}`, nil, blocking, "SomethingNew", []string{"SomethingNew: nobody knows"}},
		"something new in the 500": {500, `{"__type":"SomethingNew"}`, nil, transient, "SomethingNew", nil},
		"no object":                {400, `["x"]`, nil, blocking, "", []string{`400 Bad Request: "[\"x\"]"`}},
		"a success that is none":   {201, "{}", nil, blocking, "", []string{"201 Created"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			if c.header == nil {
				c.header = []string{"X-Amzn-Requestid", "R2"}
			}
			d.answers(c.status, c.body, c.header...)
			reply, err := connect(t, d.URL, user()).Call(t.Context(), "PutThing", []byte("{}"), []byte("kept"))
			if connector.ClassOf(err) != c.class || string(reply) != "kept" {
				t.Errorf("class %v, want %v: %v", connector.ClassOf(err), c.class, err)
			}
			a := Refusal(err)
			if a == nil || a.Code != c.code || a.Status != c.status || string(a.Body) != c.body {
				t.Fatalf("answer %+v", a)
			}
			for _, want := range append(c.want, "PutThing on table trips: ") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v doesn't say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hush") || len(err.Error()) > 500 {
				t.Errorf("%d bytes of error: %v", len(err.Error()), err)
			}
			if n := len(d.sent()); n != 1 {
				t.Errorf("%d requests: nothing is repeated here", n)
			}
		})
	}
}

// The body of an answer stays when the caller's buffer is used again.
func TestAnswerIsKept(t *testing.T) {
	clean(t)
	d := newDouble(t)
	c := connect(t, d.URL, user())
	d.answers(http.StatusBadRequest, `{"__type":"ThingNotFound"}`)
	buffer := make([]byte, 0, 100)
	_, err := c.Call(t.Context(), "X", nil, buffer)
	d.answers(http.StatusOK, strings.Repeat("x", 50))
	if _, err := c.Call(t.Context(), "X", nil, buffer); err != nil {
		t.Fatal(err)
	}
	if got := string(Refusal(err).Body); got != `{"__type":"ThingNotFound"}` {
		t.Errorf("body %q", got)
	}
	if Refusal(nil) != nil || Refusal(errors.New("x")) != nil {
		t.Error("an answer of nothing")
	}
}

func TestRetryAfter(t *testing.T) {
	clean(t)
	d := newDouble(t)
	c := connect(t, d.URL, user())
	for header, want := range map[string]time.Duration{"7": 7 * time.Second, "": 0, "soon": 0, "-1": 0} {
		d.answers(http.StatusServiceUnavailable, "", "Retry-After", header)
		if _, err := c.Call(t.Context(), "X", nil, nil); connector.LeastWait(err) != want || connector.ClassOf(err) != transient {
			t.Errorf("Retry-After %q: wait %v of %v", header, connector.LeastWait(err), err)
		}
	}
}

// Codes of single entries of a request are judged as those of requests, without a status.
func TestJudge(t *testing.T) {
	clean(t)
	c := connect(t, "http://127.0.0.1:1", user())
	for code, want := range map[string]connector.Class{
		"ConditionFailed": connector.Permanent, "ThrottlingException": transient, "InternalFailure": transient, "InternalException": transient,
		"ServiceUnavailable": transient, "AccessDeniedException": blocking, "NotAuthorizedForSourceException": blocking, "SomethingNew": blocking, "": blocking,
	} {
		if v := c.Judge("PutThing", code); v.Class != want {
			t.Errorf("%s: %v (%s), want %v", code, v.Class, v.Hint, want)
		}
	}
}

// Who says in other words what was called has the verdict and the text by themselves.
func TestFailure(t *testing.T) {
	clean(t)
	d := newDouble(t)
	d.answers(http.StatusBadRequest, `{"__type":"ConditionFailed","message":"no"}`)
	_, err := connect(t, d.URL, user()).Call(t.Context(), "X", nil, nil)
	f, ok := errors.AsType[*Failure](err)
	if !ok || f.Class != connector.Permanent || f.Hint != "look at condition" || f.Text != "ConditionFailed: no" || f.Error() != f.Text || Refusal(f) == nil {
		t.Errorf("an answer: %+v", f)
	}
	c := connect(t, "", user())
	c.config.HTTPClient = &keeper{}
	_, err = c.Call(t.Context(), "X", []byte("abc"), nil)
	f, ok = errors.AsType[*Failure](err)
	if !ok || f.Class != transient || f.Text != "connection reset" || Refusal(f) != nil || f.Hint != "look at region, and at the way to AWS, such as a VPC endpoint com.amazonaws.REGION.lake" {
		t.Errorf("no answer: %+v", f)
	}
	if want := "X on table trips: connection reset (" + f.Hint + ")"; err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// What isn't answered names the setting, and passes by itself or not.
func TestConnectionErrors(t *testing.T) {
	clean(t)
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
		class    connector.Class
		want     string
	}{
		"nobody listens":    {"http://" + closed.Addr().String(), transient, "refused (look at endpoint, http://" + closed.Addr().String()},
		"no such host":      {"http://lake.invalid", transient, "(look at endpoint, http://lake.invalid)"},
		"unknown authority": {secure.URL, blocking, "AWS_CA_BUNDLE"},
		"not TLS":           {strings.Replace(plain.URL, "http:", "https:", 1), blocking, "speaks http, not https"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := connect(t, c.endpoint, user()).Call(t.Context(), "PutThing", []byte("{}"), nil)
			if connector.ClassOf(err) != c.class || !strings.Contains(fmt.Sprint(err), c.want) || !strings.HasPrefix(fmt.Sprint(err), "PutThing on table trips: ") {
				t.Errorf("%v: %v", connector.ClassOf(err), err)
			}
		})
	}
}

func TestNoCredentials(t *testing.T) {
	clean(t)
	d := newDouble(t)
	_, err := connect(t, d.URL, identity.Config{Region: "eu-west-1"}).Call(t.Context(), "PutThing", nil, nil)
	if connector.ClassOf(err) != blocking || !strings.Contains(fmt.Sprint(err), "PutThing on table trips: no credentials: ") || !strings.Contains(fmt.Sprint(err), "access_key and secret_key") {
		t.Errorf("%v: %v", connector.ClassOf(err), err)
	}
	denied := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>may not</Message></Error></ErrorResponse>`)
	}))
	t.Cleanup(denied.Close)
	who := user()
	who.AssumeRole = identity.AssumeRole{ARN: "arn:aws:iam::123456789012:role/lake", Endpoint: denied.URL}
	_, err = connect(t, d.URL, who).Call(t.Context(), "PutThing", nil, nil)
	if connector.ClassOf(err) != blocking || !strings.Contains(fmt.Sprint(err), "AccessDenied: may not (look at assume_role: the trust policy of arn:aws:iam::123456789012:role/lake") {
		t.Errorf("%v: %v", connector.ClassOf(err), err)
	}
	if n := len(d.sent()); n != 0 {
		t.Errorf("%d requests without credentials", n)
	}
}

// A place that a key is kept at, which counts how often it is read and what was refused.
type place struct {
	mu      sync.Mutex
	reads   int
	refused []string
}

func (p *place) String() string { return "secret lake" }

func (p *place) Read(_ context.Context, refused string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	if refused != "" {
		p.refused = append(p.refused, refused)
	}
	return fmt.Sprintf("secret-%d", p.reads), nil
}

// Keys that a service refuses are read anew by the next call, and not by every call while it goes on refusing. Other refusals change nothing.
func TestRefusedKeysAreReadAnew(t *testing.T) {
	clean(t)
	for code, want := range map[string]int{"InvalidSignatureException": 2, "ExpiredTokenException": 2, "UnrecognizedClientException": 2, "AccessDeniedException": 1, "ThingNotFound": 1} {
		t.Run(code, func(t *testing.T) {
			d := newDouble(t)
			at := &place{}
			who := user()
			who.SecretKey = secret.From(at)
			c := connect(t, d.URL, who)
			d.answers(http.StatusBadRequest, `{"__type":"`+code+`"}`)
			for range 5 {
				if _, err := c.Call(t.Context(), "X", nil, nil); connector.ClassOf(err) != blocking {
					t.Errorf("%v: %v", connector.ClassOf(err), err)
				}
			}
			if at.reads != want || len(at.refused) != want-1 {
				t.Errorf("read %d times, want %d; refused %v", at.reads, want, at.refused)
			}
			signatures := map[string]bool{}
			for _, q := range d.sent() {
				signatures[q.Header.Get("Authorization")+q.Header.Get("X-Amz-Date")] = true
			}
			if len(signatures) < want {
				t.Errorf("%d signatures", len(signatures))
			}
		})
	}
}
