package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/failpoint"
	"github.com/millrace/millrace/internal/letter"
)

// DeadLetterConfig is the settings of a DeadLetter.
type DeadLetterConfig struct {
	// Brokers are the addresses to start from, host:port, as the source's. In a file the default is the source's brokers or cluster, with its auth and
	// tls settings.
	Brokers []string `yaml:"brokers"`
	// Cluster is the Amazon MSK cluster to look the brokers up of, by its ARN, in place of brokers.
	Cluster Cluster `yaml:"cluster"`
	// Topic that records go to. It must exist, and max.message.bytes of it should be as large as that of the source.
	Topic string `yaml:"topic" short:"true"`
	// ClientID names this client to the brokers, for their logs and quotas.
	ClientID string `yaml:"client_id"`
	// Auth is how this client proves to the brokers who it is. Every method but none turns TLS on.
	Auth Auth `yaml:"auth" oneof:"none"`
	// TLS is how connections are encrypted. Certificates are always verified.
	TLS TLS `yaml:"tls"`
	// DialTimeout is the longest wait for a connection to a broker.
	DialTimeout connector.Duration `yaml:"dial_timeout"`
	// Timeout is the longest wait for the brokers' acknowledgement, before it is tried again.
	Timeout connector.Duration `yaml:"timeout"`

	// Dial opens connections in place of a net.Dialer; TLS is put over them.
	Dial func(ctx context.Context, network, address string) (net.Conn, error) `yaml:"-"`
	// Options are passed to franz-go behind all others: hooks, a logger.
	Options []kgo.Opt `yaml:"-"`
}

// DefaultDeadLetterConfig is the settings that need not be named.
func DefaultDeadLetterConfig() DeadLetterConfig {
	return DeadLetterConfig{
		ClientID:    "millrace",
		DialTimeout: connector.Duration(10 * time.Second),
		Timeout:     connector.Duration(30 * time.Second),
	}
}

// WithSource fills in from the source how the brokers are reached and as whom, if c names neither brokers nor a cluster.
func (c DeadLetterConfig) WithSource(s Config) DeadLetterConfig {
	if r := c.route(); !r.named() {
		c.Brokers, c.Cluster, c.Auth, c.TLS, c.DialTimeout, c.Dial, c.Options = s.Brokers, s.Cluster, s.Auth, s.TLS, s.DialTimeout, s.Dial, s.Options
	}
	return c
}

// Validate checks the settings without a network. No brokers are an error only for Open: the source's may be meant.
func (c DeadLetterConfig) Validate() error {
	var errs []error
	if c.Topic == "" {
		errs = append(errs, errors.New("topic: the dead letter needs a topic"))
	}
	if c.DialTimeout < connector.Duration(100*time.Millisecond) || c.Timeout < connector.Duration(time.Second) {
		errs = append(errs, errors.New("dial_timeout is at least 100ms, timeout at least 1s"))
	}
	r := c.route()
	return errors.Join(append(errs, r.validate())...)
}

// A DeadLetter keeps records in a Kafka topic as Kafka Connect does: key, value, headers and timestamp as they were, with
// the reason in headers whose names begin with __connect.errors. (see KIP-298), and the record's id in millrace.id.
// It is safe for concurrent use.
type DeadLetter struct {
	topic   string
	timeout time.Duration
	client  *kgo.Client
	access  *access
	turn    chan struct{} // capacity 1: one chunk at a time, so that no batch is larger than a chunk

	throttle throttle
}

var _ connector.DeadLetter = (*DeadLetter)(nil)

// Largest request that franz-go may make: more than any topic takes, so that the broker is the judge of a record's size.
const mostProduced = 96 << 20

// chunkBytes is how much is produced at a time. One record may be larger.
const chunkBytes = 512 << 10

// Open checks that the brokers answer and that the topic exists.
func (c DeadLetterConfig) Open(ctx context.Context) (*DeadLetter, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	route := c.route()
	if !route.named() {
		return nil, errNoBrokers
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Duration(c.DialTimeout))
	defer cancel()
	access, err := route.open(ctx)
	if err != nil {
		return nil, err
	}
	d := &DeadLetter{
		topic: c.Topic, timeout: time.Duration(c.Timeout), turn: make(chan struct{}, 1), throttle: throttle{kind: kmsg.Produce},
		access: access,
	}
	opts := append(access.clientOptions(),
		kgo.WithHooks(&d.throttle),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchMaxBytes(mostProduced),
		kgo.ProducerLinger(0),
		kgo.AllowIdempotentProduceCancellation(), // what is cancelled may have been written; it is buried again
	)
	client, err := kgo.NewClient(append(opts, c.Options...)...)
	if err != nil {
		access.close()
		return nil, fmt.Errorf("kafka options: %w", err)
	}
	d.client = client
	if err := d.check(ctx); err != nil {
		_ = d.Close() // it says nothing
		return nil, err
	}
	return d, nil
}

