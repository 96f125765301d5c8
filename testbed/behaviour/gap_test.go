//go:build testbed

package behaviour

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/testbed"
)

// gapSinks are one connector each, in one process.
var gapSinks = []string{"s3", "file", "redis", "dynamo", "bus"}

// A chasm is three topics of two partitions, in each of which something else goes wrong, on their way into every sink.
type chasm struct {
	*lake
	expired, truncated, again string
	dir                       string
	redis                     *testbed.Redis
	dynamo                    *testbed.DynamoDB
	table                     string
	admin                     *kadm.Client
	events                    *eventCounter
	dead                      string
	status                    string // address
}

const (
	perGap    = 100 // records of each partition at first
	expiredTo = 120 // where the log of partition 0 of expired begins then
	ahead     = 150 // the offset that is committed for partition 0 of truncated
)

func newChasm(t *testing.T) *chasm {
	t.Helper()
	c := &chasm{
		lake: &lake{t: t, s3: testbed.S3Server(t), kafka: testbed.Kafka(t), group: testbed.Name(t)},
		dir:  t.TempDir(), redis: testbed.RedisServer(t), dynamo: testbed.DynamoDBLocal(t), events: countEvents(t),
	}
	c.bucket, c.admin = c.s3.Bucket(t), c.kafka.Admin(t)
	c.expired, c.truncated, c.again, c.dead = c.kafka.Topic(t, 2), c.kafka.Topic(t, 2), c.kafka.Topic(t, 2), c.kafka.Topic(t, 1)
	c.table = c.dynamo.Table(t, testbed.TableKey{Name: "id", Type: types.ScalarAttributeTypeS})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.status = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.redis.Client(t).Del(t.Context(), c.group) })
	return c
}

func (c *chasm) topics() []string { return []string{c.expired, c.truncated, c.again} }

// config has a connector for each sink.
func (c *chasm) config(more string) string {
	sinks := map[string]string{
		"s3": fmt.Sprintf(`{s3: {bucket: %s, region: %s, endpoint: %q, path_style: true, access_key: %s, secret_key: %s, path: "data/", compression: none, rotate: {age: 1s}}}`,
			c.bucket, c.s3.Region, c.s3.Endpoint, c.s3.AccessKey, c.s3.SecretKey),
		"file":  fmt.Sprintf(`{file: {dir: %q, path: "data/", compression: none, rotate: {age: 1s}}}`, c.dir),
		"redis": fmt.Sprintf(`{redis_geo: {addrs: %q, key: %s, member: value.id, longitude: value.lng, latitude: value.lat}}`, strings.Join(c.redis.Addrs, ","), c.group),
		"dynamo": fmt.Sprintf(`{dynamodb: {endpoint: %q, region: %s, access_key: %s, secret_key: %s, table: %s, key: {id: value.id}, item: value}}`,
			c.dynamo.Endpoint, c.dynamo.Region, c.dynamo.AccessKey, c.dynamo.SecretKey, c.table),
		"bus": fmt.Sprintf(`{eventbridge: {bus: gaps, endpoint: %q, region: eu-west-1, access_key: a, secret_key: b, detail: value, check_bus: false}}`, c.events.URL),
	}
	var file []string
	for _, name := range gapSinks {
		file = append(file, fmt.Sprintf("name: %s-%s\nsource: {kafka: {brokers: %q, topics: [%s], session_timeout: 6s}}\nsink: %s\n%s\n",
			c.group, name, strings.Join(c.kafka.Addrs, ","), strings.Join(c.topics(), ","), sinks[name], more))
	}
	return strings.Join(file, "---\n")
}

func (c *chasm) start(more string) *millraceProcess {
	c.t.Helper()
	c.file = c.config(more)
	return startMillrace(c.t, c.file, "--http", c.status)
}

