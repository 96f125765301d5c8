package testbed

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// A Redis is one server or a cluster.
type Redis struct {
	Addrs []string   // more than one: a cluster
	Nodes []*Process // in the order of Addrs; none where the service is shared

	// Of the service with TLS and ACL; empty elsewhere.
	CAFile, Username, Password string
}

const slots = 16384

// startRedis starts a server with nothing but a port.
func startRedis(ctx context.Context, dir string) (*Redis, error) {
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	p, err := redisProcess(dir, "redis", ports[0], fmt.Sprintf("port %d\n", ports[0]))
	if err != nil {
		return nil, err
	}
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	return &Redis{Addrs: []string{p.Addr}, Nodes: []*Process{p}}, nil
}

// startRedisTLS starts a server that speaks only TLS, and knows only the user millrace, who may do all: tests
// make users with fewer rights.
func startRedisTLS(ctx context.Context, dir string) (*Redis, error) {
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	r := &Redis{CAFile: filepath.Join(dir, "ca.crt"), Username: "millrace", Password: rand.Text()}
	ca, err := newAuthority(r.CAFile)
	if err != nil {
		return nil, err
	}
	cert, key, err := ca.issue(dir, "redis-tls")
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`port 0
tls-port %d
tls-cert-file %q
tls-key-file %q
tls-ca-cert-file %q
tls-auth-clients optional
user default off
user %s on >%s ~* &* +@all
`, ports[0], cert, key, r.CAFile, r.Username, r.Password)
	p, err := redisProcess(dir, "redis-tls", ports[0], config)
	if err != nil {
		return nil, err
	}
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	r.Addrs, r.Nodes = []string{p.Addr}, []*Process{p}
	return r, nil
}

// startRedisCluster starts three masters with a third of the slots each.
func startRedisCluster(ctx context.Context, dir string) (*Redis, error) {
	const nodes = 3
	ports, err := freePorts(2 * nodes)
	if err != nil {
		return nil, err
	}
	r := &Redis{}
	clients, buses := ports[:nodes], ports[nodes:]
	for i := range nodes {
		name := "redis-cluster-" + strconv.Itoa(i+1)
		p, err := redisProcess(dir, name, clients[i], fmt.Sprintf(
			"port %d\ncluster-enabled yes\ncluster-config-file %s.nodes\ncluster-port %d\ncluster-node-timeout 5000\n",
			clients[i], name, buses[i]))
		if err != nil {
			return nil, err
		}
		r.Addrs, r.Nodes = append(r.Addrs, p.Addr), append(r.Nodes, p)
	}
	if err := startAll(ctx, r.Nodes); err != nil {
		return nil, err
	}
	if err := join(ctx, clients, buses); err != nil {
		killAll(r.Nodes)
		return nil, fmt.Errorf("form the redis cluster: %w", err)
	}
	return r, nil
}

// join does what redis-cli --cluster create does: slots and an epoch for each node, introductions, and a
// wait until all nodes agree.
func join(ctx context.Context, clients, buses []int) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	nodes := len(clients)
	var all []*redis.Client
	for i, port := range clients {
		c := redis.NewClient(&redis.Options{Addr: local(port)})
		defer c.Close()
		all = append(all, c)
		if err := c.ClusterAddSlotsRange(ctx, slots*i/nodes, slots*(i+1)/nodes-1).Err(); err != nil {
			return err
		}
		if err := c.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			return err
		}
	}
	for i := 1; i < nodes; i++ {
		if err := all[0].Do(ctx, "cluster", "meet", "127.0.0.1", clients[i], buses[i]).Err(); err != nil {
			return err
		}
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !agree(ctx, all) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New("the nodes don't agree")
		}
	}
	return nil
}

func agree(ctx context.Context, nodes []*redis.Client) bool {
	known := fmt.Sprintf("cluster_known_nodes:%d\r\n", len(nodes))
	for _, c := range nodes {
		info, err := c.ClusterInfo(ctx).Result()
		if err != nil || !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, known) {
			return false
		}
	}
	return true
}

// redisProcess writes a server's configuration. Data is in memory only, except for what a cluster's node knows of the others.
func redisProcess(dir, name string, port int, config string) (*Process, error) {
	path, err := inPath("redis-server")()
	if err != nil {
		return nil, fmt.Errorf("%w (Debian: apt-get install redis-server)", err)
	}
	file := filepath.Join(dir, name+".conf")
	config = fmt.Sprintf("bind 127.0.0.1\ndir %q\nsave \"\"\nappendonly no\n%s", dir, config)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return &Process{
		Name: name, Addr: local(port), Log: filepath.Join(dir, name+".log"),
		argv: []string{path, file}, ready: "Ready to accept connections",
	}, nil
}

// Client returns a client of the server or the cluster that is closed with the test.
func (r *Redis) Client(t testing.TB) redis.UniversalClient {
	t.Helper()
	o := &redis.UniversalOptions{Addrs: r.Addrs, Username: r.Username, Password: r.Password}
	if r.CAFile != "" {
		o.TLSConfig = r.TLS(t)
	}
	c := redis.NewUniversalClient(o)
	t.Cleanup(func() { c.Close() })
	return c
}

// TLS returns a configuration that trusts the service's authority and no other.
func (r *Redis) TLS(t testing.TB) *tls.Config {
	t.Helper()
	return trusting(t, r.CAFile)
}
