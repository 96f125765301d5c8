package eventbridge

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	serdejson "github.com/millrace/millrace/serde/json"
)

// An event is an entry as EventBridge reads it.
type event struct {
	Source       string
	Resources    []string
	DetailType   string
	Detail       string
	EventBusName string
	Time         json.Number `json:",omitempty"`
	TraceHeader  string      `json:",omitempty"`
}

// shapeOf makes the shape of the defaults without an id, changed.
func shapeOf(t testing.TB, change func(*Config)) *shape {
	t.Helper()
	c := DefaultConfig()
	c.Bus, c.ID = "orders", ""
	if change != nil {
		change(&c)
	}
	s, err := c.shape()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// batchOf makes a decoded batch of one record: key text, value JSON.
func batchOf(t testing.TB, r connector.Record) *connector.Batch {
	t.Helper()
	j, err := serdejson.New(serdejson.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return decodedBatch(t, r, serde.StringDecoder{}, j)
}

func decodedBatch(t testing.TB, r connector.Record, key, value serde.Decoder) *connector.Batch {
	t.Helper()
	b := connector.NewBatch(connector.Source{Partition: connector.Partition{Topic: "gps", ID: 3}, TopicID: [16]byte{0xab}, Connector: "cars"}, []connector.Record{r}, nil)
	b.Decode(t.Context(), key, value)
	if err := b.Err(0); err != nil {
		t.Fatal(err)
	}
	return b
}

func rec1(value string) connector.Record {
	r := connector.Record{RawKey: []byte("k"), Offset: 7, Timestamp: 1700000000123}
	if value != "" {
		r.RawValue = []byte(value)
	}
	return r
}

// read reads an entry back and checks what holds of all: valid JSON, no unknown members, the size.
func read(t testing.TB, text []byte, e entry) event {
	t.Helper()
	var got event
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(&got); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if got.Resources == nil {
		t.Errorf("%s has no Resources", text)
	}
	size := len(got.Source) + len(got.DetailType) + len(got.Detail) + len(got.TraceHeader)
	for _, r := range got.Resources {
		size += len(r)
	}
	if got.Time != "" {
		size += 14
	}
	if e.size != size {
		t.Errorf("size is %d, want %d", e.size, size)
	}
	if !json.Valid([]byte(got.Detail)) {
		t.Errorf("detail isn't JSON: %s", got.Detail)
	}
	return got
}

// eventOf makes the event of a record.
func eventOf(t testing.TB, s *shape, b *connector.Batch) event {
	t.Helper()
	var e entry
	text, err := s.append([]byte("before"), &e, b, 0)
	if err != nil {
		t.Fatal(err)
	}
	after, ok := strings.CutPrefix(string(text), "before")
	if !ok {
		t.Fatalf("what was in front has changed: %s", text)
	}
	return read(t, []byte(after), e)
}

// notMade is the error of a record that makes no event.
func notMade(t testing.TB, s *shape, b *connector.Batch) error {
	t.Helper()
	var e entry
	out, err := s.append([]byte("before"), &e, b, 0)
	if err == nil {
		t.Fatalf("made %s, want an error", out)
	}
	if string(out) != "before" {
		t.Errorf("after the error the request holds %q", out)
	}
	if c := connector.ClassOf(err); c != connector.Permanent {
		t.Errorf("the error is %s, want permanent: %v", c, err)
	}
	return err
}

func TestEntry(t *testing.T) {
	s := shapeOf(t, func(c *Config) { c.Bus = "arn:aws:events:eu-west-1:123456789012:event-bus/o" })
	var e entry
	got, err := s.append(nil, &e, batchOf(t, rec1(`{"a":"x\"y"}`)), 0)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Source":"kafka-connect.cars","Resources":[],"DetailType":"kafka-connect-gps","Detail":"{\"topic\":\"gps\",\"partition\":3,\"offset\":7,` +
		`\"timestamp\":1700000000123,\"timestampType\":\"CreateTime\",\"headers\":[],\"key\":\"k\",\"value\":{\"a\":\"x\\\"y\"}}",` +
		`"EventBusName":"arn:aws:events:eu-west-1:123456789012:event-bus/o"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDetails(t *testing.T) {
	const place = `"topic":"gps","partition":3,"offset":7,"timestamp":1700000000123`
	const head = `{` + place + `,"timestampType":"CreateTime","headers":[],"key":"k",`
	value := func(c *Config) { c.Detail = detailValue }
	withMeta := func(c *Config) { c.Detail, c.Meta, c.ID = detailValue, true, "id" }
	for name, tc := range map[string]struct {
		change func(*Config)
		record connector.Record
		want   string
	}{
		"tombstone":   {nil, rec1(""), head + `"value":null}`},
		"null":        {nil, rec1("null"), head + `"value":null}`},
		"null key":    {nil, connector.Record{Offset: 7, Timestamp: 1700000000123}, strings.Replace(head, `"k"`, "null", 1) + `"value":null}`},
		"empty key":   {nil, connector.Record{RawKey: []byte{}, Offset: 7, Timestamp: 1700000000123}, strings.Replace(head, `"k"`, `""`, 1) + `"value":null}`},
		"tabs inside": {nil, rec1("{\t\"a\"\t:\r\n1}"), head + `"value":{"a":1}}`},
		"only tabs":   {nil, rec1("{\t\"a\"\t:1}"), head + "\"value\":{\t\"a\"\t:1}}"},
		"log append time": {nil, connector.Record{RawKey: []byte("k"), Offset: 7, Timestamp: 1700000000123, LogAppendTime: true},
			strings.Replace(head, "Create", "LogAppend", 1) + `"value":null}`},
		"no timestamp": {nil, connector.Record{RawKey: []byte("k"), Offset: 7, Timestamp: -1},
			`{"topic":"gps","partition":3,"offset":7,"timestamp":null,"timestampType":"NoTimestampType","headers":[],"key":"k","value":null}`},
		"id": {func(c *Config) { c.ID = "event id" }, rec1("1"), head + `"value":1,"event id":"ab000000000000000000000000000000-3-7-0"}`},
		"id of an emitted record": {func(c *Config) { c.ID = "id" }, connector.Record{RawKey: []byte("k"), RawValue: []byte("1"), Offset: 7, Timestamp: 1700000000123, Index: 2},
			head + `"value":1,"id":"ab000000000000000000000000000000-3-7-2"}`},
		"beyond int64":                    {nil, rec1(`{"n":18446744073709551615}`), head + `"value":{"n":18446744073709551615}}`},
		"value":                           {value, rec1(`{"a":1}`), `{"a":1}`},
		"value without an id of its own":  {func(c *Config) { c.Detail, c.ID = detailValue, "id" }, rec1(`{"a":1}`), `{"a":1}`},
		"value, empty":                    {value, rec1(`{ }`), `{ }`},
		"value with meta":                 {withMeta, rec1(`{"a":1}`), `{"a":1,"_meta":{"id":"ab000000000000000000000000000000-3-7-0",` + place + `}}`},
		"value with meta, empty":          {withMeta, rec1(`{ }`), `{"_meta":{"id":"ab000000000000000000000000000000-3-7-0",` + place + `}}`},
		"value with meta, but without id": {func(c *Config) { c.Detail, c.Meta = detailValue, true }, rec1(`{"a":1 }`), `{"a":1 ,"_meta":{` + place + `}}`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := eventOf(t, shapeOf(t, tc.change), batchOf(t, tc.record)).Detail; got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// TestHandled: values that handlers made, and none.
func TestHandled(t *testing.T) {
	b := batchOf(t, rec1(`{"a":1}`))
	r := b.At(0)
	r.Key = serde.Value{}
	r.Value = b.Tape().Object([]string{"b", "t"}, []serde.Value{b.Tape().String("é\n"), r.Value.Field("a")})
	const want = `"headers":[],"key":null,"value":{"b":"é\n","t":1}}`
	if got := eventOf(t, shapeOf(t, nil), b).Detail; !strings.HasSuffix(got, want) {
		t.Errorf("got %s, want it to end in %s", got, want)
	}
	r.Value = serde.Value{}
	if got := eventOf(t, shapeOf(t, nil), b).Detail; !strings.HasSuffix(got, `"value":null}`) {
		t.Errorf("got %s", got)
	}
}

// TestEscaped: the detail comes back as it was, whatever it holds and however long it is.
func TestEscaped(t *testing.T) {
	s := shapeOf(t, nil)
	for n := range 40 {
		for _, text := range []string{`"`, `\`, "\n", "\x00", "\x1f", "/", "\x7f", "é", "😀", "\u2028", " ", "", `\"`} {
			v := strings.Repeat("x", n) + text + strings.Repeat("y", 40-n) + text
			b := batchOf(t, rec1("1"))
			b.At(0).Value = b.Tape().String(v)
			var detail struct{ Value string }
			if err := json.Unmarshal([]byte(eventOf(t, s, b).Detail), &detail); err != nil || detail.Value != v {
				t.Fatalf("%q came back as %q, %v", v, detail.Value, err)
			}
		}
	}
}

