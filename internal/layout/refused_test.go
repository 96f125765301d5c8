package layout_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/layout"
)

// TestConfluentRefused: what has no counterpart, and what the connector refuses too, is told with the setting's name.
func TestConfluentRefused(t *testing.T) {
	timed := func(more ...string) map[string]string {
		s := map[string]string{"partitioner.class": "TimeBasedPartitioner", "path.format": "YYYY", "partition.duration.ms": "3600000", "locale": "en", "timezone": "UTC"}
		for i := 0; i < len(more); i += 2 {
			s[more[i]] = more[i+1]
		}
		return s
	}
	for want, s := range map[string]map[string]string{
		"partitioner.class is com.example.DailyPartitioner, which isn't": {"partitioner.class": "com.example.DailyPartitioner"},
		"partition.field.name is missing":                                {"partitioner.class": "FieldPartitioner"},
		"partition.duration.ms must be above 0":                          timed("partition.duration.ms", "-1"),
		"path.format is missing":                                         timed("path.format", "/"),
		"locale is missing":                                              timed("locale", " "),
		"timezone is missing":                                            timed("timezone", ""),
		`timezone: "Mars" is no time zone`:                               timed("timezone", "Mars"),
		"no zone of whole hours":                                         timed("timezone", "+05:30"),
		"MMM writes the month's name":                                    timed("path.format", "YYYY-MMM"),
		"EEE has no counterpart":                                         timed("path.format", "EEE"),
		"x has no counterpart":                                           timed("path.format", "x"),
		"a quote isn't closed":                                           timed("path.format", "'year=YYYY"),
		"timestamp.extractor is com.example.Mine":                        timed("timestamp.extractor", "com.example.Mine"),
		"pad.width is 41":                                                {"filename.offset.zero.pad.width": "41"},
		`pad.width is "ten"; it is a whole number`:                       {"filename.offset.zero.pad.width": "ten"},
		`flush.size is "many"`:                                           {"flush.size": "many"},
		"affix.type is PREFIX: a path can't hold":                        {"s3.schema.partition.affix.type": "PREFIX"},
		"format.class is com.example.Orc":                                {"format.class": "com.example.Orc"},
		`parquet.codec is "lzo"`:                                         {"format.class": "ParquetFormat", "parquet.codec": "lzo"},
		"s3.compression.type is \"zip\"":                                 {"format.class": "JsonFormat", "s3.compression.type": "zip"},
		"path: a path can't hold //":                                     {"topics.dir": "a//b"},
		"path: a path begins with a name":                                {"topics.dir": "/a"},
	} {
		if _, err := layout.Confluent(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v; want %q", s, err, want)
		}
	}
}

func TestFirehoseRefused(t *testing.T) {
	ok := "e/!{firehose:error-output-type}/"
	for _, c := range []struct{ prefix, failures, zone, want string }{
		{"!{timestamp:yyyy}", "", "", "the error prefix is missing"},
		{"!{timestamp:yyyy}/", "errors/", "", "has no !{firehose:error-output-type}"},
		{"a/", "errors/!{timestamp:yyyy}/", "", "has no !{firehose:error-output-type}"},
		{"a/", ok + "!{partitionKeyFromQuery:id}/", "", "the error prefix can't hold partition keys"},
		{"a/!{firehose:error-output-type}/", ok, "", "for the error prefix only"},
		{"a/!{firehose:name}/", ok, "", "there is no !{firehose:name}"},
		{"a/!{foo:bar}/", ok, "", "there is no namespace foo"},
		{"a/!{timestamp}/", ok, "", "isn't !{namespace:value}"},
		{"a/!{timestamp:yyyy", ok, "", "isn't closed"},
		{"a/!{timestamp:MMM}/", ok, "", "the month's name"},
		{"a/!{timestamp:#}/", ok, "", "reserved"},
		{"a/!{partitionKeyFromQuery:none}/", ok, "", "the partition key none isn't known"},
		{"a/!{partitionKeyFromQuery:sum}/", ok, "", "isn't a field such as .a.b"},
		{"a/!{partitionKeyFromQuery:year}/!{timestamp:HH}/", ok, "", "it shows two times"},
		{"a/!{partitionKeyFromQuery:year}/!{partitionKeyFromQuery:month}/", ok, "", "it shows two times"},
		{"!{timestamp:yyyy}" + strings.Repeat("x", 509), ok, "", "more than 512 characters"},
		{"a/", ok, "Mars", "no time zone"},
		{"/a/", "", "", "begins with a name"},
	} {
		queries := map[string]string{"sum": ".a + .b", "year": `.at|strftime("%Y")`, "month": `.at/1000|strftime("%m")`}
		if _, err := layout.Firehose(c.prefix, c.failures, c.zone, queries); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q, %q: %v; want %q", c.prefix, c.failures, err, c.want)
		}
	}
}

