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
	EnvS3            = "MILLRACE_S3"             // http://host:port
	EnvS3AccessKey   = "MILLRACE_S3_ACCESS_KEY"  // of the root user
	EnvS3SecretKey   = "MILLRACE_S3_SECRET_KEY"  //
	EnvMoto          = "MILLRACE_MOTO"           // http://host:port
	EnvDynamoDB      = "MILLRACE_DYNAMODB"       // http://host:port
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
	return started(t, func(ctx context.Context, dir string) (*Brokers, error) { return startKafka(ctx, dir, o) })
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

// S3Server returns an S3 server, shared with other tests if the environment names one: use a [S3.Bucket] of your own.
func S3Server(t testing.TB) *S3 {
	t.Helper()
	if endpoint := os.Getenv(EnvS3); endpoint != "" {
		return &S3{Endpoint: endpoint, Region: s3Region, AccessKey: os.Getenv(EnvS3AccessKey), SecretKey: os.Getenv(EnvS3SecretKey)}
	}
	return StartS3(t)
}

// StartS3 starts an S3 server for this test alone, which may pause and kill it. What was answered is still there when it
// is started again.
func StartS3(t testing.TB) *S3 {
	t.Helper()
	return started(t, startS3)
}

// Moto returns moto, which plays many services of AWS in memory at one endpoint: the S3 of the answer, with lifecycle
// rules, STS, and others. It is lenient: it takes all keys, signatures and checksums, users have no rights to lack, and
// everything is forgotten when it ends. It is shared with other tests if the environment names one.
func Moto(t testing.TB) *S3 {
	t.Helper()
	if endpoint := os.Getenv(EnvMoto); endpoint != "" {
		return motoAt(endpoint)
	}
	return started(t, startMoto)
}

// DynamoDBLocal returns DynamoDB Local, shared with other tests if the environment names one: use a [DynamoDB.Table] of your own.
func DynamoDBLocal(t testing.TB) *DynamoDB {
	t.Helper()
	if endpoint := os.Getenv(EnvDynamoDB); endpoint != "" {
		return dynamoAt(endpoint)
	}
	return StartDynamoDB(t)
}

// StartDynamoDB starts a DynamoDB Local for this test alone, which may pause and kill it. It forgets its tables when it is killed.
func StartDynamoDB(t testing.TB) *DynamoDB {
	t.Helper()
	return started(t, startDynamoDB)
}

// A service is one process or more.
type service interface{ nodes() []*Process }

func (b *Brokers) nodes() []*Process  { return b.Nodes }
func (r *Redis) nodes() []*Process    { return r.Nodes }
func (s *S3) nodes() []*Process       { return s.Nodes }
func (d *DynamoDB) nodes() []*Process { return d.Nodes }

func started[S service](t testing.TB, start func(context.Context, string) (S, error)) S {
	t.Helper()
	s, err := start(t.Context(), scratch(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { killAll(s.nodes()) })
	return s
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
