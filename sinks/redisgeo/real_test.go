//go:build testbed

package redisgeo

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/sinks/sinktest"
)

// The test bed starts these and names them:
//
//	MILLRACE_REDIS           host:port of a single node
//	MILLRACE_REDIS_CLUSTER   host:port of nodes of a cluster, with commas between
//	MILLRACE_REDIS_TLS       host:port of a node with TLS and ACL users
//	MILLRACE_REDIS_CA        file with the certificate that signed the node's, which is for localhost
//	MILLRACE_REDIS_USER      ACL user with all rights there
//	MILLRACE_REDIS_PASSWORD  its password
func env(t testing.TB, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("%s isn't set: run this by the test bed", name)
	}
	return v
}

func realSingle(t testing.TB) bed {
	addr := env(t, "MILLRACE_REDIS")
	return clean(t, bed{config(addr, key(t)), redis.NewClient(&redis.Options{Addr: addr, Protocol: 2})})
}

func realCluster(t testing.TB) bed {
	addrs := env(t, "MILLRACE_REDIS_CLUSTER")
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: strings.Split(addrs, ","), Protocol: 2})
	return clean(t, bed{config(addrs, key(t)), client})
}

func realTLS(t testing.TB) bed {
	c := config(env(t, "MILLRACE_REDIS_TLS"), key(t))
	c.TLS = TLS{Enabled: true, CAFile: env(t, "MILLRACE_REDIS_CA"), ServerName: "localhost"}
	c.Username, c.Password = env(t, "MILLRACE_REDIS_USER"), secret.New(env(t, "MILLRACE_REDIS_PASSWORD"))
	o, err := c.options(&login{username: c.Username, password: c.Password}, timeouts{})
	if err != nil {
		t.Fatal(err)
	}
	return clean(t, bed{c, redis.NewClient(o.Simple())})
}

// clean deletes the test's keys, now and at its end.
func clean(t testing.TB, e bed) bed {
	t.Helper()
	t.Cleanup(func() { e.client.Close() })
	e.delete(t)
	return e
}

