package kafka_test

import (
	"context"
	"log"

	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/connector/secret"
)

func ExampleConfig_Open() {
	config := kafka.DefaultConfig()
	config.Brokers = []string{"broker-1:9096,broker-2:9096"}
	config.Topics = []string{"cars.gps.json"}
	config.Group = "cars-gps"
	config.Auth.SCRAM = &kafka.SCRAM{Username: secret.New("cars"), Password: secret.New("secret")}

	consumer, err := config.Open(context.Background())
	if err != nil {
		log.Print(err) // names the setting that is wrong, or the right that is missing
		return
	}
	_ = consumer // goes to connector.New
}

// A pod with a role reads from Amazon MSK with these settings alone.
func ExampleConfig_Open_amazonMSK() {
	config := kafka.DefaultConfig()
	config.Cluster.ARN = "arn:aws:kafka:eu-west-1:123456789012:cluster/orders/0123abcd-01ab-01ab-01ab-0123456789ab-2"
	config.Auth.MSKIAM = &kafka.MSKIAM{}
	config.Topics = []string{"orders"}
	config.Group = "orders"
	if err := config.Validate(); err != nil {
		log.Print(err)
	}
}
