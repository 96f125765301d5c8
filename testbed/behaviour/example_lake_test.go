//go:build testbed

package behaviour

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/serde"
	serdeglue "github.com/millrace/millrace/serde/glue"
	"github.com/millrace/millrace/testbed"
)

const clickSchema = `{"type":"record","name":"Click","namespace":"web","fields":[{"name":"user","type":"string"},{"name":"page","type":["null","string"],"default":null},
{"name":"event_time","type":{"type":"long","logicalType":"timestamp-millis"}}%s]}`

// The example clickstream-lake, as it stands, on moto's Glue and a strict S3: clicks lie in folders of their own day and hour, those of long ago elsewhere,
// a new version of the schema adds a column, and the Data Catalog has the table with its columns and partitions.
func TestExampleClickstreamLake(t *testing.T) {
	l := newLake(t, 2)
	moto := testbed.Moto(t)
	registry := moto.Registry(t)
	suffix := l.group[len(l.group)-6:]
	name, database := "clickstream-"+suffix, "web_"+strings.ToLower(suffix)
	use(t, "BROKERS="+strings.Join(l.kafka.Addrs, ","), "AWS_REGION="+l.s3.Region, "TOPIC="+l.topic, "BUCKET="+l.bucket, "S3_ENDPOINT="+l.s3.Endpoint,
		"S3_PATH_STYLE=true", "GLUE_ENDPOINT="+registry.Endpoint, "AWS_ACCESS_KEY_ID="+l.s3.AccessKey, "AWS_SECRET_ACCESS_KEY="+l.s3.SecretKey, "AGE=2s")

	day := time.Date(2026, 11, 20, 13, 0, 0, 0, time.UTC)
	l.produceClicks(registry, "", day, 0, 200)
	l.produceClicks(registry, `,{"name":"agent","type":"string","default":"none"}`, day.Add(time.Hour), 200, 200)
	l.group, l.file = name, exampleFile(t, "clickstream-lake/millrace.yaml", "name: clickstream-lake", "name: "+name, "database: web,", "database: "+database+",")
	p := startMillrace(t, l.file)
	l.written(400)
	p.stop()
	l.verify()

	folders := map[string]bool{}
	for _, key := range l.objects() {
		if !strings.HasSuffix(key, ".zstd.parquet") {
			t.Errorf("%s", key)
		}
		folders[key[:strings.LastIndexByte(key, '/')+1]] = true
	}
	if len(folders) != 3 || !folders["web/clicks/dt=2026-11-20/hour=13/"] || !folders["web/clicks/dt=2026-11-20/hour=14/"] || !folders["web/late-clicks/"] {
		t.Errorf("folders %v", folders)
	}
	client := registry.Client(t)
	made, err := client.GetTable(t.Context(), &glue.GetTableInput{DatabaseName: &database, Name: aws.String("clicks")})
	if err != nil {
		t.Fatal(err)
	}
	var columns []string
	for _, c := range made.Table.StorageDescriptor.Columns {
		columns = append(columns, aws.ToString(c.Name)+" "+aws.ToString(c.Type))
	}
	if want := []string{"user string", "page string", "event_time timestamp", "agent string"}; !slices.Equal(columns, want) {
		t.Errorf("columns %q, want %q", columns, want)
	}
	got, err := client.GetPartitions(t.Context(), &glue.GetPartitionsInput{DatabaseName: &database, TableName: aws.String("clicks")})
	if err != nil {
		t.Fatal(err)
	}
	var partitions []string
	for _, p := range got.Partitions {
		partitions = append(partitions, strings.Join(p.Values, "/")+" "+aws.ToString(p.StorageDescriptor.Location))
	}
	slices.Sort(partitions)
	place := "s3://" + l.bucket + "/web/clicks/dt=2026-11-20/hour="
	if want := []string{"2026-11-20/13 " + place + "13/", "2026-11-20/14 " + place + "14/"}; !slices.Equal(partitions, want) {
		t.Errorf("partitions %q, want %q", partitions, want)
	}
}

// produceClicks writes n clicks of an hour, with numbers from first; every tenth is of a month before its timestamp.
func (l *lake) produceClicks(registry *testbed.GlueRegistry, more string, at time.Time, first, n int) {
	l.t.Helper()
	c := serdeglue.DefaultEncoderConfig()
	c.Connection = connection(registry)
	c.Format, c.Definition, c.Register, c.Schema = testbed.GlueAvro, fmt.Sprintf(clickSchema, more), true, "clicks"
	encoder, err := c.Open(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = encoder.Close() }()
	tape := serde.NewTape()
	var records []*kgo.Record
	for i := first; i < first+n; i++ {
		happened, agent := at.Add(time.Duration(i)*time.Second), ""
		if i%10 == 0 {
			happened = happened.AddDate(0, -1, 0)
		}
		if more != "" {
			agent = `,"agent":"firefox"`
		}
		v, err := tape.JSON(fmt.Appendf(nil, `{"user":"u%d","page":null,"event_time":%d%s}`, i%20, happened.UnixMilli(), agent), serde.Limits{})
		if err != nil {
			l.t.Fatal(err)
		}
		value, err := encoder.Encode(l.t.Context(), nil, l.topic, v)
		if err != nil {
			l.t.Fatal(err)
		}
		records = append(records, &kgo.Record{Topic: l.topic, Key: fmt.Appendf(nil, "u%d", i%20), Value: value, Timestamp: at})
	}
	if err := l.kafka.Client(l.t).ProduceSync(l.t.Context(), records...).FirstErr(); err != nil {
		l.t.Fatal(err)
	}
}
