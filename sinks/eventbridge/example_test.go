package eventbridge_test

import (
	"context"
	"log"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/sinks/eventbridge"
)

// A program of your own fills the Config, and hands the Sink to a Connector.
func ExampleConfig_Open() {
	c := eventbridge.DefaultConfig()
	c.Region, c.Bus = "eu-west-1", "orders"
	c.DetailType.Path = "value.eventType"
	sink, err := c.Open(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer sink.Close()
	var loader connector.Loader = sink
	_ = loader // connector.New(consumer, loader, ...)
}
