//go:build testbed

package behaviour

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/millrace/millrace/testbed"
)

const perRound = 20_000

// round produces records, lets a process write them, and stops it.
func (l *lake) round(config string, first int64) {
	l.t.Helper()
	if err := l.produce(first, perRound, 0); err != nil {
		l.t.Fatal(err)
	}
	p := l.start(config)
	l.written(first + perRound)
	p.stop()
}

// Codec, path and format of names change in the middle of the stream.
func TestSettingsChangeMidStream(t *testing.T) {
	l := newLake(t, 3)
	l.round(l.config(`path: "data/{topic}/{partition}/", compression: gzip`, ""), 0)
	l.round(l.config(`path: "data/{topic}/{partition}/", compression: zstd`, ""), perRound)
	l.round(l.config(`path: "data/{topic}/second={time:ss}/", compression: none`, ""), 2*perRound)
	l.verify()
	l.count(3*perRound, all)
	codecs := map[string]bool{}
	for _, key := range l.objects() {
		codecs[key[strings.LastIndexByte(key, '.'):]] = true
	}
	if len(codecs) != 3 {
		t.Errorf("names end in %v, want three codecs", codecs)
	}
}

// Path begins with another folder: links would be looked for elsewhere. The partition stops, and prefix brings it back.
func TestPathMoves(t *testing.T) {
	l := newLake(t, 1)
	l.round(l.config(`path: "old/{topic}/"`, ""), 0)
	if err := l.produce(perRound, perRound, 0); err != nil {
		t.Fatal(err)
	}
	p := l.start(l.config(`path: "new/{topic}/"`, ""))
	p.says("the chain of partition", "Set prefix to where they were")
	p.kill()
	l.file = l.config(`path: "new/{topic}/", prefix: old`, "")
	p = l.start(l.file)
	l.written(2 * perRound)
	p.stop()
	l.verify()
	l.count(2*perRound, all)
}

// A second connector on the same prefix is refused, and says what to do.
func TestSecondConnectorIsRefused(t *testing.T) {
	l := newLake(t, 1)
	l.round(l.config(`path: "{topic}/"`, ""), 0)
	before := len(l.keys(""))
	first := l.group
	l.group = testbed.Name(t)
	p := l.start(l.config(`path: "{topic}/"`, ""))
	p.says("belongs to connector", first, "another prefix, or another chain name")
	p.kill()
	if after := len(l.keys("")); after != before {
		t.Errorf("it wrote %d objects", after-before)
	}
	p = l.start(l.config(`path: "{topic}/", chain: second`, ""))
	l.written(perRound)
	p.stop()
}

// The group is reset to earliest by Kafka's tool: nothing is written twice, and the log says so and how to write again.
func TestGroupResetWritesNothingTwice(t *testing.T) {
	l := newLake(t, 2)
	config := l.config(`path: "{topic}/{partition}/"`, "")
	l.round(config, 0)
	offsets := kadm.Offsets{}
	for p := range int32(2) {
		offsets.AddOffset(l.topic, p, 0, -1)
	}
	if err := l.kafka.Admin(t).CommitAllOffsets(t.Context(), l.group, offsets); err != nil {
		t.Fatal(err)
	}
	p := l.start(config)
	p.says("below the end of the chain", "millrace rewind")
	if err := l.produce(perRound, perRound, 0); err != nil {
		t.Fatal(err)
	}
	l.written(2 * perRound)
	p.stop()
	l.verify()
	l.count(2*perRound, all)
}

// The group is set ahead of the chain: the partition stops and says what can be done, and on_gap: latest passes over the offsets,
// which verify accounts for as a gap.
func TestGroupAheadOfTheChain(t *testing.T) {
	l := newLake(t, 1)
	sink := `path: "{topic}/"`
	l.round(l.config(sink, ""), 0)
	if err := l.produce(perRound, perRound, 0); err != nil {
		t.Fatal(err)
	}
	offsets := kadm.Offsets{}
	offsets.AddOffset(l.topic, 0, perRound+5000, -1)
	if err := l.kafka.Admin(t).CommitAllOffsets(t.Context(), l.group, offsets); err != nil {
		t.Fatal(err)
	}
	p := l.start(l.config(sink, ""))
	p.says("above the end of the chain", "on_gap")
	p.kill()
	p = l.start(l.config(sink, "on_gap: latest"))
	l.written(2 * perRound)
	p.stop()
	l.verify()
	l.count(2*perRound, func(seq int64) bool { return seq < perRound || seq >= perRound+5000 })
}

// Rewind writes again on purpose: a running process follows, each record from there on is there twice, and verify accounts for it.
func TestRewind(t *testing.T) {
	l := newLake(t, 1)
	config := l.config(`path: "{topic}/", rotate: {age: 1s}`, "")
	if err := l.produce(0, perRound, 0); err != nil {
		t.Fatal(err)
	}
	p := l.start(config)
	l.written(perRound)
	out, code := l.command("rewind", "--to", l.topic+"/0=15000", "--yes")
	if code != 0 {
		t.Fatalf("rewind ended with %d:\n%s", code, out)
	}
	if err := l.produce(perRound, 10, 0); err != nil { // the process learns of it when it commits
		t.Fatal(err)
	}
	l.written(perRound + 10)
	p.stop()
	l.verify()
	times := 0
	for _, key := range l.objects() {
		times += len(l.lines(key))
	}
	if times != perRound+10+5000 {
		t.Errorf("%d lines, want %d and the 5,000 that were written again", times, perRound+10)
	}
	out, code = l.command("rewind", "--to", l.topic+"/0=15000")
	if code == 0 || !strings.Contains(out, "--yes") {
		t.Errorf("without --yes rewind ended with %d:\n%s", code, out)
	}
}

