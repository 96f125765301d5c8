package kafka

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/connector"
)

var (
	_ connector.Reporter = (*Consumer)(nil)
	_ connector.Reporter = (*DeadLetter)(nil)
)

// Report says how the brokers treat the consumer.
func (c *Consumer) Report() connector.Report {
	r := c.membership.report()
	r.Throttle = c.throttle.report()
	r.Principal = c.access.principal()
	r.Nothing = len(c.found.topics) == 0 && !r.Joined
	c.mu.Lock()
	defer c.mu.Unlock()
	r.Ends = make(map[connector.Partition]int64, len(c.partitions))
	for k, p := range c.partitions {
		if p.known {
			r.Unknown--
			r.Ends[k] = p.end
		}
	}
	r.Unknown = max(r.Unknown, 0)
	return r
}

// Report says how the brokers treat the dead letter.
func (d *DeadLetter) Report() connector.Report {
	return connector.Report{Principal: d.access.principal(), Throttle: d.throttle.report()}
}

// A membership counts what becomes of a group's member.
type membership struct {
	mu      sync.Mutex
	shown   connector.Report
	changed bool // partitions went since the group last agreed
	given   map[connector.Partition]bool
}

// report says how many partitions the group has given, as Unknown.
func (m *membership) report() connector.Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.shown
	r.Unknown = len(m.given)
	return r
}

// assigned hears of every rebalance that ended, also of those that brought nothing.
func (m *membership) assigned(_ context.Context, _ *kgo.Client, came map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shown.Joined = true
	if m.changed || len(came) > 0 {
		m.shown.Rebalances++
	}
	m.changed = false
	if m.given == nil {
		m.given = make(map[connector.Partition]bool)
	}
	for name, ids := range came {
		for _, id := range ids {
			m.given[connector.Partition{Topic: name, ID: id}] = true
		}
	}
}

// gone hears of partitions that were taken away.
func (m *membership) gone(names map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changed = m.changed || len(names) > 0
	for name, ids := range names {
		for _, id := range ids {
			delete(m.given, connector.Partition{Topic: name, ID: id})
		}
	}
}

// A throttle is a hook that counts how long quotas make the client wait: answers to one kind of request, and waits that answers
// of any kind ask for. A quota of bytes asks for them in answers to that kind only.
type throttle struct {
	kind kmsg.Key
	mu   sync.Mutex
	seen connector.Throttle
}

var (
	_ kgo.HookBrokerRead     = (*throttle)(nil)
	_ kgo.HookBrokerThrottle = (*throttle)(nil)
)

// OnBrokerRead counts an answer.
func (t *throttle) OnBrokerRead(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if err != nil || kmsg.Key(key) != t.kind {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen.Requests++
}

// OnBrokerThrottle counts a wait.
func (t *throttle) OnBrokerThrottle(_ kgo.BrokerMetadata, wait time.Duration, _ bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen.Times++
	t.seen.Total += wait
	t.seen.Max = max(t.seen.Max, wait)
}

func (t *throttle) report() connector.Throttle {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen
}
