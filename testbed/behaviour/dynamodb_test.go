//go:build testbed

package behaviour

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/testbed"
)

// A depot is a topic on its way into tables of DynamoDB Local, each behind a gateway that makes faults.
type depot struct {
	t      *testing.T
	kafka  *testbed.Brokers
	topic  string
	group  string // of all tables, with a table's suffix
	random *rand.Rand
	from   time.Time
	tables []*depotTable
}

// A depotTable is one table.
type depotTable struct {
	suffix  string // of the connector's name
	name    string
	dynamo  *testbed.DynamoDB
	sink    string // its settings besides the place
	gateway *testbed.DynamoDBGateway
}

const (
	depotFaults = 0.3
	depotHot    = 100 // keys that have half of the records
)

func newDepot(t *testing.T, partitions int32) *depot {
	t.Helper()
	d := &depot{
		t: t, kafka: testbed.Kafka(t), group: testbed.Name(t),
		random: rand.New(rand.NewPCG(1, 1)), from: time.Now().Add(-24 * time.Hour).Truncate(time.Millisecond),
	}
	d.topic = d.kafka.Topic(t, partitions)
	return d
}

// table makes a table for a connector whose sink has such settings.
func (d *depot) table(suffix, sink string) *depotTable {
	d.t.Helper()
	table := &depotTable{suffix: suffix, sink: sink, dynamo: testbed.DynamoDBLocal(d.t)}
	if len(d.tables) > 0 { // DynamoDB Local works on one core
		table.dynamo = testbed.StartDynamoDB(d.t)
	}
	table.name = table.dynamo.Table(d.t, testbed.TableKey{Name: "id", Type: types.ScalarAttributeTypeS})
	table.gateway = testbed.StartDynamoDBGateway(d.t, table.dynamo.Endpoint, testbed.DynamoDBFaultOptions{Share: depotFaults, Seed: 7, Late: 6 * time.Second})
	d.tables = append(d.tables, table)
	return table
}

// config has a connector for each table. prefix makes them others, with groups of their own.
func (d *depot) config(prefix string) string {
	var file []string
	for _, table := range d.tables {
		file = append(file, fmt.Sprintf(`
name: %s%s%s
source: {kafka: {brokers: %q, topics: [%s], session_timeout: 6s, metadata_max_age: 2s}}
decode: {key: string}
sink: {dynamodb: {endpoint: %q, region: %s, access_key: %s, secret_key: %s, table: %s, key: {id: key}, %s}}
on_gap: earliest
`, prefix, d.group, table.suffix, strings.Join(d.kafka.Addrs, ","), d.topic, table.gateway.Endpoint, table.dynamo.Region, table.dynamo.AccessKey, table.dynamo.SecretKey,
			table.name, table.sink))
	}
	return strings.Join(file, "---")
}

func (d *depot) start() *millraceProcess {
	d.t.Helper()
	return startMillrace(d.t, d.config(""))
}

