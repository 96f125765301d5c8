package main

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/connector/kafka"
)

// kafkaDefaults are the kafka source's, with the connector's name as group and client id.
func kafkaDefaults(name string) kafka.Config {
	c := kafka.DefaultConfig()
	c.Group = name
	if name != "" {
		c.ClientID = name
	}
	return c
}

// firstTopic is the first topic that a connector reads, "" if it reads by a pattern.
func firstTopic(c *config.Connector) string {
	if k, ok := c.Source.Config.(*kafka.Config); ok && len(k.Topics) > 0 {
		return k.Topics[0]
	}
	return ""
}

// newest reads the newest n records of the connector's topics.
func newest(ctx context.Context, c *config.Connector, n int) ([]sample, error) {
	c, err := c.Resolve(ctx)
	if err != nil {
		return nil, err
	}
	k, ok := c.Source.Config.(*kafka.Config)
	if !ok {
		return nil, fmt.Errorf("the source %s can't be looked into", c.Source.Name)
	}
	batches, err := kafka.Newest(ctx, *k, n)
	if err != nil {
		return nil, err
	}
	var all []sample
	for _, b := range batches {
		for i := range b.Len() {
			all = append(all, sample{b.Source().Partition, *b.At(i)})
		}
	}
	return all, nil
}

// openDeadLetter opens the dead letter in the source's cluster, unless it names brokers of its own.
func openDeadLetter(ctx context.Context, c kafka.DeadLetterConfig, source kafka.Config, connector string) (*kafka.DeadLetter, error) {
	if c.ClientID == kafka.DefaultDeadLetterConfig().ClientID && connector != "" {
		c.ClientID = connector
	}
	return c.WithSource(source).Open(ctx)
}
