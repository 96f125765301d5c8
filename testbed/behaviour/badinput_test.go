//go:build testbed

package behaviour

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/testbed"
)

const (
	badMaxRecord = 8 << 20          // max_record's default
	badLargest   = 16 << 20         // max.message.bytes of topics that take everything
	badBudget    = 128 << 20        // of a process, by default
	badResident  = 400 << 20        // more than a process may ever need: 256 MiB is the aim
	badPatience  = 60 * time.Second // for what takes a second or two on an idle machine
	badPrefix    = "__connect.errors."
)

// A badRecord is one that something can't use.
type badRecord struct {
	name       string
	key, value []byte
	geo, files badLetter
}

// A badLetter is how a record ends in the dead letter: in which stage, and the words without which a person
// wouldn't understand why. The zero value is a record that is delivered.
type badLetter struct {
	stage string
	words []string
}

func buried(stage string, words ...string) badLetter { return badLetter{stage, words} }

// badRecords are what the sinks are given, in this order, with good records between them.
func badRecords() []badRecord {
	const (
		key, value, rule, sink = "KEY_CONVERTER", "VALUE_CONVERTER", "TRANSFORMATION", "TASK_PUT"
	)
	filter := `filter: rule "value.lat != 0 && value.lng != 0"`
	all := func(name, text string, l badLetter) badRecord {
		return badRecord{name, []byte("bad"), []byte(text), l, l}
	}
	geo := func(name, text string, l badLetter) badRecord {
		return badRecord{name, []byte("bad"), []byte(text), l, badLetter{}}
	}
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	return []badRecord{
		all("not JSON", `position: 126.97, 37.56`, buried(value, "value", "at byte 0", "'p'")),
		all("empty", ``, buried(value, "value", "empty")),
		all("truncated JSON", `{"lng": 126.97, "lat": 37.5`, buried(value, "value", "at byte 27", "ends")),
		all("two documents", `{"lng":1,"lat":2}{"lng":1,"lat":2}`, buried(value, "value", "at byte 17")),
		all("10 MB", badPadded(10<<20, 0), buried(value, "10485763 bytes", "max_record", "8388608")),
		all("a byte too many", badPadded(badMaxRecord+1, len("bad")), buried(value, "8388609 bytes", "max_record", "8388608")),
		all("10,000 deep", deep(10_000), buried(value, "value", "deep", "128")),
		all("deep and open", strings.Repeat(`{"a":`, 10_000), buried(value, "value", "deep", "128")),
		all("NaN", `{"lng": NaN, "lat": 37.5}`, buried(value, "value", "at byte 8", "'N'")),
		all("invalid UTF-8", "{\"lng\": 1, \"lat\": 2, \"name\": \"caf\xe9\"}", buried(value, "value", "UTF-8", "at byte 33")),
		all("a name twice", `{"lng": 1, "lng": 2, "lat": 3}`, buried(value, "value", "lng", "twice")),
		{"invalid UTF-8 in the key", []byte("car-\xff"), []byte(`{"lng": 1, "lat": 2}`),
			buried(key, "key", "0xFF at 4", "UTF-8"), buried(key, "key", "0xFF at 4", "UTF-8")},

		geo("NaN as text", `{"lng": "NaN", "lat": 37.5}`, buried(rule, filter, "value.lng is a text", "float(value.lng)")),
		geo("a missing field", `{"lng": 126.97}`, buried(rule, filter, "value.lat is missing")),
		geo("a null field", `{"lng": 126.97, "lat": null}`, buried(sink, "latitude (value.lat) is null")),
		geo("a text for a number", `{"lng": 126.97, "lat": "37.5"}`, buried(rule, filter, "value.lat is a text", "float(value.lat)")),
		geo("an object for a number", `{"lng": {"deg": 126}, "lat": 37.5}`, buried(rule, filter, "value.lng is an object")),
		geo("a list for an object", `[126.97, 37.5]`, buried(rule, filter, "value is a list", "no field lat")),
		geo("a number for an object", `42`, buried(rule, filter, "value is an integer", "no field lat")),
		geo("JSON's null", `null`, buried(rule, filter, "value is null", "no field lat")),
		geo("too far north", `{"lng": 126.97, "lat": 85.06}`, buried(sink, "latitude (value.lat) is 85.06", "-85.05112878 to 85.05112878")),
		geo("beyond all numbers", `{"lng": 1e999, "lat": 37.5}`, buried(sink, "longitude (value.lng) is", "-180 to 180")),
		{"null key", nil, []byte(`{"lng": 126.97, "lat": 37.5, "key": null}`), buried(sink, "member (key) is null"), badLetter{}},
		{"empty key", []byte{}, []byte(`{"lng": 126.97, "lat": 37.5, "key": ""}`), buried(sink, "member (key) is empty"), badLetter{}},
		{"tombstone", []byte("bad"), nil, buried(sink, "tombstone", "on_tombstone"), badLetter{}},
		{"null key and value", nil, nil, buried(sink, "tombstone", "on_tombstone"), badLetter{}},

		// As large as a record may be.
		{"the largest", []byte("largest"), []byte(badPadded(badMaxRecord, len("largest"))), badLetter{}, badLetter{}},
	}
}

