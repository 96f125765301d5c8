package s3

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/bucket"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/chain/chaintest"
)

func TestChain(t *testing.T) {
	chaintest.Run(t, chaintest.Harness{Open: func(t testing.TB) chaintest.Place {
		d := newDouble(t)
		return chaintest.Place{
			Open: func(t testing.TB) chain.Store { return openStore(t, config(d.URL)) },
			Read: d.read,
		}
	}})
}

// wants compares some headers of a request; "" is a header that isn't there.
func (q *request) wants(t *testing.T, headers map[string]string) {
	t.Helper()
	got := make(map[string]string, len(headers))
	for k := range headers {
		got[k] = q.header.Get(k)
	}
	if diff := cmp.Diff(headers, got); diff != "" {
		t.Errorf("headers of %s %s (want -, got +):\n%s", q.op, q.key, diff)
	}
}

// only is the one request of an operation.
func (d *double) only(t *testing.T, op string) *request {
	t.Helper()
	found := d.sent(op)
	if len(found) != 1 {
		t.Fatalf("%d requests %s, want 1", len(found), op)
	}
	return &found[0]
}

// everything sets what headers can say.
func everything(c *Config) {
	c.ExpectedBucketOwner, c.ACL, c.StorageClass = "123456789012", "bucket-owner-full-control", "STANDARD_IA"
	c.Encryption = Encryption{Type: bucket.SSEKMS, KMSKey: "key-1", BucketKey: true}
	c.Tags, c.RangeTags = map[string]string{"team": "a b&c", "env": "x"}, true
}

