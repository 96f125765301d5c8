//go:build !no_redis_geo

package main

import (
	"github.com/redis/go-redis/v9/logging"

	"github.com/millrace/millrace/connector/config"
	"github.com/millrace/millrace/sinks/redisgeo"
)

func redisGeoPlugins() []*config.Plugin {
	return []*config.Plugin{config.Loader("redis_geo", redisgeo.DefaultConfig)}
}

// quietRedis: the sink reports what go-redis would print besides.
func quietRedis() { logging.Disable() }