// badPadded is a position that makes a record of n bytes with a key of keyLen.
func badPadded(n, keyLen int) string {
	const head, tail = `{"lng":126.97,"lat":37.5,"pad":"`, `"}`
	return head + strings.Repeat("x", n-keyLen-len(head)-len(tail)) + tail
}

// badGood is a record that every sink can use.
func badGood(n int) *kgo.Record {
	lng, lat := badPlace(n)
	return &kgo.Record{Key: fmt.Appendf(nil, "good-%03d", n), Value: fmt.Appendf(nil, `{"lng":%.2f,"lat":%.2f,"n":%d}`, lng, lat, n)}
}

func badPlace(n int) (lng, lat float64) { return 100 + float64(n)/100, 30 + float64(n)/100 }

// A badTopic is what was produced, by partition and offset.
type badTopic struct {
	name    string
	records [][]*kgo.Record
	bad     map[*kgo.Record]badRecord
	goods   int
}

// badProduce writes the bad records with good ones around each of them into two partitions. Those of headers and
// timestamps that are easily lost are among them.
func badProduce(t *testing.T, brokers *testbed.Brokers) *badTopic {
	t.Helper()
	topic := &badTopic{name: brokers.Topic(t, 2, "max.message.bytes", strconv.Itoa(badLargest)), records: make([][]*kgo.Record, 2), bad: map[*kgo.Record]badRecord{}}
	client := badProducer(t, brokers)
	yesterday := time.Now().Add(-24 * time.Hour).Truncate(time.Millisecond)
	put := func(partition int, r *kgo.Record) {
		r.Topic, r.Partition = topic.name, int32(partition)
		r.Timestamp = yesterday.Add(time.Duration(len(topic.records[partition])) * time.Second)
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatalf("produce %d bytes: %v", len(r.Value), err)
		}
		topic.records[partition] = append(topic.records[partition], r)
	}
	good := func(partition int) {
		put(partition, badGood(topic.goods))
		topic.goods++
	}
	for i, b := range badRecords() {
		good(i % 2)
		r := &kgo.Record{Key: b.key, Value: b.value}
		if len(b.value) < 1<<20 { // the large ones have a size to meet
			r.Headers = []kgo.RecordHeader{{Key: "trace", Value: []byte(b.name)}, {Key: "", Value: []byte{0xff, 0}}, {Key: "trace", Value: []byte{}}, {Key: "none"}}
		}
		put(i%2, r)
		topic.bad[r] = b
		good(i % 2)
	}
	return topic
}

// badProducer is a client that writes records of any size where it is told to.
func badProducer(t *testing.T, brokers *testbed.Brokers) *kgo.Client {
	t.Helper()
	return brokers.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(badLargest), kgo.ProducerBatchCompression(kgo.NoCompression()))
}

// badConnector is a connector of a configuration file. kind is geo or files.
func badConnector(name, kind, brokers, topic, redis, to, dead string) string {
	c := fmt.Sprintf("name: %s\nsource: {kafka: {brokers: %q, topics: [%s], session_timeout: 6s}}\ncommit_interval: 200ms\n", name, brokers, topic)
	switch kind {
	case "geo":
		c += fmt.Sprintf("handlers:\n- filter: value.lat != 0 && value.lng != 0\nsink: {redis_geo: {addrs: %q, key: %q, longitude: value.lng, latitude: value.lat}}\n", redis, to)
	case "files":
		c += fmt.Sprintf("sink: {file: {dir: %q, compression: none, rotate: {age: 1s}}}\n", to)
	}
	if dead != "" {
		c += "dead_letter: " + dead + "\n"
	}
	return c + "---\n"
}

