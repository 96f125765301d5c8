package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// data names a kind of records.
type data string

const (
	trips     data = "trips"      // JSON of 223 bytes on average, keyed
	tripsGlue data = "trips-glue" // the same trips as Avro, as AWS Glue's serializer writes it
	positions data = "positions"  // JSON positions of about 52 bytes of 20,000 cars, keyed
)

const partitions = 4

// produce writes the records of a kind: lz4, in four partitions. The same ones in every run.
func produce(ctx context.Context, brokers, topic string, d data, n int64) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.MaxBufferedRecords(1<<16), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		return fmt.Errorf("create topic %s: %w", topic, err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	failed := make(chan error, 1)
	encoder, err := newTripEncoder()
	if err != nil {
		return err
	}
	for i := range n {
		key, value := record(d, i, rnd)
		if d == tripsGlue {
			if value, err = encoder.glueRecord(value); err != nil {
				return err
			}
		}
		client.Produce(ctx, &kgo.Record{Key: key, Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return fmt.Errorf("produce to %s: %w", topic, err)
	default:
		return nil
	}
}

func record(d data, i int64, rnd *rand.Rand) (key, value []byte) {
	car := rnd.IntN(20_000)
	key = fmt.Appendf(nil, "car-%05d", car)
	lng, lat := 126.7+rnd.Float64()*0.6, 37.4+rnd.Float64()*0.3
	if d == positions {
		return key, fmt.Appendf(nil, `{"lng":%.6f,"lat":%.6f,"ts":%d}`, lng, lat, 1_700_000_000+i)
	}
	value = fmt.Appendf(nil, `{"trip_id":"%08x-%04x","car_id":"car-%05d","driver":"driver %d","start_ts":%d,"distance_m":%d,"speed":%.1f,`+
		`"pos":{"lng":%.6f,"lat":%.6f},"status":"%s","city":"Seoul","tags":["gps","v2"],"seq":%s}`,
		rnd.Uint32(), rnd.IntN(1<<16), car, rnd.IntN(5000), 1_700_000_000_000+i*37, rnd.IntN(60_000), rnd.Float64()*130,
		lng, lat, [...]string{"driving", "parked", "charging"}[rnd.IntN(3)], strconv.FormatInt(i, 10))
	return key, value
}
