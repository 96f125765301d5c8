package redisgeo

import (
	"bufio"
	"bytes"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/sinks/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A double is miniredis with faults. Requests to write are the commands of the given names.
type double struct {
	*miniredis.Miniredis
	writes []string

	mu       sync.Mutex
	requests []string // their names, in order
	reply    string   // to the next request, instead of doing it
	drop     bool     // does the next request and closes the connection
	stalled  chan struct{}
}

func newDouble(t testing.TB, writes ...string) *double {
	t.Helper()
	d := &double{Miniredis: miniredis.NewMiniRedis(), writes: writes}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	d.Server().SetPreHook(d.hook)
	return d
}

func (d *double) hook(c *server.Peer, cmd string, args ...string) bool {
	d.mu.Lock()
	isWrite := false
	for _, w := range d.writes {
		isWrite = isWrite || w == cmd
	}
	if !isWrite {
		d.mu.Unlock()
		return false
	}
	d.requests = append(d.requests, cmd)
	reply, drop, stalled := d.reply, d.drop, d.stalled
	d.reply, d.drop = "", false
	d.mu.Unlock()
	if stalled != nil {
		<-stalled
	}
	switch {
	case reply != "":
		c.WriteError(reply)
		return true
	case drop:
		aside := server.NewPeer(bufio.NewWriter(&bytes.Buffer{}))
		aside.Ctx = c.Ctx
		d.Server().Dispatch(aside, append([]string{cmd}, args...))
		c.Close()
		return true
	}
	return false
}

func (d *double) sent() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string{}, d.requests...)
}

func (d *double) answer(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reply = text
}

// destination shows a sink's writes to the conformance suite.
func (d *double) destination(t testing.TB, s *Sink) sinktest.Destination {
	client := redis.NewClient(&redis.Options{Addr: d.Addr(), MaintNotificationsConfig: nil, Protocol: 2})
	t.Cleanup(func() { client.Close() })
	return sinktest.Destination{
		Loader:   s,
		Read:     func() ([]sinktest.Delivery, error) { return positions(t, client) },
		Requests: func() int { return len(d.sent()) },
		Fail: func(c connector.Class) bool {
			d.answer(map[connector.Class]string{
				connector.Retryable: "LOADING Redis is loading the dataset in memory",
				connector.Systemic:  "NOPERM this user has no permissions to run the 'geoadd' command",
			}[c])
			return true
		},
		LoseReply: func() { d.mu.Lock(); defer d.mu.Unlock(); d.drop = true },
		Stall: func() func() {
			stalled := make(chan struct{})
			d.mu.Lock()
			d.stalled = stalled
			d.mu.Unlock()
			return sync.OnceFunc(func() {
				d.mu.Lock()
				d.stalled = nil
				d.mu.Unlock()
				close(stalled)
			})
		},
	}
}

// positions reads all geo sets. The suite's records lie seq thousandths of a degree north and east of 0.
func positions(t testing.TB, client redis.UniversalClient) ([]sinktest.Delivery, error) {
	ctx := t.Context()
	keys, err := client.Keys(ctx, "*").Result()
	if err != nil {
		return nil, err
	}
	var ds []sinktest.Delivery
	for _, key := range keys {
		if strings.Contains(key, ":millrace:") {
			continue
		}
		members, err := client.ZRange(ctx, key, 0, -1).Result()
		if err != nil {
			return nil, err
		}
		at, err := client.GeoPos(ctx, key, members...).Result()
		if err != nil {
			return nil, err
		}
		for i, m := range members {
			seq := math.Round(at[i].Longitude * 1000)
			if math.Abs(at[i].Longitude*1000-seq) > 0.1 || math.Abs(at[i].Latitude*1000-seq) > 0.1 {
				t.Errorf("%s of %s is at %+v", m, key, *at[i])
			}
			ds = append(ds, sinktest.Delivery{Key: m, Seq: int(seq)})
		}
	}
	return ds, nil
}

// config is for one server, with the members of sinktest's records.
func config(addr string, change ...func(*Config)) Config {
	c := DefaultConfig()
	c.Addrs = []string{addr}
	c.Key, c.Longitude, c.Latitude = "cars#gps", "value.lng", "value.lat"
	for _, f := range change {
		f(&c)
	}
	return c
}

func open(t testing.TB, c Config) *Sink {
	t.Helper()
	s, err := c.open(t.Context(), timeouts{reply: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}
