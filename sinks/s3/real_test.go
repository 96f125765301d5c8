//go:build testbed

package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/bucket"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
	"github.com/millrace/millrace/internal/letter"
	"github.com/millrace/millrace/sinks/sinktest"
	"github.com/millrace/millrace/testbed"
)

// fresh is the configuration for a bucket of the test's own on the strict server.
func fresh(t testing.TB, server *testbed.S3, change ...func(*Config)) Config {
	t.Helper()
	return as(server, server.Bucket(t), change...)
}

func as(user *testbed.S3, bucket string, change ...func(*Config)) Config {
	c := DefaultConfig()
	c.Bucket, c.Region, c.Endpoint, c.PathStyle = bucket, user.Region, user.Endpoint, true
	c.AccessKey, c.SecretKey = secret.New(user.AccessKey), secret.New(user.SecretKey)
	for _, f := range change {
		f(&c)
	}
	return c
}

// TestRealChain: the store is as chains need it, with checksums and without.
func TestRealChain(t *testing.T) {
	for _, checksum := range []string{bucket.ChecksumCRC, bucket.ChecksumNone} {
		t.Run(checksum, func(t *testing.T) {
			server := testbed.S3Server(t)
			chaintest.Run(t, chaintest.Harness{
				MinPart: minPart,
				Open: func(t testing.TB) chaintest.Place {
					c := fresh(t, server, func(c *Config) { c.Checksum = checksum })
					return chaintest.Place{
						Open: func(t testing.TB) chain.Store { return openStore(t, c) },
						Read: func(key string) ([]byte, bool, error) { return read(t.Context(), server.Client(t), c.Bucket, key) },
					}
				},
			})
		})
	}
}

func read(ctx context.Context, client *awss3.Client, bucket, key string) ([]byte, bool, error) {
	out, err := client.GetObject(ctx, &awss3.GetObjectInput{Bucket: &bucket, Key: &key})
	if _, missing := errors.AsType[*types.NoSuchKey](err); missing {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	return body, err == nil, err
}

// front is a way to a server that can answer a write itself, as a busy or a strict S3 does.
type front struct {
	*httptest.Server
	mu      sync.Mutex
	failing *reply // to the next write
}

func before(t testing.TB, server *testbed.S3) *front {
	t.Helper()
	at, err := url.Parse(server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	// The host stays as it came: it is signed.
	proxy := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = at.Scheme, at.Host }}
	f := &front{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		a := f.failing
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			a = nil
		}
		if a != nil {
			f.failing = nil
		}
		f.mu.Unlock()
		if a != nil {
			_, _ = io.Copy(io.Discard, r.Body)
			a.send(w)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		f.Close()
		transport.CloseIdleConnections()
	})
	return f
}

func TestRealConformance(t *testing.T) {
	server := testbed.S3Server(t)
	for name, change := range variants {
		t.Run(name, func(t *testing.T) {
			sinktest.RunStager(t, sinktest.StagerHarness{
				ExactlyOnce: true,
				Open: func(t testing.TB) sinktest.Store {
					f := before(t, server)
					c := fresh(t, server, func(c *Config) { c.Path, c.Endpoint = "{topic}/{value.key}/{partition}/", f.URL }, change)
					return sinktest.Store{
						Stager: open(t, c),
						Reopen: func(t testing.TB) connector.Stager { return open(t, c) },
						Read: func() ([]sinktest.File, error) {
							bodies, err := readAll(t.Context(), server.Client(t), c.Bucket)
							if err != nil {
								return nil, err
							}
							return parse(bodies)
						},
						Fail: func(class connector.Class) bool {
							f.mu.Lock()
							defer f.mu.Unlock()
							a := failures[class]
							f.failing = &a
							return true
						},
					}
				},
			})
		})
	}
}

func readAll(ctx context.Context, client *awss3.Client, bucket string) (map[string][]byte, error) {
	bodies := make(map[string][]byte)
	pages := awss3.NewListObjectsV2Paginator(client, &awss3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for i := range page.Contents {
			key := *page.Contents[i].Key
			body, _, err := read(ctx, client, bucket, key)
			if err != nil {
				return nil, err
			}
			bodies[key] = body
		}
	}
	return bodies, nil
}

