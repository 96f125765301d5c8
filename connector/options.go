package connector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/millrace/millrace/serde"
)

// An Option of New or NewStaged.
type Option func(*settings)

type settings struct {
	name           string
	log            *slog.Logger
	metrics        Metrics
	budget         *Budget
	key, value     serde.Decoder
	handlers       []Handler
	routes         []route
	dead           DeadLetter
	maxRecord      int64
	commitInterval time.Duration
	commitTimeout  time.Duration
	drainTimeout   time.Duration
	windowInterval time.Duration
	retry          backoff
	onGap          GapPolicy
	plan           string
	breaker        Breaker
	rate           *Rate
	untilEnd       bool
}

// A GapPolicy says what happens when offsets that weren't read yet are gone from Kafka.
type GapPolicy string

// The policies. Going on leaves a gap record in the dead letter, if there is one, and a gap in a Stager's ranges.
const (
	GapFail     GapPolicy = "fail"     // the partition stops, and says which offsets are gone
	GapEarliest GapPolicy = "earliest" // go on at the first offset that is there
	GapLatest   GapPolicy = "latest"   // go on at the end of the log
)

// A route is the sink and the handlers of the topics that it matches.
type route struct {
	match    func(topic string) bool
	loader   Loader
	stager   Stager
	handlers []Handler
	limits   Limits
	calls    chan struct{} // a place for each call of Load in flight
}

// checkTopic asks the handlers and the loader whether they take a topic.
func (r *route) checkTopic(topic string) error {
	for _, h := range r.handlers {
		if t, ok := h.(TopicChecker); ok {
			if err := t.CheckTopic(topic); err != nil {
				return err
			}
		}
	}
	if t, ok := r.loader.(TopicChecker); ok {
		return t.CheckTopic(topic)
	}
	return nil
}

// setLimits asks the loader for its limits and fills in the defaults. Routes with the same loader share its calls.
func (r *route) setLimits(before []route) {
	if limited, ok := r.loader.(Limited); ok {
		r.limits = limited.Limits()
	}
	r.limits = r.limits.withDefaults()
	for _, b := range before {
		if r.loader != nil && reflect.TypeOf(r.loader).Comparable() && b.loader == r.loader {
			r.calls = b.calls
			return
		}
	}
	r.calls = make(chan struct{}, r.limits.InFlight)
}

