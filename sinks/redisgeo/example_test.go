package redisgeo_test

import (
	"context"
	"log"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/sinks/redisgeo"
)

// A program of your own fills the Config, and hands the Sink to a Connector.
func ExampleConfig_Open() {
	c := redisgeo.DefaultConfig()
	c.Addrs = []string{"localhost:6379"}
	c.Key, c.Longitude, c.Latitude = "cars#gps", "value.lng", "value.lat"
	sink, err := c.Open(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer sink.Close()
	var loader connector.Loader = sink
	_ = loader // connector.New(consumer, loader, ...)
}