// TestRealStat: the checksum of the whole object is kept, and what was sent is what is there.
func TestRealStat(t *testing.T) {
	server := testbed.S3Server(t)
	c := fresh(t, server, func(c *Config) { c.RangeTags, c.Tags = true, map[string]string{"team": "a b"} })
	s := openStore(t, c)
	o := object("ä b/x=1&y+z%2F~'()!*/c.json.gz")
	var err error
	if o.Upload, err = s.Begin(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	whole := chain.Bytes{bytes.Repeat([]byte("x"), minPart-3), []byte("yyy"), []byte("the last part")}
	for i, p := range []chain.Bytes{whole[:2], whole[2:]} {
		part, err := s.Write(t.Context(), o, i+1, 0, p)
		if err != nil {
			t.Fatal(err)
		}
		o.Parts = append(o.Parts, part)
	}
	o.Size, o.CRC = whole.Len(), "00000000"
	if err := s.Complete(t.Context(), o, false); err == nil || !strings.Contains(err.Error(), "BadDigest") {
		t.Errorf("completed with a wrong checksum: %v", err)
	}
	o.CRC = hexCRC(whole)
	if err := s.Complete(t.Context(), o, false); err != nil {
		t.Fatal(err)
	}
	if stat, err := s.Stat(t.Context(), o.Key); err != nil || stat != (chain.Stat{Size: o.Size, CRC: o.CRC, Tail: o.Tail}) {
		t.Errorf("%+v, %v", stat, err)
	}
	body, err := s.Open(t.Context(), o.Key)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, bytes.Join(whole, nil)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := s.Stat(t.Context(), "missing"); !errors.Is(err, chain.ErrMissing) {
		t.Errorf("stat of nothing: %v", err)
	}
	if _, err := s.Open(t.Context(), "missing"); !errors.Is(err, chain.ErrMissing) {
		t.Errorf("open nothing: %v", err)
	}
	tags, err := server.Client(t).GetObjectTagging(t.Context(), &awss3.GetObjectTaggingInput{Bucket: &c.Bucket, Key: &o.Key})
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, tag := range tags.TagSet {
		got[*tag.Key] = *tag.Value
	}
	if want := (map[string]string{"team": "a b", "millrace-start": "100", "millrace-end": "109", "millrace-count": "3"}); !maps.Equal(got, want) {
		t.Errorf("tags %v, want %v", got, want)
	}
}

// TestRealSettings: a wrong setting, or a missing right, is named.
func TestRealSettings(t *testing.T) {
	server := testbed.S3Server(t)
	right := fresh(t, server)
	user := server.User(t, "limited")
	limited := func(actions ...string) func(*testing.T) Config {
		return func(t *testing.T) Config {
			c := fresh(t, server)
			server.Allow(t, c.Bucket, user, actions...)
			return as(user, c.Bucket)
		}
	}
	changed := func(f func(*Config)) func(*testing.T) Config {
		return func(*testing.T) Config { c := right; f(&c); return c }
	}
	for name, c := range map[string]struct {
		config func(*testing.T) Config
		want   string
	}{
		"no such bucket":    {changed(func(c *Config) { c.Bucket += "-x" }), "NoSuchBucket"},
		"wrong region":      {changed(func(c *Config) { c.Region = "eu-west-1" }), "the bucket is in region us-east-1: set region to that, not eu-west-1"},
		"unknown key":       {changed(func(c *Config) { c.AccessKey = secret.New("nobody") }), "look at access_key"},
		"wrong secret":      {changed(func(c *Config) { c.SecretKey = secret.New("hush-hush") }), "look at secret_key"},
		"another's bucket":  {changed(func(c *Config) { c.ExpectedBucketOwner = "somebody" }), "expected_bucket_owner"},
		"no rights":         {limited("s3:GetBucketLocation"), "s3:ListBucket on "},
		"may not list":      {limited("s3:PutObject", "s3:GetObject"), "s3:ListBucket on "},
		"may not get":       {limited("s3:PutObject", "s3:ListBucket"), "s3:GetObject on "},
		"may not put":       {limited("s3:GetObject", "s3:ListBucket"), "s3:PutObject on "},
		"may not abort":     {limited("s3:GetObject", "s3:ListBucket", "s3:PutObject"), "s3:AbortMultipartUpload on "},
		"all that it needs": {limited("s3:GetObject", "s3:ListBucket", "s3:PutObject", "s3:AbortMultipartUpload"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := try(t, c.config(t))
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
			if err != nil && connector.ClassOf(err) != connector.Systemic {
				t.Errorf("class of %q is %v, want systemic", err, connector.ClassOf(err))
			}
			noSecrets(t, err)
			t.Log(err)
		})
	}
}

// try does what a connector does: it claims the chain, puts an object, and reads it.
func try(t *testing.T, c Config) error {
	s := openStore(t, c)
	if _, err := chain.Claim(t.Context(), s, c.Place(), "", "main", chain.Owner{Connector: "c", Group: "g", Cluster: "k"}); err != nil {
		return err
	}
	o := object("a/b")
	var err error
	if o.Upload, err = s.Begin(t.Context(), o); err != nil {
		return err
	}
	part, err := s.Write(t.Context(), o, 1, 0, chain.Bytes{[]byte("rows")})
	if err != nil {
		return err
	}
	o.Parts = []chain.Part{part}
	if err := s.Complete(t.Context(), o, true); err != nil {
		return err
	}
	if _, err := s.Look(t.Context(), o); err != nil {
		return err
	}
	if _, _, err = s.List(t.Context(), "", "", 10); err != nil {
		return err
	}
	return s.Abort(t.Context(), o)
}

// TestRealDeadLetter: what was buried comes back, byte by byte.
func TestRealDeadLetter(t *testing.T) {
	server := testbed.S3Server(t)
	c := DefaultDeadLetterConfig()
	c.Connection, c.Compression = fresh(t, server).Connection, "gzip"
	d := openDead(t, c)
	fs := []connector.Failure{failedAt("cars", 7, []byte{0xff}, nil), failedAt("cars", 8, nil, []byte("x"))}
	if err := d.Bury(t.Context(), fs); err != nil {
		t.Fatal(err)
	}
	bodies, err := readAll(t.Context(), server.Client(t), c.Bucket)
	if err != nil || len(bodies) != 1 {
		t.Fatalf("%d objects, %v", len(bodies), err)
	}
	for key, body := range bodies {
		text, err := expand(key, body)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for line := range bytes.Lines(text) {
			l, err := letter.Read(line)
			if err != nil || !cmp.Equal(l.RawKey(), fs[n].Record.RawKey) || !cmp.Equal(l.RawValue(), fs[n].Record.RawValue) || !cmp.Equal(l.RawHeaders(), fs[n].Record.Headers) {
				t.Errorf("letter %s, %v", line, err)
			}
			n++
		}
		if n != 2 {
			t.Errorf("%d letters", n)
		}
	}
}

// TestRealRole writes as a role that STS was asked for.
func TestRealRole(t *testing.T) {
	moto := testbed.Moto(t)
	c := fresh(t, moto, func(c *Config) {
		c.AssumeRole.ARN, c.AssumeRole.Endpoint = "arn:aws:iam::123456789012:role/lake", moto.Endpoint
	})
	s := openStore(t, c)
	o := staged(t, s, "a/b", "rows")
	if err := s.Complete(t.Context(), o, false); err != nil {
		t.Fatal(err)
	}
	if sight, err := s.Look(t.Context(), o); sight != chain.Ours || err != nil {
		t.Errorf("sight %v, %v", sight, err)
	}
	found, err := s.Client.Options().Credentials.Retrieve(t.Context())
	if err != nil || found.SessionToken == "" || found.AccessKeyID == moto.AccessKey {
		t.Errorf("credentials of %s, %v", found.AccessKeyID, err)
	}
}