func TestAivenRefused(t *testing.T) {
	for template, want := range map[string]string{
		"{{topic}}":                       "the variables topic make no group",
		"plain":                           "make no group",
		"{{key}}-{{timestamp:unit=yyyy}}": "key, timestamp make no group",
		"{{topic}}-{{partition}}-{{start_offset}}-{{x}}":                 "there is no such variable",
		"{{topic}}-{{partition}}-{{start_offset:padding=yes}}":           "padding=true",
		"{{topic}}-{{partition}}-{{start_offset:width=3}}":               "padding=true",
		"{{topic:a=b}}-{{partition}}-{{start_offset}}":                   "it takes no parameter",
		"{{topic}}-{{partition}}-{{start_offset}}-{{timestamp}}":         "it takes unit=",
		"{{topic}}-{{partition}}-{{start_offset}}-{{timestamp:unit=mm}}": "it takes unit=",
		"{{topic}}-{{partition}}-{{start_offset}}-{{topic":               "begins no variable",
		"{{a b}}{{topic}}-{{partition}}-{{start_offset}}":                "begins no variable",
		"/{{topic}}-{{partition}}-{{start_offset}}":                      "begins with a name",
	} {
		if _, err := layout.Aiven(template, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", template, err, want)
		}
	}
	for want, s := range map[string]map[string]string{
		`file.compression.type is "lz4"`:         {"file.compression.type": "lz4"},
		`format.output.type is "orc"`:            {"format.output.type": "orc"},
		"file.name.timestamp.source is \"now\"":  {"file.name.timestamp.source": "now", "file.name.template": "{{topic}}{{partition}}{{start_offset}}{{timestamp:unit=HH}}"},
		"file.name.timestamp.timezone: \"Mars\"": {"file.name.timestamp.timezone": "Mars", "file.name.template": "{{topic}}{{partition}}{{start_offset}}{{timestamp:unit=HH}}"},
		"can't hold {{key}}":                     {"aws.s3.prefix": "{{key}}/"},
		"file.max.records is":                    {"file.max.records": "x"},
	} {
		if _, err := layout.Aiven("", s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v; want %q", s, err, want)
		}
	}
}

// TestQueries: a stream's query is taken apart into jq expressions, and those become fields.
func TestQueries(t *testing.T) {
	queries, err := layout.Queries(`{customer_id:.customer_id, "dev,ice": .type["a:b"].c , region, year:(.at | fromdateiso8601 | strftime("%Y, %H:%M")), n: .n|tostring}`)
	want := map[string]string{"customer_id": ".customer_id", "dev,ice": `.type["a:b"].c`, "region": ".region", "year": `(.at | fromdateiso8601 | strftime("%Y, %H:%M"))`, "n": ".n|tostring"}
	if err != nil || !maps.Equal(queries, want) {
		t.Errorf("%q, %v", queries, err)
	}
	for _, text := range []string{"", ".a", "{a:.b", "{a:.b} | .c", "{a b}", "{:.b}", "{a:.b:.c}"} {
		if q, err := layout.Queries(text); err == nil {
			t.Errorf("%s: %q", text, q)
		}
	}
	for query, path := range map[string]string{
		".a.b":                                   "{value.a.b}/",
		`."a b"["c}d"].e`:                        `{value["a b"]["c}d"].e}/`,
		"((.a))":                                 "{value.a}/",
		".a|tostring":                            "{value.a}/",
		`.at|strftime("%Y-%m-%dT%H:%M:%S %j%%")`: "{time:yyyy-MM-dd}T{time:HH:mm:ss DDD}%/",
		`.at|floor|strftime("%F/%T")`:            "{time:yyyy-MM-dd/HH:mm:ss}/",
		`.at|strftime("%m%d%d")`:                 "{time:MMdd}{time:dd}/",
		".":                                      "", ".a[0]": "", ".a,.b": "", "a": "", ".a.": "", ".a//.b": "", ".a|length": "", ".at|fromdate": "", `.at|strftime("%B")`: "", `.at|strftime("%")`: "",
		`.at|strftime(.f)`: "", `.a["b"`: "", `."`: "", "": "", "(": "",
	} {
		s, err := layout.Firehose("!{partitionKeyFromQuery:k}/", "!{firehose:error-output-type}/", "", map[string]string{"k": query})
		if (err == nil) != (path != "") || s.Path != path {
			t.Errorf("%s: %q, %v; want %q", query, s.Path, err, path)
		}
	}
}

// FuzzSettings: no text makes a panic, and what is translated compiles.
func FuzzSettings(f *testing.F) {
	f.Add("!{timestamp:'a'yyyy}/!{partitionKeyFromQuery:k}", `{k:.a."b"|strftime("%Y")}`, "{{topic}}-{{ partition:padding=true }}")
	f.Add("{}!{firehose:random-string}", `{"k":(.a/1000|strftime("%H"))}`, "'year'=YYYY/'day'=dd")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		queries, err := layout.Queries(b)
		if err != nil {
			queries = map[string]string{"k": b}
		}
		var made []layout.Settings
		add := func(s layout.Settings, err error) {
			if err == nil {
				made = append(made, s)
			}
		}
		add(layout.Firehose(a, c+"!{firehose:error-output-type}", "", queries))
		add(layout.Aiven(c, map[string]string{"file.name.template": a, "aws.s3.prefix": b}))
		add(layout.Aiven("", map[string]string{"aws.s3.prefix": b}))
		add(layout.Confluent(map[string]string{"topics.dir": a, "partitioner.class": "FieldPartitioner", "partition.field.name": b, "directory.delim": c}))
		add(layout.Confluent(map[string]string{"partitioner.class": "TimeBasedPartitioner", "path.format": c, "partition.duration.ms": "7000", "locale": "en", "timezone": "UTC",
			"timestamp.extractor": "RecordField", "timestamp.field": a}))
		for _, s := range made {
			if _, _, err := s.Compile(); err != nil {
				t.Errorf("%q: %v", s.Path, err)
			}
		}
	})
}
