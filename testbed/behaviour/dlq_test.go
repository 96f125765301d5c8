//go:build testbed

package behaviour

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/testbed"
)

// dlq runs a command of millrace dlq with the newest configuration file.
func (l *lake) dlq(args ...string) (out string, code int) {
	l.t.Helper()
	binary, err := millraceBinary()
	if err != nil {
		l.t.Fatal(err)
	}
	file := filepath.Join(l.t.TempDir(), "millrace.yaml")
	if err := os.WriteFile(file, []byte(l.file), 0o600); err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.Command(binary, append([]string{"dlq", args[0], file}, args[1:]...)...)
	said, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		l.t.Fatal(err)
	}
	return string(said), cmd.ProcessState.ExitCode()
}

// A wrong rule buries records of two connectors, one into S3 with dead letters there, one into DynamoDB with dead letters in a topic. The mended file
// sends them again, twice: the bucket holds each record once, and the table what is newest of each key.
func TestDeadLettersReplayed(t *testing.T) {
	const partitions, each = 8, 250
	l := newLake(t, partitions)
	dynamo := testbed.DynamoDBLocal(t)
	table := dynamo.Table(t, testbed.TableKey{Name: "id", Type: types.ScalarAttributeTypeS})
	dead := l.kafka.Topic(t, 3)

	var records []*kgo.Record
	newest := map[string]int{}
	buried := 0
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	for j := range each {
		for p := range partitions {
			i := j*partitions + p
			key, speed := fmt.Sprintf("car-%d-%d", p, j%5), "12"
			if j%31 == 7 || j == each-3 { // fewer than make a breaker stop; the last of one key among them
				speed = `"12 km/h"`
				buried++
			}
			newest[key] = i
			records = append(records, &kgo.Record{
				Topic: l.topic, Partition: int32(p), Key: []byte(key), Timestamp: at.Add(time.Duration(i) * time.Millisecond),
				Value: fmt.Appendf(nil, `{"seq":%d,"speed":%s}`, i, speed), Headers: []kgo.RecordHeader{{Key: "raw", Value: []byte{0xff, 0}}},
			})
		}
	}
	if err := l.kafka.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner())).ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	place := fmt.Sprintf("bucket: %s, region: %s, endpoint: %q, path_style: true, access_key: %s, secret_key: %s", l.bucket, l.s3.Region, l.s3.Endpoint, l.s3.AccessKey, l.s3.SecretKey)
	source := fmt.Sprintf("{kafka: {brokers: %q, topics: [%s], session_timeout: 6s}}", strings.Join(l.kafka.Addrs, ","), l.topic)
	const wrong, right = "value.speed + 0 >= 0", "value.seq >= 0"
	file := func(rule string) string {
		return fmt.Sprintf(`
name: %[1]s
source: %[2]s
decode: {key: string}
handlers: [{filter: %[3]s}]
sink: {s3: {%[4]s, prefix: lake, path: "lake/{topic}/{partition}/", rotate: {age: 1s}, compression: gzip}}
dead_letter: {s3: {%[4]s, path: "dead/{connector}/", compression: gzip}}
breaker: none
---
name: %[1]s-table
source: %[2]s
decode: {key: string}
handlers: [{filter: %[3]s}]
sink: {dynamodb: {endpoint: %[5]q, region: %[6]s, access_key: %[7]s, secret_key: %[8]s, table: %[9]s, key: {id: key}, item: value, write: newest}}
dead_letter: {kafka: %[10]s}
breaker: none
`, l.group, source, rule, place, dynamo.Endpoint, dynamo.Region, dynamo.AccessKey, dynamo.SecretKey, table, dead)
	}
	p := l.start(file(wrong))
	l.written(partitions * each)
	admin := l.kafka.Admin(t)
	testbed.WaitUntil(t, 5*time.Minute, "the table's offsets committed", func() bool { return committedSum(t, admin, l.group+"-table") == partitions*each })
	p.stop()

	inBucket := func() map[int]int {
		seen := map[int]int{}
		for _, key := range l.keys("lake/" + l.topic + "/") {
			for _, line := range l.lines(key) {
				var row struct{ Seq int }
				if err := json.Unmarshal(line, &row); err != nil {
					t.Fatalf("%s: %v", key, err)
				}
				seen[row.Seq]++
			}
		}
		return seen
	}
	if n := len(inBucket()); n != len(records)-buried {
		t.Fatalf("%d records in the bucket before the replay, want %d", n, len(records)-buried)
	}
	run := func(want string, code int, args ...string) {
		t.Helper()
		out, got := l.dlq(args...)
		if got != code || !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("dlq %v ended with %d, want %d and %q:\n%s", args, got, code, want, out)
		}
		t.Log(strings.Join(args, " ") + "\n" + out)
	}
	all := fmt.Sprintf("%d of %d records", buried, buried)
	for _, name := range []string{l.group, l.group + "-table"} {
		run(fmt.Sprintf("%d letters of connector %s in", buried, name), 0, "ls", "--connector", name)
		run(fmt.Sprintf("0 of %d records would pass, %d would fail again", buried, buried), 1, "replay", "--dry-run", "--connector", name)
	}
	run("0 of "+strconv.Itoa(buried)+" records passed, "+strconv.Itoa(buried)+" failed again", 1, "replay", "--yes", "--connector", l.group+"-table") // with the wrong rule still
	l.file = file(right)
	for _, name := range []string{l.group, l.group + "-table"} {
		run(all+" would pass, 0 would fail again", 0, "replay", "--dry-run", "--connector", name)
	}
	run(all+" passed, 0 failed again", 0, "replay", "--yes", "--connector", l.group, "--name", "fix-1")
	run(fmt.Sprintf("0 of %d records passed, %d were written before, 0 failed again", buried, buried), 0, "replay", "--yes", "--connector", l.group, "--name", "fix-1")
	run(all+" passed, 0 failed again", 0, "replay", "--yes", "--connector", l.group+"-table")
	run(all+" passed, 0 failed again", 0, "replay", "--yes", "--connector", l.group+"-table")

	seen := inBucket()
	for i := range records {
		if seen[i] != 1 {
			t.Errorf("record %d is %d times in the bucket", i, seen[i])
		}
	}
	items := map[string]int{}
	for _, item := range dynamo.Items(t, table) {
		var seq int
		if n, ok := item["seq"].(*types.AttributeValueMemberN); ok {
			if _, err := fmt.Sscan(n.Value, &seq); err != nil {
				t.Fatal(err)
			}
		}
		items[item["id"].(*types.AttributeValueMemberS).Value] = seq
	}
	if diff := cmp.Diff(newest, items); diff != "" {
		t.Errorf("the table isn't what is newest: %s", diff)
	}
	l.file = strings.Replace(file(right), "prefix: lake,", "prefix: lake, chain: main.replay-fix-1,", 1)
	for _, file := range []string{file(right), l.file} {
		l.file = file
		out, code := l.command("verify", "--deep", "--connector", l.group)
		if code != 0 {
			t.Errorf("verify ended with %d:\n%s", code, out)
		}
	}
}
