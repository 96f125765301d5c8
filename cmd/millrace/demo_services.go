//go:build !no_redis_geo

package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The demo's topics, as the example files name them.
const (
	positionsTopic = "cars.gps.json"
	deadTopic      = "cars.gps.dlq"
	carPartitions  = 4
)

// services are a Kafka and a Redis inside this process, on 127.0.0.1.
type services struct {
	kafka   *kfake.Cluster
	brokers string
	redis   *miniredis.Miniredis
}

func startServices() (*services, error) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(carPartitions, positionsTopic), kfake.SeedTopics(1, deadTopic))
	if err != nil {
		return nil, err
	}
	r, err := miniredis.Run()
	if err != nil {
		k.Close()
		return nil, err
	}
	return &services{kafka: k, brokers: strings.Join(k.ListenAddrs(), ","), redis: r}, nil
}

func (s *services) stop() {
	s.redis.Close()
	s.kafka.Close()
}

// A point on the map.
type point struct{ lng, lat float64 }

// here is Seoul City Hall.
var here = point{126.978, 37.5665}

// A neighbour is a car and how far away it is.
type neighbour struct {
	car    string
	meters float64
}

// near asks Redis which cars are within 1 km.
func (s *services) near(ctx context.Context, p point) ([]neighbour, error) {
	client := redis.NewClient(&redis.Options{Addr: s.redis.Addr()})
	defer client.Close()
	found, err := client.GeoSearchLocation(ctx, "cars#gps", &redis.GeoSearchLocationQuery{
		GeoSearchQuery: redis.GeoSearchQuery{Longitude: p.lng, Latitude: p.lat, Radius: 1, RadiusUnit: "km", Sort: "ASC"},
		WithDist:       true,
	}).Result()
	if err != nil {
		return nil, fmt.Errorf("ask Redis: %w", err)
	}
	near := make([]neighbour, len(found))
	for i, f := range found {
		near[i] = neighbour{f.Name, f.Dist * 1000}
	}
	return near, nil
}

// deadLetters reads the dead letter, one text per broken record.
func (s *services) deadLetters(ctx context.Context) ([]string, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.brokers), kgo.ConsumeTopics(deadTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	seen := map[string]bool{}
	var texts []string
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		fetches.EachRecord(func(r *kgo.Record) {
			why := headerOf(r, "__connect.errors.exception.message")
			at := fmt.Sprintf("%s/%s offset %s", headerOf(r, "__connect.errors.topic"), headerOf(r, "__connect.errors.partition"), headerOf(r, "__connect.errors.offset"))
			if !seen[at] {
				seen[at] = true
				texts = append(texts, fmt.Sprintf("%s, %q: %s", at, r.Value, why))
			}
		})
		if fetches.NumRecords() > 0 {
			return texts, nil
		}
	}
	return texts, nil
}

func headerOf(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// A fleet is cars that drive around Seoul.
type fleet struct {
	cars     []car
	produced atomic.Int64 // records that Kafka has
	bytes    atomic.Int64 // of their keys and values
}

type car struct {
	name    string
	at      point
	heading float64 // radians
	speed   float64 // km/h
}

func newFleet(n int) *fleet {
	f := &fleet{cars: make([]car, n)}
	for i := range f.cars {
		f.cars[i] = car{
			name:    fmt.Sprintf("car-%05d", i),
			at:      point{here.lng + rand.NormFloat64()*0.08, here.lat + rand.NormFloat64()*0.06},
			heading: rand.Float64() * 2 * math.Pi,
			speed:   20 + rand.Float64()*60,
		}
	}
	return f
}

// move drives a car on for some seconds.
func (c *car) move(seconds float64) {
	c.heading += (rand.Float64() - 0.5) * 0.4
	km := c.speed / 3600 * seconds
	c.at.lat = min(37.9, max(37.2, c.at.lat+km/111*math.Cos(c.heading)))
	c.at.lng = min(127.5, max(126.4, c.at.lng+km/88*math.Sin(c.heading)))
}

// broken are the two records that no sink can use.
var broken = [2]string{`{"lng": 126.97, "lat": 37.5`, `position: 126.97, 37.56`}

// drive sends positions until ctx ends, so many per second.
func (f *fleet) drive(ctx context.Context, brokers string, rate int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.DefaultProduceTopic(positionsTopic), kgo.ProducerLinger(5*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	failed := make(chan error, 1)
	send := func(key, value string) {
		client.Produce(context.WithoutCancel(ctx), &kgo.Record{Key: []byte(key), Value: []byte(value)}, func(r *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
				return
			}
			f.produced.Add(1)
			f.bytes.Add(int64(len(r.Key) + len(r.Value)))
		})
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	started, sent := time.Now(), 0
	for {
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			if err := client.Flush(context.WithoutCancel(ctx)); err != nil {
				return err
			}
			select {
			case err := <-failed:
				return err
			default:
				return nil
			}
		case <-tick.C:
		}
		if sent == 0 {
			for i, b := range broken {
				send(f.cars[i%len(f.cars)].name, b)
			}
		}
		for due := int(time.Since(started).Seconds() * float64(rate)); sent < due; sent++ {
			c := &f.cars[sent%len(f.cars)]
			c.move(float64(len(f.cars)) / float64(rate))
			send(c.name, fmt.Sprintf(`{"lng":%.6f,"lat":%.6f,"speed":%.1f,"ts":%d}`, c.at.lng, c.at.lat, c.speed, time.Now().UnixMilli()))
		}
	}
}