// TestBadInput: each record that can't be used ends in the dead letter as it was, with a reason that a person
// understands, and its neighbours are delivered.
func TestBadInput(t *testing.T) {
	brokers, redis := testbed.Kafka(t), testbed.RedisServer(t)
	topic := badProduce(t, brokers)
	large := []string{"max.message.bytes", strconv.Itoa(badLargest)}
	geoDead, filesDead := topic.name+".geo", topic.name+".files"
	brokers.CreateTopic(t, geoDead, 1, large...)
	brokers.CreateTopic(t, filesDead, 2, large...)
	set, set2, dir, letters := topic.name, topic.name+"-2", t.TempDir(), t.TempDir()
	name, addrs := testbed.Name(t), strings.Join(brokers.Addrs, ",")
	config := badConnector(name+"-geo", "geo", addrs, topic.name, redis.Addrs[0], set, fmt.Sprintf("{kafka: {topic: %s}}", geoDead)) +
		badConnector(name+"-files", "files", addrs, topic.name, "", dir, fmt.Sprintf("{kafka: %s}", filesDead)) +
		badConnector(name+"-geo2", "geo", addrs, topic.name, redis.Addrs[0], set2, fmt.Sprintf("{file: {dir: %q}}", letters))
	p := startMillrace(t, config, "--log", "json", "--status", "100ms")
	groups := []string{name + "-geo", name + "-files", name + "-geo2"}
	waitUntil(t, badPatience, "all to be committed", func() bool {
		return !slices.ContainsFunc(groups, func(g string) bool { return !badDone(t, brokers, g, topic) })
	})
	p.stop()
	badCheckMemory(t, p)

	badCheckLetters(t, topic, geoDead, name+"-geo", badReadAll(t, brokers, geoDead), func(b badRecord) badLetter { return b.geo })
	badCheckLetters(t, topic, filesDead, name+"-files", badReadAll(t, brokers, filesDead), func(b badRecord) badLetter { return b.files })
	badCheckLetterFiles(t, topic, name+"-geo2", letters)
	badCheckGeo(t, redis, set, topic)
	badCheckGeo(t, redis, set2, topic)
	badCheckLines(t, dir, topic)
}

// badDone reports whether a group has committed all of a topic.
func badDone(t *testing.T, brokers *testbed.Brokers, group string, topic *badTopic) bool {
	t.Helper()
	for partition, rs := range topic.records {
		if badCommitted(t, brokers, group, topic.name, partition) != int64(len(rs)) {
			return false
		}
	}
	return true
}

// badCommitted is the offset that a group stands at, -1 without one.
func badCommitted(t *testing.T, brokers *testbed.Brokers, group, topic string, partition int) int64 {
	t.Helper()
	client := brokers.Client(t)
	defer client.Close()
	offsets, err := kadm.NewClient(client).FetchOffsets(t.Context(), group)
	if err != nil {
		return -1
	}
	if o, ok := offsets.Lookup(topic, int32(partition)); ok {
		return o.At
	}
	return -1
}

// badReadAll reads a topic from its start to its end.
func badReadAll(t *testing.T, brokers *testbed.Brokers, topic string) []*kgo.Record {
	t.Helper()
	ends, err := brokers.Admin(t).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return consume(within(t, badPatience), t, brokers, topic, int(n))
}

// badAt is where a record stood in its topic.
func badAt(partition, offset any) string { return fmt.Sprintf("%v/%v", partition, offset) }

// badWant is the records that a connector has to bury, by where they stand.
func badWant(topic *badTopic, of func(badRecord) badLetter) map[string]*kgo.Record {
	want := map[string]*kgo.Record{}
	for partition, rs := range topic.records {
		for offset, r := range rs {
			if b, ok := topic.bad[r]; ok && of(b).stage != "" {
				want[badAt(partition, offset)] = r
			}
		}
	}
	return want
}