// put produces the records first to first+n-1 of a partition. Their ids hold what generation of the topic they are of.
func (c *chasm) put(topic string, partition int32, gen string, first, n int64) {
	c.t.Helper()
	client := c.kafka.Client(c.t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer client.Close()
	var rs []*kgo.Record
	for i := first; i < first+n; i++ {
		rs = append(rs, &kgo.Record{Topic: topic, Partition: partition, Value: fmt.Appendf(nil, `{"id":%q,"lng":%d.5,"lat":40.5}`, gapID(topic, partition, gen, i), i%90)})
	}
	if err := client.ProduceSync(c.t.Context(), rs...).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
}

func gapID(topic string, partition int32, gen string, i int64) string {
	return fmt.Sprintf("%s/%d/%s%d", topic[max(0, len(topic)-12):], partition, gen, i)
}

// offsets are what a connector's group keeps, once its coordinator is there.
func (c *chasm) offsets(sink string) (at kadm.OffsetResponses) {
	c.t.Helper()
	var err error
	for range 100 {
		if at, err = c.admin.FetchOffsets(c.t.Context(), c.group+"-"+sink); err == nil {
			return at
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.t.Fatal(err)
	return nil
}

func (c *chasm) offset(sink, topic string, partition int32) int64 {
	o, ok := c.offsets(sink).Lookup(topic, partition)
	if !ok {
		return -1
	}
	return o.At
}

// reach waits until groups have committed an offset: all, or those of some sinks.
func (c *chasm) reach(topic string, partition int32, at int64, sinks ...string) {
	c.t.Helper()
	if sinks == nil {
		sinks = gapSinks
	}
	for _, sink := range sinks {
		testbed.WaitUntil(c.t, time.Minute, fmt.Sprintf("offset %d of %s/%d from %s", at, topic, partition, sink), func() bool { return c.offset(sink, topic, partition) == at })
	}
}

// recommit commits an offset that the groups kept, with its metadata, under at if that isn't below 0.
func (c *chasm) recommit(kept map[string]kadm.OffsetResponses, topic string, partition int32, at int64) {
	c.t.Helper()
	for _, sink := range gapSinks {
		o, ok := kept[sink].Lookup(topic, partition)
		if !ok {
			c.t.Fatalf("%s kept no offset of %s/%d", sink, topic, partition)
		}
		if at < 0 {
			at = o.At
		}
		var all kadm.Offsets
		all.Add(kadm.Offset{Topic: topic, Partition: partition, At: at, LeaderEpoch: -1, Metadata: o.Metadata})
		if err := c.kafka.Admin(c.t).CommitAllOffsets(c.t.Context(), c.group+"-"+sink, all); err != nil {
			c.t.Fatal(err)
		}
	}
}

// halted are the errors of the partitions that stopped, by connector's sink and partition.
func (c *chasm) halted() map[string]string {
	c.t.Helper()
	answer, err := http.Get("http://" + c.status + "/status")
	if err != nil {
		return nil
	}
	defer answer.Body.Close()
	var view struct {
		Connectors []struct {
			Name       string
			Partitions []struct {
				Topic        string
				Partition    int32
				State, Error string
			}
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&view); err != nil {
		c.t.Fatal(err)
	}
	found := map[string]string{}
	for _, conn := range view.Connectors {
		for _, p := range conn.Partitions {
			if p.State == "halted" {
				found[fmt.Sprintf("%s %s/%d", strings.TrimPrefix(conn.Name, c.group+"-"), p.Topic, p.Partition)] = p.Error
			}
		}
	}
	return found
}

// contents counts how often each id is in a sink.
func (c *chasm) contents(sink string) map[string]int {
	c.t.Helper()
	found := map[string]int{}
	take := func(line []byte) {
		var v struct{ ID string }
		if err := json.Unmarshal(line, &v); err != nil {
			c.t.Fatalf("%s: %q: %v", sink, line, err)
		}
		found[v.ID]++
	}
	switch sink {
	case "s3":
		for _, key := range c.keys("data/") {
			if strings.Contains(key, "_millrace/") {
				continue
			}
			for _, line := range c.lines(key) {
				take(line)
			}
		}
	case "file":
		files, _ := filepath.Glob(filepath.Join(c.dir, "data", "*.json"))
		for _, name := range files {
			body, err := os.ReadFile(name)
			if err != nil {
				c.t.Fatal(err)
			}
			for line := range bytes.Lines(body) {
				take(line)
			}
		}
	case "redis":
		members, err := c.redis.Client(c.t).ZRange(c.t.Context(), c.group, 0, -1).Result()
		if err != nil {
			c.t.Fatal(err)
		}
		for _, m := range members {
			found[m]++
		}
	case "dynamo":
		for _, item := range c.dynamo.Items(c.t, c.table) {
			found[item["id"].(*types.AttributeValueMemberS).Value]++
		}
	case "bus":
		c.events.mu.Lock()
		defer c.events.mu.Unlock()
		return maps.Clone(c.events.seen)
	}
	return found
}

// An eventCounter is as much of EventBridge as counting needs.
type eventCounter struct {
	*httptest.Server
	mu   sync.Mutex
	seen map[string]int // by the detail's id
}

func countEvents(t *testing.T) *eventCounter {
	e := &eventCounter{seen: map[string]int{}}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Close)
	return e
}

func (e *eventCounter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var put struct{ Entries []struct{ Detail string } }
	if err := json.NewDecoder(r.Body).Decode(&put); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, entry := range put.Entries {
		var v struct{ ID string }
		_ = json.Unmarshal([]byte(entry.Detail), &v) // what isn't an event is counted as none
		e.seen[v.ID]++
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_, _ = io.WriteString(w, `{"FailedEntryCount":0,"Entries":[`+strings.TrimSuffix(strings.Repeat(`{"EventId":"e"},`, len(put.Entries)), ",")+`]}`)
}

// gapRecords are the gaps in the dead letter, by sink, topic and partition.
func (c *chasm) gapRecords() (gaps []string) {
	c.t.Helper()
	ends, err := c.kafka.Admin(c.t).ListEndOffsets(c.t.Context(), c.dead)
	if err != nil {
		c.t.Fatal(err)
	}
	end, _ := ends.Lookup(c.dead, 0)
	client := c.kafka.Client(c.t, kgo.ConsumeTopics(c.dead), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer client.Close()
	for int64(len(gaps)) < end.Offset {
		client.PollFetches(c.t.Context()).EachRecord(func(r *kgo.Record) {
			h := map[string]string{}
			for _, one := range r.Headers {
				h[one.Key] = string(one.Value)
			}
			gaps = append(gaps, fmt.Sprintf("%s %s/%s %s to %s", strings.TrimPrefix(h["__connect.errors.connector.name"], c.group+"-"),
				h["__connect.errors.topic"], h["__connect.errors.partition"], h["millrace.gap.from"], h["millrace.gap.to"]))
		})
	}
	slices.Sort(gaps)
	return gaps
}

// Offsets expire, a group stands behind the end of a log as after a truncation, and a topic is created again. on_gap: fail stops those partitions
// only, of every sink, and writes nothing of the gap; on_gap: earliest goes on, and a record of each gap is in the dead letter.
func TestGapsOfEverySink(t *testing.T) {
	c := newChasm(t)
	for _, topic := range c.topics() {
		for p := range int32(2) {
			c.put(topic, p, "", 0, perGap)
		}
	}
	p := c.start("")
	for _, topic := range c.topics() {
		c.reach(topic, 0, perGap)
		c.reach(topic, 1, perGap)
	}
	p.stop()

	kept := map[string]kadm.OffsetResponses{}
	for _, sink := range gapSinks {
		kept[sink] = c.offsets(sink)
	}
	c.put(c.expired, 0, "", perGap, 50)
	c.kafka.DeleteRecords(t, c.expired, 0, expiredTo)
	c.recommit(kept, c.truncated, 0, ahead)
	c.kafka.DeleteTopic(t, c.again)
	c.kafka.CreateTopic(t, c.again, 2)
	c.put(c.again, 0, "new", 0, 30)
	c.put(c.again, 1, "new", 0, 30)
	c.recommit(kept, c.again, 0, -1)
	c.recommit(kept, c.again, 1, -1)
	c.stop(kept)
	c.goOn()
}

// stop runs with on_gap: fail.
func (c *chasm) stop(kept map[string]kadm.OffsetResponses) {
	t := c.t
	t.Helper()
	before := map[string]map[string]int{}
	for _, sink := range gapSinks {
		before[sink] = c.contents(sink)
	}
	c.put(c.expired, 1, "", perGap, 20)
	c.put(c.truncated, 1, "", perGap, 20)
	p := c.start("on_gap: fail")
	c.reach(c.expired, 1, perGap+20)
	c.reach(c.truncated, 1, perGap+20)
	want := map[string][]string{}
	for _, sink := range gapSinks {
		want[fmt.Sprintf("%s %s/0", sink, c.expired)] = []string{"offsets 100 to 119 of " + c.expired + "/0 are gone", "on_gap"}
		want[fmt.Sprintf("%s %s/0", sink, c.truncated)] = []string{"it ends at offset 100, but offset 150 was to be read next", "on_gap"}
		if sink == "s3" || sink == "file" { // the chain knows better than the group
			want[fmt.Sprintf("%s %s/0", sink, c.truncated)] = []string{"150, is above the end of the chain, 100", "on_gap"}
		}
		for p := range 2 {
			want[fmt.Sprintf("%s %s/%d", sink, c.again, p)] = []string{"was deleted and created again since offset 100 was committed", "holds 0 to 29", "on_gap", "millrace move"}
		}
	}
	testbed.WaitUntil(t, time.Minute, "all those partitions to halt", func() bool { return len(c.halted()) >= len(want) })
	halted := c.halted()
	for at, parts := range want {
		for _, part := range parts {
			if !strings.Contains(halted[at], part) {
				t.Errorf("status says of %s %q, which lacks %q", at, halted[at], part)
			}
		}
		if text := halted[at]; !strings.Contains(p.log.String(), text) {
			t.Errorf("the log doesn't say of %s what status does: %q", at, text)
		}
	}
	for at := range halted {
		if want[at] == nil {
			t.Errorf("%s halted too: %s", at, halted[at])
		}
	}
	p.stop()
	for _, sink := range gapSinks {
		got := c.contents(sink)
		for _, topic := range []string{c.expired, c.truncated} {
			for i := range int64(20) {
				before[sink][gapID(topic, 1, "", perGap+i)]++
			}
		}
		if !maps.Equal(got, before[sink]) {
			t.Errorf("%s holds %d ids, want %d: something of a gap was written", sink, len(got), len(before[sink]))
		}
		for at, o := range map[string]int64{c.expired: perGap, c.truncated: ahead, c.again: perGap} {
			if now := c.offset(sink, at, 0); now != o {
				t.Errorf("%s committed %d of %s/0, where it stood at %d", sink, now, at, o)
			}
		}
	}
}

// goOn runs with on_gap: earliest.
func (c *chasm) goOn() {
	t := c.t
	t.Helper()
	p := c.start(fmt.Sprintf("on_gap: earliest\ndead_letter: {kafka: {topic: %s}}", c.dead))
	c.reach(c.expired, 0, 150)
	c.reach(c.truncated, 0, perGap, gapSinks[2:]...)
	// A chain goes on at its own end at once, but the group's offset doesn't go back: it waits for the chain.
	c.put(c.truncated, 0, "", perGap, perGap)
	c.reach(c.truncated, 0, 2*perGap)
	c.reach(c.again, 0, 30)
	c.reach(c.again, 1, 30)
	p.stop()
	want := map[string]int{}
	add := func(topic string, p int32, gen string, first, n int64) {
		for i := first; i < first+n; i++ {
			want[gapID(topic, p, gen, i)] = 1
		}
	}
	add(c.expired, 0, "", 0, perGap)
	add(c.expired, 0, "", expiredTo, 150-expiredTo)
	add(c.expired, 1, "", 0, perGap+20)
	add(c.truncated, 0, "", 0, 2*perGap)
	add(c.truncated, 1, "", 0, perGap+20)
	for p := range int32(2) {
		add(c.again, p, "", 0, perGap)
		add(c.again, p, "new", 0, 30)
	}
	var gaps []string
	for _, sink := range gapSinks {
		got := c.contents(sink)
		if sink == "bus" { // earliest reads a truncated log once more
			for i := range int64(perGap) {
				got[gapID(c.truncated, 0, "", i)] = min(1, got[gapID(c.truncated, 0, "", i)])
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s holds %d ids, want %d, or not each once", sink, len(got), len(want))
		}
		gaps = append(gaps, fmt.Sprintf("%s %s/0 100 to 120", sink, c.expired))
		if sink != "s3" && sink != "file" {
			gaps = append(gaps, fmt.Sprintf("%s %s/0 150 to 0", sink, c.truncated))
		}
		for p := range 2 {
			gaps = append(gaps, fmt.Sprintf("%s %s/%d 100 to 0", sink, c.again, p))
		}
	}
	slices.Sort(gaps)
	if got := c.gapRecords(); !slices.Equal(got, gaps) {
		t.Errorf("gap records\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(gaps, "\n"))
	}
	for _, sink := range []string{"s3", "file"} {
		c.verify("--connector", c.group+"-"+sink)
	}
}
