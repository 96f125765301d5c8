package testbed

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"
)

// A Bed is the services that tests of many packages share.
type Bed struct {
	Dir string // of the services' data and logs

	kafka                         *Brokers
	redis, redisCluster, redisTLS *Redis
	s3, moto                      *S3
	dynamodb                      *DynamoDB
}

// A Part is a service of a Bed that was started, or couldn't be.
type Part struct {
	Name string
	Took time.Duration
	Err  error
}

// StartBed starts the shared services one after the other and calls report after each. It
// goes on after a part that couldn't be started, so that all of these become known; then it stops
// the others, keeps the logs, and returns the errors.
func StartBed(ctx context.Context, report func(Part)) (*Bed, error) {
	dir, err := os.MkdirTemp("", "millrace-")
	if err != nil {
		return nil, err
	}
	b := &Bed{Dir: dir}
	var errs []error
	for _, part := range []struct {
		name  string
		start func() error
	}{
		{"Kafka, one node", func() (err error) { b.kafka, err = startKafka(ctx, dir, KafkaOptions{}); return }},
		{"Redis", func() (err error) { b.redis, err = startRedis(ctx, dir); return }},
		{"Redis cluster", func() (err error) { b.redisCluster, err = startRedisCluster(ctx, dir); return }},
		{"Redis with TLS and ACL", func() (err error) { b.redisTLS, err = startRedisTLS(ctx, dir); return }},
		{"S3", func() (err error) { b.s3, err = startS3(ctx, dir); return }},
		{"moto", func() (err error) { b.moto, err = startMoto(ctx, dir); return }},
		{"DynamoDB Local", func() (err error) { b.dynamodb, err = startDynamoDB(ctx, dir); return }},
	} {
		begin := time.Now()
		err := part.start()
		report(Part{part.name, time.Since(begin), err})
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		_ = b.Stop(true) // keeping the folder, it can't fail
		return nil, err
	}
	return b, nil
}

// Env is the environment that names the services to tests: "MILLRACE_KAFKA=127.0.0.1:15123" and so on.
func (b *Bed) Env() []string {
	return []string{
		EnvKafka + "=" + strings.Join(b.kafka.Addrs, ","),
		EnvRedis + "=" + strings.Join(b.redis.Addrs, ","),
		EnvRedisCluster + "=" + strings.Join(b.redisCluster.Addrs, ","),
		EnvRedisTLS + "=" + strings.Join(b.redisTLS.Addrs, ","),
		EnvRedisCA + "=" + b.redisTLS.CAFile,
		EnvRedisUser + "=" + b.redisTLS.Username,
		EnvRedisPassword + "=" + b.redisTLS.Password,
		EnvS3 + "=" + b.s3.Endpoint,
		EnvS3AccessKey + "=" + b.s3.AccessKey,
		EnvS3SecretKey + "=" + b.s3.SecretKey,
		EnvMoto + "=" + b.moto.Endpoint,
		EnvDynamoDB + "=" + b.dynamodb.Endpoint,
	}
}

// Stop ends the services. Their folder is removed, unless keep is set.
func (b *Bed) Stop(keep bool) error {
	if b.kafka != nil {
		killAll(b.kafka.Nodes)
	}
	for _, r := range []*Redis{b.redis, b.redisCluster, b.redisTLS} {
		if r != nil {
			killAll(r.Nodes)
		}
	}
	for _, s := range []*S3{b.s3, b.moto} {
		if s != nil {
			killAll(s.Nodes)
		}
	}
	if b.dynamodb != nil {
		killAll(b.dynamodb.Nodes)
	}
	if keep {
		return nil
	}
	return os.RemoveAll(b.Dir)
}
