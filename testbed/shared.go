package testbed

import (
	"context"
	"os"
	"strings"
	"testing"
)

// The environment variables that name services which are started already.
const (
	EnvKafka         = "MILLRACE_KAFKA"          // host:port
	EnvRedis         = "MILLRACE_REDIS"          // host:port
	EnvRedisCluster  = "MILLRACE_REDIS_CLUSTER"  // host:port,host:port,host:port
	EnvRedisTLS      = "MILLRACE_REDIS_TLS"      // host:port
	EnvRedisCA       = "MILLRACE_REDIS_CA"       // file of the authority's certificate
	EnvRedisUser     = "MILLRACE_REDIS_USER"     //
	EnvRedisPassword = "MILLRACE_REDIS_PASSWORD" //
)

// Kafka returns a Kafka of one node, shared with other tests if the environment names one: use
// topics and groups with a [Name] of their own, and leave the node running.
func Kafka(t testing.TB) *Brokers {
	t.Helper()
	if addrs := list(EnvKafka); addrs != nil {
		return &Brokers{Addrs: addrs}
	}
	return StartKafka(t, KafkaOptions{})
}

// KafkaCluster returns a Kafka of three nodes that keep every record on each: the test's own, which starts within about 25 s.
func KafkaCluster(t testing.TB) *Brokers {
	t.Helper()
	return StartKafka(t, KafkaOptions{Nodes: 3})
}

// StartKafka starts a Kafka for this test alone, which may pause and kill its nodes. It ends with the test.
func StartKafka(t testing.TB, o KafkaOptions) *Brokers {
	t.Helper()
	b, err := startKafka(t.Context(), scratch(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { killAll(b.Nodes) })
	return b
}

// RedisServer returns a single Redis, shared with other tests if the environment names one.
func RedisServer(t testing.TB) *Redis {
	t.Helper()
	if addrs := list(EnvRedis); addrs != nil {
		return &Redis{Addrs: addrs}
	}
	return StartRedis(t)
}

// StartRedis starts a Redis for this test alone, which may pause and kill it. It forgets its data when it is killed.
func StartRedis(t testing.TB) *Redis {
	t.Helper()
	return started(t, startRedis)
}

// RedisCluster returns a Redis cluster of three masters, shared with other tests if the environment names one.
func RedisCluster(t testing.TB) *Redis {
	t.Helper()
	if addrs := list(EnvRedisCluster); addrs != nil {
		return &Redis{Addrs: addrs}
	}
	return StartRedisCluster(t)
}

// StartRedisCluster starts a cluster for this test alone, which may pause and kill its nodes.
func StartRedisCluster(t testing.TB) *Redis {
	t.Helper()
	return started(t, startRedisCluster)
}

// RedisTLS returns a Redis that speaks TLS only, with a certificate of its own authority, and
// knows one user with a password, shared with other tests if the environment names one.
func RedisTLS(t testing.TB) *Redis {
	t.Helper()
	if addrs := list(EnvRedisTLS); addrs != nil {
		return &Redis{Addrs: addrs, CAFile: os.Getenv(EnvRedisCA),
			Username: os.Getenv(EnvRedisUser), Password: os.Getenv(EnvRedisPassword)}
	}
	return started(t, startRedisTLS)
}

func started(t testing.TB, start func(context.Context, string) (*Redis, error)) *Redis {
	t.Helper()
	r, err := start(t.Context(), scratch(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { killAll(r.Nodes) })
	return r
}

// scratch returns a folder for a service's data and logs, which stays if the test fails.
func scratch(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "millrace-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("data and logs of the test's services are in %s", dir)
			return
		}
		os.RemoveAll(dir)
	})
	return dir
}

func list(env string) []string {
	value := os.Getenv(env)
	if value == "" {
		return nil
	}
	return strings.Split(value, ",")
}
