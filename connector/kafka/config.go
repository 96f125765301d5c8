package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
)

// Config is the settings of a Consumer.
type Config struct {
	// Brokers are the addresses to start from, host:port. One that answers is enough; the others are found. The text may also be JSON such as
	// {"NAME": {"endpoint_url": "HOST", "broker_port": 9094}}, which clusters that are shared across accounts keep in a secret.
	Brokers []string `yaml:"brokers"`
	// Cluster is the Amazon MSK cluster to look the brokers up of, by its ARN, in place of brokers.
	Cluster Cluster `yaml:"cluster"`
	// Topics to read. Either topics or topics_regex is needed.
	Topics []string `yaml:"topics"`
	// TopicsRegex reads all topics whose name matches this regular expression (Go's syntax; it matches anywhere in
	// the name unless it has ^ and $), also those created later. Internal topics and names that begin with two
	// underscores never match.
	TopicsRegex string `yaml:"topics_regex"`
	// Group is the consumer group. In a file the default is the connector's name.
	Group string `yaml:"group"`
	// ClientID names this client to the brokers, for their logs and quotas.
	ClientID string `yaml:"client_id"`
	// InstanceID makes this a static member, as a pod of a stateful set: while it restarts, within session_timeout, its
	// partitions wait for it. It must differ in every process.
	InstanceID string `yaml:"instance_id"`
	// Rack is where this client runs (the availability zone's id on MSK), so that it can read from the nearest replica.
	Rack string `yaml:"rack"`
	// Start is where a group that is new begins: earliest, latest, or a time such as 2026-01-31T08:00:00Z. It
	// counts once, at the group's birth.
	Start string `yaml:"start"`
	// Offsets is a CSV file of lines topic,partition,offset, such as kafka-consumer-groups.sh --export writes for one group. A
	// partition that is in it, and of which the group has no offset, starts there instead of where start says. Default: none.
	Offsets string `yaml:"offsets"`
	// Isolation is read_committed (no records of aborted or open transactions) or read_uncommitted.
	Isolation string `yaml:"isolation"`
	// Fetch says how much is fetched at a time.
	Fetch Fetch `yaml:"fetch"`
	// MaxDecompressedBatch is the most bytes that one compressed batch of records may unpack to, and the most that its records may take
	// beside their bytes (about 200 each). It bounds the memory that a small message can ask for. A larger batch is read over: it is one
	// gap record in the dead letter, or stops the partition if there is none. All brokers together never have more unpacked and not
	// read yet than this or four times fetch.max_bytes, whichever is more: what has no room waits in Kafka. A producer with a
	// batch.size of 1 MiB makes 30 MiB if its records compress by thirty, so 64MiB is ample, and still fits into containers of 512 MiB
	// twice beside the budget that they have by default.
	MaxDecompressedBatch connector.Bytes `yaml:"max_decompressed_batch"`
	// Auth is how this client proves to the brokers who it is. Every method but none turns TLS on.
	Auth Auth `yaml:"auth" oneof:"none"`
	// TLS is how connections are encrypted. Certificates are always verified.
	TLS TLS `yaml:"tls"`
	// Balancer shares the partitions out among the group's members, and must be the same in all of them:
	// cooperative_sticky (members keep what they have), sticky or range (all partitions stop at every change), or
	// kip848 (the brokers decide; Kafka 4.0 and later).
	Balancer string `yaml:"balancer"`
	// SessionTimeout is how long the group waits for a member that went silent before its partitions go to others.
	SessionTimeout connector.Duration `yaml:"session_timeout"`
	// RebalanceTimeout is how long the group waits for members to finish what they must give away. Three
	// quarters of it are for the sink, the rest for the commit.
	RebalanceTimeout connector.Duration `yaml:"rebalance_timeout"`
	// MetadataMaxAge is how often new topics and partitions are looked for. One that appears is read after so long, and a rebalance.
	MetadataMaxAge connector.Duration `yaml:"metadata_max_age"`
	// DialTimeout is the longest wait for a connection to a broker.
	DialTimeout connector.Duration `yaml:"dial_timeout"`

	// Dial opens connections in place of a net.Dialer, through a proxy say; TLS is put over them.
	Dial func(ctx context.Context, network, address string) (net.Conn, error) `yaml:"-"`
	// Options are passed to franz-go behind all others, so that an embedder can set what has no setting:
	// another way of authentication, hooks, a logger. They can break what this package
	// relies on: leave group, offset, pool and commit options alone.
	Options []kgo.Opt `yaml:"-"`
}

