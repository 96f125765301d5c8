package layout_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/layout"
)

// TestExample: an example is made of every translation, whatever fields it has.
func TestExample(t *testing.T) {
	for want, s := range map[string]map[string]string{
		"topics/t/year=2026/month=03/day=01/t+0+0000004711": {"partitioner.class": "DailyPartitioner", "locale": "en", "timezone": "UTC"},
		"topics/t/year=2026/month=03/day=01/hour=10/t+0+0000004711": {"partitioner.class": "HourlyPartitioner", "locale": "en", "timezone": "Europe/Berlin",
			"timestamp.extractor": "RecordField", "timestamp.field": "a.b c"},
		"topics/t/a.b=b/a.c=c/t+0+0000004711": {"partitioner.class": "FieldPartitioner", "partition.field.name": "a.b,a.c"},
	} {
		made, err := layout.Confluent(s)
		if made.Time.Floor != 0 {
			t.Errorf("%v needs no floor", s)
		}
		if got := made.Example("t"); err != nil || got != want {
			t.Errorf("%v: %q, %v; want %q", s, got, err, want)
		}
	}
	wrong := layout.Settings{Path: "{x}"}
	if got := wrong.Example("t"); got != "" {
		t.Errorf("a wrong path has the example %q", got)
	}
}

// TestConfluentSettings: settings that aren't about names.
func TestConfluentSettings(t *testing.T) {
	s, err := layout.Confluent(map[string]string{
		"format.class": "io.confluent.connect.s3.format.bytearray.ByteArrayFormat", "s3.compression.type": "gzip", "s3.compression.level": "9",
		"store.url": "https://minio:9000", "s3.ssea.name": "aws:kms", "s3.sse.kms.key.id": "k", "s3.acl.canned": "bucket-owner-full-control",
		"s3.part.size": "5242880", "s3.object.tagging": "true", "partitioner.max.open.files": "50", "store.kafka.keys": "true", "store.kafka.headers": "true",
		"flush.size": "7", "rotate.interval.ms": "60000", "rotate.schedule.interval.ms": "30000", "schema.compatibility": "BACKWARD", "behavior.on.null.values": "ignore",
	})
	if err != nil {
		t.Fatal(err)
	}
	sink := map[string]string{}
	for _, setting := range s.Sink {
		sink[setting.Name] = setting.Value
	}
	want := map[string]string{
		"separator": `"\n"`, "compression_level": `"9"`[1:2], "region": `"us-west-2"`, "endpoint": `"https://minio:9000"`, "path_style": "true", "encryption": "{type: sse_kms, kms_key: k}",
		"acl": "bucket-owner-full-control", "part_size": "5MiB", "range_tags": "true", "max_open_files": "50",
	}
	if !maps.Equal(sink, want) {
		t.Errorf("%q", sink)
	}
	if s.Format != "raw" || s.Compression != "gzip" || s.Extension != ".bin.gz" || s.Rotate.Records != 7 || s.Rotate.Age.String() != "30s" {
		t.Errorf("%+v", s)
	}
	notes := strings.Join(s.Notes, "\n")
	for _, part := range []string{"envelope puts keys", "envelope puts headers", "flush.size counts", "rotate.interval.ms is measured", "millrace-start", "filter tombstones", "compatibility: backward"} {
		if !strings.Contains(notes, part) {
			t.Errorf("no note %q in\n%s", part, notes)
		}
	}
}

func TestReadSettings(t *testing.T) {
	text := "# comment\n! another\r\n\n  a = b = c \nd:e\nf g h\nlong\\\n   name\\:x = one, \\\n\ttwo\nempty\nu=\\u00e9\\t\\\\\\z\npath=C:\\\\\nnext=1"
	want := map[string]string{"a": "b = c ", "d": "e", "f": "g h", "longname:x": "one, two", "empty": "", "u": "é\t\\z", "path": `C:\`, "next": "1"}
	got, err := layout.ReadSettings([]byte(text))
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	got, err = layout.ReadSettings([]byte(` {"name":"x","config":{"a":"b","n":5,"t":true,"z":null}}`))
	if err != nil || !maps.Equal(got, map[string]string{"a": "b", "n": "5", "t": "true", "z": ""}) {
		t.Errorf("%q, %v", got, err)
	}
}
