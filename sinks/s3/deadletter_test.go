package s3

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/letter"
)

func deadConfig(endpoint string, change ...func(*DeadLetterConfig)) DeadLetterConfig {
	c := DefaultDeadLetterConfig()
	c.Connection = config(endpoint).Connection
	for _, f := range change {
		f(&c)
	}
	return c
}

func openDead(t testing.TB, c DeadLetterConfig) *DeadLetter {
	t.Helper()
	d, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func failedAt(topic string, offset int64, key, value []byte) connector.Failure {
	return connector.Failure{
		Source: &connector.Source{Partition: connector.Partition{Topic: topic, ID: 3}, Connector: "gps/1"},
		Record: &connector.Record{Offset: offset, RawKey: key, RawValue: value, Timestamp: 1772355845123,
			Headers: []connector.Header{{Name: "h", Value: []byte("v")}, {Name: "h", Value: []byte{0xff}}, {Name: "n"}, {Name: "e", Value: []byte{}}}},
		Stage: connector.StageValue, Err: errors.New("value: <not> JSON"), ID: fmt.Sprintf("00-3-%d-0", offset),
	}
}

// lettersOf reads the bucket's dead letters back, by key.
func lettersOf(t testing.TB, d *double) map[string][]letter.Letter {
	t.Helper()
	all := make(map[string][]letter.Letter)
	for key, o := range d.objects {
		for line := range bytes.Lines(o.body) {
			l, err := letter.Read(line)
			if err != nil {
				t.Fatal(err)
			}
			all[key] = append(all[key], l)
		}
	}
	return all
}

func TestBury(t *testing.T) {
	bucket := newDouble(t)
	d := openDead(t, deadConfig(bucket.URL, func(c *DeadLetterConfig) {
		c.ACL, c.Encryption.Type, c.ExpectedBucketOwner = "bucket-owner-full-control", "sse_s3", "123456789012"
	}))
	fs := []connector.Failure{
		failedAt("cars", 7, []byte("k"), []byte("{x\n")), failedAt("vans", 1, nil, nil), failedAt("cars", 9, []byte{}, []byte{0xff, 0, 0xc3}), failedAt("cars", 8, nil, []byte("null")),
	}
	if err := d.Bury(t.Context(), fs); err != nil {
		t.Fatal(err)
	}
	sent := bucket.sent("PutObject")
	if len(sent) != 2 {
		t.Fatalf("%d requests, want one for each path", len(sent))
	}
	sent[0].wants(t, map[string]string{
		"X-Amz-Acl": "bucket-owner-full-control", "X-Amz-Server-Side-Encryption": "AES256", "X-Amz-Expected-Bucket-Owner": "123456789012",
		"Content-Type": "application/x-ndjson", "If-None-Match": "", "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD",
	})
	names := []*regexp.Regexp{
		regexp.MustCompile(`^gps%2F1/cars/cars\+3\+0000000007-[0-9a-f]{8}\.jsonl$`), regexp.MustCompile(`^gps%2F1/vans/vans\+3\+0000000001-[0-9a-f]{8}\.jsonl$`),
	}
	want := [][]int{{0, 2, 3}, {1}}
	all := lettersOf(t, bucket)
	for i, name := range names {
		letters := all[sent[i].key]
		if !name.MatchString(sent[i].key) || len(letters) != len(want[i]) {
			t.Fatalf("%s holds %d letters", sent[i].key, len(letters))
		}
		for n, l := range letters {
			f := fs[want[i][n]]
			if l.Offset != f.Record.Offset || l.ID != f.ID || l.Error != "value: <not> JSON" || l.Stage != "VALUE_CONVERTER" || l.Connector != "gps/1" {
				t.Errorf("letter %+v", l)
			}
			if !cmp.Equal(l.RawKey(), f.Record.RawKey) || !cmp.Equal(l.RawValue(), f.Record.RawValue) || !cmp.Equal(l.RawHeaders(), f.Record.Headers) {
				t.Errorf("offset %d came back as %q, %q, %q", l.Offset, l.RawKey(), l.RawValue(), l.RawHeaders())
			}
		}
	}
	// The same again, as after a crash: nothing is overwritten.
	if err := d.Bury(t.Context(), fs); err != nil || len(bucket.objects) != 4 {
		t.Errorf("%d objects, %v", len(bucket.objects), err)
	}
}

func TestBuryPaths(t *testing.T) {
	for path, want := range map[string]string{
		"": "cars+3+", "dead": "dead/cars+3+", "dead/dt={time:yyyy}/{partition}": "dead/dt=20", "{header.h}/{header.no}/": "%FF/__null__/cars+3+", "{{{connector}}}/": "{gps%2F1}/cars+3+",
	} {
		bucket := newDouble(t)
		d := openDead(t, deadConfig(bucket.URL, func(c *DeadLetterConfig) { c.Path, c.Compression = path, "gzip" }))
		if err := d.Bury(t.Context(), []connector.Failure{failedAt("cars", 7, nil, nil)}); err != nil {
			t.Fatal(err)
		}
		for key, o := range bucket.objects {
			if !strings.HasPrefix(key, want) || !strings.HasSuffix(key, ".jsonl.gz") || !slices.Contains([]int{0, 1, 2, 3}, strings.Count(key, "/")) {
				t.Errorf("path %q makes %s", path, key)
			}
			if _, err := gzip.NewReader(bytes.NewReader(o.body)); err != nil || o.header.Get("Content-Type") != "application/gzip" {
				t.Errorf("%s: %v, %s", key, err, o.header.Get("Content-Type"))
			}
		}
	}
}

func TestBuryFails(t *testing.T) {
	bucket := newDouble(t)
	d := openDead(t, deadConfig(bucket.URL))
	for _, c := range []struct {
		a     reply
		class connector.Class
		want  string
	}{
		{reply{status: 503, code: "SlowDown"}, transient, "put dead letters into s3://lake/gps%2F1/cars/cars+3+"},
		{reply{status: 403, code: "AccessDenied"}, blocking, "s3:PutObject on lake"},
		{reply{status: 404, code: "NoSuchBucket"}, blocking, "create the bucket"},
	} {
		bucket.answers("PutObject", c.a)
		err := d.Bury(t.Context(), []connector.Failure{failedAt("cars", 7, nil, nil), failedAt("vans", 7, nil, nil)})
		if err == nil || connector.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", connector.ClassOf(err), err)
		}
		if n := len(bucket.sent("PutObject")); n != 1 {
			t.Errorf("%d requests", n)
		}
	}
}

func TestDeadLetterValidate(t *testing.T) {
	for want, change := range map[string]func(*DeadLetterConfig){
		"bucket is missing":        func(c *DeadLetterConfig) { c.Bucket = "" },
		"{value.x} isn't known":    func(c *DeadLetterConfig) { c.Path = "{value.x}/" },
		"{key} isn't known":        func(c *DeadLetterConfig) { c.Path = "a/{key}" },
		"path: ":                   func(c *DeadLetterConfig) { c.Path = "/a" },
		"compression: there is no": func(c *DeadLetterConfig) { c.Compression = "lz4" },
		"acl is":                   func(c *DeadLetterConfig) { c.ACL = "x" },
	} {
		c := deadConfig("http://localhost:1", change)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
		if _, err := c.Open(t.Context()); connector.ClassOf(err) != connector.Fatal {
			t.Errorf("class %v of %v", connector.ClassOf(err), err)
		}
	}
	if err := deadConfig("http://localhost:1", func(c *DeadLetterConfig) { c.Path = "{{value}}/" }).Validate(); err != nil {
		t.Error(err)
	}
}
