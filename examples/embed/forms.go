package main

import (
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/handlers"
	"github.com/millrace/millrace/serde"
	jsonvalue "github.com/millrace/millrace/serde/json"
	"github.com/millrace/millrace/sinks/redisgeo"
)

// The first form is a map from topic to a function of (ctx, key, value), which calls a loader of one's own.

// A geoLoader is such a loader.
type geoLoader struct{ client redis.UniversalClient }

func (l *geoLoader) RedisGeoAdd(ctx context.Context, key, name string, lng, lat float64) error {
	return l.client.GeoAdd(ctx, key, &redis.GeoLocation{Name: name, Longitude: lng, Latitude: lat}).Err()
}

func funcs(consumer connector.Consumer, dead connector.DeadLetter, client redis.UniversalClient) (*connector.Connector, error) {
	loader := &geoLoader{client}
	byTopic := handlers.Funcs{
		"cars.gps.json": func(ctx context.Context, key, value []byte) error {
			lng, lat, err := position(value)
			if err != nil {
				return err
			}
			return loader.RedisGeoAdd(ctx, "cars#gps", string(key), lng, lat)
		},
	}
	return connector.New(consumer, byTopic, connector.WithDeadLetter(dead))
}

// position reads a record's value. That a value is no position never changes: without this class it would be
// tried again for ever.
func position(value []byte) (lng, lat float64, err error) {
	var p struct{ Lng, Lat *float64 }
	if err := json.Unmarshal(value, &p); err != nil {
		return 0, 0, connector.Permanent.Wrap(err)
	}
	if p.Lng == nil || p.Lat == nil {
		return 0, 0, connector.Permanent.Wrap(errors.New("lng or lat is missing"))
	}
	return *p.Lng, *p.Lat, nil
}

// The second form is what a configuration file does: decode, filter, and the sink redis_geo.
func rules(ctx context.Context, consumer connector.Consumer, dead connector.DeadLetter, redisAddrs string) (*connector.Connector, error) {
	decoder, err := jsonvalue.New(jsonvalue.DefaultConfig())
	if err != nil {
		return nil, err
	}
	fix := handlers.DefaultFilter()
	fix.Rule = "value.lat != 0 && value.lng != 0"
	filter, err := fix.Open(ctx)
	if err != nil {
		return nil, err
	}
	sink := redisgeo.DefaultConfig()
	sink.Addrs, sink.Key, sink.Longitude, sink.Latitude = strings.Split(redisAddrs, ","), "cars#gps", "value.lng", "value.lat"
	loader, err := sink.Open(ctx)
	if err != nil {
		return nil, err
	}
	return connector.New(consumer, loader,
		connector.WithDecoder(decoder), connector.WithKeyDecoder(serde.StringDecoder{}),
		connector.WithHandlers(filter), connector.WithDeadLetter(dead))
}

// The third form is a Loader of one's own: whole batches, and order per car.
type batchLoader struct {
	client redis.UniversalClient
	seed   maphash.Seed
}

// Load sends one GEOADD for all cars of the batch; the last position of a car wins.
func (l *batchLoader) Load(ctx context.Context, b *connector.Batch) error {
	var members []*redis.GeoLocation
	for i, r := range b.Records() {
		lng, lat, err := position(r.RawValue)
		if err != nil {
			b.Fail(i, err)
			continue
		}
		members = append(members, &redis.GeoLocation{Name: string(r.RawKey), Longitude: lng, Latitude: lat})
	}
	if len(members) == 0 {
		return nil
	}
	return l.client.GeoAdd(ctx, "cars#gps", members...).Err()
}

// Key keeps a car's positions in order.
func (l *batchLoader) Key(b *connector.Batch, i int) (uint64, bool) {
	return maphash.Bytes(l.seed, b.At(i).RawKey), true
}

func ownLoader(consumer connector.Consumer, dead connector.DeadLetter, client redis.UniversalClient) (*connector.Connector, error) {
	return connector.New(consumer, &batchLoader{client, maphash.MakeSeed()}, connector.WithDeadLetter(dead))
}
