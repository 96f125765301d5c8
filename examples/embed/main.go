// Command embed is Millrace inside a program of one's own, in three forms.
//
//	BROKERS=localhost:9092 REDIS_ADDRS=localhost:6379 go run ./examples/embed [funcs | rules | loader]
//
// Each reads the topic cars.gps.json and keeps the positions of cars in the geo set cars#gps. The forms
// differ in who decodes and who writes.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/kafka"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	form := "funcs"
	if len(os.Args) > 1 {
		form = os.Args[1]
	}
	if err := run(ctx, form, environment("BROKERS", "localhost:9092"), environment("REDIS_ADDRS", "localhost:6379")); err != nil {
		fmt.Fprintln(os.Stderr, "embed:", err)
		stop()
		os.Exit(1)
	}
}

func environment(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// run reads until ctx ends, then finishes what has begun and commits.
func run(ctx context.Context, form, brokers, redisAddrs string) error {
	source := kafka.DefaultConfig()
	source.Brokers, source.Topics, source.Group = strings.Split(brokers, ","), []string{"cars.gps.json"}, "cars-gps"
	consumer, err := source.Open(ctx)
	if err != nil {
		return err
	}
	client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: strings.Split(redisAddrs, ",")})
	defer client.Close()

	dead, err := deadLetter(ctx, source)
	if err != nil {
		return err
	}
	defer func() { _ = dead.Close() }()

	var c *connector.Connector
	switch form {
	case "funcs":
		c, err = funcs(consumer, dead, client)
	case "rules":
		c, err = rules(ctx, consumer, dead, redisAddrs)
	case "loader":
		c, err = ownLoader(consumer, dead, client)
	default:
		err = fmt.Errorf("no form %q: funcs, rules or loader", form)
	}
	if err != nil {
		return err
	}
	return c.Run(ctx)
}

// deadLetter keeps what can't be processed in a topic of the same cluster.
func deadLetter(ctx context.Context, source kafka.Config) (*kafka.DeadLetter, error) {
	d := kafka.DefaultDeadLetterConfig()
	d.Topic = "cars.gps.dlq"
	return d.WithSource(source).Open(ctx)
}
