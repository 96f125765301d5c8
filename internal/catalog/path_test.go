package catalog

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/internal/template"
)

func TestPlaceOf(t *testing.T) {
	for path, want := range map[string]Place{
		"web/clicks/dt=2026-11-20/hour=13/clicks+0+17.parquet": {"web/clicks/", "web/clicks/dt=2026-11-20/hour=13/", []string{"dt", "hour"}, []string{"2026-11-20", "13"}},
		"dt=1/x=2":                           {"", "dt=1/", []string{"dt"}, []string{"1"}}, // the object's name is no partition
		"dt=1/part/City=K%C3%B6ln%2FMitte/a": {"", "dt=1/part/City=K%C3%B6ln%2FMitte/", []string{"dt", "City"}, []string{"1", "Köln/Mitte"}},
		"a/k=__null__/n":                     {"a/", "a/k=__null__/", []string{"k"}, []string{NullValue}},
		"a/k=/n":                             {"a/", "a/k=/", []string{"k"}, []string{NullValue}},
		"a/k=%5F_null__/n":                   {"a/", "a/k=%5F_null__/", []string{"k"}, []string{"__null__"}},
		"a/k=1=2%2/n":                        {"a/", "a/k=1=2%2/", []string{"k"}, []string{"1=2%2"}},
		"a/k=%ff%zz/n":                       {"a/", "a/k=%ff%zz/", []string{"k"}, []string{"\uFFFD%zz"}},
		"a/=1/n":                             {"a/=1/", "a/=1/", nil, nil},
		"a/b/n":                              {"a/b/", "a/b/", nil, nil},
		"n":                                  {},
		"":                                   {},
	} {
		if diff := cmp.Diff(want, PlaceOf(path)); diff != "" {
			t.Errorf("%s (want -, got +):\n%s", path, diff)
		}
	}
}

// What a template escapes comes back.
func TestValuesComeBack(t *testing.T) {
	for _, value := range []string{"plain", "a/b", ".hidden", "a=b", "100%", "%2F", "Köln", "x y", "__null__", NullValue, "a\x00b"} {
		got := PlaceOf("k=" + string(template.EscapePath(nil, []byte(value))) + "/n").Values[0]
		if got != value {
			t.Errorf("%q became %q", value, got)
		}
	}
}

func TestKeysOf(t *testing.T) {
	for text, want := range map[string][]Key{
		"lake/{topic}/dt={time:yyyy-MM-dd}/hour={time:HH}/":      {{"dt", "{time:yyyy-MM-dd}"}, {"hour", "{time:HH}"}},
		"lake/dt={time:yyyy/MM/dd}/x={value[\"a/}\"]}/n={topic}": {{"dt", "{time:yyyy/MM/dd}"}, {"x", "{value[\"a/}\"]}"}},
		"{value.a}=1/year={time:yyyy}/v=1/":                      {{"year", "{time:yyyy}"}, {"v", "1"}},
		"plain/{topic}/":                                         nil,
		"at={time:yyyy-MM-dd'T/'HH}/":                            {{"at", "{time:yyyy-MM-dd'T/'HH}"}},
		"":                                                       nil,
	} {
		if diff := cmp.Diff(want, KeysOf(text)); diff != "" {
			t.Errorf("%s (want -, got +):\n%s", text, diff)
		}
	}
}

