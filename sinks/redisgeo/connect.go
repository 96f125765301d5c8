package redisgeo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/millrace/millrace/connector"
)

// timeouts that tests shorten. Zero is the default.
type timeouts struct{ dial, reply time.Duration }

// connect makes the client for what the server is, and makes sure that it answers.
func (c Config) connect(ctx context.Context, l *login, t timeouts) (redis.UniversalClient, error) {
	o, err := c.options(l, t)
	if err != nil {
		return nil, err
	}
	mode := c.Mode
	if mode == modeAuto {
		if mode, err = c.detect(ctx, l, o); err != nil {
			return nil, err
		}
	}
	var client redis.UniversalClient
	ping := func() error { return client.Ping(ctx).Err() }
	if mode == modeCluster {
		oc := o.Cluster()
		oc.DisableRoutingPolicies = true // of commands without a key: none is sent
		cluster := redis.NewClusterClient(oc)
		client = cluster
		ping = func() error { // go-redis would ask any address, a dead one too
			node, err := cluster.MasterForKey(ctx, c.Key)
			if err != nil {
				return err
			}
			return node.Ping(ctx).Err()
		}
	} else {
		client = redis.NewClient(o.Simple())
	}
	if err := ping(); err != nil {
		return nil, errors.Join(c.refused(l, err), client.Close())
	}
	return client, nil
}

// options of both kinds of clients.
func (c Config) options(l *login, t timeouts) (*redis.UniversalOptions, error) {
	tlsConfig, err := c.TLS.config()
	if err != nil {
		return nil, err
	}
	o := &redis.UniversalOptions{
		Addrs: c.addrs(), DB: c.DB,
		TLSConfig:                  tlsConfig,
		CredentialsProviderContext: l.credentials,
		MaxRetries:                 -1, DialerRetries: 1,
		DialTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second,
		ContextTimeoutEnabled: true,
		// A request of 1,000 members has about 70 KiB, its reply a few bytes.
		WriteBufferSize: 128 << 10, ReadBufferSize: 4 << 10,
		PipelinePoolSize: -1, PoolSize: loadsInFlight + 2,
		Protocol: 2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if c.IAM.inUse() {
		// A connection is replaced, between two requests, rather than authenticated again: then a refusal is the error of the request
		// that needs the connection, and it is the same for each node of a cluster. go-redis's StreamingCredentialsProvider
		// only prints that it failed, and goes on with a connection that will be cut.
		o.ConnMaxLifetime, o.ConnMaxLifetimeJitter = c.IAM.lifetime()
	}
	if t.dial > 0 {
		o.DialTimeout = t.dial
	}
	if t.reply > 0 {
		o.ReadTimeout, o.WriteTimeout = t.reply, t.reply
	}
	return o, nil
}

// detect asks the first address that answers whether it belongs to a cluster.
func (c Config) detect(ctx context.Context, l *login, o *redis.UniversalOptions) (string, error) {
	var first error
	for _, addr := range o.Addrs {
		so := o.Simple()
		so.Addr, so.DB = addr, 0
		client := redis.NewClient(so)
		mode, err := ask(ctx, client)
		err = errors.Join(err, client.Close())
		switch {
		case err != nil:
			if first == nil && len(o.Addrs) > 1 {
				err = fmt.Errorf("%s: %w", addr, err)
			}
			first = cmp.Or(first, err)
		case mode == "sentinel":
			return "", connector.Systemic.Errorf("addrs: %s is a Sentinel; give the address of Redis itself", addr)
		case mode == "cluster" && c.DB > 0:
			return "", connector.Systemic.Errorf("db: is %d, but %s belongs to a cluster, which has 0 only", c.DB, addr)
		case mode == "cluster":
			return modeCluster, nil
		case len(o.Addrs) > 1:
			return "", connector.Systemic.Errorf("addrs: holds %d addresses, but %s doesn't belong to a cluster", len(o.Addrs), addr)
		default:
			return modeSingle, nil
		}
	}
	return "", c.refused(l, first)
}

// ask is what HELLO says of the server: standalone, cluster or sentinel. Servers before
// Redis 6 don't know HELLO; INFO tells it there.
func ask(ctx context.Context, client *redis.Client) (string, error) {
	if err := client.Ping(ctx).Err(); err != nil {
		return "", err
	}
	reply, err := client.Do(ctx, "hello", "2").Slice()
	if err == nil {
		for i := 0; i+1 < len(reply); i += 2 {
			if reply[i] == "mode" {
				return fmt.Sprint(reply[i+1]), nil
			}
		}
	}
	info, err := client.Info(ctx, "cluster").Result()
	switch {
	case err != nil:
		return "", fmt.Errorf("ask whether it belongs to a cluster: %w (or say so by mode: single or mode: cluster)", err)
	case strings.Contains(info, "cluster_enabled:1"):
		return "cluster", nil
	}
	return "standalone", nil
}

// refused explains why the first connection failed.
func (c Config) refused(l *login, err error) error {
	err = fmt.Errorf("connect to redis at %s: %w", strings.Join(c.addrs(), ", "), err)
	classified := l.classify(err)
	if _, ok := errors.AsType[*loginError](err); ok || connector.ClassOf(classified) != connector.Retryable {
		return classified
	}
	switch closed := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET); {
	case closed && !c.TLS.Enabled:
		return fmt.Errorf("%w (the server closed the connection: look at addrs, and if it speaks TLS, set tls.enabled to true)", err)
	case errors.Is(err, context.DeadlineExceeded) && c.TLS.Enabled:
		return fmt.Errorf("%w (look at addrs, and whether the server speaks TLS, which tls.enabled asks for)", err)
	case errors.Is(err, context.Canceled):
		return err
	}
	return fmt.Errorf("%w (look at addrs)", err)
}
