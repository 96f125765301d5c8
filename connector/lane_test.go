package connector_test

import (
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
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

// A call that is refused for ever is taken apart. Of a key whose record is only busy, no later record is written before it.
func TestTakenApartInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSink()
		s.whole = func(call int) error {
			if call == 1 {
				return connector.Permanent.Wrap(errors.New("one of them is refused"))
			}
			return nil
		}
		busy := 0
		s.fail = func(r *connector.Record, attempt int) error {
			if text(r.Value) == "v0" && attempt <= 3 {
				busy = s.calls
			}
			if busy == s.calls && string(r.RawKey) == "k0" {
				return errors.New("busy")
			}
			return nil
		}
		log := connectortest.NewLog()
		log.Append(p0, numbered(9)...) // of k0 v0 and v7, of k1 v1 and v8
		r := start(t, log, loading(keyed{s}))
		r.consumer.Assign(p0)
		r.waitCommitted(p0, 9)
		got := s.values()
		if at0, at7 := slices.Index(got, "v0"), slices.Index(got, "v7"); len(got) != 9 || at7 < at0 {
			t.Errorf("written in the order %v", got)
		}
		if s.attempts["v8"] != 2 {
			t.Errorf("v8, whose key isn't busy, was sent %d times, want 2", s.attempts["v8"])
		}
	})
}
