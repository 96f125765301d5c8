package bucket

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/connector/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A double is a bucket behind HTTP that gives one answer, success if it was told none, and keeps the requests. It checks no signature, and no checksum.
type double struct {
	*httptest.Server
	mu       sync.Mutex
	requests []request
	answer   reply
}

// A request as the double got it.
type request struct {
	method, path, body string
	header             http.Header
}

// A reply is an answer that a test gives.
type reply struct {
	status        int
	code, message string
	header        map[string]string
	body          string // instead of an error
	hangUp        bool   // no answer
}

func newDouble(t testing.TB) *double {
	t.Helper()
	d := &double{}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests = append(d.requests, request{r.Method, r.URL.Path, string(body), r.Header.Clone()})
	d.answer.send(w)
}

func (a *reply) send(w http.ResponseWriter) {
	if a.hangUp {
		panic(http.ErrAbortHandler)
	}
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	w.Header().Set("X-Amz-Request-Id", "R1")
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	text := a.body
	if a.code != "" {
		text = fmt.Sprintf("<Error><Code>%s</Code><Message>%s</Message></Error>", a.code, a.message)
	}
	io.WriteString(w, text)
}

// answers makes the double give an answer from now on.
func (d *double) answers(a reply) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = a
}

// sent are the requests since the last call.
func (d *double) sent() []request {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.requests
	d.requests = nil
	return all
}

// connection is the settings for a double.
func connection(endpoint string, change ...func(*Connection)) Connection {
	c := DefaultConnection()
	c.Bucket, c.Endpoint, c.PathStyle = "lake", endpoint, true
	c.AccessKey, c.SecretKey = secret.New("id"), secret.New("hush-hush")
	for _, f := range change {
		f(&c)
	}
	return c
}

// everything sets what headers can say.
func everything(c *Connection) {
	c.ExpectedBucketOwner, c.ACL = "123456789012", "bucket-owner-full-control"
	c.Encryption = Encryption{Type: SSEKMS, KMSKey: "key-1", BucketKey: true}
}

func open(t testing.TB, c Connection) *Bucket {
	t.Helper()
	b, err := c.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}
