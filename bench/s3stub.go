package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A stub answers like S3, as far as a sink asks, at the least cost. It keeps what lies in a folder _millrace, so that links
// can be read; of other objects only that they are there. It checks neither signatures nor checksums. It runs
// in the process of bench, whose CPU time isn't measured.
type stub struct {
	server *http.Server
	url    string

	mu      sync.Mutex
	counts  map[string]int64 // requests by kind
	objects map[string]stubObject
	uploads map[string]stubObject // by id, until they are completed
	bytes   int64                 // of data
	first   time.Time             // when the first object with data was there
}

type stubObject struct {
	key    string
	body   []byte // of links only
	size   int64
	header http.Header // metadata
}

// The kinds of requests.
const (
	reqPut      = "put"  // of a whole object
	reqLink     = "link" // put in a folder _millrace
	reqCreate   = "create"
	reqPart     = "part"
	reqComplete = "complete"
	reqAbort    = "abort"
	reqGet      = "get"
	reqHead     = "head"
	reqList     = "list"
	reqOther    = "other"
)

func newStub() (*stub, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the S3 stub: %w", err)
	}
	s := &stub{
		url: "http://" + l.Addr().String(), counts: map[string]int64{},
		objects: map[string]stubObject{}, uploads: map[string]stubObject{},
	}
	s.server = &http.Server{Handler: s}
	go func() { _ = s.server.Serve(l) }() // it ends with close
	return s, nil
}

func (s *stub) close() { _ = s.server.Close() }

// A usage is what a program asked of a stub.
type usage struct {
	requests map[string]int64
	objects  int64 // with data
	bytes    int64
	first    time.Time
}