// The path of an object gives the keys of its template.
func TestAt(t *testing.T) {
	keys := KeysOf("web/dt={time:yyyy}/City={value.c}/")
	got, err := PlaceOf("web/dt=2026/City=a%2Fb/n").At("lake", keys)
	if diff := cmp.Diff(Partition{Values: []string{"2026", "a/b"}, Location: "s3://lake/web/dt=2026/City=a%2Fb/"}, got); diff != "" || err != nil {
		t.Errorf("%v (want -, got +):\n%s", err, diff)
	}
	for path, message := range map[string]string{"web/dt=1/n": "has 1 partition keys, the table has 2", "web/dt=1/x=2/n": "has the partition key x, the table has City"} {
		if _, err := PlaceOf(path).At("lake", keys); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestProjection(t *testing.T) {
	d := newDouble(t, "web")
	c := connect(t, config(d.URL, func(c *Config) {
		c.Partitions, c.ProjectionFrom, c.PartitionTypes = PartitionsProjection, "2026-02-03", map[string]string{"Hour": "int"}
		c.Properties = map[string]string{"projection.region.type": "enum", "projection.region.values": "eu,us", "projection.v.type": "injected"}
	}))
	want := clicks(field("a", table.Int32))
	want.Keys = KeysOf("web/v=1/Region={value.r}/dt={time:yyyy-MM-dd}/Hour={time:HH}/user={key}/")
	ensure(t, c, want)
	got := d.table(t, "clicks")
	properties := map[string]string{}
	for name, value := range got.properties {
		if strings.HasPrefix(name, "projection.") || strings.HasPrefix(name, "storage.") {
			properties[name] = value
		}
	}
	if diff := cmp.Diff(map[string]string{
		"projection.enabled":     "true",
		"projection.v.type":      "injected", // and no values
		"projection.region.type": "enum", "projection.region.values": "eu,us",
		"projection.dt.type": "date", "projection.dt.format": "yyyy-MM-dd", "projection.dt.range": "2026-02-03,NOW", "projection.dt.interval": "1", "projection.dt.interval.unit": "DAYS",
		"projection.hour.type": "integer", "projection.hour.range": "0,23", "projection.hour.digits": "2",
		"projection.user.type":      "injected",
		"storage.location.template": "s3://lake/web/v=${v}/Region=${region}/dt=${dt}/Hour=${hour}/user=${user}/",
	}, properties); diff != "" {
		t.Errorf("properties (want -, got +):\n%s", diff)
	}
	if got.keys[3].name != "hour" || got.keys[3].typ != "int" || got.keys[2].typ != "string" {
		t.Errorf("keys %v", got.keys)
	}
	// A range that was tuned stays.
	d.change(t, "clicks", func(input, _ record) {
		properties["projection.dt.range"] = "2020-01-01,NOW"
		input["Parameters"] = encoded(properties)
	})
	if change := ensure(t, c, want); change.Any() {
		t.Errorf("change %+v", change)
	}
}

func TestProjectionOfTimes(t *testing.T) {
	from := time.Date(2026, 2, 3, 4, 0, 0, 0, time.UTC)
	for pattern, want := range map[string]string{
		"yyyy-MM-dd":          "date 2026-02-03,NOW DAYS",
		"yyyyMMddHH":          "date 2026020304,NOW HOURS",
		"yyyy-MM":             "date 2026-02,NOW MONTHS",
		"yyyy-MM-dd'T'HH'h'm": "date 2026-02-03T04h0,NOW MINUTES",
		"yyyy":                "integer 2026,2056 ",
		"MM":                  "integer 1,12 ",
		"DDD":                 "integer 1,366 ",
	} {
		p, err := Key{"k", "{time:" + pattern + "}"}.projection(from)
		if got := p["type"] + " " + p["range"] + " " + p["interval.unit"]; got != want || err != nil {
			t.Errorf("%s: %s, %v; want %s", pattern, got, err, want)
		}
	}
	for _, pattern := range []string{"HH-mm", "yyyy-dd", "MM-dd", "yyyy-DDD", "yyyy-MM-dd-mm"} {
		if p, err := (Key{"k", "{time:" + pattern + "}"}).projection(from); err == nil {
			t.Errorf("%s: %v", pattern, p)
		}
	}
	for _, value := range []string{"{value.a}", "{time:yyyy}-{partition}", "x{time:yyyy}"} {
		if p, err := (Key{"k", value}).projection(from); err != nil || p["type"] != "injected" {
			t.Errorf("%s: %v, %v", value, p, err)
		}
	}
}