// enter waits until the loader may be called once more; it reports false if ctx ends first.
func (r *route) enter(ctx context.Context) bool {
	select {
	case r.calls <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *route) leave() { <-r.calls }

func (l Limits) withDefaults() Limits {
	if l.Records <= 0 {
		l.Records = 1000
	}
	if l.Bytes <= 0 {
		l.Bytes = 1 << 20
	}
	if l.InFlight <= 0 {
		l.InFlight = 4
	}
	if l.Timeout <= 0 {
		l.Timeout = 30 * time.Second
	}
	return l
}

func defaults() settings {
	return settings{
		name:           "millrace",
		log:            slog.Default(),
		metrics:        noMetrics{},
		key:            serde.BytesDecoder{},
		value:          serde.BytesDecoder{},
		maxRecord:      8 << 20,
		commitInterval: time.Second,
		commitTimeout:  5 * time.Second,
		drainTimeout:   20 * time.Second,
		windowInterval: time.Second,
		retry:          newBackoff(100*time.Millisecond, 8*time.Second),
		onGap:          GapFail,
	}
}

type noMetrics struct{}

func (noMetrics) Count(Metric, Partition, int64) {}

// WithName names the connector in logs, status, templates and rules. Default "millrace".
func WithName(name string) Option { return func(s *settings) { s.name = name } }

// WithHandlers sets the handlers, in the order in which records pass them.
func WithHandlers(hs ...Handler) Option {
	return func(s *settings) { s.handlers = append(s.handlers, hs...) }
}

// WithDecoder sets what turns a record's value into a Value. Default: its bytes.
func WithDecoder(d serde.Decoder) Option { return func(s *settings) { s.value = d } }

// WithKeyDecoder sets what turns a record's key into a Value. Default: its bytes.
func WithKeyDecoder(d serde.Decoder) Option { return func(s *settings) { s.key = d } }

// WithDeadLetter sets where records go that can't be processed. Without it a partition stops at such a record.
func WithDeadLetter(d DeadLetter) Option { return func(s *settings) { s.dead = d } }

// WithTopics gives the topics that match a loader and handlers of their own, instead of New's loader and
// those of WithHandlers. The first match wins; it is looked for when a topic first appears.
func WithTopics(match func(topic string) bool, l Loader, hs ...Handler) Option {
	return func(s *settings) { s.routes = append(s.routes, route{match: match, loader: l, handlers: hs}) }
}

// WithStagedTopics is WithTopics with a Stager.
func WithStagedTopics(match func(topic string) bool, st Stager, hs ...Handler) Option {
	return func(s *settings) { s.routes = append(s.routes, route{match: match, stager: st, handlers: hs}) }
}

// WithBudget shares a byte budget with other connectors of the process. Default: 128 MiB of its own.
func WithBudget(b *Budget) Option { return func(s *settings) { s.budget = b } }

// WithLogger sets the logger. Default slog.Default(). What records hold isn't logged, unless the logger lets the level -8
// (below debug) pass: then the beginnings of key and value of records that are buried are.
func WithLogger(l *slog.Logger) Option { return func(s *settings) { s.log = l } }

// WithMetrics sets who receives counts.
func WithMetrics(m Metrics) Option { return func(s *settings) { s.metrics = m } }

// WithMaxRecord sets the largest record, key and value and headers together, in bytes; a larger one
// goes to the dead letter. Default 8 MiB.
func WithMaxRecord(bytes int64) Option { return func(s *settings) { s.maxRecord = bytes } }

// WithCommitInterval sets how often offsets are committed. Default 1 s. What was delivered since the last
// commit is delivered again after a crash.
func WithCommitInterval(d time.Duration) Option { return func(s *settings) { s.commitInterval = d } }

// WithDrainTimeout sets how long a revoked partition, or a connector that stops, may finish what it
// has begun. Default 20 s; keep it below the group's rebalance timeout.
func WithDrainTimeout(d time.Duration) Option { return func(s *settings) { s.drainTimeout = d } }

// WithRetry sets the waits between attempts: the n-th is random between 0 and the smaller of first * 2^n and longest. Default 100 ms
// and 8 s, so that all partitions go on within 10 s of the end of an outage. After a Systemic error the wait is up to four times the longest, but 30 s at the most.
func WithRetry(first, longest time.Duration) Option {
	return func(s *settings) { s.retry = newBackoff(first, longest) }
}

// WithGapPolicy sets what happens when offsets that weren't read yet are gone from Kafka. Default GapFail.
func WithGapPolicy(g GapPolicy) Option { return func(s *settings) { s.onGap = g } }

// WithPlan names the settings and the build that decide what becomes of a record: a hash that differs whenever
// one of them does. Stagers need it to write a lost file again. Default "": not known.
func WithPlan(plan string) Option { return func(s *settings) { s.plan = plan } }

func (s *settings) validate() error {
	switch s.onGap {
	case GapFail, GapEarliest, GapLatest:
	default:
		return fmt.Errorf("there is no gap policy %q: fail, earliest, latest", string(s.onGap))
	}
	if s.maxRecord <= 0 || s.commitInterval <= 0 || s.drainTimeout <= 0 || s.retry.base <= 0 || s.retry.longest < s.retry.base {
		return errors.New("largest record, commit interval, drain timeout and retry waits must be positive, the longest wait not below the first")
	}
	if err := s.breaker.validate(); err != nil {
		return err
	}
	for _, r := range s.routes {
		if r.loader == nil && r.stager == nil {
			return errors.New("a sink is nil")
		}
		for _, h := range r.handlers {
			if h == nil {
				return errors.New("a handler is nil")
			}
			if _, ok := h.(Windowed); ok && r.stager != nil {
				return fmt.Errorf("a windowed handler (%T) can't stand before a sink that stages files (%T): a crash would repeat the records of open windows", h, r.stager)
			}
		}
	}
	return nil
}
