package kafka

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/connector"
)

// Open checks that the brokers answer, that the topics exist and that the group is allowed, and returns a Consumer
// that joins the group when Notify is called. Open waits at most three times dial_timeout. Its
// errors name the setting that they are about.
func (c Config) Open(ctx context.Context) (*Consumer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	offsets, err := readOffsets(c.Offsets)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Duration(c.DialTimeout))
	defer cancel()
	access, err := c.route().open(ctx)
	if err != nil {
		return nil, err
	}
	consumer, err := c.open(ctx, access)
	if err != nil {
		access.close()
		return nil, err
	}
	consumer.offsets = offsets
	return consumer, err
}

func (c Config) open(ctx context.Context, access *access) (*Consumer, error) {
	found, err := c.look(ctx, access)
	if err != nil {
		return nil, err
	}
	start, latest, err := startTime(c.Start, time.Now())
	if err != nil {
		return nil, err
	}
	consumer := &Consumer{
		config: c, access: access, found: found, start: start, latest: latest,
		partitions: make(map[connector.Partition]*partition),
		committing: make(chan struct{}, 1),
		throttle:   throttle{kind: kmsg.Fetch},
		unpacker:   newUnpacker(&c),
	}
	consumer.opts = append(append(c.consuming(access, found.brokers, consumer.unpacker), kgo.WithHooks(&connections{consumer: consumer}, &consumer.throttle)), c.Options...)
	consumer.opts = append(consumer.opts, consumer.callbacks()...)
	if err := kgo.ValidateOpts(consumer.opts...); err != nil {
		return nil, fmt.Errorf("kafka options: %w", err)
	}
	return consumer, nil
}

// A topic as it was when the Consumer was opened.
type topic struct {
	id         [16]byte
	partitions int32
}

// What look found in the cluster.
type cluster struct {
	id      string
	brokers int
	topics  map[string]topic
}

// look asks the cluster for what the settings name, through a client of its own that joins nothing.
func (c Config) look(ctx context.Context, access *access) (*cluster, error) {
	// A broker that takes the connection and then says nothing is given up as soon as one that takes none.
	opts := append(access.clientOptions(), kgo.RequestTimeoutOverhead(time.Duration(c.DialTimeout)))
	client, err := kgo.NewClient(append(opts, c.Options...)...)
	if err != nil {
		return nil, fmt.Errorf("kafka options: %w", err)
	}
	defer client.Close()
	if err := access.ping(ctx, client); err != nil {
		return nil, err
	}
	admin := kadm.NewClient(client)
	found := &cluster{topics: make(map[string]topic)}
	matches, err := c.topics(ctx, access, admin, found)
	if err != nil {
		return nil, err
	}
	for _, t := range matches {
		found.topics[t.Topic] = topic{id: t.ID, partitions: int32(len(t.Partitions))}
	}
	if c.Group == "" {
		return found, nil
	}
	// Only what no waiting would change is an error here: a coordinator that is still starting is found later.
	if _, err := admin.FetchOffsets(ctx, c.Group); err != nil && (errors.Is(err, kerr.InvalidGroupID) || errors.Is(err, kerr.GroupAuthorizationFailed) || isAuth(err)) {
		return nil, access.explain("group "+c.Group, c.Group, err)
	}
	return found, nil
}

func isAuth(err error) bool {
	var auth *kadm.AuthError
	return errors.As(err, &auth)
}

// topics finds the topics that the settings name.
func (c Config) topics(ctx context.Context, access *access, admin *kadm.Client, found *cluster) ([]kadm.TopicDetail, error) {
	names := list(c.Topics)
	meta, err := admin.Metadata(ctx, names...)
	if err != nil {
		return nil, access.explain("topics: list the topics", c.Group, err)
	}
	found.id, found.brokers = meta.Cluster, len(meta.Brokers)
	var out []kadm.TopicDetail
	if c.TopicsRegex != "" {
		match, hide := regexp.MustCompile(c.TopicsRegex), regexp.MustCompile(hidden)
		for _, t := range meta.Topics {
			if t.Err == nil && !t.IsInternal && match.MatchString(t.Topic) && !hide.MatchString(t.Topic) {
				out = append(out, t)
			}
		}
		return out, nil
	}
	var errs []error
	for _, name := range names {
		t := meta.Topics[name]
		switch {
		case errors.Is(t.Err, kerr.UnknownTopicOrPartition):
			errs = append(errs, missing(ctx, admin, "topics", name))
		case t.Err != nil && !kerr.IsRetriable(t.Err):
			errs = append(errs, access.explain("topics: "+name, c.Group, t.Err))
		case t.Err == nil:
			out = append(out, t)
		}
	}
	return out, errors.Join(errs...)
}

// missing is the error of a topic that isn't there, with those that are called nearly the same.
func missing(ctx context.Context, admin *kadm.Client, setting, name string) error {
	near := ""
	if all, err := admin.ListTopics(ctx); err == nil {
		if names := similar(name, all.Names()); len(names) > 0 {
			near = "; there is " + strings.Join(names, ", ")
		}
	}
	return connector.Systemic.Errorf("%s: topic %q doesn't exist in this cluster%s", setting, name, near)
}

// similar returns up to five of the names that are like the one looked for.
func similar(name string, names []string) []string {
	type match struct {
		name     string
		distance int
	}
	var all []match
	for _, n := range names {
		d := distance(strings.ToLower(name), strings.ToLower(n))
		if d <= max(len(name)/3, 1) || strings.Contains(n, name) || len(n) > 3 && strings.Contains(name, n) {
			all = append(all, match{n, d})
		}
	}
	slices.SortFunc(all, func(a, b match) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.name, b.name)
	})
	var out []string
	for _, m := range all[:min(len(all), 5)] {
		out = append(out, m.name)
	}
	return out
}

// distance is the number of letters to add, drop or change to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