func TestUnusable(t *testing.T) {
	value := func(c *Config) { c.Detail = detailValue }
	long := strings.Repeat("é", 129)
	for name, tc := range map[string]struct {
		change func(*Config)
		value  string
		want   string
	}{
		"value: an array":          {value, `[1]`, "detail: the value is an array"},
		"value: a text":            {value, `"x"`, "detail: the value is a string"},
		"value: an integer":        {value, `1`, "detail: the value is an integer"},
		"value: null":              {value, `null`, "detail: the value is null"},
		"value: a tombstone":       {value, ``, "detail: the value is null"},
		"value has _meta":          {func(c *Config) { c.Detail, c.Meta = detailValue, true }, `{"_meta":1}`, "meta: the value has a field _meta already"},
		"no source":                {func(c *Config) { c.Source = "{value.s}" }, `{}`, "source: {value.s}"},
		"empty source":             {func(c *Config) { c.Source = "{value.s}" }, `{"s":""}`, "source: is empty"},
		"source of AWS":            {func(c *Config) { c.Source = "{value.s}" }, `{"s":"aws.ec2"}`, "source: is \"aws.ec2\""},
		"long source":              {func(c *Config) { c.Source = "{value.s}{value.s}" }, `{"s":"` + long + `"}`, "source: has 258 characters for this record; EventBridge takes at most 256"},
		"long detail-type":         {func(c *Config) { c.DetailType.Text = "{value.s}" }, `{"s":"` + long + `"}`, "detail_type: has 129 characters"},
		"long detail-type by path": {func(c *Config) { c.DetailType.Path = "value.s" }, `{"s":"` + long + `"}`, "detail_type: has 129 characters"},
		"no detail-type":           {func(c *Config) { c.DetailType.Text = "{value.s}" }, `{}`, "detail_type: {value.s}"},
		"empty detail-type":        {func(c *Config) { c.DetailType.Text = "{value.s}" }, `{"s":""}`, "detail_type: is empty"},
		"time missing":             {func(c *Config) { c.Time = "value.t" }, `{}`, "time: value.t is missing for this record; value.t ?? timestamp"},
		"time null":                {func(c *Config) { c.Time = "value.t" }, `{"t":null}`, "time: value.t is null"},
		"time a text":              {func(c *Config) { c.Time = "value.t" }, `{"t":"2024"}`, "time: value.t is a string"},
		"time in microseconds":     {func(c *Config) { c.Time = "value.t" }, `{"t":1700000000000000}`, "time: value.t is 1700000000000000"},
		"time with a fraction":     {func(c *Config) { c.Time = "value.t" }, `{"t":1.5}`, "time: value.t is a number"},
		"time a bad rule":          {func(c *Config) { c.Time = "value.t + 1" }, `{"t":"x"}`, "time: rule"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := notMade(t, shapeOf(t, tc.change), batchOf(t, rec1(tc.value))); !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v; want %s", err, tc.want)
			}
		})
	}
}

