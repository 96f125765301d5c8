package eventbridge

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// A store is an S3 that objects are put into.
type store struct {
	*httptest.Server
	mu      sync.Mutex
	objects map[string]string // by path
	types   map[string]bool
	puts    int
	refuse  func(path string) int // status, 0 to take it
}

func newStore(t testing.TB) *store {
	t.Helper()
	s := &store{objects: map[string]string{}, types: map[string]bool{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *store) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts++
	status := 0
	if s.refuse != nil {
		status = s.refuse(r.URL.Path)
	}
	switch {
	case err != nil || r.Method != http.MethodPut || !strings.Contains(r.Header.Get("Authorization"), "Credential=AKIDEXAMPLE/"): // the sink's
		w.WriteHeader(http.StatusBadRequest)
	case status != 0:
		w.WriteHeader(status)
	default:
		s.objects[r.URL.Path], s.types[r.Header.Get("Content-Type")] = string(body), true
	}
}

// offloading keeps parts in the store.
func (s *store) offloading(c *Config) {
	o := &c.Oversize.S3
	o.Bucket, o.Endpoint, o.PathStyle, o.Prefix = "parts", s.URL, true, "events/"
}

// detail is what of an event tells where its value is.
type detail struct {
	Offset          int
	Value           json.RawMessage
	Dataref         string
	DatarefJSONPath string `json:"datarefJsonPath"`
}

func details(t testing.TB, d *double) (out []detail) {
	t.Helper()
	for _, e := range d.events() {
		var one detail
		if err := json.Unmarshal([]byte(*e.Detail), &one); err != nil {
			t.Fatal(err)
		}
		out = append(out, one)
	}
	return out
}

func id(offset int) string { return fmt.Sprintf("%x-0-%d-0", connectortest.TopicID(), offset) }

func TestKeepsParts(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Config)
		kept   []int // records with a part in S3
	}{
		"too large":        {func(*Config) {}, []int{1}},
		"always":           {func(c *Config) { c.Oversize.S3.When = whenAlways }, []int{0, 1, 2}},
		"a smaller limit":  {func(c *Config) { c.MaxRequest = 1 << 10 }, []int{1, 2}},
		"a part of it":     {func(c *Config) { c.Oversize.S3.Field = "value.text" }, []int{1}},
		"without a prefix": {func(c *Config) { c.Oversize.S3.Prefix = "" }, []int{1}},
	} {
		t.Run(name, func(t *testing.T) {
			d, s3 := newDouble(t), newStore(t)
			var c Config
			s := d.open(t, s3.offloading, tc.change, func(o *Config) { c = *o })
			rs := []R{text("a", 100), text("b", 2<<20), text("c", 1000), {Key: "d", NullValue: true}}
			for range 2 { // a replay writes the same objects
				b := load(t, s, rs...)
				equal(t, "failed", failed(b), nil)
			}
			prefix := c.Oversize.S3.Prefix
			if len(s3.objects) != len(tc.kept) || len(s3.types) != 1 || !s3.types["application/json"] || s3.puts != 2*len(tc.kept) {
				t.Errorf("%d objects of %v by %d requests, want %d", len(s3.objects), s3.types, s3.puts, len(tc.kept))
			}
			for n, got := range details(t, d) {
				i := n % len(rs)
				kept := false
				for _, k := range tc.kept {
					kept = kept || k == got.Offset
				}
				if !kept {
					if got.Dataref != "" {
						t.Errorf("record %d is in %s", i, got.Dataref)
					}
					continue
				}
				if want := "arn:aws:s3:::parts/" + prefix + id(got.Offset); got.Dataref != want || got.DatarefJSONPath != "$.detail."+c.Oversize.S3.Field {
					t.Errorf("record %d is in %s at %s, want %s", i, got.Dataref, got.DatarefJSONPath, want)
				}
				want := rs[got.Offset].Value
				if c.Oversize.S3.Field == "value.text" {
					want = strings.TrimSuffix(strings.TrimPrefix(want, `{"text":`), "}")
				}
				if object := s3.objects["/parts/"+prefix+id(got.Offset)]; object != want {
					t.Errorf("the object of record %d has %d bytes, want %d: %.40q", i, len(object), len(want), object)
				}
			}
		})
	}
}

// TestPartFails: a part that can't be put marks its record, and no other but those that follow with its key.
func TestPartFails(t *testing.T) {
	for status, class := range map[int]connector.Class{503: connector.Retryable, 403: connector.Systemic} {
		d, s3 := newDouble(t), newStore(t)
		s := d.open(t, s3.offloading)
		s3.refuse = func(path string) int {
			if strings.HasSuffix(path, "-1-0") {
				return status
			}
			return 0
		}
		rs := []R{text("a", 1), text("b", 2<<20), text("c", 2<<20), text("b", 1), text("d", 1)}
		b := load(t, s, rs...)
		equal(t, "failed", failed(b), []int{1, 3})
		for _, i := range failed(b) {
			if err := b.Err(i); connector.ClassOf(err) != class || !strings.Contains(err.Error(), "oversize.s3: ") || !strings.Contains(err.Error(), "s3://parts/events/"+id(1)) {
				t.Errorf("record %d: %v: %v", i, connector.ClassOf(err), err)
			}
		}
		equal(t, "sent", d.offsets(t), []int{0, 2, 4})
	}
}

// TestStillTooLarge: what remains without the part can be too large, too.
func TestStillTooLarge(t *testing.T) {
	d, s3 := newDouble(t), newStore(t)
	s := d.open(t, s3.offloading, func(c *Config) { c.Oversize.S3.Field = "value.small" })
	large := strings.Repeat("x", 2<<20)
	b := load(t, s, R{Key: "a", Value: `{"small":1,"large":"` + large + `"}`}, text("b", 1), R{Key: "c", Value: `{"large":"` + large + `"}`})
	equal(t, "failed", failed(b), []int{0, 2})
	for _, i := range failed(b) {
		if err := b.Err(i); connector.ClassOf(err) != connector.Permanent || !strings.Contains(err.Error(), "although oversize.s3.field") {
			t.Errorf("got %v", err)
		}
	}
}

// TestPutOnce: an event that found no room in a request was put once.
func TestPutOnce(t *testing.T) {
	d, s3 := newDouble(t), newStore(t)
	s := d.open(t, s3.offloading, func(c *Config) { c.MaxRequest = 1 << 10 })
	b := load(t, s, text("a", 400), text("b", 1400), text("c", 1400), text("d", 1400))
	equal(t, "failed", failed(b), nil)
	if s3.puts != 3 {
		t.Errorf("%d objects were put, want 3", s3.puts)
	}
	if len(d.entries) < 2 {
		t.Errorf("all fitted into %v", d.entries)
	}
}

func TestARN(t *testing.T) {
	for region, want := range map[string]string{"eu-west-1": "arn:aws:s3:::b/", "cn-north-1": "arn:aws-cn:s3:::b/", "us-gov-west-1": "arn:aws-us-gov:s3:::b/"} {
		o := Offload{}
		o.Bucket = "b"
		if got := o.to(nowhere{}, region).arn; got != want {
			t.Errorf("in %s: %s, want %s", region, got, want)
		}
	}
	o := Offload{}
	o.Bucket = "arn:aws:s3:eu-west-1:123456789012:accesspoint/parts"
	if got := o.to(nowhere{}, "eu-west-1").arn; got != o.Bucket+"/object/" {
		t.Errorf("of an access point: %s", got)
	}
}
