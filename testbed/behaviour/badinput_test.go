//go:build testbed

package behaviour

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/testbed"
)

const (
	badMaxRecord = 8 << 20   // max_record's default
	badLargest   = 16 << 20  // max.message.bytes of topics that take everything
	badBudget    = 128 << 20 // of a process, by default
	// What a process may ever need: each of its three connectors has records of 8 to 10 MiB in a fetch, in a batch and in a
	// request of the dead letter at the same time. 205 to 244 MiB is usual; 422 MiB was seen once, on a busy machine.
	badResident = 640 << 20
	badPatience = 60 * time.Second // for what takes a second or two on an idle machine
	badPrefix   = "__connect.errors."
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
		c += "dead_letter: " + dead + "\nbreaker: none\n"
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
	testbed.WaitUntil(t, badPatience, "all to be committed", func() bool {
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
				testbed.WaitUntil(t, badPatience, "the partition to stop", func() bool { return badLogged(p, "partition stopped", stop.words...) != nil })
				if line := badLogged(p, "partition stopped", stop.words...); line["topic"] != topic.name || line["partition"] != 0.0 || line["level"] != "ERROR" {
					t.Errorf("%v", line)
				}
				testbed.WaitUntil(t, badPatience, "the status to tell", func() bool {
					line := badLogged(p, "status", append(stop.words, topic.name+"/0")...)
					return line != nil && line["halted"] == 1.0
				})
				put(1, nil) // the other one goes on
				testbed.WaitUntil(t, badPatience, "the other partition", func() bool {
					return badCommitted(t, brokers, group, topic.name, 1) == int64(len(topic.records[1]))
				})
				testbed.WaitUntil(t, badPatience, "what is before the record", func() bool { return badCommitted(t, brokers, group, topic.name, 0) == 2 })
				p.stop()
				if at := badCommitted(t, brokers, group, topic.name, 0); at != 2 {
					t.Errorf("the group stands at %d after the end", at)
				}

				allow := strconv.Itoa(badLargest)
				if _, err := brokers.Admin(t).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "max.message.bytes", Value: &allow}}, dead); err != nil {
					t.Fatal(err)
				}
				p = startMillrace(t, badConnector(group, kind, addrs, topic.name, redis.Addrs[0], to, fmt.Sprintf("{kafka: %s}", dead)))
				testbed.WaitUntil(t, badPatience, "all to be committed", func() bool { return badDone(t, brokers, group, topic) })
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