// produce writes the records from first to first+n-1. Half of them are of few keys, one in 101 is a tombstone. Their timestamps are above those of phases
// before, and out of order among each other: within a partition the offset decides.
func (d *depot) produce(phase int, first, n int64) {
	d.t.Helper()
	client := d.kafka.Client(d.t, kgo.DefaultProduceTopic(d.topic), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	defer client.Close()
	from := d.from.Add(time.Duration(phase) * time.Hour)
	for i := first; i < first+n; i++ {
		p := flowPosition(i / 2)
		p.Seq = i
		if i%2 == 1 {
			p.Car = fmt.Sprintf("car-%04d", d.random.IntN(depotHot))
		}
		r := &kgo.Record{Key: []byte(p.Car), Value: []byte(p.text())}
		if i%101 == 100 {
			r.Value = nil
		}
		r.Timestamp = from.Add(time.Duration(i-first)*time.Millisecond - time.Duration(d.random.Int64N(int64(20*time.Second)))).Truncate(time.Millisecond)
		client.Produce(d.t.Context(), r, func(_ *kgo.Record, err error) {
			if err != nil {
				d.t.Error(err)
			}
		})
	}
	if err := client.Flush(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

// written waits until all groups have committed the ends of the topic's partitions.
func (d *depot) written() {
	d.t.Helper()
	admin := d.kafka.Admin(d.t)
	ends, err := admin.ListEndOffsets(d.t.Context(), d.topic)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, table := range d.tables {
		testbed.WaitUntil(d.t, 60*time.Minute, "all records in table "+table.suffix, func() bool {
			at, err := admin.FetchOffsets(d.t.Context(), d.group+table.suffix)
			if err != nil {
				return false
			}
			missing := 0
			ends.Each(func(end kadm.ListedOffset) {
				if o, _ := at.Lookup(d.topic, end.Partition); max(0, o.At) != end.Offset {
					missing++
				}
			})
			return missing == 0
		})
	}
}

// setBack sets all groups, which have no members now, to the middle of each partition, or near it.
func (d *depot) setBack() {
	d.t.Helper()
	admin := d.kafka.Admin(d.t)
	ends, err := admin.ListEndOffsets(d.t.Context(), d.topic)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, table := range d.tables {
		var to kadm.Offsets
		ends.Each(func(end kadm.ListedOffset) {
			to.Add(kadm.Offset{Topic: d.topic, Partition: end.Partition, At: end.Offset/4 + d.random.Int64N(end.Offset/2+1), LeaderEpoch: -1})
		})
		testbed.WaitUntil(d.t, time.Minute, "the group to be empty", func() bool {
			done, err := admin.CommitOffsets(d.t.Context(), d.group+table.suffix, to)
			return err == nil && done.Ok()
		})
	}
}

// An oracle is what the tables must hold, computed from the topic.
type oracle struct {
	records int64
	keys    map[string]*oracleKey
}

// An oracleKey is what is known of a key.
type oracleKey struct {
	last, values   map[string]*kgo.Record // the last record of each topic's partition, and the last that is no tombstone
	records, total int64                  // records that are no tombstones, and the sum of their seq
}

// newest is the record of the highest timestamp, of the last ones of each partition.
func newest(last map[string]*kgo.Record) (newest *kgo.Record) {
	for _, r := range last {
		if newest == nil || r.Timestamp.After(newest.Timestamp) {
			newest = r
		}
	}
	return newest
}

// read adds all that is in the topic now. Each of its lives has a name of its own.
func (o *oracle) read(d *depot, life string) {
	d.t.Helper()
	ends, err := d.kafka.Admin(d.t).ListEndOffsets(d.t.Context(), d.topic)
	if err != nil {
		d.t.Fatal(err)
	}
	left := int64(0)
	ends.Each(func(end kadm.ListedOffset) { left += end.Offset })
	client := d.kafka.Client(d.t, kgo.ConsumeTopics(d.topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer client.Close()
	for left > 0 {
		fetches := client.PollFetches(d.t.Context())
		if err := fetches.Err(); err != nil {
			d.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			left--
			o.add(d.t, r, fmt.Sprintf("%s-%d", life, r.Partition))
		})
	}
}

func (o *oracle) add(t *testing.T, r *kgo.Record, place string) {
	t.Helper()
	o.records++
	k := o.keys[string(r.Key)]
	if k == nil {
		k = &oracleKey{last: map[string]*kgo.Record{}, values: map[string]*kgo.Record{}}
		o.keys[string(r.Key)] = k
	}
	k.last[place] = &kgo.Record{Value: r.Value, Timestamp: r.Timestamp}
	if r.Value == nil {
		return
	}
	k.values[place] = k.last[place]
	k.records++
	k.total += positionOf(t, r.Value).Seq
}

func positionOf(t *testing.T, value []byte) (p position) {
	t.Helper()
	if err := json.Unmarshal(value, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// verify compares a table with what it must hold by a function that says what is wrong with an item, which is nil if there is none, and prints
// a line of the report.
func (o *oracle) verify(d *depot, table *depotTable, wrong func(key string, k *oracleKey, item map[string]types.AttributeValue) string) {
	d.t.Helper()
	table.gateway.Settle()
	items := map[string]map[string]types.AttributeValue{}
	for _, item := range table.dynamo.Items(d.t, table.name) {
		items[stringOf(item["id"])] = item
	}
	bad := 0
	report := func(key, why string) {
		if bad++; bad <= 5 {
			d.t.Errorf("table %s: item %s: %s", table.suffix, key, why)
		}
	}
	for key, k := range o.keys {
		if why := wrong(key, k, items[key]); why != "" {
			report(key, why)
		}
		delete(items, key)
	}
	for key := range items {
		report(key, "isn't a key of the topic")
	}
	d.t.Logf("| %-6s | %7d records | %4d keys | faults: %s | wrong items: %d |", strings.TrimPrefix(table.suffix, "-"), o.records, len(o.keys), table.gateway.Faults(), bad)
	if f := table.gateway.Faults(); f.Sum()*100 < f.Requests*20 {
		d.t.Errorf("table %s: only %d of %d requests had a fault", table.suffix, f.Sum(), f.Requests)
	}
}

// wrongPut says what is wrong with an item that is the newest record's value, or was deleted by it.
func wrongPut(t *testing.T) func(string, *oracleKey, map[string]types.AttributeValue) string {
	return func(_ string, k *oracleKey, item map[string]types.AttributeValue) string {
		r := newest(k.last)
		if r.Value == nil {
			if item["seq"] != nil || item["car"] != nil || item["lng"] != nil {
				return fmt.Sprintf("is there with seq %s, although it was deleted", numberOf(item["seq"]))
			}
			return ""
		}
		want := positionOf(t, r.Value)
		got := position{Car: stringOf(item["car"])}
		for name, at := range map[string]any{"seq": &got.Seq, "lng": &got.Lng, "lat": &got.Lat} {
			_ = json.Unmarshal([]byte(numberOf(item[name])), at) // what isn't there differs
		}
		if got != want {
			return fmt.Sprintf("is %+v, want %+v", got, want)
		}
		return ""
	}
}

// wrongSum says what is wrong with an item that counts its records and their seq, and has the seq of the newest that is no tombstone.
func wrongSum(t *testing.T) func(string, *oracleKey, map[string]types.AttributeValue) string {
	return func(_ string, k *oracleKey, item map[string]types.AttributeValue) string {
		if k.records == 0 {
			if item != nil {
				return "is there, although it has only tombstones"
			}
			return ""
		}
		got := fmt.Sprintf("records %s, total %s, seq %s", numberOf(item["records"]), numberOf(item["total"]), numberOf(item["seq"]))
		want := fmt.Sprintf("records %d, total %d, seq %d", k.records, k.total, positionOf(t, newest(k.values).Value).Seq)
		if got != want {
			return got + ", want " + want
		}
		return ""
	}
}

func stringOf(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

func numberOf(v types.AttributeValue) string {
	if n, ok := v.(*types.AttributeValueMemberN); ok {
		return n.Value
	}
	return "none"
}

// readAgain stops the processes, sets their groups back and lets another one read from there to the end.
func (d *depot) readAgain(processes []*millraceProcess) {
	d.t.Helper()
	for _, p := range processes {
		p.stop()
	}
	d.setBack()
	again := d.start()
	d.written()
	again.stop()
}

// kill ends one of the processes as kill -9 does, and starts another, some times, a second or two apart.
func (d *depot) kill(processes []*millraceProcess, times int) {
	d.t.Helper()
	for range times {
		time.Sleep(time.Second + time.Duration(d.random.Int64N(int64(2*time.Second))))
		i := d.random.IntN(len(processes))
		processes[i].kill()
		processes[i] = d.start()
	}
}

// Records on 5,000 keys go through batches into a table while 3 of 10 requests go wrong and processes are killed; then they are read again from
// somewhere in the middle. At the end each item is what the last record of its key says. MILLRACE_RECORDS and MILLRACE_KILLS make it longer.
func TestDynamoDBFast(t *testing.T) {
	records, kills := int64(testbed.FromEnv(t, "MILLRACE_RECORDS", 40_000)), testbed.FromEnv(t, "MILLRACE_KILLS", 1)
	d := newDepot(t, 6)
	table := d.table("-fast", "item: value, delete_when: value == nil")
	processes := []*millraceProcess{d.start(), d.start()}
	d.produce(0, 0, records/2)
	d.kill(processes, kills)
	d.produce(1, records/2, records-records/2)
	d.kill(processes, kills)
	d.written()
	d.readAgain(processes)

	o := &oracle{keys: map[string]*oracleKey{}}
	o.read(d, "only")
	o.verify(d, table, wrongPut(t))
}

// The same for items that only the newest record may set, and for sums that count each record once, with all that brings old records back: kills, processes
// that are paused for longer than their session, another reader that comes late, requests that are done seconds after their connection broke, partitions
// that are added, and a topic that is deleted and created again. At the end old requests are sent once more.
func TestDynamoDBNewest(t *testing.T) {
	records, kills := int64(testbed.FromEnv(t, "MILLRACE_RECORDS", 6_000)), testbed.FromEnv(t, "MILLRACE_KILLS", 1)
	d := newDepot(t, 4)
	items := d.table("-newest", "item: value, delete_when: value == nil, write: newest")
	sums := d.table("-sums", "update: {set: {seq: value.seq}, add: {records: '1', total: value.seq}}, on_tombstone: ignore, write: newest")
	o := &oracle{keys: map[string]*oracleKey{}}

	processes := []*millraceProcess{d.start(), d.start()}
	d.produce(0, 0, records/2)
	d.kill(processes, kills)
	paused := processes[0]
	if err := paused.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	d.kafka.AddPartitions(t, d.topic, 6)
	d.produce(1, records/2, records/4)
	time.Sleep(8 * time.Second) // longer than session_timeout
	if err := paused.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	late := startMillrace(t, d.config("late-"))
	d.kill(processes, kills)
	late.kill()
	d.written()
	o.read(d, "first")
	for _, p := range processes {
		p.stop()
	}

	d.kafka.DeleteTopic(t, d.topic)
	d.kafka.CreateTopic(t, d.topic, 3)
	processes = []*millraceProcess{d.start(), d.start()}
	d.produce(2, records*3/4, records-records*3/4)
	d.kill(processes, kills)
	d.written()
	d.readAgain(processes)

	o.read(d, "second")
	for _, table := range d.tables {
		table.gateway.Settle()
		sent, refused, err := table.gateway.Replay(t.Context())
		t.Logf("table %s: %d old requests were sent again, %d refused by their condition", table.suffix, sent, refused)
		if err != nil || sent == 0 || refused != sent {
			t.Errorf("table %s: %d of %d old requests were refused by their condition: %v", table.suffix, refused, sent, err)
		}
	}
	o.verify(d, items, wrongPut(t))
	o.verify(d, sums, wrongSum(t))
}