// TestLongest: what is as long as EventBridge takes it, in characters.
func TestLongest(t *testing.T) {
	s := shapeOf(t, func(c *Config) { c.Source, c.DetailType.Text = "{value.s}{value.s}", "{value.s}" })
	text := strings.Repeat("é", 128)
	if got := eventOf(t, s, batchOf(t, rec1(`{"s":"`+text+`"}`))); got.Source != text+text || got.DetailType != text {
		t.Errorf("got %+v", got)
	}
	s = shapeOf(t, func(c *Config) { c.Source = "{value.s}{value.s}x" })
	if err := notMade(t, s, batchOf(t, rec1(`{"s":"`+text+`"}`))); !strings.Contains(err.Error(), "source: has 257 characters") {
		t.Error(err)
	}
}

// TestNotJSON: values that no JSON can hold, in each place.
func TestNotJSON(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Config)
		make   func(tape *serde.Tape, r *connector.Record)
		want   string
	}{
		"NaN in the value": {nil, func(tape *serde.Tape, r *connector.Record) {
			r.Value = tape.Object([]string{"n"}, []serde.Value{tape.Float64(nan())})
		}, `value: write JSON: member "n": the number is NaN`},
		"NaN in a flat value": {func(c *Config) { c.Detail = detailValue }, func(tape *serde.Tape, r *connector.Record) {
			r.Value = tape.Object([]string{"n"}, []serde.Value{tape.Float64(nan())})
		}, `value: write JSON: member "n"`},
		"NaN as key":            {nil, func(tape *serde.Tape, r *connector.Record) { r.Key = tape.Float64(nan()) }, "key: write JSON"},
		"bad UTF-8 as key":      {nil, func(tape *serde.Tape, r *connector.Record) { r.Key = tape.String("\xff") }, "key: write JSON"},
		"bad UTF-8 as a header": {nil, func(_ *serde.Tape, r *connector.Record) { r.Headers = []connector.Header{{Name: "\xff"}} }, "headers: the name of header 1"},
		"bad UTF-8 as source": {func(c *Config) { c.Source = "{header.s}" }, func(_ *serde.Tape, r *connector.Record) {
			r.Headers = []connector.Header{{Name: "s", Value: []byte("x\xff")}}
		}, "source: the text isn't UTF-8"},
		"bad UTF-8 as detail-type": {func(c *Config) { c.DetailType.Text = "{header.s}" }, func(_ *serde.Tape, r *connector.Record) {
			r.Headers = []connector.Header{{Name: "s", Value: []byte("x\xff")}}
		}, "detail_type: the text isn't UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			b := batchOf(t, rec1(`{}`))
			tc.make(b.Tape(), b.At(0))
			if err := notMade(t, shapeOf(t, tc.change), b); !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v; want %s", err, tc.want)
			}
		})
	}
}

