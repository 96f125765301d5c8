package handlers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/connector"
)

// ByTopic is a handler that gives each topic's records to the handler of that
// topic. A topic without one stops the connector when it is assigned.
type ByTopic map[string]connector.Handler

// CheckTopic is an error for a topic without a handler.
func (m ByTopic) CheckTopic(topic string) error { return find(m, topic) }

// Handle calls the topic's handler.
func (m ByTopic) Handle(ctx context.Context, b *connector.Batch) error {
	topic := b.Source().Topic
	if err := m.CheckTopic(topic); err != nil {
		return connector.Fatal.Wrap(err)
	}
	return m[topic].Handle(ctx, b)
}

// Funcs is a map from topic to function. It is a handler and a loader: as a
// loader its functions do the writing. A topic without a function stops the connector.
type Funcs map[string]Func

// CheckTopic is an error for a topic without a function.
func (m Funcs) CheckTopic(topic string) error { return find(m, topic) }

// Handle calls the topic's function for each record, which goes on unchanged.
func (m Funcs) Handle(ctx context.Context, b *connector.Batch) error { return m.call(ctx, b) }

// Load calls the topic's function for each record.
func (m Funcs) Load(ctx context.Context, b *connector.Batch) error { return m.call(ctx, b) }

func (m Funcs) call(ctx context.Context, b *connector.Batch) error {
	topic := b.Source().Topic
	if err := m.CheckTopic(topic); err != nil {
		return connector.Fatal.Wrap(err)
	}
	return m[topic].call(ctx, b)
}

func find[H any](m map[string]H, topic string) error {
	if _, ok := m[topic]; ok {
		return nil
	}
	if len(m) == 0 {
		return fmt.Errorf("failed to find handler func for '%s': no topic has one", topic)
	}
	topics := slices.Sorted(maps.Keys(m))
	return fmt.Errorf("failed to find handler func for '%s': the topics that have one are '%s'", topic, strings.Join(topics, "', '"))
}