func (s *stub) usage() usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := usage{requests: maps.Clone(s.counts), bytes: s.bytes, first: s.first}
	for key := range s.objects {
		if !isLink(key) {
			u.objects++
		}
	}
	return u
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Outside of the lock: bodies come in as slowly as they are made.
	body, size, err := receive(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	kind := kindOf(r, key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[kind]++
	switch kind {
	case reqPut, reqLink:
		s.put(w, r, stubObject{key: key, body: body, size: size, header: metadata(r)})
	case reqCreate:
		id := "upload-" + strconv.FormatInt(s.counts[kind], 10)
		s.uploads[id] = stubObject{key: key, header: metadata(r)}
		answer(w, created{Key: key, UploadID: id})
	case reqPart:
		s.part(w, r, size)
	case reqComplete:
		s.complete(w, r)
	case reqAbort:
		delete(s.uploads, r.URL.Query().Get("uploadId"))
		w.WriteHeader(http.StatusNoContent)
	case reqGet, reqHead:
		s.get(w, r, key)
	case reqList:
		s.list(w, r)
	default:
		refuse(w, http.StatusNotImplemented, "NotImplemented")
	}
}

// receive reads a request's body, and keeps that of a link.
func receive(r *http.Request) (body []byte, size int64, err error) {
	if isLink(r.URL.Path) {
		body, err = io.ReadAll(r.Body)
		return body, int64(len(body)), err
	}
	size, err = io.Copy(io.Discard, r.Body)
	return nil, size, err
}

func isLink(key string) bool {
	return strings.HasPrefix(key, "_millrace/") || strings.Contains(key, "/_millrace/")
}

func kindOf(r *http.Request, key string) string {
	query := r.URL.Query()
	if key == "" {
		if r.Method == http.MethodGet && query.Has("list-type") {
			return reqList
		}
		return reqOther
	}
	upload := query.Has("uploadId")
	switch r.Method {
	case http.MethodPost:
		switch {
		case query.Has("uploads"):
			return reqCreate
		case upload:
			return reqComplete
		}
	case http.MethodPut:
		switch {
		case upload:
			return reqPart
		case len(query) > 0 && !query.Has("x-id"): // of the SDK, which says the operation's name twice
			return reqOther
		case isLink(key):
			return reqLink
		}
		return reqPut
	case http.MethodDelete:
		if upload {
			return reqAbort
		}
	case http.MethodGet:
		return reqGet
	case http.MethodHead:
		return reqHead
	}
	return reqOther
}

func metadata(r *http.Request) http.Header {
	h := http.Header{}
	for name, values := range r.Header {
		if strings.HasPrefix(name, "X-Amz-Meta-") {
			h[name] = values
		}
	}
	return h
}

const stubETag = `"00000000000000000000000000000000"`

func (s *stub) put(w http.ResponseWriter, r *http.Request, o stubObject) {
	if !s.show(w, r, o) {
		return
	}
	w.Header().Set("ETag", stubETag)
	echoChecksum(w, r)
}

// show makes an object visible, unless the request forbids that.
func (s *stub) show(w http.ResponseWriter, r *http.Request, o stubObject) bool {
	if _, taken := s.objects[o.key]; taken && r.Header.Get("If-None-Match") == "*" {
		refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return false
	}
	s.objects[o.key] = o
	if !isLink(o.key) {
		s.bytes += o.size
		if s.first.IsZero() {
			s.first = time.Now()
		}
	}
	return true
}

const crcHeader = "X-Amz-Checksum-Crc32c"

func echoChecksum(w http.ResponseWriter, r *http.Request) {
	if sum := r.Header.Get(crcHeader); sum != "" {
		w.Header().Set(crcHeader, sum)
	}
}

func (s *stub) part(w http.ResponseWriter, r *http.Request, size int64) {
	id := r.URL.Query().Get("uploadId")
	o, ok := s.uploads[id]
	if !ok {
		refuse(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	o.size += size
	s.uploads[id] = o
	w.Header().Set("ETag", stubETag)
	echoChecksum(w, r)
}

func (s *stub) complete(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("uploadId")
	o, ok := s.uploads[id]
	if !ok {
		refuse(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	if !s.show(w, r, o) {
		return
	}
	delete(s.uploads, id)
	c := completed{Key: o.key, ETag: stubETag, CRC: r.Header.Get(crcHeader)}
	if c.CRC != "" {
		c.Type = "FULL_OBJECT"
	}
	answer(w, c)
}

func (s *stub) get(w http.ResponseWriter, r *http.Request, key string) {
	o, ok := s.objects[key]
	switch {
	case !ok:
		refuse(w, http.StatusNotFound, "NoSuchKey")
		return
	case r.Method == http.MethodGet && !isLink(key):
		refuse(w, http.StatusNotImplemented, "NotImplemented") // the data is gone
		return
	}
	maps.Copy(w.Header(), o.header)
	w.Header().Set("ETag", stubETag)
	w.Header().Set("Content-Length", strconv.FormatInt(o.size, 10))
	if r.Method == http.MethodGet {
		_, _ = w.Write(o.body) // fails only where nobody waits for it
	}
}

func (s *stub) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	prefix, after := query.Get("prefix"), query.Get("start-after")
	most, err := strconv.Atoi(query.Get("max-keys"))
	if err != nil {
		most = 1000
	}
	var found listed
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if !strings.HasPrefix(key, prefix) || key <= after {
			continue
		}
		if len(found.Contents) == most {
			found.Truncated = true
			break
		}
		found.Contents = append(found.Contents, listedKey{key, s.objects[key].size})
	}
	answer(w, found)
}

// What S3 answers, as far as it is read.
type (
	created struct {
		XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
		Key      string
		UploadID string `xml:"UploadId"`
	}
	completed struct {
		XMLName xml.Name `xml:"CompleteMultipartUploadResult"`
		Key     string
		ETag    string
		CRC     string `xml:"ChecksumCRC32C,omitempty"`
		Type    string `xml:"ChecksumType,omitempty"`
	}
	listed struct {
		XMLName   xml.Name `xml:"ListBucketResult"`
		Truncated bool     `xml:"IsTruncated"`
		Contents  []listedKey
	}
	listedKey struct {
		Key  string
		Size int64
	}
	refused struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
	}
)

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(v) // texts and numbers; fails only where nobody waits for it
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(refused{Code: code})
}
