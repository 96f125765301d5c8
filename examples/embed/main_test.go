package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Each form keeps the last position of every car, buries the broken record, and commits.
func TestForms(t *testing.T) {
	for _, form := range []string{"funcs", "rules", "loader"} {
		t.Run(form, func(t *testing.T) {
			kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "cars.gps.json"), kfake.SeedTopics(1, "cars.gps.dlq"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(kafka.Close)
			redis := miniredis.RunT(t)
			brokers := strings.Join(kafka.ListenAddrs(), ",")
			client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.DefaultProduceTopic("cars.gps.json"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			const n = 500
			for i := range n {
				produce(t, client, fmt.Sprintf("car-%d", i%20), fmt.Sprintf(`{"lng": %g, "lat": 37.5}`, 120+float64(i)/100))
			}
			produce(t, client, "car-1", `{"lng": 1`)

			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- run(ctx, form, brokers, redis.Addr()) }()
			admin := kadm.NewClient(client)
			for committed(t, admin) < n+1 {
				select {
				case err := <-ended:
					t.Fatalf("ended early: %v", err)
				case <-time.After(20 * time.Millisecond):
				}
			}
			stop()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			for car := range 20 {
				want := 120 + float64(n-20+car)/100
				if got := longitude(t, redis, fmt.Sprintf("car-%d", car)); math.Abs(got-want) > 1e-4 {
					t.Errorf("car-%d is at %g, want its last position %g", car, got, want)
				}
			}
			ends, err := admin.ListEndOffsets(t.Context(), "cars.gps.dlq")
			if err != nil {
				t.Fatal(err)
			}
			if end, _ := ends.Lookup("cars.gps.dlq", 0); end.Offset != 1 {
				t.Errorf("%d dead letters, want 1", end.Offset)
			}
		})
	}
}

func produce(t *testing.T, client *kgo.Client, key, value string) {
	t.Helper()
	if err := client.ProduceSync(t.Context(), &kgo.Record{Key: []byte(key), Value: []byte(value)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// committed is the sum of the group's offsets.
func committed(t *testing.T, admin *kadm.Client) (sum int64) {
	t.Helper()
	offsets, err := admin.FetchOffsets(t.Context(), "cars-gps")
	if err != nil {
		return 0 // the group isn't there yet
	}
	offsets.Each(func(o kadm.OffsetResponse) { sum += max(0, o.At) })
	return sum
}

func longitude(t *testing.T, r *miniredis.Miniredis, car string) float64 {
	t.Helper()
	score, err := r.ZScore("cars#gps", car)
	if err != nil {
		t.Errorf("%s: %v", car, err)
		return 0
	}
	// The score is a geohash of 52 bits: longitude in the odd ones (redis.io, GEOADD).
	hash, low, high := uint64(score), -180.0, 180.0
	for bit := 51; bit > 0; bit -= 2 {
		mid := (low + high) / 2
		if hash>>bit&1 == 1 {
			low = mid
		} else {
			high = mid
		}
	}
	return (low + high) / 2
}
