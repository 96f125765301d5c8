package eventbridge

import (
	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/bucket"
	"github.com/millrace/millrace/internal/identity"
)

// Config is the configuration of the sink eventbridge.
type Config struct {
	identity.Config `yaml:",inline"`
	// URL of EventBridge, https or http, such as that of a VPC endpoint. Empty: that of AWS in region. The environment's (AWS_ENDPOINT_URL) doesn't count.
	Endpoint string `yaml:"endpoint"`
	// Id of a global endpoint, such as abcde.veo, which fails over between two Regions. Requests are signed for all Regions then.
	GlobalEndpoint string `yaml:"global_endpoint"`
	// Name or ARN of the event bus. Required. The Region of an ARN counts where region isn't set.
	Bus string `yaml:"bus"`
	// Whether the bus is looked up at start, which needs events:DescribeEventBus. Another account's bus may not allow that.
	CheckBus bool `yaml:"check_bus"`

	// The event's source.
	Source string `yaml:"source" kind:"template"`
	// The event's detail-type.
	DetailType DetailType `yaml:"detail_type"`
	// What the event's detail holds: record, as the open-source connector has it (topic, partition, offset, timestamp, timestampType, headers, key and
	// value), or value, which must be an object then.
	Detail string `yaml:"detail"`
	// Name of the field of detail that holds the record's id, the same however often the record is sent, by which targets tell repetitions. Empty: none.
	// With detail: value it is a field of _meta.
	ID string `yaml:"id"`
	// Whether detail: value gets a field _meta with the record's id, topic, partition, offset and timestamp.
	Meta bool `yaml:"meta"`
	// How headers stand in the detail: text (base64 with {"base64": ...} around it where they aren't UTF-8), or connect, which guesses numbers, booleans,
	// dates and times, lists and maps as Kafka Connect's SimpleHeaderConverter does.
	Headers string `yaml:"headers"`
	// Expression for the event's time, a timestamp or a number of milliseconds: timestamp is the record's. Empty, or for a record without one: that of its arrival.
	Time string `yaml:"time" kind:"rule"`
	// ARNs of what the event is about.
	Resources []string `yaml:"resources"`
	// Name of the Kafka header that holds an AWS X-Ray trace header to go on with. Empty: none.
	TraceHeader string `yaml:"trace_header"`

	// Most bytes of a request by EventBridge's own count. AWS takes less than 1 MB in most Regions, and 256 KB in some.
	MaxRequest connector.Bytes `yaml:"max_request"`
	// What becomes of an event that is larger. Empty: it goes to the dead letter.
	Oversize Oversize `yaml:"oversize"`
	// What stays in order on the way to the bus: key (records of a key are sent one after the other, each when the one before was taken, so that a request holds
	// one of each key at most), or none, which is faster where a few keys have most of the records. The bus itself doesn't keep any order.
	Order string `yaml:"order"`
	// Most requests under way, 1 to 1,000.
	InFlight int `yaml:"in_flight"`
	// Most requests a second, which is what AWS's quota for PutEvents counts, with up to 10 events each; 0 is no limit.
	Rate float64 `yaml:"rate"`
	// Whom rate is for: process, each alike, or partitions: rate is that of all processes together, and each takes the share of the partitions that it owns.
	RateShare string `yaml:"rate_share"`
}

// DetailType says what an event's detail-type is.
type DetailType struct {
	// The detail-type, such as kafka-connect-{topic} or {value.type}.
	Text string `yaml:"text" short:"true" kind:"template"`
	// Expression for a text in the record, such as value.eventType. Where it is missing, null, empty or no text, or the expression fails, text counts.
	Path string `yaml:"path" kind:"rule"`
	// Detail-types of single topics, which outrank the others: {orders: OrderPlaced}.
	Topics []TopicType `yaml:"topics"`
}

// A TopicType is the detail-type of one topic.
type TopicType struct {
	// Name of the topic.
	Topic string `yaml:"topic" key:"true"`
	// Its detail-type.
	Type string `yaml:"type" short:"true" kind:"template"`
}

// Oversize says where a part of events is kept that are too large.
type Oversize struct {
	// In S3, for a part of the detail, in whose place its ARN is sent: dataref and datarefJsonPath, as the open-source connector has them. Without settings of its own,
	// the bucket is reached in the bus's Region, and by the same credentials and role.
	S3 Offload `yaml:"s3"`
}

// Offload is a place in S3 for what is too large for the bus.
type Offload struct {
	bucket.Connection `yaml:",inline"`
	// What the keys of objects begin with, such as events/. The record's id follows, so that a record that is sent again overwrites its own object.
	Prefix string `yaml:"prefix"`
	// Which part of the detail is kept there: value, or a field below it such as value.payload.
	Field string `yaml:"field"`
	// Whose: too_large (of events that don't fit into max_request) or always.
	When string `yaml:"when"`
}

// The values of detail, headers, order, rate_share and oversize.s3.when.
const (
	detailRecord = "record"
	detailValue  = "value"

	headersText    = "text"
	headersConnect = "connect"

	orderKey  = "key"
	orderNone = "none"

	shareProcess    = "process"
	sharePartitions = "partitions"

	whenTooLarge = "too_large"
	whenAlways   = "always"
)

// DefaultConfig holds the defaults.
func DefaultConfig() Config {
	return Config{
		CheckBus: true, Source: "kafka-connect.{connector}", DetailType: DetailType{Text: "kafka-connect-{topic}"}, Detail: detailRecord, ID: "id",
		Headers: headersText, MaxRequest: 1 << 20, Order: orderKey, InFlight: 32, RateShare: shareProcess,
		Oversize: Oversize{S3: Offload{Connection: bucket.DefaultConnection(), Field: "value", When: whenTooLarge}},
	}
}
