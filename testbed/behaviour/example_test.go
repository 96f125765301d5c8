//go:build testbed

package behaviour

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/examples"
	"github.com/millrace/millrace/testbed"
)

// The example topics-to-s3, as it stands: 100 topics by pattern into one bucket, two of them with settings of their own, under
// the names that Confluent's connector gives. A topic that appears is read without a restart.
func TestTopicsToS3(t *testing.T) {
	bed := testbed.Kafka(t)
	l := &lake{t: t, s3: testbed.S3Server(t), kafka: bed, group: "topics-to-s3"}
	l.bucket = l.s3.Bucket(t)
	// The file's pattern and names, for topics of this test alone.
	mine := strings.ToLower(testbed.Name(t)[len(testbed.Name(t))-6:]) + "db"
	text, err := examples.Files.ReadFile("topics-to-s3/millrace.yaml")
	if err != nil {
		t.Fatal(err)
	}
	l.group += "-" + mine
	l.file = strings.NewReplacer(`'^salesdb\.'`, fmt.Sprintf(`'^%s\.'`, mine), "salesdb.", mine+".", "name: topics-to-s3", "name: "+l.group).Replace(string(text))
	l.file = strings.ReplaceAll(l.file, "path_style: ${S3_PATH_STYLE:-false}", "path_style: ${S3_PATH_STYLE:-false}\n    access_key: \"${S3_KEY}\"\n    secret_key: \"${S3_SECRET}\"")
	for name, value := range map[string]string{
		"BROKERS": strings.Join(bed.Addrs, ","), "BUCKET": l.bucket, "AWS_REGION": l.s3.Region, "S3_ENDPOINT": l.s3.Endpoint,
		"S3_PATH_STYLE": "true", "S3_KEY": l.s3.AccessKey, "S3_SECRET": l.s3.SecretKey, "S3_AGE": "2s", "S3_ORDER_AGE": "1s",
	} {
		t.Setenv(name, value)
	}
	topics := []string{mine + ".CUSTOMER", mine + ".SALES_ORDER", mine + ".SALES_ORDER_DETAIL"}
	for i := len(topics); i < 100; i++ {
		topics = append(topics, fmt.Sprintf("%s.TABLE_%02d", mine, i))
	}
	for _, topic := range topics {
		bed.CreateTopic(t, topic, 3)
	}
	const perTopic = 300
	produceTo(t, bed, topics, perTopic)
	p := startMillrace(t, l.file)
	l.written(100 * perTopic)
	late := mine + ".LATE"
	bed.CreateTopic(t, late, 1)
	produceTo(t, bed, []string{late}, perTopic)
	began := time.Now()
	l.written(101 * perTopic)
	t.Logf("the new topic was written %.0f s after its last record", time.Since(began).Seconds())
	peak := p.peak()
	p.stop()
	l.verify()

	names := map[string]int{}
	position := regexp.MustCompile(`\+\d{10}\.`)
	lines := 0
	for _, key := range l.objects() {
		lines += len(l.lines(key))
		names[position.ReplaceAllString(strings.ReplaceAll(key, mine, "salesdb"), "+N.")]++
	}
	t.Logf("%d lines in %d objects; peak %d MiB resident", lines, len(l.objects()), peak)
	if lines != 101*perTopic {
		t.Errorf("%d lines, want %d", lines, 101*perTopic)
	}
	golden, err := os.ReadFile("testdata/confluent-names.golden")
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.Lines(string(golden)) {
		if names[strings.TrimSpace(name)] == 0 {
			t.Errorf("there is no object named %s", name)
		}
	}
	first := fmt.Sprintf("topics/%[1]s.LATE/partition=0/%[1]s.LATE+0+0000000000.json.gz", mine)
	if !slices.Contains(l.objects(), first) {
		t.Errorf("there is no %s", first)
	}
}
