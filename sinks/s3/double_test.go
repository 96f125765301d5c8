package s3

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/bucket"
	"github.com/millrace/millrace/internal/chain"

	"github.com/millrace/millrace/connector/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A double is a bucket in memory behind HTTP, which keeps the requests. It checks no signature, and no checksum: the
// test bed's server does.
type double struct {
	*httptest.Server
	mu       sync.Mutex
	objects  map[string]*thing
	uploads  map[string]*thing
	made     map[string]bool // uploads that were completed
	requests []request
	fault    func(*request) *reply // may be nil; nil: go on
	failing  *reply                // to the next write
}

// A thing is an object, or an upload with its parts.
type thing struct {
	key    string
	header http.Header // of the request that created it
	body   []byte
	parts  map[int][]byte
}

// A request as the double got it.
type request struct {
	op, key string
	query   url.Values
	header  http.Header
	body    string
}

// A reply is an answer that a test gives.
type reply struct {
	status        int
	code, message string
	header        map[string]string
	body          string // instead of an error
	hangUp        bool   // no answer
}

const bucketName = "lake"

func newDouble(t testing.TB) *double {
	t.Helper()
	d := &double{objects: make(map[string]*thing), uploads: make(map[string]*thing), made: make(map[string]bool)}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

// operations by method and what the query holds; the first that fits.
var operations = []struct{ method, query, name string }{
	{http.MethodPost, "uploads", "CreateMultipartUpload"},
	{http.MethodPut, "partNumber", "UploadPart"},
	{http.MethodPost, "uploadId", "CompleteMultipartUpload"},
	{http.MethodDelete, "uploadId", "AbortMultipartUpload"},
	{http.MethodPut, "tagging", "PutObjectTagging"},
	{http.MethodGet, "uploadId", "ListParts"},
	{http.MethodGet, "list-type", "ListObjectsV2"},
	{http.MethodGet, "lifecycle", "GetBucketLifecycleConfiguration"},
	{http.MethodPut, "", "PutObject"},
	{http.MethodGet, "", "GetObject"},
	{http.MethodHead, "", "HeadObject"},
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	body, _ := io.ReadAll(r.Body)
	q := &request{key: key, query: r.URL.Query(), header: r.Header.Clone(), body: string(body)}
	for _, o := range operations {
		if r.Method == o.method && (o.query == "" || q.query.Has(o.query)) {
			q.op = o.name
			break
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests = append(d.requests, *q)
	var a *reply
	if d.fault != nil {
		a = d.fault(q)
	}
	if a == nil && d.failing != nil && r.Method != http.MethodGet && r.Method != http.MethodHead {
		a, d.failing = d.failing, nil
	}
	if a == nil {
		a = d.do(q, w.Header())
	}
	a.send(w)
}

func (a *reply) send(w http.ResponseWriter) {
	if a.hangUp {
		panic(http.ErrAbortHandler)
	}
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	w.Header().Set("X-Amz-Request-Id", "R1")
	if a.status == 0 {
		a.status = http.StatusOK
	}
	w.WriteHeader(a.status)
	if a.code != "" {
		a.body = fmt.Sprintf("<Error><Code>%s</Code><Message>%s</Message></Error>", a.code, a.message)
	}
	io.WriteString(w, a.body)
}

var (
	noSuchUpload = reply{status: 404, code: "NoSuchUpload", message: "gone"}
	noSuchKey    = reply{status: 404, code: "NoSuchKey", message: "no key"}
	taken        = reply{status: 412, code: "PreconditionFailed", message: "taken"}
)

func (d *double) do(q *request, header http.Header) *reply {
	id := q.query.Get("uploadId")
	upload := d.uploads[id]
	once := q.header.Get("If-None-Match") == "*"
	a := &reply{}
	switch q.op {
	case "PutObject":
		o, match := d.objects[q.key], q.header.Get("If-Match")
		if o != nil && once || o != nil && match != "" && match != etag(o.body) {
			*a = taken
			return a
		}
		if o == nil && match != "" {
			*a = noSuchKey
			return a
		}
		o = &thing{key: q.key, header: q.header, body: []byte(q.body)}
		d.objects[q.key] = o
		header.Set("ETag", etag(o.body))
	case "GetObject", "HeadObject":
		o := d.objects[q.key]
		if o == nil {
			*a = noSuchKey
			if q.op == "HeadObject" {
				*a = reply{status: 404}
			}
			return a
		}
		for k, v := range o.header {
			if strings.HasPrefix(k, "X-Amz-Meta-") {
				header[k] = v
			}
		}
		header.Set("Content-Length", strconv.Itoa(len(o.body)))
		header.Set("ETag", etag(o.body))
		a.body = string(o.body)
	case "ListObjectsV2":
		a.body = d.list(q.query)
	case "CreateMultipartUpload":
		id = strconv.Itoa(len(d.requests))
		d.uploads[id] = &thing{key: q.key, header: q.header, parts: make(map[int][]byte)}
		a.body = "<InitiateMultipartUploadResult><UploadId>" + id + "</UploadId></InitiateMultipartUploadResult>"
	case "UploadPart":
		if upload == nil {
			*a = noSuchUpload
			return a
		}
		n, _ := strconv.Atoi(q.query.Get("partNumber"))
		upload.parts[n] = []byte(q.body)
		header.Set("ETag", fmt.Sprintf(`"part%d"`, n))
	case "ListParts":
		if upload == nil {
			*a = noSuchUpload
			return a
		}
		a.body = "<ListPartsResult></ListPartsResult>"
	case "CompleteMultipartUpload":
		return d.complete(q, id, once)
	case "AbortMultipartUpload":
		if upload == nil {
			*a = noSuchUpload
			return a
		}
		delete(d.uploads, id)
		a.status = http.StatusNoContent
	case "PutObjectTagging":
	default:
		*a = reply{status: http.StatusNotImplemented, code: "NotImplemented", message: "not here"}
	}
	return a
}

// etag is that of an object that wasn't uploaded in parts.
func etag(body []byte) string { return fmt.Sprintf("%q", bucket.CRC(body)) }

func (d *double) complete(q *request, id string, once bool) *reply {
	u := d.uploads[id]
	switch {
	case u == nil && !d.made[id]:
		a := noSuchUpload
		return &a
	case u != nil && once && d.objects[u.key] != nil:
		a := taken
		return &a
	case u != nil:
		var body bytes.Buffer
		for _, n := range slices.Sorted(maps.Keys(u.parts)) {
			body.Write(u.parts[n])
		}
		d.objects[u.key] = &thing{key: u.key, header: u.header, body: body.Bytes()}
		delete(d.uploads, id)
		d.made[id] = true
	}
	return &reply{body: completeResult(q.header.Get("X-Amz-Checksum-Crc32c"))}
}

// completeResult is the answer to a Complete; crc is "" if the store doesn't prove by it that it was the first one.
func completeResult(crc string) string {
	if crc != "" {
		crc = "<ChecksumCRC32C>" + crc + "</ChecksumCRC32C>"
	}
	return `<CompleteMultipartUploadResult><ETag>"whole"</ETag>` + crc + `</CompleteMultipartUploadResult>`
}

func (d *double) list(q url.Values) string {
	limit, _ := strconv.Atoi(q.Get("max-keys"))
	var keys []string
	for _, k := range slices.Sorted(maps.Keys(d.objects)) {
		if strings.HasPrefix(k, q.Get("prefix")) && k > q.Get("start-after") {
			keys = append(keys, k)
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "<ListBucketResult><IsTruncated>%t</IsTruncated>", len(keys) > limit)
	for _, k := range keys[:min(limit, len(keys))] {
		b.WriteString("<Contents><Key>")
		xml.EscapeText(&b, []byte(k)) //nolint:errcheck // a buffer takes everything
		b.WriteString("</Key></Contents>")
	}
	b.WriteString("</ListBucketResult>")
	return b.String()
}

// sent are the requests of one operation since the last call of it or of forget.
func (d *double) sent(op string) []request {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found []request
	for i := range d.requests {
		if d.requests[i].op == op {
			found = append(found, d.requests[i])
		}
	}
	d.requests = nil
	return found
}

// answers makes the double give one answer to an operation from now on.
func (d *double) answers(op string, a reply) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.fault
	d.fault = func(q *request) *reply {
		if q.op == op {
			given := a
			return &given
		}
		if before != nil {
			return before(q)
		}
		return nil
	}
}

func (d *double) read(key string) ([]byte, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.objects[key]
	if o == nil {
		return nil, false, nil
	}
	return o.body, true, nil
}

// config is the configuration for a double.
func config(endpoint string, change ...func(*Config)) Config {
	c := DefaultConfig()
	c.Bucket, c.Endpoint, c.PathStyle = bucketName, endpoint, true
	c.AccessKey, c.SecretKey = secret.New("id"), secret.New("hush-hush")
	for _, f := range change {
		f(&c)
	}
	return c
}

func openStore(t testing.TB, c Config) *store {
	t.Helper()
	format, err := c.Encoding()
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.open(t.Context(), format.ContentType)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// object is one that was begun at number 12.
func object(key string) *chain.Object {
	return &chain.Object{Key: key, Tail: "1f0a93c2", Dir: "telé/_millrace/main/c/t/0/", Seq: 12, Rows: 3, First: 100, Last: 109, Unique: true}
}

// staged begins an object and writes one part of it.
func staged(t testing.TB, s *store, key, body string) *chain.Object {
	t.Helper()
	o := object(key)
	var err error
	if o.Upload, err = s.Begin(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	p := chain.Bytes{[]byte(body)}
	part, err := s.Write(t.Context(), o, 1, 0, p)
	if err != nil {
		t.Fatal(err)
	}
	o.Parts, o.Size, o.CRC = []chain.Part{part}, p.Len(), hexCRC(p)
	return o
}

func hexCRC(p chain.Bytes) string {
	sum := bucket.CRC(p...)
	return crcToHex(&sum)
}
