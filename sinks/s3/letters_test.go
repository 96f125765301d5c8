package s3

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/letter"
)

// What was buried is read back, whatever the codec, more than a page of it, and nothing else in the bucket is taken for a letter.
func TestOpenLetters(t *testing.T) {
	for _, codec := range []string{"none", "gzip", "zstd", "snappy"} {
		t.Run(codec, func(t *testing.T) {
			bucket := newDouble(t)
			c := deadConfig(bucket.URL, func(c *DeadLetterConfig) { c.Compression, c.Path = codec, "dead/{connector}/{topic}" })
			d := openDead(t, c)
			want := map[string]bool{}
			for i := range 120 {
				f := failedAt("cars", int64(i), []byte("k"), []byte{0xff, byte(i)})
				want[f.ID] = true
				if err := d.Bury(t.Context(), []connector.Failure{f, f}); err != nil {
					t.Fatal(err)
				}
			}
			bucket.objects["dead/gps%2F1/cars/notes.jsonl"] = &thing{body: []byte("no letter\n")}
			bucket.objects["dead/other/cars/cars+3+0000000007-00000000.jsonl"] = &thing{body: []byte("of another connector\n")}
			bucket.objects["dead/gps%2F1/cars/cars+3+0000000007-00000001.jsonl"] = &thing{body: []byte("{\n")}
			box, err := c.OpenLetters(t.Context(), "gps/1")
			if err != nil {
				t.Fatal(err)
			}
			defer box.Close()
			letters := 0
			var odd []string
			err = box.Read(t.Context(), func(place string, l *letter.Letter, _ error) error {
				if l == nil {
					odd = append(odd, place)
					return nil
				}
				letters++
				if !want[l.ID] || l.Topic != "cars" || len(l.RawValue()) != 2 || int64(l.RawValue()[1]) != l.Offset {
					t.Errorf("%s: %+v", place, l)
				}
				return nil
			})
			if err != nil || letters != 240 {
				t.Errorf("%d letters: %v", letters, err)
			}
			if !slices.Equal(odd, []string{"s3://lake/dead/gps%2F1/cars/cars+3+0000000007-00000001.jsonl line 1"}) {
				t.Error(odd)
			}
			for _, r := range bucket.sent("ListObjectsV2") {
				if p := r.query.Get("prefix"); p != "dead/gps%2F1/" {
					t.Errorf("listed below %q", p)
				}
			}
		})
	}
}

// A read that fails now and then is made again.
func TestLettersAreReadPatiently(t *testing.T) {
	bucket := newDouble(t)
	c := deadConfig(bucket.URL)
	if err := openDead(t, c).Bury(t.Context(), []connector.Failure{failedAt("cars", 1, nil, nil)}); err != nil {
		t.Fatal(err)
	}
	faults := map[string]bool{}
	bucket.fault = func(r *request) *reply {
		if strings.HasPrefix(r.op, "Put") || faults[r.op] {
			return nil
		}
		faults[r.op] = true
		return &reply{status: 503, code: "SlowDown", message: "slow down"}
	}
	box, err := c.OpenLetters(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	n := 0
	err = box.Read(t.Context(), func(string, *letter.Letter, error) error { n++; return nil })
	if err != nil || n != 1 || len(faults) != 2 {
		t.Error(n, err, fmt.Sprint(faults))
	}
}
