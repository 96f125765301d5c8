package main

import (
	"context"

	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/sinks/dynamodb"
	"github.com/millrace/millrace/sinks/eventbridge"
)

func pipelineDynamoDB(write string) func(context.Context, settings) error {
	return func(ctx context.Context, s settings) error {
		c := dynamodb.DefaultConfig()
		c.Region, c.Endpoint, c.AccessKey, c.SecretKey = callRegion, s.aws, secret.New(callKey), secret.New(callKey)
		c.Table, c.Item, c.Write, c.InFlight = tableName, "value", write, callsInFlight
		c.Key = []dynamodb.Attribute{{Name: tableKey, Rule: "value.trip_id"}}
		sink, err := c.Open(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = sink.Close() }()
		return load(ctx, s, sink)
	}
}

func pipelineEventBridge(ctx context.Context, s settings) error {
	c := eventbridge.DefaultConfig()
	c.Region, c.Endpoint, c.AccessKey, c.SecretKey = callRegion, s.aws, secret.New(callKey), secret.New(callKey)
	c.Bus, c.InFlight = busName, callsInFlight
	sink, err := c.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = sink.Close() }()
	return load(ctx, s, sink)
}