func TestRequests(t *testing.T) {
	d := newDouble(t)
	s := openStore(t, config(d.URL, everything))
	owner := map[string]string{"X-Amz-Expected-Bucket-Owner": "123456789012"}
	settings := map[string]string{
		"X-Amz-Acl": "bucket-owner-full-control", "X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "key-1",
		"X-Amz-Server-Side-Encryption-Bucket-Key-Enabled": "true", "X-Amz-Expected-Bucket-Owner": "123456789012",
	}
	with := func(more map[string]string) map[string]string {
		all := map[string]string{}
		for _, m := range []map[string]string{settings, more} {
			for k, v := range m {
				all[k] = v
			}
		}
		return all
	}
	ctx := t.Context()

	if err := s.Put(ctx, "p/_millrace/main/owner.json", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	link := d.only(t, "PutObject")
	link.wants(t, with(map[string]string{
		"If-None-Match": "*", "Content-Type": "application/json", "X-Amz-Checksum-Crc32c": "KXvQqg==", "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD",
		"X-Amz-Storage-Class": "", "X-Amz-Tagging": "", "X-Amz-Sdk-Checksum-Algorithm": "", "X-Amz-Trailer": "", "Content-Encoding": "",
	}))
	if link.body != "{}" {
		t.Errorf("body %q", link.body)
	}

	o := staged(t, s, "a/b.json.gz", "rows")
	d.mu.Lock()
	all := d.requests
	d.mu.Unlock()
	all[0].wants(t, with(map[string]string{
		"X-Amz-Storage-Class": "STANDARD_IA", "X-Amz-Tagging": "env=x&team=a+b%26c", "Content-Type": "application/gzip", "Content-Encoding": "",
		"X-Amz-Checksum-Algorithm": "CRC32C", "X-Amz-Checksum-Type": "FULL_OBJECT",
		"X-Amz-Meta-Millrace-Tail": "1f0a93c2", "X-Amz-Meta-Millrace-Link": "tel%C3%A9/_millrace/main/c/t/0/12",
	}))
	all[1].wants(t, map[string]string{
		"X-Amz-Expected-Bucket-Owner": "123456789012", "X-Amz-Checksum-Crc32c": bucket.CRC([]byte("rows")), "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD",
		"Content-Length": "4", "X-Amz-Sdk-Checksum-Algorithm": "", "X-Amz-Acl": "", "Content-Encoding": "",
	})
	if all[1].body != "rows" || all[1].query.Get("partNumber") != "1" || all[1].query.Get("uploadId") != o.Upload {
		t.Errorf("part %q, %v", all[1].body, all[1].query)
	}
	d.sent("")

	for _, fresh := range []bool{false, true} {
		if err := s.Complete(ctx, o, fresh); err != nil {
			t.Fatal(err)
		}
		d.mu.Lock()
		all := d.requests
		d.mu.Unlock()
		condition := ""
		if fresh {
			condition = "*"
		}
		all[0].wants(t, map[string]string{
			"X-Amz-Expected-Bucket-Owner": "123456789012", "If-None-Match": condition, "X-Amz-Mp-Object-Size": "4",
			"X-Amz-Checksum-Crc32c": bucket.CRC([]byte("rows")), "X-Amz-Checksum-Type": "FULL_OBJECT",
		})
		for _, want := range []string{"<ETag>&#34;part1&#34;</ETag>", "<PartNumber>1</PartNumber>", "<ChecksumCRC32C>" + bucket.CRC([]byte("rows")) + "<"} {
			if !strings.Contains(all[0].body, want) {
				t.Errorf("%s isn't in %s", want, all[0].body)
			}
		}
		all[1].wants(t, owner)
		if all[1].op != "PutObjectTagging" || all[1].key != "a/b.json.gz" || !strings.Contains(all[1].body,
			"<Tag><Key>env</Key><Value>x</Value></Tag><Tag><Key>millrace-count</Key><Value>3</Value></Tag><Tag><Key>millrace-end</Key><Value>109</Value></Tag>"+
				"<Tag><Key>millrace-start</Key><Value>100</Value></Tag><Tag><Key>team</Key><Value>a b&amp;c</Value></Tag>") {
			t.Errorf("tagged by %+v", all[1])
		}
		d.sent("")
	}

	if sight, err := s.Look(ctx, o); sight != chain.Ours || err != nil {
		t.Errorf("sight %v, %v", sight, err)
	}
	d.only(t, "HeadObject").wants(t, map[string]string{"X-Amz-Expected-Bucket-Owner": "123456789012", "X-Amz-Checksum-Mode": ""})
	if _, err := s.Stat(ctx, o.Key); err != nil {
		t.Fatal(err)
	}
	d.only(t, "HeadObject").wants(t, map[string]string{"X-Amz-Expected-Bucket-Owner": "123456789012", "X-Amz-Checksum-Mode": "ENABLED"})
	if _, err := s.Get(ctx, o.Key); err != nil {
		t.Fatal(err)
	}
	d.only(t, "GetObject").wants(t, owner)
	if _, _, err := s.List(ctx, "a/", "a/a", 7); err != nil {
		t.Fatal(err)
	}
	list := d.only(t, "ListObjectsV2")
	list.wants(t, owner)
	if q := list.query; q.Get("prefix") != "a/" || q.Get("start-after") != "a/a" || q.Get("max-keys") != "7" {
		t.Errorf("listed by %v", q)
	}
	if err := s.Abort(ctx, o); err != nil {
		t.Fatal(err)
	}
	d.only(t, "AbortMultipartUpload").wants(t, owner)
}

// Without settings and checksums nothing is sent that a simple store might not know.
func TestPlainRequests(t *testing.T) {
	d := newDouble(t)
	s := openStore(t, config(d.URL, func(c *Config) { c.Checksum, c.Compression, c.Format.Raw = bucket.ChecksumNone, "none", new(Raw) }))
	o := staged(t, s, "a", strings.Repeat("rows", 5000))
	if err := s.Complete(t.Context(), o, false); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "k", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.requests {
		q := &d.requests[i]
		for k := range q.header {
			if l := strings.ToLower(k); strings.HasPrefix(l, "x-amz-") && (strings.Contains(l, "checksum") || strings.Contains(l, "acl") ||
				strings.Contains(l, "encryption") || strings.Contains(l, "tagging") || strings.Contains(l, "class") || strings.Contains(l, "owner")) {
				t.Errorf("%s has the header %s: %s", q.op, k, q.header.Get(k))
			}
		}
		if sum := q.header.Get("X-Amz-Content-Sha256"); len(sum) != 64 {
			t.Errorf("%s is signed with %q", q.op, sum)
		}
	}
	if len(d.requests) != 4 || string(d.objects["a"].body) != strings.Repeat("rows", 5000) {
		t.Errorf("%d requests", len(d.requests))
	}
}

// A tag that couldn't be put is put when the object is found complete, by those who write and by no one else.
func TestTagsOfWhoDied(t *testing.T) {
	d := newDouble(t)
	s := openStore(t, config(d.URL, func(c *Config) { c.RangeTags = true }))
	o := staged(t, s, "a", "rows")
	d.failing = nil
	d.answers("PutObjectTagging", reply{status: 503, code: "SlowDown", message: "wait"})
	if err := s.Complete(t.Context(), o, false); err == nil || connector.ClassOf(err) != connector.Retryable || !strings.Contains(err.Error(), "tag s3://lake/a: SlowDown") {
		t.Errorf("completed with %v", err)
	}
	d.answers("PutObjectTagging", reply{})
	d.sent("")
	if sight, err := s.Look(t.Context(), o); sight != chain.Ours || err != nil || len(d.sent("PutObjectTagging")) != 0 {
		t.Errorf("sight %v, %v; a command tagged", sight, err)
	}
	s.tagFound = true
	if sight, err := s.Look(t.Context(), o); sight != chain.Ours || err != nil || len(d.sent("PutObjectTagging")) != 1 {
		t.Errorf("sight %v, %v; not tagged", sight, err)
	}
	d.answers("PutObjectTagging", reply{status: 404, code: "NoSuchKey", message: "gone"})
	if sight, err := s.Look(t.Context(), o); sight != chain.Ours || err != nil {
		t.Errorf("sight %v, %v of what was deleted meanwhile", sight, err)
	}
	o.Tail = "another"
	if sight, err := s.Look(t.Context(), o); sight != chain.Foreign || err != nil || len(d.sent("PutObjectTagging")) != 1 {
		t.Errorf("sight %v, %v of somebody else's", sight, err)
	}
}

// What may be missing and is denied is decided by a list.
func TestDeniedOrMissing(t *testing.T) {
	denied := reply{status: 403, code: "AccessDenied", message: "Access Denied"}
	bare := reply{status: 403}
	open := func(t *testing.T) (*double, *store) {
		d := newDouble(t)
		s := openStore(t, config(d.URL))
		if err := s.Put(t.Context(), "a/there", []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := s.Put(t.Context(), "a/missing-not", []byte("x")); err != nil { // begins with the key that isn't there
			t.Fatal(err)
		}
		d.answers("GetObject", denied)
		d.answers("HeadObject", bare)
		return d, s
	}
	t.Run("missing", func(t *testing.T) {
		_, s := open(t)
		if _, err := s.Get(t.Context(), "a/missing"); !errors.Is(err, chain.ErrMissing) {
			t.Errorf("get: %v", err)
		}
		if sight, err := s.Look(t.Context(), object("a/missing")); sight != chain.Nothing || err != nil {
			t.Errorf("look: %v, %v", sight, err)
		}
		if _, err := s.Stat(t.Context(), "a/missing"); !errors.Is(err, chain.ErrMissing) {
			t.Errorf("stat: %v", err)
		}
	})
	for name, c := range map[string]struct {
		list *reply
		want string
	}{
		"denied":      {nil, "the credentials need s3:GetObject on lake"},
		"list denied": {&denied, "s3:ListBucket on lake is needed"},
		"bad key":     {&reply{status: 403, code: "InvalidAccessKeyId", message: "no such key"}, "look at access_key"},
		"no bucket":   {&reply{status: 404, code: "NoSuchBucket", message: "no such bucket"}, "create the bucket"},
	} {
		t.Run(name, func(t *testing.T) {
			d, s := open(t)
			if c.list != nil {
				d.answers("ListObjectsV2", *c.list)
			}
			_, err := s.Get(t.Context(), "a/there")
			_, looked := s.Look(t.Context(), object("a/there"))
			for _, err := range []error{err, looked} {
				if err == nil || !strings.Contains(err.Error(), c.want) || connector.ClassOf(err) != connector.Systemic || errors.Is(err, chain.ErrMissing) {
					t.Errorf("%v: %v; want %q", connector.ClassOf(err), err, c.want)
				}
			}
		})
	}
}

// What S3 answers to a Complete decides what the protocol does next.
func TestCompleteAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		fresh bool
		a     reply
		is    error
		text  string
		class connector.Class
	}{
		"no upload":            {a: noSuchUpload, is: chain.ErrMissing},
		"taken":                {fresh: true, a: taken, is: chain.ErrExists},
		"conflict":             {fresh: true, a: reply{status: 409, code: "ConditionalRequestConflict", message: "again"}, text: "ConditionalRequestConflict"},
		"error in a 200":       {a: reply{code: "InternalError", message: "We encountered an internal error"}, text: "InternalError"},
		"other error in a 200": {a: reply{code: "Strange", message: "x"}, text: "Strange"},
		"nothing in a 200":     {a: reply{body: "  \n"}, text: "ended before its result"},
		"half a 200":           {a: reply{body: "<CompleteMultipartUploadResult><Location>x</Loc"}, text: "complete s3://lake/a"},
		"no answer":            {a: reply{hangUp: true}, text: "EOF"},
		"bucket gone":          {a: reply{status: 404, code: "NoSuchBucket", message: "x"}, text: "create the bucket", class: connector.Systemic},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			s := openStore(t, config(d.URL))
			o := staged(t, s, "a", "rows")
			d.answers("CompleteMultipartUpload", c.a)
			err := s.Complete(t.Context(), o, c.fresh)
			if c.is != nil && !errors.Is(err, c.is) || err == nil || !strings.Contains(err.Error(), c.text) || connector.ClassOf(err) != c.class {
				t.Errorf("%v: %v", connector.ClassOf(err), err)
			}
			if c.is == nil && (errors.Is(err, chain.ErrMissing) || errors.Is(err, chain.ErrExists)) {
				t.Errorf("in doubt, and settled: %v", err)
			}
		})
	}
}