// badCheckLetters checks the records of a dead letter topic.
func badCheckLetters(t *testing.T, topic *badTopic, dead, connector string, got []*kgo.Record, of func(badRecord) badLetter) {
	t.Helper()
	want := badWant(topic, of)
	for _, letter := range got {
		own := map[string]string{}
		var headers []kgo.RecordHeader
		for _, h := range letter.Headers {
			if strings.HasPrefix(h.Key, badPrefix) || h.Key == "millrace.id" {
				own[strings.TrimPrefix(h.Key, badPrefix)] = string(h.Value)
			} else {
				headers = append(headers, h)
			}
		}
		at := badAt(own["partition"], own["offset"])
		r := want[at]
		if r == nil {
			t.Errorf("%s holds %s, which isn't bad or was buried before: %s", dead, at, own["exception.message"])
			continue
		}
		delete(want, at)
		b := topic.bad[r]
		badCheckReason(t, b.name, own["stage"], own["exception.message"], of(b))
		if !badSame(letter.Key, r.Key) || !badSame(letter.Value, r.Value) {
			t.Errorf("%s, %s: key %.40q and value %.40q aren't what was produced", connector, b.name, letter.Key, letter.Value)
		}
		if !slices.EqualFunc(headers, r.Headers, func(a, b kgo.RecordHeader) bool { return a.Key == b.Key && badSame(a.Value, b.Value) }) {
			t.Errorf("%s, %s: headers %q, want %q", connector, b.name, headers, r.Headers)
		}
		if !letter.Timestamp.Equal(r.Timestamp) {
			t.Errorf("%s, %s: timestamp %v, want %v", connector, b.name, letter.Timestamp, r.Timestamp)
		}
		if own["topic"] != topic.name || own["connector.name"] != connector || own["task.id"] != "0" ||
			own["class.name"] == "" || own["exception.class.name"] == "" || !strings.HasSuffix(own["millrace.id"], "-"+own["partition"]+"-"+own["offset"]+"-0") {
			t.Errorf("%s, %s: headers of the error %q", connector, b.name, own)
		}
		if _, ok := own["exception.stacktrace"]; !ok {
			t.Errorf("%s, %s: no exception.stacktrace", connector, b.name)
		}
	}
	for _, r := range want {
		t.Errorf("%s: %s isn't in the dead letter", connector, topic.bad[r].name)
	}
}

