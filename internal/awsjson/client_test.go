package awsjson

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	transient = connector.Retryable
	blocking  = connector.Systemic
)

func service() *Service {
	return &Service{Name: "Amazon Lake", Host: "lake", Signing: "lk", Target: "Lake_20120810", Version: "1.0", Verdicts: map[string]Verdict{
		"ConditionFailed":     {Class: connector.Permanent, Hint: "look at condition"},
		"ThrottlingException": {Class: transient, Hint: "raise the capacity"},
	}}
}

// A request as a double got it.
type request struct {
	http.Request
	body string
}

// A double is a service that answers as it is told and keeps what it was asked.
type double struct {
	*httptest.Server
	mu       sync.Mutex
	requests []request
	answer   http.HandlerFunc // called with the lock held; nil: {}
}

func newDouble(t testing.TB) *double {
	t.Helper()
	d := &double{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.requests = append(d.requests, request{*r, string(body)})
		if d.answer == nil {
			io.WriteString(w, "{}")
			return
		}
		d.answer(w, r)
	}))
	t.Cleanup(d.Close)
	return d
}

// answers makes the double answer so from now on: header is name, value, name, ...
func (d *double) answers(status int, body string, header ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// sent are the requests since the last call.
func (d *double) sent() []request {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.requests
	d.requests = nil
	return all
}

// clean takes away what the machine's environment says of AWS.
func clean(t testing.TB) {
	t.Helper()
	for _, name := range []string{
		"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL",
		"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// user is who calls in tests.
func user() identity.Config {
	return identity.Config{Region: "eu-west-1", AccessKey: secret.New("AKIDEXAMPLE"), SecretKey: secret.New("hush-hush")}
}

func connect(t testing.TB, endpoint string, who identity.Config, change ...func(*Options)) *Client {
	t.Helper()
	o := Options{Endpoint: endpoint, Place: "table trips"}
	for _, f := range change {
		f(&o)
	}
	c, err := Connect(t.Context(), service(), who, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestCall(t *testing.T) {
	clean(t)
	d := newDouble(t)
	c := connect(t, d.URL, user())
	d.answers(http.StatusOK, `{"n":1}`)
	reply, err := c.Call(t.Context(), "PutThing", []byte(`{"a":"ä"}`), []byte("before "))
	if err != nil || string(reply) != `before {"n":1}` {
		t.Fatalf("%q, %v", reply, err)
	}
	sent := d.sent()
	if len(sent) != 1 || sent[0].Method != http.MethodPost || sent[0].RequestURI != "/" || sent[0].body != `{"a":"ä"}` || sent[0].ContentLength != 10 {
		t.Fatalf("sent %+v", sent)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "Lake_20120810.PutThing", "Accept-Encoding": "identity", "User-Agent": "millrace",
		"X-Amz-Security-Token": "",
	} {
		if got := sent[0].Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// A reply that comes without its length, or is longer than the buffer, is whole.
func TestLongReplies(t *testing.T) {
	clean(t)
	d := newDouble(t)
	c := connect(t, d.URL, user())
	for _, size := range []int{0, 1, 511, 512, 513, 70_000} {
		for _, chunked := range []bool{false, true} {
			want := strings.Repeat("x", size)
			d.mu.Lock()
			d.answer = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(want))), 10))
				if chunked {
					w.(http.Flusher).Flush()
				}
				io.WriteString(w, want)
			}
			d.mu.Unlock()
			reply, err := c.Call(t.Context(), "X", nil, make([]byte, 0, 16))
			if err != nil || string(reply) != want {
				t.Errorf("%d bytes, chunked %v: %d bytes, %v", size, chunked, len(reply), err)
			}
		}
	}
}

// endless answers with more than any service does.
func endless(w http.ResponseWriter, _ *http.Request) {
	piece := bytes.Repeat([]byte("x"), 1<<20)
	for range maxReply>>20 + 1 {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

// Replies that can't be used: the caller's bytes stay, and the call may be repeated.
func TestBrokenReplies(t *testing.T) {
	clean(t)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"wrong checksum": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amz-Crc32", "1")
			io.WriteString(w, "{}")
		}, "checksum is wrong"},
		"wrong checksum of an error": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amz-Crc32", "1")
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"__type":"ConditionFailed"}`)
		}, "checksum is wrong"},
		"too long": {endless, "longer than 32 MiB"},
		"breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "{}")
		}, "unexpected EOF"},
		"none": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			d.answer = c.answer
			reply, err := connect(t, d.URL, user()).Call(t.Context(), "PutThing", []byte("{}"), []byte("kept"))
			if string(reply) != "kept" || err == nil || connector.ClassOf(err) != transient || !strings.Contains(err.Error(), c.want) || Refusal(err) != nil {
				t.Errorf("%.20q, %v: %v", reply, connector.ClassOf(err), err)
			}
			if !strings.HasPrefix(fmt.Sprint(err), "PutThing on table trips: ") {
				t.Errorf("%v doesn't say what was done", err)
			}
			if n := len(d.sent()); n != 1 {
				t.Errorf("%d requests: nothing is repeated here", n)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	clean(t)
	d, other := newDouble(t), newDouble(t)
	for _, status := range []int{http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		d.answers(status, "", "Location", other.URL)
		_, err := connect(t, d.URL, user()).Call(t.Context(), "X", []byte("{}"), nil)
		if a := Refusal(err); a == nil || a.Status != status || connector.ClassOf(err) != blocking || len(other.sent()) != 0 {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// A call ends with its context and after its time, and says so.
func TestEnds(t *testing.T) {
	clean(t)
	release := make(chan struct{})
	d := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(d.Close)
	t.Cleanup(func() { close(release) })
	c := connect(t, d.URL, user(), func(o *Options) { o.Timeout = 10 * time.Millisecond })
	if _, err := c.config.Credentials.Retrieve(t.Context()); err != nil { // which the time of a call includes
		t.Fatal(err)
	}
	_, err := c.Call(t.Context(), "X", []byte("{}"), nil)
	if !errors.Is(err, context.DeadlineExceeded) || connector.ClassOf(err) != transient || !strings.Contains(err.Error(), "no answer in time (look at endpoint, http://127.0.0.1") {
		t.Errorf("%v: %v", connector.ClassOf(err), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = c.Call(ctx, "X", []byte("{}"), nil); !errors.Is(err, context.Canceled) || connector.ClassOf(err) != transient {
		t.Errorf("%v: %v", connector.ClassOf(err), err)
	}
}

// A keeper is an HTTP client that goes on with a request's body after it has returned, as net/http may.
type keeper struct{ body, again io.ReadCloser }

func (k *keeper) Do(r *http.Request) (*http.Response, error) {
	k.body = r.Body
	if _, err := io.ReadFull(k.body, make([]byte, 3)); err != nil {
		return nil, err
	}
	again, err := r.GetBody()
	k.again = again
	return nil, errors.Join(errors.New("connection reset"), err)
}

// The bytes of a request are the caller's again after the call.
func TestBodyIsGivenBack(t *testing.T) {
	clean(t)
	c := connect(t, "http://127.0.0.1:1", user())
	k := &keeper{}
	c.config.HTTPClient = k
	if _, err := c.Call(t.Context(), "X", []byte("abcdef"), nil); connector.ClassOf(err) != transient || !strings.Contains(fmt.Sprint(err), "connection reset") {
		t.Errorf("%v: %v", connector.ClassOf(err), err)
	}
	for _, body := range []io.Reader{k.body, k.again} {
		if got, err := io.ReadAll(body); len(got) != 0 || !errors.Is(err, errEnded) {
			t.Errorf("read %q, %v after the call", got, err)
		}
	}
}

// A request that net/http sends again, because the connection had been closed before anything of it was sent, has its body.
func TestBodyIsReadAgain(t *testing.T) {
	l := &loan{bytes: []byte("abc")}
	for range 2 {
		if got, err := io.ReadAll(l.reader()); string(got) != "abc" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	r := l.reader()
	l.end()
	if got, err := io.ReadAll(r); len(got) != 0 || !errors.Is(err, errEnded) {
		t.Errorf("%q, %v after the end", got, err)
	}
}

func TestRegion(t *testing.T) {
	clean(t)
	nobody := identity.Config{AccessKey: secret.New("id"), SecretKey: secret.New("s")}
	if _, err := Connect(t.Context(), service(), nobody, Options{Place: "table trips"}); connector.ClassOf(err) != blocking || !strings.Contains(fmt.Sprint(err), "the AWS Region of table trips isn't known: set region") {
		t.Errorf("%v: %v", connector.ClassOf(err), err)
	}
	if c := connect(t, "http://127.0.0.1:1", nobody); c.Region() != "us-east-1" || c.url != "http://127.0.0.1:1" {
		t.Errorf("%s at %s", c.Region(), c.url)
	}
	t.Setenv("AWS_ENDPOINT_URL", "http://elsewhere.invalid") // doesn't count
	t.Setenv("AWS_REGION", "ap-south-1")
	if c := connect(t, "", nobody); c.Region() != "ap-south-1" || c.url != "https://lake.ap-south-1.amazonaws.com" {
		t.Errorf("%s at %s", c.Region(), c.url)
	}
	if c := connect(t, "", user()); c.Region() != "eu-west-1" || c.url != "https://lake.eu-west-1.amazonaws.com" {
		t.Errorf("%s at %s", c.Region(), c.url)
	}
}