// Some stores say 200 to a Complete that did nothing, or InvalidPart to one that is done: what is there decides.
func TestCompleteIsProven(t *testing.T) {
	bare, invalid := reply{body: completeResult("")}, reply{status: 400, code: "InvalidPart", message: "x"}
	for name, c := range map[string]struct {
		a     reply
		there string // whose object has the key
		is    error
		text  string
	}{
		"200, there":              {a: bare, there: "ours"},
		"200, nothing there":      {a: bare, text: "nothing is there"},
		"200, another's":          {a: bare, there: "theirs", is: chain.ErrExists},
		"InvalidPart, there":      {a: invalid, there: "ours"},
		"InvalidPart, nothing":    {a: invalid, text: "InvalidPart"},
		"InvalidPart and foreign": {a: invalid, there: "theirs", text: "InvalidPart"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			s := openStore(t, config(d.URL))
			o := staged(t, s, "a", "rows")
			switch c.there {
			case "ours":
				if err := s.Complete(t.Context(), o, false); err != nil {
					t.Fatal(err)
				}
			case "theirs":
				if err := s.Put(t.Context(), o.Key, []byte("theirs")); err != nil {
					t.Fatal(err)
				}
			}
			d.answers("CompleteMultipartUpload", c.a)
			err := s.Complete(t.Context(), o, false)
			switch {
			case c.is != nil && !errors.Is(err, c.is), c.text != "" && (err == nil || !strings.Contains(err.Error(), c.text)):
				t.Errorf("error %v", err)
			case c.is == nil && c.text == "" && err != nil:
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAlive(t *testing.T) {
	d := newDouble(t)
	s := openStore(t, config(d.URL))
	o := staged(t, s, "a", "rows")
	if alive, err := s.Alive(t.Context(), o); err != nil || !alive {
		t.Errorf("an upload is alive: %v, %v", alive, err)
	}
	if err := s.Abort(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if alive, err := s.Alive(t.Context(), o); err != nil || alive {
		t.Errorf("an aborted upload is alive: %v, %v", alive, err)
	}
}

func TestPutAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		a     reply
		is    error
		class connector.Class
	}{
		"taken":       {taken, chain.ErrExists, connector.Retryable},
		"conflict":    {reply{status: 409, code: "ConditionalRequestConflict", message: "again"}, nil, connector.Retryable},
		"unsupported": {reply{status: 501, code: "NotImplemented", message: "A header you provided implies functionality that is not implemented"}, errors.ErrUnsupported, connector.Retryable},
		"no answer":   {reply{hangUp: true}, nil, connector.Retryable},
		"denied":      {reply{status: 403, code: "AccessDenied", message: "no"}, nil, connector.Systemic},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			s := openStore(t, config(d.URL))
			d.answers("PutObject", c.a)
			err := s.Put(t.Context(), "k", []byte("{}"))
			if err == nil || c.is != nil && !errors.Is(err, c.is) || connector.ClassOf(err) != c.class {
				t.Errorf("%v: %v", connector.ClassOf(err), err)
			}
			if n := len(d.sent("PutObject")); n != 1 {
				t.Errorf("%d requests: nothing is repeated here", n)
			}
		})
	}
}

// An upload that somebody aborted loses the range, which is written again.
func TestPartOfAnAbortedUpload(t *testing.T) {
	d := newDouble(t)
	s := openStore(t, config(d.URL))
	o := staged(t, s, "a", "rows")
	if err := s.Abort(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), o, 2, 4, chain.Bytes{[]byte("more")}); connector.ClassOf(err) != connector.Lost {
		t.Errorf("%v: %v", connector.ClassOf(err), err)
	}
	if err := s.Abort(t.Context(), o); err != nil {
		t.Errorf("abort again: %v", err)
	}
}