func TestTimeOutOfRange(t *testing.T) {
	s := shapeOf(t, func(c *Config) { c.Time = "date(value)" })
	if err := notMade(t, s, batchOf(t, rec1("253402300800000"))); !strings.Contains(err.Error(), "time: date(value) isn't in the years 0 to 9999") {
		t.Error(err)
	}
}

func nan() float64 { var zero float64; return zero / zero }

func TestTime(t *testing.T) {
	for name, tc := range map[string]struct {
		expr, value string
		timestamp   int64
		want        string
	}{
		"the record's":      {"timestamp", `1`, 1700000000123, "1700000000.123"},
		"none":              {"timestamp", `1`, -1, ""},
		"whole":             {"timestamp", `1`, 1700000000000, "1700000000"},
		"tenths":            {"timestamp", `1`, 1700000000100, "1700000000.1"},
		"before 1970":       {"timestamp", `1`, -1500, "-1.5"},
		"milliseconds":      {"value.t", `{"t":1.7e12}`, 0, "1700000000"},
		"a timestamp":       {"date(value.t)", `{"t":"2023-11-14T22:13:20.000001Z"}`, 0, "1700000000.000001"},
		"else the record's": {"value.t ?? timestamp", `{}`, 5, "0.005"},
	} {
		t.Run(name, func(t *testing.T) {
			r := rec1(tc.value)
			r.Timestamp = tc.timestamp
			got := eventOf(t, shapeOf(t, func(c *Config) { c.Time = tc.expr }), batchOf(t, r))
			if string(got.Time) != tc.want {
				t.Errorf("got %s, want %s", got.Time, tc.want)
			}
		})
	}
}

