package handlers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/pattern"
	"github.com/millrace/millrace/internal/template"
)

// EventPattern keeps the records whose event a rule of Amazon EventBridge would take and drops the others, so that what no rule
// wants isn't sent and paid for. It stands last, before the sink eventbridge; detail, source and detail_type are as they are there.
type EventPattern struct {
	// Event pattern, as a rule has it, as a map or the text of its JSON: {"detail": {"value": {"eventType": ["suspiciousActivity"]}}}. It may name source, detail-type and
	// fields of detail. A pattern for several rules joins theirs: {"$or": [{...}, {...}]}.
	Pattern string `yaml:"pattern" kind:"json" short:"true"`
	// What the event's detail holds: record (topic, partition, offset, timestamp, timestampType, headers, key and value) or value, which must be an object then.
	Detail string `yaml:"detail"`
	// The event's source.
	Source string `yaml:"source" kind:"template"`
	// The event's detail-type.
	DetailType string `yaml:"detail_type" kind:"template"`
	// What happens to tombstones: pass keeps them, apply tests them too (value is null then).
	Tombstones Tombstones `yaml:"tombstones"`
}

// The values of detail.
const (
	detailRecord = "record"
	detailValue  = "value"
)

// DefaultEventPattern has the defaults of an EventPattern.
func DefaultEventPattern() EventPattern {
	return EventPattern{Detail: detailRecord, Source: "kafka-connect.{connector}", DetailType: "kafka-connect-{topic}", Tombstones: Pass}
}

// Validate compiles the pattern.
func (c EventPattern) Validate() error {
	_, err := c.Open(context.Background())
	return err
}

// Open makes the handler.
func (c EventPattern) Open(context.Context) (connector.Handler, error) {
	e, err := c.compile()
	if err = errors.Join(err, c.Tombstones.validate()); err != nil {
		return nil, err
	}
	return connector.HandlerFunc(func(_ context.Context, b *connector.Batch) error {
		events := newEvents(e, b)
		each(b, c.Tombstones, func(i int, _ *connector.Record) error {
			event, err := events.of(i)
			if err != nil {
				return fmt.Errorf("event_pattern: %w", err)
			}
			if !e.pattern.Match(event) {
				b.Filter(i)
			}
			return nil
		})
		return nil
	}), nil
}

// An eventPattern is an EventPattern, compiled.
type eventPattern struct {
	pattern *pattern.Pattern
	members []string // of an event that the pattern looks at, in order
	details []string // the same of its detail; nil: the value is the detail
	texts   [2]*template.Template
}

// The texts of an event.
const (
	sourceText = iota
	detailTypeText
)

func (c EventPattern) compile() (*eventPattern, error) {
	if c.Detail != detailRecord && c.Detail != detailValue {
		return nil, fmt.Errorf("detail: %q is neither record nor value", c.Detail)
	}
	p, err := pattern.Compile([]byte(c.Pattern))
	if err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	e := &eventPattern{pattern: p}
	for _, f := range p.Fields() {
		if err := e.use(f, c.Detail == detailRecord); err != nil {
			return nil, fmt.Errorf("pattern: %w", err)
		}
	}
	for i, text := range []struct{ setting, template string }{{"source", c.Source}, {"detail_type", c.DetailType}} {
		if text.template == "" {
			return nil, fmt.Errorf("%s: is empty", text.setting)
		}
		if e.texts[i], err = template.Compile(text.template, template.Options{}); err != nil {
			return nil, fmt.Errorf("%s: %w", text.setting, err)
		}
	}
	return e, nil
}

// use notes what the pattern looks at, and refuses what can't be known here. Such a condition would never hold, and so every record would be dropped.
func (e *eventPattern) use(field string, record bool) error {
	name, rest, deeper := strings.Cut(field, ".")
	switch name {
	case "source", "detail-type":
		if deeper {
			return fmt.Errorf("%s: %s is a text and has no fields", field, name)
		}
	case "detail":
		if !deeper {
			return errors.New("detail: it is an object; name a field in it")
		}
		if err := e.useDetail(rest, record); err != nil {
			return err
		}
	case "account", "id", "region", "resources", "time", "version":
		return fmt.Errorf("%s: not known before the event is sent; a pattern here takes source, detail-type and fields of detail", name)
	default:
		return fmt.Errorf("%.60s: an event has no such field; a pattern here takes source, detail-type and fields of detail", name)
	}
	e.members = added(e.members, name)
	return nil
}

func (e *eventPattern) useDetail(field string, record bool) error {
	if !record {
		return nil
	}
	name, _, _ := strings.Cut(field, ".")
	if fields := recordDetails(); !slices.Contains(fields, name) {
		return fmt.Errorf("detail.%.60s: the detail has %s; write detail.value.%.60s for a field of the value, or set detail: value", field, strings.Join(fields, ", "), field)
	}
	e.details = added(e.details, name)
	return nil
}

func added(names []string, name string) []string {
	if slices.Contains(names, name) {
		return names
	}
	return append(names, name)
}

// recordDetails are the fields of detail: record.
func recordDetails() []string {
	return []string{"topic", "partition", "offset", "timestamp", "timestampType", "headers", "key", "value"}
}