func TestReadAtMost(t *testing.T) {
	if body, err := readAtMost(strings.NewReader("1234"), 4); string(body) != "1234" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
	if body, err := readAtMost(strings.NewReader("12345"), 4); body != nil || !errors.Is(err, errTooLong) {
		t.Errorf("%q, %v", body, err)
	}
	if _, err := readAtMost(iotest.ErrReader(io.ErrUnexpectedEOF), 4); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
}

// A link whose body breaks off isn't a link.
func TestBrokenBody(t *testing.T) {
	d := newDouble(t)
	s := openStore(t, config(d.URL))
	d.answers("GetObject", reply{header: map[string]string{"Content-Length": "10"}, body: "{}"})
	if body, err := s.Get(t.Context(), "k"); err == nil || connector.ClassOf(err) != connector.Retryable || !strings.Contains(err.Error(), "get s3://lake/k: ") {
		t.Errorf("%q, %v", body, err)
	}
}

func TestReader(t *testing.T) {
	pieces := chain.Bytes{[]byte("ab"), nil, []byte("c"), {}, []byte("defgh")}
	whole := []byte("abcdefgh")
	if err := iotest.TestReader(newReader(pieces), whole); err != nil {
		t.Error(err)
	}
	for from := range len(whole) + 1 {
		r := newReader(pieces)
		if _, err := io.CopyN(io.Discard, r, 3); err != nil {
			t.Fatal(err)
		}
		if at, err := r.Seek(int64(from), io.SeekStart); at != int64(from) || err != nil {
			t.Fatal(at, err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, whole[from:]) {
			t.Errorf("from %d: %q, %v", from, got, err)
		}
	}
	if _, err := newReader(nil).Seek(1, io.SeekStart); err == nil {
		t.Error("sought behind the end")
	}
}

func TestCRC(t *testing.T) {
	// RFC 3720, B.4: 32 bytes of zeros.
	if got := hexCRC(chain.Bytes{make([]byte, 10), make([]byte, 22)}); got != "8a9136aa" {
		t.Errorf("got %s", got)
	}
	if got := crcFromHex("8a9136aa"); got == nil || *got != "ipE2qg==" {
		t.Errorf("got %v", got)
	}
	composite := "ipE2qg==-2"
	if crcFromHex("") != nil || crcFromHex("8a91") != nil || crcToHex(&composite) != "" || crcToHex(nil) != "" {
		t.Error("a checksum was made of nothing")
	}
}