// Partitions are added while a process runs, and nothing of them is missed.
func TestPartitionsAreAdded(t *testing.T) {
	l := newLake(t, 2)
	config := strings.Replace(l.config(`path: "{topic}/{partition}/", rotate: {age: 1s}`, ""), "session_timeout: 6s", "session_timeout: 6s, metadata_max_age: 5s", 1)
	if err := l.produce(0, perRound, 0); err != nil {
		t.Fatal(err)
	}
	p := l.start(config)
	l.written(perRound)
	if _, err := l.kafka.Admin(t).CreatePartitions(t.Context(), 3, l.topic); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	if err := l.produce(perRound, perRound, 0); err != nil {
		t.Fatal(err)
	}
	l.written(2 * perRound)
	p.stop()
	l.verify()
	l.count(2*perRound, all)
	if n := len(l.keys(l.topic + "/4/")); n == 0 {
		t.Error("nothing of partition 4 was written")
	}
}

// The topic is deleted and created again, and Kafka deletes the group's offset with it. The new topic has another id, and so a
// chain of its own: nothing of the old one is touched, and nothing of the new one missed.
func TestTopicIsCreatedAgain(t *testing.T) {
	l := newLake(t, 1)
	config := l.config(`path: "{topic}/"`, "")
	l.round(config, 0)
	before := l.objects()
	l.kafka.DeleteTopic(t, l.topic)
	l.kafka.CreateTopic(t, l.topic, 1)
	if err := l.produce(perRound, 100, 0); err != nil {
		t.Fatal(err)
	}
	p := l.start(config)
	l.written(100)
	p.stop()
	l.verify()
	l.count(perRound+100, all)
	for _, key := range before {
		if len(l.lines(key)) == 0 {
			t.Errorf("%s is empty", key)
		}
	}
	chains := map[string]bool{}
	for _, key := range l.keys("_millrace/main/") {
		if parts := strings.Split(key, "/"); len(parts) > 4 {
			chains[parts[3]] = true
		}
	}
	if len(chains) != 2 {
		t.Errorf("chains of topic ids %v, want two", chains)
	}
}

// Records expire before they are read: the partition stops and names the offsets; with on_gap it goes on, and the gap is in a
// link and in the dead letter.
func TestRecordsExpire(t *testing.T) {
	l := newLake(t, 1)
	sink := `path: "{topic}/"`
	l.round(l.config(sink, ""), 0)
	if err := l.produce(perRound, perRound, 0); err != nil {
		t.Fatal(err)
	}
	l.kafka.DeleteRecords(t, l.topic, 0, perRound+5000)
	p := l.start(l.config(sink, ""))
	p.says("20000 to 24999", "on_gap")
	p.kill()
	dead := fmt.Sprintf(`dead_letter: {s3: {bucket: %s, region: %s, endpoint: %q, path_style: true, access_key: %s, secret_key: %s, path: "dead/"}}`,
		l.bucket, l.s3.Region, l.s3.Endpoint, l.s3.AccessKey, l.s3.SecretKey)
	p = l.start(l.config(sink, "on_gap: earliest\n"+dead))
	l.written(2 * perRound)
	p.stop()
	l.verify()
	var letters []string
	for _, key := range l.keys("dead/") {
		for _, line := range l.lines(key) {
			letters = append(letters, string(line))
		}
	}
	if len(letters) != 1 || !strings.Contains(letters[0], "25000") {
		t.Errorf("dead letters %q, want one that stands for offsets 20000 to 24999", letters)
	}
}

// Objects and links are deleted. Old objects may go; the newest link's object is written again; a link is missed.
func TestObjectsAndLinksAreDeleted(t *testing.T) {
	l := newLake(t, 1)
	config := l.config(`path: "{topic}/"`, "")
	for i := range int64(3) {
		l.round(config, i*perRound)
	}
	l.verify()
	objects := l.objects()
	newest := objects[len(objects)-1]
	want := len(l.lines(newest))
	l.remove(newest)
	if out, code := l.command("verify"); code != 1 || !strings.Contains(out, newest) {
		t.Errorf("verify without %s ended with %d:\n%s", newest, code, out)
	}
	p := l.start(config)
	testbed.WaitUntil(t, time.Minute, "the newest object", func() bool { return len(l.objects()) == len(objects) })
	p.stop()
	if got := len(l.lines(newest)); got != want {
		t.Errorf("%s was written again with %d lines, want %d", newest, got, want)
	}
	l.verify()
	l.count(3*perRound, all)

	links := l.keys("_millrace/")
	var numbered []string
	for _, key := range links {
		if !strings.HasSuffix(key, "owner.json") {
			numbered = append(numbered, key)
		}
	}
	l.remove(numbered[1])
	if out, code := l.command("verify"); code != 1 || !strings.Contains(out, "link 1") {
		t.Errorf("verify without link 1 ended with %d:\n%s", code, out)
	}
	l.remove(numbered[len(numbered)-1])
	p = l.start(config)
	p.says("missing")
	p.kill()
}

func (l *lake) remove(key string) {
	l.t.Helper()
	if _, err := l.s3.Client(l.t).DeleteObject(l.t.Context(), &s3.DeleteObjectInput{Bucket: &l.bucket, Key: &key}); err != nil {
		l.t.Fatal(err)
	}
}

// says waits until the process has logged all of the texts.
func (p *millraceProcess) says(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		testbed.WaitUntil(p.t, time.Minute, "the log to say "+text, func() bool { return strings.Contains(p.log.String(), text) })
	}
}
