package s3_test

import (
	"context"
	"log"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/sinks/s3"
)

// A program of your own fills the Config, and hands the Stager to a Connector.
func ExampleConfig_Open() {
	c := s3.DefaultConfig()
	c.Bucket, c.Region = "lake", "us-east-1"
	c.Path = "telemetry/{topic}/dt={time:yyyy-MM-dd}/"
	sink, err := c.Open(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer sink.Close()
	var stager connector.Stager = sink
	_ = stager // connector.NewStaged(consumer, stager, ...)
}