// badSame tells an empty text from none.
func badSame(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

func badCheckReason(t *testing.T, name, stage, message string, want badLetter) {
	t.Helper()
	if stage != want.stage {
		t.Errorf("%s: stage %s, want %s: %s", name, stage, want.stage, message)
	}
	for _, w := range want.words {
		if !strings.Contains(message, w) {
			t.Errorf("%s: %q doesn't say %q", name, message, w)
		}
	}
	if len(message) > 400 {
		t.Errorf("%s: the message has %d bytes", name, len(message))
	}
}

// badCheckLetterFiles checks a dead letter of files; the connector is one that writes to a geo set.
func badCheckLetterFiles(t *testing.T, topic *badTopic, connector, dir string) {
	t.Helper()
	want := badWant(topic, func(b badRecord) badLetter { return b.geo })
	for _, line := range badLines(t, dir) {
		var letter struct {
			ID, Connector, Topic, Stage, Error string
			Partition                          int
			Offset, Timestamp                  int64
			Key, Value                         *string
			KeyBase64                          []byte `json:"key_base64"`
			ValueBase64                        []byte `json:"value_base64"`
			Headers                            []struct {
				Name        string
				Value       *string
				ValueBase64 []byte `json:"value_base64"`
			}
		}
		if err := json.Unmarshal(line, &letter); err != nil {
			t.Fatalf("%v: %.200s", err, line)
		}
		at := badAt(letter.Partition, letter.Offset)
		r := want[at]
		if r == nil {
			t.Errorf("%s holds %s, which isn't bad or was buried before: %s", dir, at, letter.Error)
			continue
		}
		delete(want, at)
		b := topic.bad[r]
		badCheckReason(t, b.name, letter.Stage, letter.Error, b.geo)
		original := func(text *string, raw []byte) []byte {
			if text != nil {
				return []byte(*text)
			}
			return raw
		}
		if !badSame(original(letter.Key, letter.KeyBase64), r.Key) || !badSame(original(letter.Value, letter.ValueBase64), r.Value) {
			t.Errorf("%s: not the key and value that were produced: %.200s", b.name, line)
		}
		if len(letter.Headers) != len(r.Headers) {
			t.Errorf("%s: %d headers, want %d", b.name, len(letter.Headers), len(r.Headers))
		} else {
			for i, h := range letter.Headers {
				if h.Name != r.Headers[i].Key || !badSame(original(h.Value, h.ValueBase64), r.Headers[i].Value) {
					t.Errorf("%s: header %d is %+v, want %+v", b.name, i, h, r.Headers[i])
				}
			}
		}
		if letter.Topic != topic.name || letter.Connector != connector || letter.Timestamp != r.Timestamp.UnixMilli() ||
			!strings.HasSuffix(letter.ID, fmt.Sprintf("-%d-%d-0", letter.Partition, letter.Offset)) {
			t.Errorf("%s: %.300s", b.name, line)
		}
	}
	for _, r := range want {
		t.Errorf("%s: %s isn't in the dead letter", connector, topic.bad[r].name)
	}
}

// badCheckGeo checks that the set holds what is good and nothing else.
func badCheckGeo(t *testing.T, redis *testbed.Redis, set string, topic *badTopic) {
	t.Helper()
	client := redis.Client(t)
	t.Cleanup(func() { client.Del(t.Context(), set) })
	for n := range topic.goods {
		at, err := client.GeoPos(t.Context(), set, string(badGood(n).Key)).Result()
		if err != nil {
			t.Fatal(err)
		}
		if lng, lat := badPlace(n); at[0] == nil || math.Abs(at[0].Longitude-lng) > 1e-4 || math.Abs(at[0].Latitude-lat) > 1e-4 {
			t.Errorf("set %s: %s is at %v", set, badGood(n).Key, at[0])
		}
	}
	want := topic.goods
	for _, b := range topic.bad {
		if b.geo.stage == "" {
			want++
		}
	}
	if n := client.ZCard(t.Context(), set).Val(); n != int64(want) {
		t.Errorf("set %s has %d members, want %d", set, n, want)
	}
}

// badCheckLines checks that the files of each partition hold what files can hold, in order.
func badCheckLines(t *testing.T, dir string, topic *badTopic) {
	t.Helper()
	for partition, rs := range topic.records {
		var want []string
		for _, r := range rs {
			if b, ok := topic.bad[r]; ok && b.files.stage != "" {
				continue
			}
			line := string(r.Value)
			if r.Value == nil {
				line = "null"
			}
			want = append(want, line)
		}
		var got []string
		for _, line := range badLines(t, filepath.Join(dir, topic.name, fmt.Sprintf("partition=%d", partition))) {
			got = append(got, string(line))
		}
		if !slices.Equal(got, want) {
			t.Errorf("partition %d: %d lines, want %d", partition, len(got), len(want))
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Fatalf("line %d is %.200s\nwant %.200s", i, got[i], want[i])
				}
			}
		}
	}
}

// badLines are the lines of a folder's files, in the order of their names.
func badLines(t *testing.T, dir string) (lines [][]byte) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			lines = append(lines, bytes.TrimSuffix(line, []byte("\n")))
		}
	}
	return lines
}

// A badStop is a record that a partition stops at, and how it is repaired.
type badStop struct {
	name  string
	value string
	dead  func(topic string) string // the setting dead_letter; "" is none
	words []string                  // of the log and the status
}

func badStops() []badStop {
	return []badStop{
		{"refused by the dead letter", badPadded(10<<20, len("bad")),
			func(topic string) string { return fmt.Sprintf("{kafka: %s.dead}", topic) },
			[]string{"offset 2", "10485760 bytes; max_record allows 8388608", "set max.message.bytes of topic", ".dead"}},
		{"without a dead letter", `{"lng": 126.97, "lat": 37.5`,
			func(string) string { return "" },
			[]string{"offset 2", "VALUE_CONVERTER", "JSON ends early at byte 27", "there is no dead_letter"}},
	}
}

