package dynamodb

import (
	"testing"

	"github.com/millrace/millrace/sinks/sinktest"
)

// badRecords are refused for what they hold, whatever the table.
var badRecords = map[string]sinktest.Raw{
	"no key":        {Value: []byte(`{"seq":1}`)},
	"empty key":     {Key: []byte{}, Value: []byte(`{"seq":1}`)},
	"not an object": {Key: []byte("bad"), Value: []byte(`[1]`)},
	"null":          {Key: []byte("bad"), Value: []byte(`null`)},
	"tombstone":     {Key: []byte("bad")},
	"39 digits":     {Key: []byte("bad"), Value: []byte(`{"n":123456789012345678901234567890123456789}`)},
}

func TestLoader(t *testing.T) {
	for name, change := range map[string]func(*Config){"fast": func(*Config) {}, "newest": newest, "update": func(c *Config) {
		c.Write, c.Item = writeNewest, ""
		c.Update.Set = []Attribute{{"key", "value.key"}, {"seq", "value.seq"}, {"note", "value.note"}}
	}} {
		t.Run(name, func(t *testing.T) {
			bad := badRecords
			if name == "update" {
				bad = map[string]sinktest.Raw{"no key": badRecords["no key"], "tombstone": badRecords["tombstone"]}
			}
			sinktest.RunLoader(t, sinktest.LoaderHarness{
				Keyed: true,
				Open: func(t testing.TB) sinktest.Destination {
					d := newDouble(t)
					return d.destination(t, open(t, config(d.URL, change)))
				},
				Bad: bad,
			})
		})
	}
}
