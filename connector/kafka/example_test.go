package kafka_test

import (
	"context"
	"log"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/millrace/millrace/connector/kafka"
)

// What has no setting, such as a way of authentication, is passed on to franz-go.
func ExampleConfig_Open() {
	config := kafka.DefaultConfig()
	config.Brokers = []string{"broker-1:9096,broker-2:9096"}
	config.Topics = []string{"cars.gps.json"}
	config.Group = "cars-gps"
	config.TLS.Enabled = true
	config.Options = []kgo.Opt{kgo.SASL(scram.Auth{User: "cars", Pass: "secret"}.AsSha512Mechanism())}

	consumer, err := config.Open(context.Background())
	if err != nil {
		log.Print(err) // names the setting that is wrong
		return
	}
	_ = consumer // goes to connector.New
}