func TestResourcesAndTrace(t *testing.T) {
	s := shapeOf(t, func(c *Config) { c.Resources, c.TraceHeader = []string{"arn:1", `"é`}, "X-Amzn-Trace-Id" })
	for name, tc := range map[string]struct {
		headers []connector.Header
		want    string
	}{
		"none":      {nil, ""},
		"the last":  {[]connector.Header{{Name: "X-Amzn-Trace-Id", Value: []byte("a")}, {Name: "X-Amzn-Trace-Id", Value: []byte(`Root=1-"é`)}}, `Root=1-"é`},
		"null":      {[]connector.Header{{Name: "X-Amzn-Trace-Id"}}, ""},
		"empty":     {[]connector.Header{{Name: "X-Amzn-Trace-Id", Value: []byte{}}}, ""},
		"too long":  {[]connector.Header{{Name: "X-Amzn-Trace-Id", Value: []byte(strings.Repeat("x", 501))}}, ""},
		"bad UTF-8": {[]connector.Header{{Name: "X-Amzn-Trace-Id", Value: []byte("\xff")}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := rec1("1")
			r.Headers = tc.headers
			got := eventOf(t, s, batchOf(t, r))
			if got.TraceHeader != tc.want || fmt.Sprint(got.Resources) != `[arn:1 "é]` {
				t.Errorf("got %q and %q", got.TraceHeader, got.Resources)
			}
		})
	}
}

// TestSettings: what can't be set, by the name of the setting.
func TestSettings(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"source: is empty":                       func(c *Config) { c.Source = "" },
		"source: \"aws.mine\" begins with aws.":  func(c *Config) { c.Source = "aws.mine" },
		"source: there is no {conector}":         func(c *Config) { c.Source = "{conector}" },
		"detail_type.text: is empty":             func(c *Config) { c.DetailType.Text = "" },
		"detail_type.text: there is no {typ}":    func(c *Config) { c.DetailType.Text = "{typ}" },
		"detail_type.path: rule":                 func(c *Config) { c.DetailType.Path = "value." },
		"detail_type.topics: gps: is empty":      func(c *Config) { c.DetailType.Topics = []TopicType{{Topic: "gps"}} },
		"detail_type.topics: gps is there twice": func(c *Config) { c.DetailType.Topics = []TopicType{{"gps", "a"}, {"gps", "b"}} },
		"detail_type.topics: a topic has no":     func(c *Config) { c.DetailType.Topics = []TopicType{{"", "a"}} },
		"time: rule":                             func(c *Config) { c.Time = "now()" },
		"id: the detail has a field value":       func(c *Config) { c.ID = "value" },
		"id: the text isn't UTF-8":               func(c *Config) { c.ID = "\xff" },
		"bus: the text isn't UTF-8":              func(c *Config) { c.Bus = "\xff" },
		"resources: the text isn't UTF-8":        func(c *Config) { c.Resources = []string{"\xff"} },
		"oversize.s3.field: \"key\" isn't in":    func(c *Config) { c.Oversize.S3.Field = "key" },
		"oversize.s3.field: \"values\" isn't in": func(c *Config) { c.Oversize.S3.Field = "values" },
		"oversize.s3.field: an element of":       func(c *Config) { c.Oversize.S3.Field = "value.a[0].b" },
		"oversize.s3.field: path \"a b\"":        func(c *Config) { c.Oversize.S3.Field = "value.a b" },
		"oversize.s3.field: path \"a.\"":         func(c *Config) { c.Oversize.S3.Field = "value.a." },
	} {
		t.Run(want, func(t *testing.T) {
			c := DefaultConfig()
			c.Bus = "orders"
			change(&c)
			if _, err := c.shape(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v; want %s", err, want)
			}
		})
	}
}

// TestConcurrent: many goroutines use one shape, each with batches of its own.
func TestConcurrent(t *testing.T) {
	s := shapeOf(t, func(c *Config) { c.Headers = headersConnect })
	var all sync.WaitGroup
	for n := range 8 {
		text := strings.Repeat("x", n)
		r := rec1(`{"a":"` + text + `"}`)
		r.Headers = []connector.Header{{Name: text, Value: []byte(`["` + text + `"]`)}}
		b := batchOf(t, r)
		want := eventOf(t, s, b)
		all.Go(func() {
			for range 200 {
				var e entry
				got, err := s.append(nil, &e, b, 0)
				if err != nil || !strings.Contains(string(got), `{\"`+text+`\":[\"`+text+`\"]}`) || e.size != len(want.Source+want.DetailType+want.Detail) {
					t.Errorf("got %s, %v", got, err)
				}
			}
		})
	}
	all.Wait()
}
