//go:build testbed

package behaviour

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/examples"
	"github.com/millrace/millrace/testbed"
)

// exampleFile is the configuration of an example, with some of its texts replaced.
func exampleFile(t *testing.T, name string, replace ...string) string {
	t.Helper()
	text, err := examples.Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(replace...).Replace(string(text))
}

// The example trips-to-dynamodb, as it stands, on DynamoDB Local: the newest record of each trip, none of those that were deleted, and the same again
// after a second group has read everything from the beginning.
func TestExampleTripsToDynamoDB(t *testing.T) {
	kafka, db := testbed.Kafka(t), testbed.DynamoDBLocal(t)
	topic, dead := kafka.Topic(t, 3), kafka.Topic(t, 1)
	table := db.Table(t, testbed.TableKey{Name: "trip_id", Type: types.ScalarAttributeTypeS})
	use(t, "BROKERS="+strings.Join(kafka.Addrs, ","), "AWS_REGION="+db.Region, "DYNAMODB_ENDPOINT="+db.Endpoint, "TABLE="+table,
		"AWS_ACCESS_KEY_ID="+db.AccessKey, "AWS_SECRET_ACCESS_KEY="+db.SecretKey)
	trips := newTrips(topic)
	records := trips.records(2000)
	if err := kafka.Client(t).ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for _, group := range []string{testbed.Name(t), testbed.Name(t)} {
		p := startMillrace(t, exampleFile(t, "trips-to-dynamodb/millrace.yaml", "name: trips-to-dynamodb", "name: "+group,
			"[cars.trips.json]", "["+topic+"]", "{topic: cars.trips.dlq}", "{topic: "+dead+"}"))
		admin := kafka.Admin(t)
		testbed.WaitUntil(t, time.Minute, "the end of the topic", func() bool { return committedSum(t, admin, group) == int64(len(records)) })
		p.stop()
		trips.check(t, db.Items(t, table))
	}
	letters := consume(within(t, time.Minute), t, kafka, dead, 2*len(trips.bad))
	for _, r := range letters {
		if !trips.bad[string(r.Value)] {
			t.Errorf("dead letter %.100s", r.Value)
		}
	}
}

// trips are what a table must hold in the end.
type trips struct {
	topic  string
	newest map[string]*trip // nil: deleted
	bad    map[string]bool  // values that are no trips
}

type trip struct {
	car, started string
	meters       int
	at           time.Time
}

func newTrips(topic string) *trips {
	return &trips{topic: topic, newest: map[string]*trip{}, bad: map[string]bool{}}
}

// records are n records of 100 trips, of which every 17th is a tombstone, and two that can't be items.
func (o *trips) records(n int) []*kgo.Record {
	start := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	var all []*kgo.Record
	for i := range n {
		key, at := fmt.Sprintf("trip-%d", i*7%100), start.Add(time.Duration(i)*time.Second)
		r := &kgo.Record{Topic: o.topic, Key: []byte(key), Timestamp: at}
		all = append(all, r)
		if i%17 == 0 {
			o.newest[key] = nil
			continue
		}
		v := &trip{car: fmt.Sprintf("car-%d", i%20), started: at.Format(time.RFC3339), meters: i * 13, at: at}
		r.Value = fmt.Appendf(nil, `{"car_id":%q,"start_ts":%q,"distance_m":%d}`, v.car, v.started, v.meters)
		o.newest[key] = v
	}
	for key, value := range map[string]string{"trip-1": `{"car_id":`, "": `{"car_id":"car-0","start_ts":"2026-01-31","distance_m":1}`} {
		all = append(all, &kgo.Record{Topic: o.topic, Key: []byte(key), Value: []byte(value), Timestamp: start})
		o.bad[value] = true
	}
	return all
}

func (o *trips) check(t *testing.T, items []map[string]types.AttributeValue) {
	t.Helper()
	if len(items) != len(o.newest) {
		t.Errorf("%d items and keys of deleted ones, want %d", len(items), len(o.newest))
	}
	live := 0
	for _, item := range items {
		key := attribute(item, "trip_id")
		want, known := o.newest[key]
		car := attribute(item, "car")
		switch {
		case !known:
			t.Errorf("nobody wrote %q", key)
		case want == nil && (car != "" || attribute(item, "started") != ""):
			t.Errorf("%s was deleted: %v", key, item)
		case want != nil:
			live++
			km, err := strconv.ParseFloat(attribute(item, "km"), 64)
			expires := strconv.FormatInt(want.at.Add(90*24*time.Hour).Unix(), 10)
			if err != nil || car != want.car || attribute(item, "started") != want.started || math.Abs(km-float64(want.meters)/1000) > 1e-9 ||
				attribute(item, "expires") != expires {
				t.Errorf("%s is %v, want %+v and to expire at %s", key, item, *want, expires)
			}
		}
	}
	t.Logf("%d items, %d keys of deleted ones", live, len(items)-live)
	if live == 0 || live == len(items) {
		t.Error("the records show nothing: some trips must be there and some deleted")
	}
}

// attribute is a text or a number of an item, "" for any other.
func attribute(item map[string]types.AttributeValue, name string) string {
	switch a := item[name].(type) {
	case *types.AttributeValueMemberS:
		return a.Value
	case *types.AttributeValueMemberN:
		return a.Value
	}
	return ""
}