// TestBadStops: a partition stops at a record that can neither be used nor buried. The others go on, the process
// stays up and tells where it stands and why, and nothing is lost when the cause is gone.
func TestBadStops(t *testing.T) {
	brokers, redis := testbed.Kafka(t), testbed.RedisServer(t)
	addrs := strings.Join(brokers.Addrs, ",")
	for _, stop := range badStops() {
		for _, kind := range []string{"geo", "files"} {
			t.Run(kind+", "+stop.name, func(t *testing.T) {
				topic := &badTopic{name: brokers.Topic(t, 2, "max.message.bytes", strconv.Itoa(badLargest)), records: make([][]*kgo.Record, 2), bad: map[*kgo.Record]badRecord{}}
				dead := topic.name + ".dead"
				brokers.CreateTopic(t, dead, 1, "max.message.bytes", "65536")
				bad := &kgo.Record{Key: []byte("bad"), Value: []byte(stop.value)}
				topic.bad[bad] = badRecord{name: stop.name, geo: buried("VALUE_CONVERTER"), files: buried("VALUE_CONVERTER")}
				client := badProducer(t, brokers)
				put := func(partition int32, r *kgo.Record) {
					if r == nil {
						r = badGood(topic.goods)
						topic.goods++
					}
					r.Topic, r.Partition = topic.name, partition
					if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
						t.Fatal(err)
					}
					topic.records[partition] = append(topic.records[partition], r)
				}
				for _, r := range []*kgo.Record{nil, nil, bad, nil} {
					put(0, r)
					put(1, nil)
				}
				group, to := testbed.Name(t), topic.name
				if kind == "files" {
					to = t.TempDir()
				}
				p := startMillrace(t, badConnector(group, kind, addrs, topic.name, redis.Addrs[0], to, stop.dead(topic.name)), "--log", "json", "--status", "200ms")
				waitUntil(t, badPatience, "the partition to stop", func() bool { return badLogged(p, "partition stopped", stop.words...) != nil })
				if line := badLogged(p, "partition stopped", stop.words...); line["topic"] != topic.name || line["partition"] != 0.0 || line["level"] != "ERROR" {
					t.Errorf("%v", line)
				}
				waitUntil(t, badPatience, "the status to tell", func() bool {
					line := badLogged(p, "status", append(stop.words, topic.name+"/0")...)
					return line != nil && line["halted"] == 1.0
				})
				put(1, nil) // the other one goes on
				waitUntil(t, badPatience, "the other partition", func() bool {
					return badCommitted(t, brokers, group, topic.name, 1) == int64(len(topic.records[1]))
				})
				waitUntil(t, badPatience, "what is before the record", func() bool { return badCommitted(t, brokers, group, topic.name, 0) == 2 })
				p.stop()
				if at := badCommitted(t, brokers, group, topic.name, 0); at != 2 {
					t.Errorf("the group stands at %d after the end", at)
				}

				allow := strconv.Itoa(badLargest)
				if _, err := brokers.Admin(t).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "max.message.bytes", Value: &allow}}, dead); err != nil {
					t.Fatal(err)
				}
				p = startMillrace(t, badConnector(group, kind, addrs, topic.name, redis.Addrs[0], to, fmt.Sprintf("{kafka: %s}", dead)))
				waitUntil(t, badPatience, "all to be committed", func() bool { return badDone(t, brokers, group, topic) })
				p.stop()
				badCheckLetters(t, topic, dead, group, badReadAll(t, brokers, dead), func(b badRecord) badLetter { return b.geo })
				if kind == "files" {
					badCheckLines(t, to, topic)
				} else {
					badCheckGeo(t, redis, to, topic)
				}
			})
		}
	}
}

// badLog is what a process logged with --log json.
func badLog(p *millraceProcess) (lines []map[string]any) {
	for text := range strings.Lines(p.log.String()) {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil {
			lines = append(lines, line)
		}
	}
	return lines
}

// badLogged finds the first line of a message with these words in its error.
func badLogged(p *millraceProcess, message string, words ...string) map[string]any {
	for _, line := range badLog(p) {
		text, _ := line["error"].(string)
		if line["msg"] == message && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			return line
		}
	}
	return nil
}

// badCheckMemory checks what the connectors together held, and what the process had of the system at most. It has ended.
func badCheckMemory(t *testing.T, p *millraceProcess) {
	t.Helper()
	held, most := map[any]float64{}, 0.0
	for _, line := range badLog(p) {
		if line["msg"] != "status" {
			continue
		}
		held[line["connector"]], _ = line["held_bytes"].(float64)
		var sum float64
		for n := range maps.Values(held) {
			sum += n
		}
		most = max(most, sum)
	}
	resident := badResidentOf(p)
	t.Logf("held at most %.1f MiB of the budget, resident at most %d MiB", most/(1<<20), resident>>20)
	if most == 0 || most > badBudget {
		t.Errorf("%.0f bytes of the budget were held", most)
	}
	if resident > badResident {
		t.Errorf("the process had %d MiB", resident>>20)
	}
}

// badResidentOf is the most memory that a process that has ended had of the system.
func badResidentOf(p *millraceProcess) int64 {
	return p.cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10 // Linux counts in KiB
}
