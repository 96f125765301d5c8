package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/millrace/millrace/internal/layout"
)

// runLayout runs a command line of layout.
func runLayout(t *testing.T, in string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c := &command{in: strings.NewReader(in), out: &out, err: &out}
	cmd := c.layoutCommand()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

const fieldProperties = `# of a worker in standalone mode
name=lake
connector.class=io.confluent.connect.s3.S3SinkConnector
topics = cars, buses
s3.bucket.name : my-lake
s3.region=eu-central-1
s3.compression.type=gzip
format.class=io.confluent.connect.s3.format.json.JsonFormat
partitioner.class=io.confluent.connect.storage.partitioner.\
    FieldPartitioner
partition.field.name=pos.country,odd name
flush.size=1000
rotate.schedule.interval.ms=600000
aws.secret.access.key=do-not-show
`

func TestLayoutConfluent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s3.properties")
	if err := os.WriteFile(path, []byte(fieldProperties), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := runLayout(t, "", "confluent", path)
	want := `sink:
  s3:
    bucket: my-lake
    region: "eu-central-1"
    path: 'topics/{topic}/pos.country={value.pos.country}/odd name={value["odd name"]}/{topic}+{partition}+{position:%010d}'
    if_null: "null"
    if_missing: error
    format: json
    compression: gzip
    rotate: {age: 10m, records: 1000}
# An object: topics/cars/pos.country=country/odd name=odd%20name/cars+0+0000004711.json.gz
`
	if err != nil || !strings.HasPrefix(out, want) {
		t.Errorf("%v\n%s\nwant\n%s", err, out, want)
	}
	if strings.Contains(out, "do-not-show") || !strings.Contains(out, "aws.secret.access.key") {
		t.Error(out)
	}
	for line := range strings.Lines(out[len(want):]) {
		if !strings.HasPrefix(line, "#") || len(line) > lineWidth+1 {
			t.Errorf("%q", line)
		}
	}
	// The same as JSON of the REST API, from the standard input; and as JSON.
	config := `{"name":"lake","config":{"topics":"cars","s3.bucket.name":"my-lake","s3.region":"eu-central-1","s3.compression.type":"gzip",
		"format.class":"io.confluent.connect.s3.format.json.JsonFormat","partitioner.class":"io.confluent.connect.storage.partitioner.FieldPartitioner",
		"partition.field.name":"pos.country,odd name","flush.size":1000,"rotate.schedule.interval.ms":"600000","aws.secret.access.key":"do-not-show"}}`
	again, err := runLayout(t, config, "confluent", "-")
	if err != nil || again != out {
		t.Errorf("%v\n%s", err, again)
	}
	text, err := runLayout(t, config, "confluent", "--json", "--topic", "t", "-")
	var report layoutReport
	report.Settings = new(layout.Settings)
	if err != nil || json.Unmarshal([]byte(text), &report) != nil || report.Example != "topics/t/pos.country=country/odd name=odd%20name/t+0+0000004711.json.gz" ||
		report.Rotate.Records != 1000 || len(report.Sink) != 2 || report.Null != "null" {
		t.Errorf("%v %s", err, text)
	}
}

func TestLayoutFirehose(t *testing.T) {
	description := `{"DeliveryStreamDescription": {"DeliveryStreamName": "s", "Destinations": [{"DestinationId": "d-1", "ExtendedS3DestinationDescription": {
		"RoleARN": "arn:aws:iam::123456789012:role/r", "BucketARN": "arn:aws:s3:::lake",
		"Prefix": "c=!{partitionKeyFromQuery:c}/dt=!{partitionKeyFromQuery:day}/", "ErrorOutputPrefix": "failed/!{firehose:error-output-type}/!{timestamp:yyyy}/",
		"BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 300}, "CompressionFormat": "UNCOMPRESSED",
		"EncryptionConfiguration": {"KMSEncryptionConfig": {"AWSKMSKeyARN": "arn:aws:kms:eu-central-1:123456789012:key/k"}},
		"ProcessingConfiguration": {"Enabled": true, "Processors": [{"Type": "MetadataExtraction", "Parameters": [
			{"ParameterName": "MetadataExtractionQuery", "ParameterValue": "{c:.customer_id,day:.at|strftime(\"%Y-%m-%d\")}"}, {"ParameterName": "JsonParsingEngine", "ParameterValue": "JQ-1.6"}]}]},
		"DataFormatConversionConfiguration": {"Enabled": true, "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {"Compression": "GZIP"}}},
			"SchemaConfiguration": {"DatabaseName": "db", "TableName": "cars"}}}}]}}`
	out, err := runLayout(t, description, "firehose", "-")
	want := `sink:
  s3:
    bucket: lake
    encryption: {type: sse_kms, kms_key: "arn:aws:kms:eu-central-1:123456789012:key/k"}
    path: "c={value.customer_id}/dt={time:yyyy-MM-dd}/"
    time: {from: value.at, zone: UTC, unit: s}
    if_missing: error
    format: {parquet: {compression: gzip}}
    rotate: {size: 64MiB, age: 5m}
dead_letter:
  s3: {bucket: lake, path: "failed/processing-failed/{time:yyyy}/"}
# An object: c=customer_id/dt=2026-03-01/cars+0+0000004711-0000000012-1f0a93c2.parquet
`
	if err != nil || !strings.HasPrefix(out, want) || !strings.Contains(out, "the table db.cars") {
		t.Errorf("%v\n%s\nwant\n%s", err, out, want)
	}
	flags, err := runLayout(t, "", "firehose", "--prefix", "!{partitionKeyFromLambda:c}/!{timestamp:yyyy/MM}/", "--error-prefix", "f/!{firehose:error-output-type}/",
		"--zone", "Asia/Tokyo", "--query", "c=.a.b")
	if err != nil || !strings.Contains(flags, `path: "{value.a.b}/{time:yyyy/MM}/"`) || !strings.Contains(flags, "time: {from: timestamp, zone: Asia/Tokyo}") {
		t.Errorf("%v\n%s", err, flags)
	}
}

func TestLayoutAiven(t *testing.T) {
	out, err := runLayout(t, "topics=cars\naws.s3.bucket.name=lake\nformat.output.type=jsonl\nfile.max.records=5\n"+
		"file.name.template={{topic}}/{{timestamp:unit=yyyy}}/{{partition}}-{{start_offset:padding=true}}.gz\n", "aiven", "-")
	want := `sink:
  s3:
    bucket: lake
    path: "{topic}/{time:yyyy}/{partition}-{position:%020d}"
    time: {from: wall, zone: UTC}
    format: json
    compression: gzip
    rotate: {age: 1m, records: 5}
# An object: cars/2026/0-00000000000000004711.gz
`
	if err != nil || !strings.HasPrefix(out, want) {
		t.Errorf("%v\n%s\nwant\n%s", err, out, want)
	}
}

func TestWrongLayout(t *testing.T) {
	for _, c := range []struct {
		in, want string
		args     []string
	}{
		{"", "accepts 1 arg", []string{"confluent"}},
		{"", "- is empty", []string{"aiven", "-"}},
		{"", "no such file", []string{"aiven", "none.properties"}},
		{"{", "-: read the settings as JSON", []string{"aiven", "-"}},
		{`{"config":[]}`, "-: read config as JSON", []string{"confluent", "-"}},
		{`{"a":{}}`, "the setting a isn't a text", []string{"confluent", "-"}},
		{"a=\\u12", `-: line 1 isn't NAME=VALUE: \u is followed`, []string{"confluent", "-"}},
		{"\n=b", "-: line 2 isn't NAME=VALUE: it has no name", []string{"confluent", "-"}},
		{"format.class=x", "-: format.class is x", []string{"confluent", "-"}},
		{strings.Repeat("#", 1<<20+1), "more than 1 MiB", []string{"confluent", "-"}},
		{"{}", "no ExtendedS3DestinationDescription", []string{"firehose", "-"}},
		{"[", "read the description of a stream", []string{"firehose", "-"}},
		{"{}", "--zone excludes FILE", []string{"firehose", "--zone", "UTC", "-"}},
		{"", "--query x isn't KEY=EXPRESSION", []string{"firehose", "--query", "x"}},
		{"", "the error prefix is missing", []string{"firehose", "--prefix", "!{timestamp:yyyy}/"}},
		{`{"BucketARN":"arn:aws:s3:::b","DataFormatConversionConfiguration":{"Enabled":true,"OutputFormatConfiguration":{"Serializer":{"OrcSerDe":{}}}}}`, "writes ORC", []string{"firehose", "-"}},
		{`{"BucketARN":"arn:aws:s3:::b","CompressionFormat":"ZIP"}`, "the compression ZIP", []string{"firehose", "-"}},
		{`{"BucketARN":"arn:aws:s3:::b","ProcessingConfiguration":{"Processors":[{"Type":"MetadataExtraction","Parameters":[{"ParameterName":"MetadataExtractionQuery","ParameterValue":"x"}]}]}}`,
			`the query "x"`, []string{"firehose", "-"}},
	} {
		if out, err := runLayout(t, c.in, c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v %s; want %q", c.args, err, out, c.want)
		}
	}
}

// TestLayoutIsYAML: whatever texts the settings hold, what is printed is YAML that holds them.
func TestLayoutIsYAML(t *testing.T) {
	for _, odd := range []string{"plain", "a: b", `q"uote's`, "# no", "{brace}", "tab\there", "é", "true", "${X}", "- x", `back\slash`} {
		config, err := json.Marshal(map[string]string{"topics.dir": odd, "s3.bucket.name": odd, "format.class": "ByteArrayFormat", "format.bytearray.separator": odd, "s3.object.tagging.key.value.pairs": odd + ":" + odd})
		if err != nil {
			t.Fatal(err)
		}
		out, err := runLayout(t, string(config), "confluent", "-")
		if err != nil {
			if strings.Contains(err.Error(), "control character") {
				continue
			}
			t.Fatal(err)
		}
		var read struct {
			Sink struct {
				S3 struct {
					Bucket, Path, Separator string
					Tags                    map[string]string
				}
			}
		}
		if err := yaml.Unmarshal([]byte(out), &read); err != nil {
			t.Errorf("%v\n%s", err, out)
			continue
		}
		s := read.Sink.S3
		for _, p := range []*string{&s.Bucket, &s.Path, &s.Separator} {
			*p = strings.ReplaceAll(*p, "$${", "${")
		}
		if path := strings.NewReplacer("{{", "{", "}}", "}").Replace(s.Path); s.Bucket != odd || s.Separator != odd || !strings.HasPrefix(path, odd+"/") || len(s.Tags) != 1 && !strings.Contains(odd, ":") {
			t.Errorf("%q: %+v\n%s", odd, s, out)
		}
	}
}
