//go:build testbed

package torture

import (
	"testing"
	"time"

	"github.com/millrace/millrace/testbed"
)

// The network between the processes and all sinks is slow, resets or cuts connections, swallows what is sent, or is down, each for seconds.
func TestNetwork(t *testing.T) {
	troubles := max(5, scale(t))
	lines, redis, dynamo, bus := newLines(), newRedis(), newDynamo(), newBus()
	r := newRig(t, options{
		fault: "Network", sinks: []sink{lines, redis, dynamo, bus}, processes: 2, produceFor: time.Duration(troubles) * 4 * time.Second,
		slack: 2 * inFlight * 10, // what the network held back and delivers late
	})
	var proxies []*testbed.Proxy
	through := func(upstream string) *testbed.Proxy {
		p := testbed.StartProxy(t, upstream)
		proxies = append(proxies, p)
		return p
	}
	lines.via, redis.via = through(lines.s3.Endpoint).URL(), through(redis.redis.Addrs[0]).Addr
	dynamo.via, bus.via = through(dynamo.dynamo.Endpoint).URL(), through(bus.url).URL()
	r.startAll()
	time.Sleep(2 * time.Second)
	for n := range troubles {
		for i, p := range proxies {
			r.trouble(p, (int(n)+i)%5)
		}
		time.Sleep(r.between(1500*time.Millisecond, 4*time.Second))
		for i, p := range proxies {
			if (int(n)+i)%5 == down {
				p.Up(t)
			}
			p.Heal(t)
		}
		time.Sleep(r.between(500*time.Millisecond, 2*time.Second))
	}
	r.finish(troubles)
}

// down is the number of the trouble that is the proxy itself.
const down = 4

// trouble makes one of five kinds.
func (r *rig) trouble(p *testbed.Proxy, kind int) {
	r.t.Helper()
	switch kind {
	case 0:
		p.Slow(r.t, r.between(200*time.Millisecond, 2*time.Second))
	case 1:
		p.Reset(r.t)
	case 2:
		p.Hang(r.t)
	case 3:
		p.CutAfter(r.t, r.random.IntN(2000))
	case down:
		p.Down(r.t)
	}
}
