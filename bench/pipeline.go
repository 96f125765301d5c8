package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/handlers"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/json"
	"github.com/millrace/millrace/sinks/file"
	"github.com/millrace/millrace/sinks/redisgeo"
	"github.com/millrace/millrace/sinks/s3"
)

// open opens the consumer with its defaults, in a group that is new.
func open(ctx context.Context, s settings) (*kafka.Consumer, error) {
	c := kafka.DefaultConfig()
	c.Brokers, c.Topics = []string{s.brokers}, []string{s.topic}
	c.Group = fmt.Sprintf("bench-%s-%d-%d", s.only, os.Getpid(), time.Now().UnixNano())
	return c.Open(ctx)
}

// memoryLimit and collectAt are what the command sets for its default budget (millrace run).
const (
	memoryLimit = 204 << 20
	collectAt   = 200
)

// drain runs a connector until it has read all records, and lets it drain.
func drain(ctx context.Context, s settings, c *connector.Connector) error {
	debug.SetMemoryLimit(memoryLimit)
	debug.SetGCPercent(collectAt)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	tick := time.NewTicker(20 * time.Millisecond) // each look costs CPU that counts
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return errors.Join(err, check(s, c))
		case <-tick.C:
			if c.Status().Totals[connector.MetricRead] >= s.records {
				cancel()
			}
		}
	}
}

// check refuses to time work that wasn't done.
func check(s settings, c *connector.Connector) error {
	t := c.Status().Totals
	if t[connector.MetricRead] != s.records || t[connector.MetricWritten]+t[connector.MetricFiltered] != s.records {
		return fmt.Errorf("the pipeline did something else than %d records: %v", s.records, t)
	}
	return nil
}

func options(opts ...connector.Option) ([]connector.Option, error) {
	d, err := json.New(json.DefaultConfig())
	quiet := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	return append([]connector.Option{connector.WithLogger(quiet), connector.WithDecoder(d), connector.WithKeyDecoder(serde.StringDecoder{})}, opts...), err
}

func load(ctx context.Context, s settings, l connector.Loader, more ...connector.Option) error {
	consumer, err := open(ctx, s)
	if err != nil {
		return err
	}
	opts, err := options(more...)
	if err != nil {
		return err
	}
	c, err := connector.New(consumer, l, opts...)
	if err != nil {
		return err
	}
	return drain(ctx, s, c)
}

func pipelineDiscard(ctx context.Context, s settings) error {
	l := connector.LoaderFunc(func(context.Context, *connector.Batch) error { return nil })
	return load(ctx, s, l, connector.WithDecoder(serde.BytesDecoder{}), connector.WithKeyDecoder(serde.BytesDecoder{}))
}

// staged runs a pipeline into files or objects.
func staged(ctx context.Context, s settings, sink connector.Stager, format string, more ...connector.Option) error {
	consumer, err := open(ctx, s)
	if err != nil {
		return err
	}
	if format == "raw" {
		more = append(more, connector.WithDecoder(serde.BytesDecoder{}))
	}
	opts, err := options(more...)
	if err != nil {
		return err
	}
	c, err := connector.NewStaged(consumer, sink, opts...)
	if err != nil {
		return err
	}
	return drain(ctx, s, c)
}

func pipelineFiles(compression, format string) func(context.Context, settings) error {
	return func(ctx context.Context, s settings) error {
		f := file.DefaultConfig()
		f.Dir, f.Compression = s.dir, compression
		if format == "raw" {
			f.Format.Raw = new(file.Raw)
		}
		sink, err := f.Open(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = sink.Close() }()
		return staged(ctx, s, sink, format)
	}
}

// s3Config is the sink of the stub.
func s3Config(s settings) s3.Config {
	c := s3.DefaultConfig()
	c.Bucket, c.Endpoint, c.PathStyle, c.Region = s3Bucket, s.s3, true, "us-east-1"
	c.AccessKey, c.SecretKey = secret.New("bench"), secret.New("bench")
	c.Rotate.Records = s3Records
	return c
}

func pipelineS3(compression, format string, more ...connector.Option) func(context.Context, settings) error {
	return func(ctx context.Context, s settings) error {
		c := s3Config(s)
		c.Compression = compression
		if format == "raw" {
			c.Format.Raw = new(s3.Raw)
		}
		sink, err := c.Open(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = sink.Close() }()
		return staged(ctx, s, sink, format, more...)
	}
}

func pipelineRedis(ctx context.Context, s settings) error {
	c := redisgeo.DefaultConfig()
	c.Addrs, c.Key, c.Longitude, c.Latitude = []string{s.redis}, "pipeline", "value.lng", "value.lat"
	sink, err := c.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = sink.Close() }()
	return load(ctx, s, sink)
}

// jsonLines is a Loader that makes lines and drops them.
func jsonLines(_ context.Context, b *connector.Batch) error {
	var out []byte
	for _, r := range b.Records() {
		var err error
		if out, err = r.Value.AppendJSON(out); err != nil {
			return err
		}
		out = append(out, '\n')
	}
	_, err := io.Discard.Write(out)
	return err
}

func pipelineFilter(ctx context.Context, s settings) error {
	f := handlers.DefaultFilter()
	f.Rule = `value.speed > 80 && value.status == "driving"`
	h, err := f.Open(ctx)
	if err != nil {
		return err
	}
	return load(ctx, s, connector.LoaderFunc(jsonLines), connector.WithHandlers(h))
}

func pipelineMap(ctx context.Context, s settings) error {
	m := handlers.DefaultMap()
	m.Fields = []handlers.Field{
		{Name: "car", Rule: "value.car_id"}, {Name: "started", Rule: "value.start_ts"}, {Name: "city", Rule: "value.city"},
		{Name: "lng", Rule: "value.pos.lng"}, {Name: "km", Rule: "value.distance_m / 1000"},
	}
	h, err := m.Open(ctx)
	if err != nil {
		return err
	}
	return load(ctx, s, connector.LoaderFunc(jsonLines), connector.WithHandlers(h))
}