// Fetch says how much is fetched at a time.
type Fetch struct {
	// MaxBytes is the most that one poll returns, all brokers together, as it lies in Kafka: compressed. As much
	// again may wait in the client. A broker sends at least one batch of records, however large.
	MaxBytes connector.Bytes `yaml:"max_bytes"`
	// MaxPartitionBytes is the most that one fetch returns of one partition.
	MaxPartitionBytes connector.Bytes `yaml:"max_partition_bytes"`
	// MinBytes is how much a broker waits for, up to max_wait, before it answers.
	MinBytes connector.Bytes `yaml:"min_bytes"`
	// MaxWait is how long a broker waits for min_bytes.
	MaxWait connector.Duration `yaml:"max_wait"`
}

// The values of Config.Balancer, Config.Isolation and Config.Start.
const (
	CooperativeSticky = "cooperative_sticky"
	Sticky            = "sticky"
	Range             = "range"
	KIP848            = "kip848"

	ReadCommitted   = "read_committed"
	ReadUncommitted = "read_uncommitted"

	Earliest = "earliest"
	Latest   = "latest"
)

// DefaultConfig is the settings that need not be named.
func DefaultConfig() Config {
	return Config{
		ClientID:  "millrace",
		Start:     Earliest,
		Isolation: ReadCommitted,
		Fetch: Fetch{
			MaxBytes: 8 << 20, MaxPartitionBytes: 1 << 20, MinBytes: 1,
			MaxWait: connector.Duration(500 * time.Millisecond),
		},
		MaxDecompressedBatch: 64 << 20,
		Balancer:             CooperativeSticky,
		SessionTimeout:       connector.Duration(45 * time.Second),
		RebalanceTimeout:     connector.Duration(60 * time.Second),
		MetadataMaxAge:       connector.Duration(30 * time.Second),
		DialTimeout:          connector.Duration(10 * time.Second),
	}
}

// Validate checks the settings without a network.
func (c Config) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	route := c.route()
	if !route.named() {
		errs = append(errs, errNoBrokers)
	}
	topics := list(c.Topics)
	switch {
	case len(topics) == 0 && c.TopicsRegex == "":
		fail("topics: name the topics to read, or set topics_regex")
	case len(topics) > 0 && c.TopicsRegex != "":
		fail("topics and topics_regex exclude each other")
	}
	if _, err := regexp.Compile(c.TopicsRegex); err != nil {
		fail("topics_regex: %w", err)
	}
	if c.Group == "" {
		fail("group: a consumer group is needed")
	}
	if _, _, err := startTime(c.Start, time.Now()); err != nil {
		errs = append(errs, err)
	}
	if _, ok := isolations[c.Isolation]; !ok {
		fail("isolation: %q is neither %s nor %s", c.Isolation, ReadCommitted, ReadUncommitted)
	}
	if _, ok := balancers[c.Balancer]; !ok {
		fail("balancer: %q is none of %s, %s, %s, %s", c.Balancer, CooperativeSticky, Sticky, Range, KIP848)
	}
	const most = 1 << 30
	for _, s := range []struct {
		name        string
		n           connector.Bytes
		least, most connector.Bytes
	}{
		{"fetch.max_bytes", c.Fetch.MaxBytes, 1 << 10, most},
		{"fetch.max_partition_bytes", c.Fetch.MaxPartitionBytes, 1 << 10, c.Fetch.MaxBytes},
		{"fetch.min_bytes", c.Fetch.MinBytes, 1, c.Fetch.MaxBytes},
		{"max_decompressed_batch", c.MaxDecompressedBatch, 1 << 10, most},
	} {
		if s.n < s.least || s.n > s.most {
			fail("%s: %s is not between %s and %s", s.name, s.n, s.least, s.most)
		}
	}
	for _, s := range []struct {
		name        string
		d           connector.Duration
		least, most time.Duration
	}{
		{"fetch.max_wait", c.Fetch.MaxWait, 10 * time.Millisecond, time.Minute},
		{"session_timeout", c.SessionTimeout, time.Second, time.Hour},
		{"rebalance_timeout", c.RebalanceTimeout, time.Second, time.Hour},
		{"metadata_max_age", c.MetadataMaxAge, 100 * time.Millisecond, time.Hour},
		{"dial_timeout", c.DialTimeout, 100 * time.Millisecond, time.Minute},
	} {
		if d := time.Duration(s.d); d < s.least || d > s.most {
			fail("%s: %s is not between %s and %s", s.name, s.d, connector.Duration(s.least), connector.Duration(s.most))
		}
	}
	errs = append(errs, route.validate())
	return errors.Join(errs...)
}

