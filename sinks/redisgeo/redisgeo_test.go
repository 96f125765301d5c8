package redisgeo

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/sinks/sinktest"
)

func raw(key, value string) sinktest.Raw {
	return sinktest.Raw{Key: []byte(key), Value: []byte(value)}
}

// bad records, by what is wrong with them.
var bad = map[string]sinktest.Raw{
	"no longitude":         raw("k", `{"key":"k","lat":1}`),
	"latitude is null":     raw("k", `{"key":"k","lng":1,"lat":null}`),
	"longitude is a text":  raw("k", `{"key":"k","lng":"1","lat":1}`),
	"latitude is true":     raw("k", `{"key":"k","lng":1,"lat":true}`),
	"longitude too large":  raw("k", `{"key":"k","lng":180.0001,"lat":1}`),
	"latitude too small":   raw("k", `{"key":"k","lng":1,"lat":-85.05112879}`),
	"longitude a huge one": raw("k", `{"key":"k","lng":1e999,"lat":1}`),
	"value is an array":    raw("k", `[1,2]`),
	"value is null":        raw("k", `null`),
	"member is empty":      raw("", `{"key":"k","lng":1,"lat":1}`),
}

var scripts = []string{"EVAL", "EVALSHA"}

func TestConformance(t *testing.T) {
	for name, v := range map[string]struct {
		writes []string
		change func(*Config)
	}{
		"fast":                 {[]string{"GEOADD", "ZREM"}, func(*Config) {}},
		"fast, cluster":        {[]string{"GEOADD", "ZREM"}, func(c *Config) { c.Mode = modeCluster }},
		"fast, a set for each": {[]string{"GEOADD", "ZREM"}, func(c *Config) { c.Key = "cars#{value.key}" }},
		"fast with expiry":     {scripts, func(c *Config) { c.Expire = connector.Duration(time.Hour) }},
		"newest":               {scripts, func(c *Config) { c.Write = writeNewest }},
		"newest by version":    {scripts, func(c *Config) { c.Write, c.Version = writeNewest, "value.seq" }},
		"newest, cluster, a set for each, with expiry": {scripts, func(c *Config) {
			c.Mode, c.Write, c.Key, c.Expire = modeCluster, writeNewest, "cars#{value.key}", connector.Duration(time.Hour)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			sinktest.RunLoader(t, sinktest.LoaderHarness{
				Keyed: true,
				Bad:   bad,
				Open: func(t testing.TB) sinktest.Destination {
					d := newDouble(t, v.writes...)
					return d.destination(t, open(t, config(d.Addr(), v.change)))
				},
			})
		})
	}
}

// TestRequests: how a Load is cut.
func TestRequests(t *testing.T) {
	recs := make([]rec, 2500)
	for i := range recs {
		recs[i] = rec{member: fmt.Sprint(i), offset: int64(i), tombstone: i < 1200}
	}
	for name, tc := range map[string]struct {
		change func(*Config)
		writes []string
		want   string
	}{
		"fast":     {func(*Config) {}, []string{"GEOADD", "ZREM"}, "GEOADD GEOADD ZREM ZREM"},
		"newest":   {newest, scripts, "EVALSHA EVALSHA EVALSHA EVALSHA EVALSHA EVAL EVAL EVAL EVAL EVAL"},
		"expiring": {expiring, scripts, "EVALSHA EVALSHA EVALSHA EVALSHA EVALSHA EVAL EVAL EVAL EVAL EVAL"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t, tc.writes...)
			s := open(t, config(d.Addr(), removing, tc.change))
			load(t, s, origin{}, recs...)
			if got := strings.Join(d.sent(), " "); got != tc.want {
				t.Errorf("sent %s, want %s", got, tc.want)
			}
		})
	}
}