func (e bed) delete(t testing.TB) {
	t.Helper()
	for _, k := range e.keys(t) {
		if err := e.client.Del(t.Context(), k).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// keys are those of this test, on all nodes.
func (e bed) keys(t testing.TB) []string {
	t.Helper()
	pattern := "*" + strings.NewReplacer("[", `\[`, "]", `\]`).Replace(e.config.Key) + "*"
	cluster, ok := e.client.(*redis.ClusterClient)
	if !ok {
		keys, err := e.client.Keys(t.Context(), pattern).Result()
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	state, err := cluster.ClusterSlots(t.Context()).Result() //nolint:staticcheck // it answers by slot, which ClusterShards does not
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, s := range state {
		node := redis.NewClient(&redis.Options{Addr: s.Nodes[0].Addr, Protocol: 2})
		keys, err := node.Keys(t.Context(), pattern).Result()
		node.Close()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, keys...)
	}
	return all
}

var realBeds = map[string]func(testing.TB) bed{"single": realSingle, "cluster": realCluster, "tls": realTLS}

func TestRealBehaviour(t *testing.T) {
	for where, start := range realBeds {
		for name, test := range behaviours {
			t.Run(where+"/"+name, func(t *testing.T) { test(t, start(t)) })
		}
	}
}

func TestRealConformance(t *testing.T) {
	for where, start := range realBeds {
		for name, change := range map[string]func(*Config){
			"fast":   func(*Config) {},
			"newest": newest,
			"newest, a set for each, expiring": func(c *Config) {
				newest(c)
				expiring(c)
				c.Key += "{value.key}"
			},
		} {
			t.Run(where+"/"+name, func(t *testing.T) {
				sinktest.RunLoader(t, sinktest.LoaderHarness{
					Keyed: true,
					Bad:   bad,
					Open: func(t testing.TB) sinktest.Destination {
						e := start(t)
						s := e.open(t, change)
						return sinktest.Destination{
							Loader: s,
							Read: func() ([]sinktest.Delivery, error) {
								var ds []sinktest.Delivery
								for _, k := range e.keys(t) {
									if strings.Contains(k, ":millrace:") {
										continue
									}
									for member, longitude := range e.at(t, k) {
										ds = append(ds, sinktest.Delivery{Key: member, Seq: int(longitude*1000 + 0.5)})
									}
								}
								return ds, nil
							},
						}
					},
				})
			})
		}
	}
}

// TestRealEdge: positions at the edge of what Redis takes, which miniredis stores on the other side.
func TestRealEdge(t *testing.T) {
	e := realSingle(t)
	load(t, e.open(t), origin{}, rec{member: "east", value: `{"lng":180,"lat":85.05112878}`}, rec{member: "west", value: `{"lng":-180.0,"lat":-85.05112878}`})
	e.wants(t, e.config.Key, map[string]float64{"east": 180, "west": -180})
}

// TestRealSearch asks what people ask: who is near?
func TestRealSearch(t *testing.T) {
	e := realCluster(t)
	load(t, e.open(t), origin{},
		rec{member: "near", value: `{"lng":126.9780,"lat":37.5665}`}, rec{member: "nearer", value: `{"lng":126.9784,"lat":37.5667}`}, rec{member: "far", value: `{"lng":129.0756,"lat":35.1796}`})
	got, err := e.client.GeoSearch(t.Context(), e.config.Key, &redis.GeoSearchQuery{
		Longitude: 126.9784, Latitude: 37.5667, Radius: 1, RadiusUnit: "km", Sort: "ASC",
	}).Result()
	if err != nil || strings.Join(got, " ") != "nearer near" {
		t.Errorf("within 1 km are %v, %v", got, err)
	}
}

// TestRealSettings: a wrong setting is named.
func TestRealSettings(t *testing.T) {
	single, cluster, secure := realSingle(t).config, realCluster(t).config, realTLS(t)
	// limited is a user with few rights.
	limited := func(rules ...string) Config {
		c := secure.config
		c.Username, c.Password = "limited-"+strconv.Itoa(len(rules)), secret.New("pw")
		args := []any{"acl", "setuser", c.Username, "reset", "on", ">pw", "+ping", "+hello"}
		for _, r := range rules {
			args = append(args, r)
		}
		if err := secure.client.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	change := func(c Config, f func(*Config)) Config { f(&c); return c }
	for name, tc := range map[string]struct {
		config Config
		want   string
	}{
		"cluster as a single node":   {change(cluster, func(c *Config) { c.Addrs, c.Mode = c.addrs()[:1], modeSingle }), "set mode to cluster"},
		"single node as a cluster":   {change(single, func(c *Config) { c.Mode = modeCluster }), "cluster support disabled"},
		"several single nodes":       {change(single, func(c *Config) { c.Addrs = []string{c.Addrs[0], c.Addrs[0]} }), "addrs"},
		"database of a cluster":      {change(cluster, func(c *Config) { c.DB = 1 }), "db"},
		"no such database":           {change(single, func(c *Config) { c.DB = 99 }), "db"},
		"wrong password":             {change(secure.config, func(c *Config) { c.Password = secret.New("wrong") }), "username and password"},
		"unknown user":               {change(secure.config, func(c *Config) { c.Username = "nobody" }), "username and password"},
		"no credentials":             {change(secure.config, func(c *Config) { c.Username, c.Password = "", secret.Text{} }), "set username and password"},
		"unknown authority":          {change(secure.config, func(c *Config) { c.TLS.CAFile = "" }), "tls.ca_file"},
		"other server name":          {change(secure.config, func(c *Config) { c.TLS.ServerName = "redis.example" }), "tls.server_name"},
		"TLS to a plain port":        {change(single, func(c *Config) { c.TLS.Enabled = true }), "tls.enabled"},
		"plain to a TLS port":        {change(secure.config, func(c *Config) { c.TLS = TLS{} }), "tls.enabled"},
		"user may not add":           {limited("~*"), "geoadd"},
		"user may not use the key":   {limited("~other*", "+geoadd"), "access one of the keys"},
		"user may not run scripts":   {change(limited("~*", "+geoadd", "+zrem"), newest), "evalsha"},
		"script may not use command": {change(limited("~*", "+geoadd", "+evalsha", "+eval", "+hmget"), newest), "+hset"},
	} {
		t.Run(name, func(t *testing.T) {
			err := try(t, tc.config)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want an error with %q", err, tc.want)
			}
			if connector.ClassOf(err) != connector.Systemic && !slices.Contains([]string{"plain to a TLS port", "TLS to a plain port"}, name) {
				t.Errorf("class of %q is %v, want systemic", err, connector.ClassOf(err))
			}
			t.Log(err)
		})
	}
}

// try opens a sink and writes a record.
func try(t testing.TB, c Config) error {
	t.Helper()
	s, err := c.open(t.Context(), timeouts{dial: time.Second, reply: 2 * time.Second})
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Load(t.Context(), batch(t, origin{}, rec{member: "a", longitude: 1}))
}

// TestRealMovingSlot writes to a set while its slot moves to another node of the cluster.
func TestRealMovingSlot(t *testing.T) {
	for name, change := range map[string]func(*Config){"fast": func(*Config) {}, "newest": newest} {
		t.Run(name, func(t *testing.T) {
			e := realCluster(t)
			s := e.open(t, change)
			cluster := e.client.(*redis.ClusterClient)
			slot := cluster.ClusterKeySlot(t.Context(), e.config.Key).Val()
			from, err := cluster.MasterForKey(t.Context(), e.config.Key)
			if err != nil {
				t.Fatal(err)
			}
			var to *redis.Client
			var mu sync.Mutex
			if err := cluster.ForEachMaster(t.Context(), func(_ context.Context, c *redis.Client) error {
				mu.Lock()
				defer mu.Unlock()
				if c.Options().Addr != from.Options().Addr {
					to = c
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			fromID, toID := nodeID(t, from), nodeID(t, to)
			do := func(c *redis.Client, args ...any) {
				t.Helper()
				if err := c.Do(context.Background(), append([]any{"cluster", "setslot", slot}, args...)...).Err(); err != nil {
					t.Fatal(err)
				}
			}
			do(to, "importing", fromID)
			do(from, "migrating", toID)
			// ASK: the set isn't at the old node. At the new one, a script with keys that aren't there must wait.
			err = s.Load(t.Context(), batch(t, origin{}, rec{member: "a", offset: 1, longitude: 1}))
			if name == "fast" && err != nil || err != nil && connector.ClassOf(err) != connector.Retryable {
				t.Fatal(err)
			}
			do(to, "node", toID)
			do(from, "node", toID)
			load(t, s, origin{}, rec{member: "a", offset: 1, longitude: 1}, rec{member: "b", offset: 2, longitude: 2}) // MOVED
			e.client.(*redis.ClusterClient).ReloadState(t.Context())
			e.wants(t, e.config.Key, map[string]float64{"a": 1, "b": 2})
			e.delete(t)
			do(from, "importing", toID)
			do(to, "migrating", fromID)
			do(from, "node", fromID)
			do(to, "node", fromID)
			load(t, s, origin{}, rec{member: "c", offset: 3, longitude: 3})
			e.client.(*redis.ClusterClient).ReloadState(t.Context())
			e.wants(t, e.config.Key, map[string]float64{"c": 3})
		})
	}
}

func nodeID(t testing.TB, c *redis.Client) string {
	t.Helper()
	id, err := c.Do(t.Context(), "cluster", "myid").Text()
	if err != nil {
		t.Fatal(err)
	}
	return id
}
