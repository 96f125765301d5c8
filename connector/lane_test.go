package connector_test

import (
	"errors"
	"fmt"
	"hash/fnv"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
)

// One key fails for five minutes, and of all others each attempt fails with a probability of 30 %: they are done in seconds.
func TestAHotKeySlowsItself(t *testing.T) {
	for _, c := range []struct {
		keys   int
		limits connector.Limits
	}{
		{50, connector.Limits{Records: 2, InFlight: 2}}, {50, connector.Limits{Records: 25, InFlight: 2}}, {5, connector.Limits{Bytes: 400, InFlight: 1}},
	} {
		t.Run(fmt.Sprintf("%d keys, %+v", c.keys, c.limits), func(t *testing.T) { testHotKey(t, c.keys, c.limits) })
	}
}

func testHotKey(t *testing.T, keys int, limits connector.Limits) {
	bubble(t, func(t *testing.T) {
		const perKey = 60
		begin := time.Now()
		s := newSink()
		s.limits = limits
		call, refused := 0, map[string]bool{}
		s.fail = func(r *connector.Record, attempt int) error {
			if call != s.calls {
				call = s.calls
				clear(refused)
			}
			h := fnv.New32a()
			fmt.Fprint(h, r.Offset, attempt)
			key := string(r.RawKey)
			if refused[key] || key == "k0" && time.Since(begin) < 5*time.Minute || h.Sum32()%100 < 30 {
				refused[key] = true // and what comes behind it in the call
				return errors.New("throttled")
			}
			return nil
		}
		log := connectortest.NewLog()
		for n := range perKey {
			for k := range keys {
				log.Append(p0, R{Key: fmt.Sprintf("k%d", k), Value: fmt.Sprintf("%d of k%d %*d", n, k, 170*(n%2), n)})
			}
		}
		r := start(t, log, loading(keyed{s}))
		r.consumer.Assign(p0)
		r.wait("the other keys", func() bool { return len(s.values()) == (keys-1)*perKey })
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("the other keys took %s", took)
		}
		r.waitCommitted(p0, int64(keys*perKey))
		if took := time.Since(begin); took > 10*time.Minute {
			t.Errorf("all took %s", took)
		}
		next := map[string]int{}
		for _, v := range s.values() {
			var n int
			var key string
			if _, err := fmt.Sscanf(v, "%d of %s", &n, &key); err != nil {
				t.Fatal(err)
			}
			if n != next[key] {
				t.Fatalf("%s became durable, %d of its key is next", v, next[key])
			}
			next[key]++
		}
	})
}
