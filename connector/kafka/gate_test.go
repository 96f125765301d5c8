package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connector"
)

// connectForAMinute has clients that connect to brokers all the time, for a minute, and returns how often each broker was connected to.
func connectForAMinute(t *testing.T, brokers, each int, ok func(time.Duration) bool) (counts []int, first time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		g := newGate()
		n := make([]atomic.Int64, brokers)
		var good atomic.Int64
		var clients sync.WaitGroup
		for b := range brokers {
			for range each {
				clients.Go(func() {
					address := fmt.Sprintf("b-%d:9098", b)
					for g.wait(ctx, address) == nil {
						n[b].Add(1)
						time.Sleep(100 * time.Millisecond) // connection.failed.authentication.delay.ms of brokers
						fine := ok(time.Since(begin))
						if fine {
							good.CompareAndSwap(0, int64(time.Since(begin)))
						}
						g.settle(address, time.Now(), fine)
					}
				})
			}
		}
		clients.Wait()
		for b := range n {
			counts = append(counts, int(n[b].Load()))
		}
		first = time.Duration(good.Load())
	})
	return counts, first
}

func TestTheGateSpacesConnectionsOut(t *testing.T) {
	for name, c := range map[string]struct {
		brokers, clients int
		ok               func(time.Duration) bool
		each, all        int           // the most connections in a minute
		first            time.Duration // the latest that the first succeeds
	}{
		// 250ms, 500ms, 1s, 2s, 4s, and every 5s after that, or up to a quarter less
		"one broker that refuses":     {1, 5, func(time.Duration) bool { return false }, 25, 25, 0},
		"many brokers that refuse":    {60, 5, func(time.Duration) bool { return false }, 25, 60*burst + 60*1000/225 + 1, 0},
		"an outage that ends":         {3, 5, func(d time.Duration) bool { return d > 40*time.Second }, 80, 240, 46 * time.Second},
		"a broker that drops at once": {1, 5, func(time.Duration) bool { return true }, burst + 120, burst + 120, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			counts, first := connectForAMinute(t, c.brokers, c.clients, c.ok)
			sum := 0
			for _, n := range counts {
				sum += n
				if n == 0 || n > c.each {
					t.Errorf("%d connections to one broker, at most %d are right", n, c.each)
				}
			}
			if sum > c.all {
				t.Errorf("%d connections in all, at most %d are right", sum, c.all)
			}
			if first > c.first || c.first > 0 && first == 0 {
				t.Errorf("the first success comes after %s", first)
			}
		})
	}
}

// What starts isn't held up: each kind of connection to each broker at once.
func TestTheGateLetsAStartThrough(t *testing.T) {
	g, now := newGate(), time.Now()
	for b := range 100 {
		for range burst {
			if wait, _ := g.take(fmt.Sprint(b), now); wait > 0 {
				t.Fatalf("broker %d waits %s", b, wait)
			}
		}
		if wait, _ := g.take(fmt.Sprint(b), now); wait != every {
			t.Fatalf("one more connection waits %s", wait)
		}
	}
}

// One success ends the wait of all others.
func TestTheGateOpensAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, begin := newGate(), time.Now()
		for range 10 {
			g.settle("a:1", begin, false)
		}
		var waiting sync.WaitGroup
		for range burst {
			waiting.Go(func() {
				if err := g.wait(t.Context(), "a:1"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		g.settle("a:1", time.Now(), true)
		waiting.Wait()
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("waited for %s after the success", waited)
		}
	})
}

func TestTheGateObeysItsContext(t *testing.T) {
	g := newGate()
	for range 10 {
		g.settle("a:1", time.Now(), false)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.wait(ctx, "a:1"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A consumer whose brokers are all gone goes on trying, through the gate, and comes back when they do.
func TestAnOutageDoesntBringAFloodOfConnections(t *testing.T) {
	f := newFake(t, kfake.SeedTopics(1, "t"))
	config := f.config("t")
	var down atomic.Bool
	var attempts atomic.Int64
	var conns []net.Conn
	var mu sync.Mutex
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if down.Load() {
			attempts.Add(1)
			return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
		}
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, conn)
		return conn, err
	}
	r := read(t, config)
	r.until("assigned", func() bool { return len(r.assigned) == 1 })
	down.Store(true)
	begin := time.Now()
	mu.Lock()
	for _, c := range conns {
		c.Close()
	}
	mu.Unlock()
	r.until("an error", func() bool { return len(r.errs) > 0 })
	has(t, r.now().errs[0], "connection refused")
	// The first five may come at once, then two a second at most.
	if most := int64(burst + 2*time.Since(begin)/every + 1); attempts.Load() > most {
		t.Errorf("%d attempts, at most %d are right", attempts.Load(), most)
	}
	down.Store(false)
	f.produce(t, "t", 0, "a")
	r.reads(t0, "a")
	if connector.ClassOf(r.now().errs[0]) != connector.Retryable {
		t.Errorf("class %s", connector.ClassOf(r.now().errs[0]))
	}
}

// Where no broker of a cluster answers, its brokers are looked up again.
func TestBrokersAreLookedUpAgain(t *testing.T) {
	awsKeys(t)
	f := newFake(t, kfake.SeedTopics(1, "t"))
	endpoint, asked := msk(t, 200, "", map[string]string{"bootstrapBrokerString": f.ListenAddrs()[0]})
	config := f.config("t")
	config.Brokers, config.Cluster = nil, Cluster{ARN: arn, Endpoint: endpoint}
	access, err := config.route().open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(access.seeds); got != fmt.Sprint(f.ListenAddrs()) {
		t.Errorf("seeds %s", got)
	}
	access.seeds = []string{"127.0.0.1:1"} // those that are gone since
	client, err := kgo.NewClient(access.clientOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	has(t, client.Ping(t.Context()), "connection refused")
	now := time.Now()
	access.refresh(t.Context(), now.Add(lookAgain/2)) // too early
	has(t, client.Ping(t.Context()), "connection refused")
	access.refresh(t.Context(), now.Add(2*lookAgain))
	if err := client.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	*asked = http.Request{}
	access.refresh(t.Context(), now.Add(4*lookAgain)) // a broker has answered
	if asked.Method != "" {
		t.Error("the brokers are looked up although one answers")
	}
}
