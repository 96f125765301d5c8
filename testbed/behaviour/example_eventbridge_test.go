//go:build testbed

package behaviour

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/examples"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/glue"
	"github.com/millrace/millrace/testbed"
)

// The example fraud-to-eventbridge, as it stands, on moto's Glue, EventBridge and SQS: notifications of suspicious activity arrive by the rule of AWS's
// post in a queue, others aren't even sent, and what isn't of the registry goes to the dead letter.
func TestExampleFraudToEventBridge(t *testing.T) {
	kafka, moto := testbed.Kafka(t), testbed.Moto(t)
	bus, registry := moto.EventBus(t), moto.Registry(t)
	suffix := testbed.Name(t)[len(testbed.Name(t))-6:]
	topic, dead, name := "notifications."+suffix, kafka.Topic(t, 1), "fraud-"+suffix
	kafka.CreateTopic(t, topic, 2)
	all := bus.Queue(t, fmt.Sprintf(`{"source": ["kafka-connect.%s"]}`, name))
	suspicious := bus.Queue(t, `{
		"detail": {"value": {"eventType": ["suspiciousActivity"], "source": ["transactionAnalyzer"]}},
		"detail-type": [{"prefix": "kafka-connect-notification"}]
	}`)
	use(t, "BROKERS="+strings.Join(kafka.Addrs, ","), "AWS_REGION="+moto.Region, "REGISTRY="+registry.Name, "GLUE_ENDPOINT="+registry.Endpoint,
		"EVENTBRIDGE_ENDPOINT="+bus.Endpoint, "BUS="+bus.Name, "AWS_ACCESS_KEY_ID="+moto.AccessKey, "AWS_SECRET_ACCESS_KEY="+moto.SecretKey)

	const n, garbage = 90, "not of the registry"
	at := time.Now().Truncate(time.Millisecond)
	records := notifications(t, registry, topic, n, at)
	records = append(records, &kgo.Record{Topic: topic, Key: []byte("account-0"), Value: []byte(garbage), Timestamp: at})
	if err := kafka.Client(t).ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	p := startMillrace(t, exampleFile(t, "fraud-to-eventbridge/millrace.yaml", "name: fraud-to-eventbridge", "name: "+name,
		"[notifications]", "["+topic+"]", "{topic: notifications.dlq}", "{topic: "+dead+"}"))
	admin := kafka.Admin(t)
	testbed.WaitUntil(t, time.Minute, "the end of the topic", func() bool { return committedSum(t, admin, name) == n+1 })
	p.stop()

	ids := map[string]bool{}
	for _, e := range suspicious.Receive(t, n/3) {
		ids[checkNotification(t, e, name, topic, at)] = true
	}
	if len(ids) != n/3 {
		t.Errorf("%d events of suspicious activity, want %d", len(ids), n/3)
	}
	if sent := all.Receive(t, n/3); len(sent) != n/3 {
		t.Errorf("%d events were sent, want %d", len(sent), n/3)
	}
	if letter := consume(within(t, time.Minute), t, kafka, dead, 1)[0]; string(letter.Value) != garbage {
		t.Errorf("dead letter %q", letter.Value)
	}
}

// notifications are n records, as AWS's serializer writes them: a third of them is of suspicious activity.
func notifications(t *testing.T, registry *testbed.GlueRegistry, topic string, n int, at time.Time) []*kgo.Record {
	t.Helper()
	schema, err := examples.Files.ReadFile("fraud-to-eventbridge/notification.avsc")
	if err != nil {
		t.Fatal(err)
	}
	c := glue.DefaultEncoderConfig()
	c.Connection = connection(registry)
	c.Format, c.Definition, c.Register = testbed.GlueAvro, string(schema), true
	encoder, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = encoder.Close() }()
	tape := serde.NewTape()
	records := make([]*kgo.Record, n)
	for i := range records {
		v, err := tape.JSON(fmt.Appendf(nil, `{"eventType":%q,"source":"transactionAnalyzer","account":"account-%d","amount":%d.25,"at":%d,"reason":null}`,
			[]string{"transaction", "suspiciousActivity", "login"}[i%3], i%10, 100+i, at.UnixMilli()), serde.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		value, err := encoder.Encode(t.Context(), nil, topic, v)
		if err != nil {
			t.Fatal(err)
		}
		records[i] = &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "account-%d", i%10), Value: value, Timestamp: at}
	}
	return records
}

// checkNotification checks an event against the connector's shape, and returns its id.
func checkNotification(t *testing.T, e testbed.Event, name, topic string, at time.Time) string {
	t.Helper()
	var detail struct {
		ID            string            `json:"id"`
		Topic         string            `json:"topic"`
		Offset        *int64            `json:"offset"`
		Timestamp     int64             `json:"timestamp"`
		TimestampType string            `json:"timestampType"`
		Headers       []json.RawMessage `json:"headers"`
		Key           string            `json:"key"`
		Value         struct {
			EventType string      `json:"eventType"`
			Source    string      `json:"source"`
			Account   string      `json:"account"`
			Amount    json.Number `json:"amount"`
		} `json:"value"`
	}
	if err := json.Unmarshal(e.Detail, &detail); err != nil {
		t.Fatalf("%v in %s", err, e.Detail)
	}
	v := detail.Value
	if e.Source != "kafka-connect."+name || e.DetailType != "kafka-connect-"+topic || detail.ID == "" || detail.Topic != topic || detail.Offset == nil ||
		detail.Timestamp != at.UnixMilli() || detail.TimestampType != "CreateTime" || detail.Headers == nil || detail.Key != v.Account ||
		v.EventType != "suspiciousActivity" || v.Source != "transactionAnalyzer" || !strings.HasSuffix(v.Amount.String(), ".25") {
		t.Errorf("event %+v, detail %s", e, e.Detail)
	}
	return detail.ID
}
