package eventbridge

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/sinks/sinktest"
)

// inDetail reads a record of sinktest back from detail: record.
func inDetail(e sent) (sinktest.Delivery, error) {
	var detail struct{ Value json.RawMessage }
	if err := json.Unmarshal([]byte(*e.Detail), &detail); err != nil {
		return sinktest.Delivery{}, err
	}
	return sinktest.Parse(detail.Value)
}

// asDetail reads a record of sinktest back from detail: value.
func asDetail(e sent) (sinktest.Delivery, error) { return sinktest.Parse([]byte(*e.Detail)) }

func raw(key, value string) sinktest.Raw {
	return sinktest.Raw{Key: []byte(key), Value: []byte(value)}
}

func flat(c *Config) { c.Detail, c.Meta = detailValue, true }

func TestConformance(t *testing.T) {
	large := raw("k", fmt.Sprintf(`{"type":"t","text":%q}`, strings.Repeat("x", 2<<20)))
	bad := map[string]sinktest.Raw{
		"2 MB":                large,
		"source of AWS":       raw("k", `{"source":"aws.ec2"}`),
		"source empty":        raw("k", `{"source":""}`),
		"detail-type missing": raw("k", `{"type":null}`),
		"detail-type long":    raw("k", fmt.Sprintf(`{"type":%q}`, strings.Repeat("x", 129))),
	}
	badFlat := map[string]sinktest.Raw{
		"2 MB":                   large,
		"detail is an array":     raw("k", `[1,2]`),
		"detail is a text":       raw("k", `"x"`),
		"detail is null":         raw("k", `null`),
		"detail is a tombstone":  {Key: []byte("k")},
		"detail holds _meta too": raw("k", `{"_meta":1}`),
	}
	for name, v := range map[string]struct {
		change func(*Config)
		read   func(sent) (sinktest.Delivery, error)
		bad    map[string]sinktest.Raw
	}{
		"record": {func(c *Config) {}, inDetail, map[string]sinktest.Raw{"2 MB": large}},
		"record, by templates": {func(c *Config) {
			c.Source, c.DetailType.Text = "{value.source}", "{value.type}"
		}, inDetail, bad},
		"value":         {flat, asDetail, badFlat},
		"without order": {func(c *Config) { c.Order = orderNone }, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := sinktest.LoaderHarness{
				Bad: v.bad,
				Open: func(t testing.TB) sinktest.Destination {
					d := newDouble(t)
					read := v.read
					if read == nil {
						read = inDetail
					}
					return d.destination(d.open(t, v.change), read)
				},
			}
			if name == "record, by templates" {
				h.Record = func(key string, seq int) sinktest.Raw {
					r := sinktest.Record(key, seq)
					r.Value = append([]byte(`{"source":"shop","type":"Order",`), r.Value[1:]...)
					return r
				}
			}
			sinktest.RunLoader(t, h)
		})
	}
}
