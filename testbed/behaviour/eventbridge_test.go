//go:build testbed

package behaviour

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/testbed"
)

// A street is a topic on its way to an event bus.
type street struct {
	t     *testing.T
	kafka *testbed.Brokers
	bus   *testbed.EventBus
	topic string
	name  string // of the connector
}

func newStreet(t *testing.T, bus *testbed.EventBus) *street {
	t.Helper()
	kafka := testbed.Kafka(t)
	return &street{t: t, kafka: kafka, bus: bus, topic: kafka.Topic(t, 3), name: strings.ReplaceAll(testbed.Name(t), ".", "-")}
}

// config is a connector; suffix is what its name ends with, sink what the sink has besides the bus, and more what the connector has besides.
func (s *street) config(suffix, sink, more string) string {
	return fmt.Sprintf(`
name: %s%s
source: {kafka: {brokers: %q, topics: [%s], session_timeout: 6s}}
sink: {eventbridge: {bus: %s, endpoint: %q, region: %s, access_key: %s, secret_key: %s%s}}
%s
`, s.name, suffix, strings.Join(s.kafka.Addrs, ","), s.topic, s.bus.Name, s.bus.Endpoint, s.bus.Region, s.bus.AccessKey, s.bus.SecretKey, sink, more)
}

// produce writes n records and a tombstone behind them, and returns all as they are in the topic.
func (s *street) produce(n int) []*kgo.Record {
	s.t.Helper()
	client := s.kafka.Client(s.t, kgo.DefaultProduceTopic(s.topic), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	defer client.Close()
	from := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	var records []*kgo.Record
	for i := range n {
		r := &kgo.Record{
			Key: fmt.Appendf(nil, "card-%d", i%17), Value: []byte(payment(i)), Timestamp: from.Add(time.Duration(i) * time.Second),
			Headers: []kgo.RecordHeader{{Key: "trace", Value: fmt.Appendf(nil, "t-%d", i)}, {Key: "trace", Value: []byte("zwei ✓")}},
		}
		if i%5 == 0 {
			r.Key = nil
		}
		records = append(records, r)
	}
	records = append(records, &kgo.Record{Key: []byte("card-1"), Timestamp: from})
	if err := client.ProduceSync(s.t.Context(), records...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
	return records
}

// payment is a value; one in four is of type FraudSuspected, and one in eight has none.
func payment(i int) string {
	kind := []string{`"eventType":"PaymentTaken",`, `"eventType":"FraudSuspected",`, `"eventType":"PaymentTaken",`, ``}[i%4]
	return fmt.Sprintf(`{%s"n":%d,"amount":%d.25,"name":"café \"%d\"\n","big":9007199254740993,"tags":["a",null,true,{"deep":[[]]}],"none":null}`, kind, i, i, i)
}

// topicID is the topic's id as records' ids have it.
func (s *street) topicID() string {
	s.t.Helper()
	topics, err := s.kafka.Admin(s.t).ListTopics(s.t.Context(), s.topic)
	if err != nil {
		s.t.Fatal(err)
	}
	id := topics[s.topic].ID
	return hex.EncodeToString(id[:])
}

// place is what events say of where a record is, as members of a JSON object.
func (s *street) place(r *kgo.Record) string {
	return fmt.Sprintf(`"topic":%q,"partition":%d,"offset":%d,"timestamp":%d`, s.topic, r.Partition, r.Offset, r.Timestamp.UnixMilli())
}

// An expectedEvent is what becomes of a record.
type expectedEvent struct{ detailType, detail string }

// detailRecord is the event of a record with detail: record, by its id.
func (s *street) detailRecord(topicID string, r *kgo.Record) (id string, e expectedEvent) {
	id = fmt.Sprintf("%s-%d-%d-0", topicID, r.Partition, r.Offset)
	var headers []string
	for _, h := range r.Headers {
		headers = append(headers, fmt.Sprintf(`{%q:%q}`, h.Key, h.Value))
	}
	key, value := "null", "null"
	if r.Key != nil {
		key = fmt.Sprintf("%q", r.Key)
	}
	if r.Value != nil {
		value = string(r.Value)
	}
	e.detail = fmt.Sprintf(`{%s,"timestampType":"CreateTime","headers":[%s],"key":%s,"value":%s,"id":%q}`, s.place(r), strings.Join(headers, ","), key, value, id)
	e.detailType = "kafka-connect-" + s.topic
	if kind := eventType(r); kind != "" {
		e.detailType = kind
	}
	return id, e
}

func eventType(r *kgo.Record) string {
	var v struct{ EventType string }
	_ = json.Unmarshal(r.Value, &v) // a tombstone has none
	return v.EventType
}

// compare checks that the events are those expected, each once, whatever the order. idOf finds an event's id in its detail.
func (s *street) compare(what string, events []testbed.Event, want map[string]expectedEvent, source string, idOf func(json.RawMessage) string) {
	s.t.Helper()
	wrong, seen := 0, map[string]int{}
	for _, e := range events {
		id := idOf(e.Detail)
		seen[id]++
		w, ok := want[id]
		if !ok || e.Source != source || e.DetailType != w.detailType || !sameEvent(s.t, string(e.Detail), w.detail) {
			if wrong++; wrong <= 3 {
				s.t.Errorf("%s: source %s, detail-type %s, detail %s\nwant source %s, detail-type %s, detail %s", what, e.Source, e.DetailType, e.Detail, source, w.detailType, w.detail)
			}
		}
		if seen[id] > 1 {
			s.t.Errorf("%s: event %s came %d times", what, id, seen[id])
		}
	}
	lost := 0
	for id := range want {
		if seen[id] == 0 {
			lost++
		}
	}
	s.t.Logf("%s: %d events, %d wrong, %d lost", what, len(events), wrong, lost)
	if lost > 0 {
		s.t.Errorf("%s: %d of %d events are lost", what, lost, len(want))
	}
}

func sameEvent(t *testing.T, a, b string) bool {
	t.Helper()
	x, err := testbed.CanonicalJSON(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := testbed.CanonicalJSON(b)
	if err != nil {
		t.Fatal(err)
	}
	return x == y
}

func idOfRecord(detail json.RawMessage) string {
	var d struct{ ID string }
	_ = json.Unmarshal(detail, &d) // one without is wrong
	return d.ID
}

func idOfMeta(detail json.RawMessage) string {
	var d struct {
		Meta struct{ ID string } `json:"_meta"`
	}
	_ = json.Unmarshal(detail, &d)
	return d.Meta.ID
}

// Each record arrives behind a rule as an event that has what the topic has, and a pattern on the value's eventType lets only those
// through. The second connector sends plain values, with the record's time.
func TestEventBridge(t *testing.T) {
	s := newStreet(t, testbed.Moto(t).EventBus(t))
	recordSource, valueSource := "kafka-connect."+s.name+"-record", "shop.payments"
	all := s.bus.Queue(t, fmt.Sprintf(`{"source":[%q]}`, recordSource))
	fraud := s.bus.Queue(t, fmt.Sprintf(`{"source":[%q],"detail":{"value":{"eventType":["FraudSuspected"]}}}`, recordSource))
	plain := s.bus.Queue(t, fmt.Sprintf(`{"source":[%q]}`, valueSource))
	const n = 300
	records := s.produce(n)
	p := startMillrace(t, s.config("-record", ", detail_type: {path: value.eventType}", "")+"---"+
		s.config("-value", ", source: "+valueSource+", detail: value, meta: true, time: timestamp, detail_type: Payment, resources: ['arn:aws:kafka:us-east-1:111122223333:topic/a']",
			"handlers: [{filter: {rule: value != nil, tombstones: apply}}]"))
	admin := s.kafka.Admin(t)
	for _, suffix := range []string{"-record", "-value"} {
		testbed.WaitUntil(t, time.Minute, "the group of "+suffix, func() bool { return committedSum(t, admin, s.name+suffix) == n+1 })
	}
	p.stop()

	topicID := s.topicID()
	want, suspected, values := map[string]expectedEvent{}, map[string]expectedEvent{}, map[string]expectedEvent{}
	times := map[string]time.Time{}
	for _, r := range records {
		id, e := s.detailRecord(topicID, r)
		want[id] = e
		if eventType(r) == "FraudSuspected" {
			suspected[id] = e
		}
		if r.Value != nil {
			value := bytes.TrimSuffix(r.Value, []byte("}"))
			values[id] = expectedEvent{"Payment", fmt.Sprintf(`%s,"_meta":{"id":%q,%s}}`, value, id, s.place(r))}
			times[id] = r.Timestamp
		}
	}
	s.compare("detail: record", all.Receive(t, len(want)), want, recordSource, idOfRecord)
	s.compare("a pattern", fraud.Receive(t, len(suspected)), suspected, recordSource, idOfRecord)
	events := plain.Receive(t, len(values))
	s.compare("detail: value", events, values, valueSource, idOfMeta)
	for _, e := range events {
		if at := times[idOfMeta(e.Detail)]; e.Time.Unix() != at.Unix() || len(e.Resources) != 1 || e.Resources[0] != "arn:aws:kafka:us-east-1:111122223333:topic/a" {
			t.Fatalf("event of %v with resources %v, want the record's time %v and one resource", e.Time, e.Resources, at)
		}
	}
}

// A bus that doesn't exist is said at start, and nothing is lost to it: once it is there, all events go to it.
func TestEventBridgeWithoutBus(t *testing.T) {
	s := newStreet(t, testbed.Moto(t).NoEventBus(t))
	const n = 20
	records := s.produce(n)
	p := startMillrace(t, s.config("", "", ""))
	p.says("can't start yet", "ResourceNotFoundException", s.bus.Name, "create the bus", "check_bus")
	if strings.Contains(p.log.String(), "msg=status") {
		t.Error("it runs")
	}
	if sum := committedSum(t, s.kafka.Admin(t), s.name); sum != 0 {
		t.Errorf("%d offsets are committed", sum)
	}
	s.bus.Create(t)
	queue := s.bus.Queue(t, fmt.Sprintf(`{"source":["kafka-connect.%s"]}`, s.name))
	events := queue.Receive(t, len(records))
	if len(events) != len(records) {
		t.Errorf("%d events, want %d", len(events), len(records))
	}
	p.stop()
}

// A configuration that can't be is one that validate refuses, and run ends with exit code 2.
func TestEventBridgeRefusesABus(t *testing.T) {
	s := newStreet(t, testbed.Moto(t).NoEventBus(t))
	s.bus.Name = "'a bus'"
	l := &lake{t: t, file: s.config("", "", "")}
	for _, command := range []string{"validate", "run"} {
		if out, code := l.command(command); code != 2 || !strings.Contains(out, "bus") || !strings.Contains(out, `"a bus"`) {
			t.Errorf("%s ended with %d:\n%s", command, code, out)
		}
	}
}
