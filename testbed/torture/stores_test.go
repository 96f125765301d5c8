//go:build testbed

package torture

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/millrace/millrace/testbed"
)

// geo is a geo set of a Redis.
type geo struct {
	redis  *testbed.Redis
	faults *redisFaults // before it
	via    string       // address that the processes use, in place of faults
}

func newRedis() *geo { return &geo{} }

func (*geo) name() string { return "redis" }

func (g *geo) open(r *rig) {
	g.redis = testbed.RedisServer(r.t)
	g.faults = newRedisFaults(r, g.redis.Addrs[0])
	g.via = g.faults.addr
}

func (g *geo) yaml(r *rig) string {
	return fmt.Sprintf(`sink: {redis_geo: {addrs: %q, key: %q, member: value.key, longitude: value.lng, latitude: value.lat, write: newest}}`, g.via, r.run)
}

func (g *geo) count(r *rig) Counts {
	r.t.Helper()
	client := g.redis.Client(r.t)
	members, err := client.ZRange(r.t.Context(), r.run, 0, -1).Result()
	if err != nil {
		r.t.Fatal(err)
	}
	found := map[string]int64{}
	for _, member := range members {
		at, err := client.GeoPos(r.t.Context(), r.run, member).Result()
		if err != nil || at[0] == nil {
			r.t.Fatalf("position of %s: %v", member, err)
		}
		found[member] = r.truth.SeqAt(member, at[0].Longitude, at[0].Latitude)
	}
	return Keyed(r.truth, All, found)
}

// items is a table of DynamoDB Local.
type items struct {
	write   string // newest or fast
	every   int64  // of so many records one is written: DynamoDB Local does some hundred a second
	dynamo  *testbed.DynamoDB
	table   string
	gateway *testbed.DynamoDBGateway
	faults  *httpFaults // before the gateway
	via     string      // URL that the processes use, in place of faults
}

// newDynamo is a table of which each item is the newest record of its key.
func newDynamo() *items { return &items{write: "newest"} }

// newDynamoFast is a table that is written in batches.
func newDynamoFast() *items { return &items{write: "fast"} }

func (i *items) name() string {
	if i.write == "fast" {
		return "dynamo-fast"
	}
	return "dynamodb"
}

func (i *items) open(r *rig) {
	i.every = max(1, r.records/(4000+200*scale(r.t)))
	i.dynamo = testbed.DynamoDBLocal(r.t)
	i.table = i.dynamo.Table(r.t, testbed.TableKey{Name: "id", Type: types.ScalarAttributeTypeS})
	i.gateway = testbed.StartDynamoDBGateway(r.t, i.dynamo.Endpoint, testbed.DynamoDBFaultOptions{Seed: r.seed, Late: 2 * time.Second})
	i.faults = newHTTPFaults(r, i.gateway.Endpoint, `{"__type":"com.amazonaws.dynamodb.v20120810#ServiceUnavailable","message":"try again"}`)
	i.via = i.faults.url
}

func (i *items) yaml(*rig) string {
	return fmt.Sprintf(`handlers: [{filter: value.seq %% %d == 0}]
sink: {dynamodb: {endpoint: %q, region: %s, access_key: %s, secret_key: %s, table: %s, key: {id: key}, item: value, write: %s}}`,
		i.every, i.via, i.dynamo.Region, i.dynamo.AccessKey, i.dynamo.SecretKey, i.table, i.write)
}

func (i *items) count(r *rig) Counts {
	r.t.Helper()
	i.gateway.Settle()
	found := map[string]int64{}
	for _, item := range i.dynamo.Items(r.t, i.table) {
		p := payloadOf(item)
		id := text(item["id"])
		if found[id] = p.Seq; !p.Whole() || p.Key != id {
			found[id] = -1
		}
	}
	return Keyed(r.truth, func(seq int64) bool { return seq%i.every == 0 }, found)
}

// payloadOf reads the attributes that the sink has made of a record's members.
func payloadOf(item map[string]types.AttributeValue) (p Payload) {
	p.Run, p.Key, p.Text, p.SHA256 = text(item["run"]), text(item["key"]), text(item["text"]), text(item["sha256"])
	for name, at := range map[string]any{"partition": &p.Partition, "seq": &p.Seq, "fold": &p.Fold, "lng": &p.Lng, "lat": &p.Lat} {
		_ = json.Unmarshal([]byte(text(item[name])), at) // what isn't there differs
	}
	return p
}

// text is what a text or a number holds.
func text(v types.AttributeValue) string {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return v.Value
	}
	return ""
}