func (d *DeadLetter) check(ctx context.Context) error {
	if err := d.access.ping(ctx, d.client); err != nil {
		return err
	}
	admin := kadm.NewClient(d.client)
	meta, err := admin.Metadata(ctx, d.topic)
	if err != nil {
		return d.explain(err)
	}
	if err := meta.Topics[d.topic].Err; errors.Is(err, kerr.UnknownTopicOrPartition) {
		return missing(ctx, admin, "topic of the dead letter", d.topic)
	} else if err != nil && !kerr.IsRetriable(err) {
		return d.explain(err)
	}
	return nil
}

// Bury produces the records and waits for the acknowledgement of all replicas. A Permanent error says that the broker
// refuses the first record that isn't durable, for its size say.
func (d *DeadLetter) Bury(ctx context.Context, fs []connector.Failure) error {
	for len(fs) > 0 {
		n, bytes := 0, 0
		var chunk []*kgo.Record
		for n < len(fs) {
			r := d.record(&fs[n])
			size := recordBytes(r)
			if n > 0 && bytes+size > chunkBytes {
				break
			}
			chunk, bytes, n = append(chunk, r), bytes+size, n+1
		}
		if err := d.produce(ctx, chunk); err != nil {
			return err
		}
		fs = fs[n:]
	}
	return nil
}

// produce writes a chunk. If it is too large for the topic as a whole, its records are tried one by one.
func (d *DeadLetter) produce(ctx context.Context, chunk []*kgo.Record) error {
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	// Not RecordDeliveryTimeout: franz-go counts that from the record's timestamp, which is the original one.
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	var left []*kgo.Record
	failpoint.Here("kafka.bury.before")
	for _, r := range d.client.ProduceSync(ctx, chunk...) {
		switch {
		case r.Err == nil:
		case len(chunk) > 1 && tooLarge(r.Err):
			left = append(left, r.Record)
		default:
			return d.explain(r.Err)
		}
	}
	failpoint.Here("kafka.bury.after")
	for _, r := range left {
		if err := d.client.ProduceSync(ctx, again(r)).FirstErr(); err != nil {
			return d.explain(err)
		}
	}
	return nil
}

// again is a record that franz-go hasn't seen: it writes into those it has.
func again(r *kgo.Record) *kgo.Record {
	return &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp}
}

func tooLarge(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge)
}

func (d *DeadLetter) explain(err error) error {
	what := fmt.Sprintf("write to the dead letter topic %q", d.topic)
	switch {
	case tooLarge(err):
		return connector.Permanent.Errorf("%s: the broker refuses the record for its size: set max.message.bytes of topic %q higher (%w)", what, d.topic, err)
	case errors.Is(err, kerr.InvalidRecord):
		return connector.Permanent.Errorf("%s: the broker refuses the record (%w): a compacted topic takes no record without a key", what, err)
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return connector.Systemic.Errorf("%s: the topic doesn't exist: create it, or change the dead letter's topic (%w)", what, err)
	case errors.Is(err, context.DeadlineExceeded):
		return connector.Retryable.Errorf("%s: no acknowledgement in time: %w", what, err)
	}
	return d.access.explainWrite(what, err)
}

// Close drops what isn't acknowledged: no Bury is waiting any more.
func (d *DeadLetter) Close() error {
	d.client.Close()
	d.access.close()
	return nil
}

// mostMessage bounds the text of an exception, in bytes.
const mostMessage = 4096

// record is what a failure becomes. Its bytes are the failure's.
func (d *DeadLetter) record(f *connector.Failure) *kgo.Record {
	r := &kgo.Record{
		Topic: d.topic, Key: f.Record.RawKey, Value: f.Record.RawValue,
		Timestamp: time.UnixMilli(f.Record.Timestamp),
		Headers:   make([]kgo.RecordHeader, 0, len(f.Record.Headers)+11),
	}
	for _, h := range f.Record.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
	}
	add := func(name, value string) {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	add(letter.HeaderError+"topic", f.Source.Topic)
	add(letter.HeaderError+"partition", strconv.Itoa(int(f.Source.ID)))
	add(letter.HeaderError+"offset", strconv.FormatInt(f.Record.Offset, 10))
	add(letter.HeaderError+"connector.name", f.Source.Connector)
	add(letter.HeaderError+"task.id", "0")
	add(letter.HeaderError+"stage", string(f.Stage))
	add(letter.HeaderError+"class.name", "millrace")
	add(letter.HeaderError+"exception.class.name", className(f.Err))
	add(letter.HeaderError+"exception.message", message(f.Err))
	add(letter.HeaderError+"exception.stacktrace", "")
	add(letter.HeaderID, f.ID)
	return r
}

// className is the Go type of the innermost error.
func className(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return strings.TrimPrefix(fmt.Sprintf("%T", err), "*")
		}
		err = inner
	}
}

// message is the error's text on one line, of bounded length.
func message(err error) string {
	if err == nil {
		return ""
	}
	s := strings.NewReplacer("\r", `\r`, "\n", `\n`).Replace(strings.ToValidUTF8(err.Error(), "\uFFFD"))
	if len(s) <= mostMessage {
		return s
	}
	const dots = "..."
	cut := mostMessage - len(dots)
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + dots
}

func recordBytes(r *kgo.Record) int {
	n := len(r.Key) + len(r.Value) + 64
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value) + 8
	}
	return n
}