var (
	isolations = map[string]kgo.IsolationLevel{ReadCommitted: kgo.ReadCommitted(), ReadUncommitted: kgo.ReadUncommitted()}
	balancers  = map[string]kgo.GroupOpt{
		CooperativeSticky: kgo.Balancers(kgo.CooperativeStickyBalancer()),
		Sticky:            kgo.Balancers(kgo.StickyBalancer()),
		Range:             kgo.Balancers(kgo.RangeBalancer()),
		KIP848:            kgo.ServerSideBalancer(),
	}
)

// startTime is the start setting as milliseconds since 1970, 0 for earliest; latest is now.
func startTime(s string, now time.Time) (ms int64, latest bool, err error) {
	switch s {
	case Earliest:
		return 0, false, nil
	case Latest:
		return now.UnixMilli(), true, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return 0, false, fmt.Errorf("start: %q is neither %s nor %s nor a time such as 2026-01-31T08:00:00Z", s, Earliest, Latest)
	}
	return max(t.UnixMilli(), 1), false, nil
}

// list splits texts at commas.
func list(texts []string) []string {
	var out []string
	for _, t := range texts {
		for _, s := range strings.Split(t, ",") {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, s)
			}
		}
	}
	return out
}

// reading is the options of every client that fetches, with brokers of them in the cluster.
func (c *Config) reading(access *access, brokers int, u *unpacker) []kgo.Opt {
	perBroker := c.perBroker(brokers)
	age := time.Duration(c.MetadataMaxAge)
	opts := append(access.clientOptions(),
		kgo.MetadataMaxAge(age),
		kgo.MetadataMinAge(min(age, 2*time.Second)),
		kgo.FetchMaxBytes(int32(perBroker)),
		kgo.FetchMaxPartitionBytes(int32(min(int64(c.Fetch.MaxPartitionBytes), perBroker))),
		kgo.FetchMinBytes(int32(min(int64(c.Fetch.MinBytes), perBroker))),
		kgo.FetchMaxWait(time.Duration(c.Fetch.MaxWait)),
		kgo.BrokerMaxReadBytes(int32(max(100<<20, min(2*perBroker, 1<<30)))),
		kgo.WithDecompressor(u),
		kgo.WithHooks(u),
		kgo.FetchIsolationLevel(isolations[c.Isolation]),
		// An offset out of range is an error to report, never a place to go on from.
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		// The markers at the end of transactions tell how far a partition was read.
		kgo.KeepControlRecords(),
		kgo.WithPools(new(recordPool)),
	)
	if c.Rack != "" {
		opts = append(opts, kgo.Rack(c.Rack))
	}
	return opts
}

// leastPerBroker is the least that is asked of one broker, however many there are.
const leastPerBroker = 1 << 20

// perBroker is each broker's share of fetch.max_bytes.
func (c Config) perBroker(brokers int) int64 {
	n := int64(c.Fetch.MaxBytes)
	return min(n, max(n/int64(max(brokers, 1)), leastPerBroker))
}

// consuming is the options of the group's member.
func (c *Config) consuming(access *access, brokers int, u *unpacker) []kgo.Opt {
	session := time.Duration(c.SessionTimeout)
	opts := append(c.reading(access, brokers, u),
		kgo.ConsumerGroup(c.Group),
		balancers[c.Balancer],
		kgo.DisableAutoCommit(),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), // never used: offsets are set before a cursor exists
		kgo.SessionTimeout(session),
		kgo.RebalanceTimeout(time.Duration(c.RebalanceTimeout)),
		kgo.HeartbeatInterval(min(3*time.Second, session/3)),
	)
	if c.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(c.InstanceID))
	}
	if c.TopicsRegex != "" {
		return append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics(c.TopicsRegex), kgo.ConsumeExcludeTopics(hidden))
	}
	return append(opts, kgo.ConsumeTopics(list(c.Topics)...))
}

// hidden matches the topics that topics_regex never does. MSK's own __amazon_msk_canary isn't marked internal.
const hidden = `^__`
