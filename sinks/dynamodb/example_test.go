package dynamodb_test

import (
	"context"
	"log"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/sinks/dynamodb"
)

// A program of your own fills the Config, and hands the Sink to a Connector.
func ExampleConfig_Open() {
	c := dynamodb.DefaultConfig()
	c.Region, c.Table = "eu-west-1", "trips"
	c.Key = []dynamodb.Attribute{{Name: "trip_id", Rule: "key"}}
	c.Item, c.Write = "value", "newest"
	sink, err := c.Open(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer sink.Close()
	var loader connector.Loader = sink
	_ = loader // connector.New(consumer, loader, ...)
}
