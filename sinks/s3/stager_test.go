package s3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/bucket"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/sinks/sinktest"
)

// variants of the sink that have to keep its promises.
var variants = map[string]func(*Config){
	"zstd, tags":         func(c *Config) { c.Compression, c.RangeTags, c.Tags = "zstd", true, map[string]string{"a": "b"} },
	"plain, no checksum": func(c *Config) { c.Compression, c.Checksum = "none", bucket.ChecksumNone },
	"snappy, no tails":   func(c *Config) { c.Compression, c.Path = "snappy", "{topic}/{value.key}/{partition}-{position}" },
}

// failures are what a write is answered with for each class.
var failures = map[connector.Class]reply{
	connector.Retryable: {status: 503, code: "SlowDown", message: "Please reduce your request rate."},
	connector.Systemic:  {status: 403, code: "AccessDenied", message: "Access Denied"},
}

func open(t testing.TB, c Config) connector.Stager {
	t.Helper()
	s, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	for name, change := range variants {
		t.Run(name, func(t *testing.T) {
			sinktest.RunStager(t, sinktest.StagerHarness{
				ExactlyOnce: true,
				Open: func(t testing.TB) sinktest.Store {
					d := newDouble(t)
					c := config(d.URL, func(c *Config) { c.Path = "{topic}/{value.key}/{partition}/" }, change)
					return sinktest.Store{
						Stager: open(t, c),
						Reopen: func(t testing.TB) connector.Stager { return open(t, c) },
						Read: func() ([]sinktest.File, error) {
							d.mu.Lock()
							defer d.mu.Unlock()
							bodies := make(map[string][]byte)
							for key, o := range d.objects {
								bodies[key] = o.body
							}
							return parse(bodies)
						},
						Fail: func(class connector.Class) bool {
							d.mu.Lock()
							defer d.mu.Unlock()
							a := failures[class]
							d.failing = &a
							return true
						},
					}
				},
			})
		})
	}
}

// parse reads the records of all objects but links.
func parse(bodies map[string][]byte) ([]sinktest.File, error) {
	var files []sinktest.File
	for _, key := range slices.Sorted(maps.Keys(bodies)) {
		if strings.Contains(key, chain.Folder+"/") {
			continue
		}
		text, err := expand(key, bodies[key])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		f := sinktest.File{Name: key}
		for row := range bytes.Lines(text) {
			d, err := sinktest.Parse(row)
			if err != nil {
				return nil, err
			}
			f.Records = append(f.Records, d)
		}
		files = append(files, f)
	}
	return files, nil
}

func expand(key string, body []byte) ([]byte, error) {
	from := io.Reader(bytes.NewReader(body))
	switch {
	case strings.HasSuffix(key, ".gz"):
		r, err := gzip.NewReader(from)
		if err != nil {
			return nil, err
		}
		from = r
	case strings.HasSuffix(key, ".zst"):
		r, err := zstd.NewReader(from)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		from = r
	case strings.HasSuffix(key, ".sz"):
		from = s2.NewReader(from)
	}
	return io.ReadAll(from)
}

// TestCost counts the requests that the README tells.
func TestCost(t *testing.T) {
	d := newDouble(t)
	c := config(d.URL, func(c *Config) { c.RangeTags = true })
	p := connector.Partition{Topic: "cars", ID: 0}
	a := connector.Assignment{Partition: p, ClusterID: "k", Group: "g", TopicID: [16]byte{1}, Committed: -1, LogEnd: 100, Connector: "c"}
	retry := func(ctx context.Context, _ string, try func(context.Context) error) error { return try(ctx) }
	count := func(what string, want map[string]int) {
		t.Helper()
		d.mu.Lock()
		defer d.mu.Unlock()
		got := make(map[string]int)
		for i := range d.requests {
			got[d.requests[i].op]++
		}
		d.requests = nil
		t.Logf("%s: %v", what, got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (want -, got +):\n%s", what, diff)
		}
	}
	recovered := func(s connector.Stager, p connector.Partition) connector.Position {
		t.Helper()
		a.Partition = p
		at, err := s.Recover(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	s := open(t, c)
	at := recovered(s, p)
	count("first start ever", map[string]int{"GetBucketLifecycleConfiguration": 1, "GetObject": 3, "PutObject": 3, "ListObjectsV2": 2})

	r, err := s.Stage(t.Context(), p, at, retry)
	if err != nil {
		t.Fatal(err)
	}
	b := connector.NewBatch(connector.Source{Partition: p, Next: 2}, []connector.Record{{RawValue: []byte("1")}, {RawValue: []byte("2"), Offset: 1}}, nil)
	b.Decode(t.Context(), serde.BytesDecoder{}, serde.StringDecoder{})
	if _, err := r.Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Commit(t.Context(), connector.Range{From: 0, Next: 2, First: 0, Last: 1, Read: 2, Written: 2}); err != nil {
		t.Fatal(err)
	}
	count("object and link", map[string]int{"CreateMultipartUpload": 1, "UploadPart": 1, "CompleteMultipartUpload": 1, "PutObjectTagging": 1, "PutObject": 1})

	s = open(t, c)
	recovered(s, p)
	count("start of a process and a partition", map[string]int{
		"GetBucketLifecycleConfiguration": 1, "GetObject": 2, "PutObject": 1, "ListObjectsV2": 1, "CompleteMultipartUpload": 1, "PutObjectTagging": 1,
	})
	recovered(s, connector.Partition{Topic: "cars", ID: 0})
	count("start of a partition", map[string]int{"GetObject": 1, "ListObjectsV2": 1, "CompleteMultipartUpload": 1, "PutObjectTagging": 1})
	// Who completed the object may have died before it had its tags.
	d.answers("CompleteMultipartUpload", noSuchUpload)
	recovered(s, p)
	count("completed by another", map[string]int{"GetObject": 1, "ListObjectsV2": 1, "CompleteMultipartUpload": 1, "HeadObject": 1, "PutObjectTagging": 1})
}
