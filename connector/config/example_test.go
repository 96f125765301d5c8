package config_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/serde"
)

// Console is the settings of a sink that prints. Its package needs nothing of package config.
type Console struct {
	// Prefix of each line.
	Prefix string `yaml:"prefix" short:"true"`
}

// Validate checks the settings, without a network.
func (c Console) Validate() error {
	if len(c.Prefix) > 10 {
		return errors.New("prefix: at most 10 characters")
	}
	return nil
}

// Open makes the Loader.
func (c Console) Open(context.Context) (connector.Loader, error) {
	return connector.LoaderFunc(func(_ context.Context, b *connector.Batch) error {
		for _, r := range b.Records() {
			fmt.Printf("%s%s\n", c.Prefix, r.RawValue)
		}
		return nil
	}), nil
}

// A build of Millrace with a sink of one's own is the list of what it can do.
func ExampleNewRegistry() {
	build := config.NewRegistry(
		config.Source("kafka", func(name string) kafka.Config {
			c := kafka.DefaultConfig()
			c.Group = name
			return c
		}),
		config.PlainDecoder("string", serde.StringDecoder{}),
		config.PlainDecoder("json", serde.BytesDecoder{}),
		config.Loader("console", func() Console { return Console{Prefix: "> "} }),
	)
	file := []byte("name: cars\nsource: {kafka: {brokers: localhost:9092, topics: [cars]}}\nsink: {console: {prefix: \"a very long prefix\"}}\n")
	_, err := build.Parse("cars.yaml", file, config.OS())
	fmt.Println(err)

	file = []byte("name: cars\nsource: {kafka: {brokers: localhost:9092, topics: [cars]}}\nsink: console\n")
	f, err := build.Parse("cars.yaml", file, config.OS())
	if err != nil {
		panic(err)
	}
	fmt.Printf("%+v\n", f.Connectors[0].Sink.Config)
	// Output:
	// cars.yaml:3:26: prefix: at most 10 characters
	//   2 | source: {kafka: {brokers: localhost:9092, topics: [cars]}}
	// > 3 | sink: {console: {prefix: "a very long prefix"}}
	//     |                          ^
	//
	// &{Prefix:> }
}
