package redisgeo

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
)

func testNewest(t *testing.T, e bed) {
	s := e.open(t, newest)
	const big = 1 << 53 // the next odd number isn't a Lua number
	p0, p1, again := origin{1, 0}, origin{1, 1}, origin{2, 0}
	for _, step := range []struct {
		what string
		from origin
		r    rec
		want float64
	}{
		{"first", p0, rec{offset: 9, timestamp: 100, longitude: 1}, 1},
		{"replay of the same", p0, rec{offset: 9, timestamp: 100, longitude: 90}, 1},
		{"lower offset, newer timestamp", p0, rec{offset: 8, timestamp: 200, longitude: 91}, 1},
		{"longer offset, older timestamp", p0, rec{offset: 10, timestamp: 50, longitude: 2}, 2},
		{"child", p0, rec{offset: 10, index: 2, timestamp: 50, longitude: 3}, 3},
		{"lower child", p0, rec{offset: 10, index: 1, timestamp: 50, longitude: 92}, 3},
		{"child of ten", p0, rec{offset: 10, index: 10, timestamp: 50, longitude: 4}, 4},
		{"other partition, older timestamp", p1, rec{offset: 1000, timestamp: 49, longitude: 93}, 4},
		{"other partition, newer timestamp, lower offset", p1, rec{offset: 0, timestamp: 51, longitude: 5}, 5},
		{"old partition again, older", p0, rec{offset: 11, timestamp: 50, longitude: 94}, 5},
		{"topic made again, newer timestamp, lower offset", again, rec{offset: 0, timestamp: 60, longitude: 6}, 6},
		{"beyond 2^53", again, rec{offset: big, timestamp: 60, longitude: 7}, 7},
		{"beyond 2^53, one more", again, rec{offset: big + 1, timestamp: 60, longitude: 8}, 8},
		{"beyond 2^53, one less", again, rec{offset: big, timestamp: 60, longitude: 95}, 8},
		{"largest offset", again, rec{offset: 1<<63 - 1, timestamp: 60, longitude: 9}, 9},
		{"no timestamp", p0, rec{offset: 12, timestamp: -1, longitude: 96}, 9},
	} {
		step.r.member = "car"
		load(t, s, step.from, step.r)
		if got := e.at(t, e.config.Key)["car"]; got != step.want {
			t.Errorf("%s: the car is at %v, want %v", step.what, got, step.want)
		}
	}
	// A timestamp below 0 is below those above.
	load(t, s, p0, rec{member: "old", offset: 1, timestamp: -20, longitude: 1})
	load(t, s, p1, rec{member: "old", offset: 1, timestamp: -3, longitude: 2})
	load(t, s, again, rec{member: "old", offset: 1, timestamp: -100, longitude: 3})
	if got := e.at(t, e.config.Key)["old"]; got != 2 {
		t.Errorf("of timestamps -20, -3 and -100, that with longitude %v won, want 2", got)
	}
}

func testNewestByVersion(t *testing.T, e bed) {
	s := e.open(t, newest, byVersion)
	load(t, s, origin{1, 0}, rec{member: "a", offset: 5, value: `{"lng":1,"lat":1,"seq":9007199254740993}`, timestamp: 5})
	load(t, s, origin{1, 1}, rec{member: "a", offset: 9, value: `{"lng":2,"lat":1,"seq":9007199254740992}`, timestamp: 9})
	e.wants(t, e.config.Key, map[string]float64{"a": 1})
	load(t, s, origin{1, 1}, rec{member: "a", offset: 1, value: `{"lng":3,"lat":1,"seq":9007199254740994}`, timestamp: 1})
	e.wants(t, e.config.Key, map[string]float64{"a": 3})

	b := batch(t, origin{1, 0}, rec{member: "a", value: `{"lng":1,"lat":1}`}, rec{member: "a", value: `{"lng":1,"lat":1,"seq":1.5}`})
	if err := s.Load(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"version (value.seq) is missing", "version (value.seq) is 1.5; want an integer"} {
		if err := b.Err(i); connector.ClassOf(err) != connector.Permanent || !strings.Contains(err.Error(), want) {
			t.Errorf("record %d fails with %v, want %q", i, err, want)
		}
	}
}

// testNewestInAnyOrder writes the batches of two partitions, between which keys have moved, in a random order
// and some of them again: the outcome is that of the order of time.
func testNewestInAnyOrder(t *testing.T, e bed) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	for round := range 5 {
		k := fmt.Sprintf("%s%d", e.config.Key, round)
		s := e.open(t, newest, removing, func(c *Config) { c.Key = k })
		members := []string{"a", "b", "c", "d", "e", "f"}
		want := map[string]float64{}
		type part struct {
			from origin
			recs []rec
		}
		var parts []part
		offsets := [2]int64{95, 3}
		for i := range 60 {
			p := int32(0)
			if i >= 30 { // partitions were added, and all keys have moved
				p = 1
			}
			r := rec{member: members[random.IntN(len(members))], longitude: float64(i), offset: offsets[p], timestamp: int64(1000 + i)}
			offsets[p]++
			want[r.member] = r.longitude
			if random.IntN(5) == 0 {
				r.tombstone = true
				delete(want, r.member)
			}
			if n := len(parts) - 1; n >= 0 && parts[n].from.partition == p && len(parts[n].recs) < 4 {
				parts[n].recs = append(parts[n].recs, r)
			} else {
				parts = append(parts, part{origin{1, p}, []rec{r}})
			}
		}
		parts = append(parts, parts[len(parts)/2:]...)
		random.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		for _, p := range parts {
			load(t, s, p.from, p.recs...)
		}
		e.wants(t, k, want)
	}
	if t.Failed() {
		t.Logf("seed %d", seed)
	}
}

func testRemovedStaysRemoved(t *testing.T, e bed) {
	s := e.open(t, newest, removing)
	load(t, s, origin{}, rec{member: "a", offset: 1, longitude: 1}, rec{member: "b", offset: 2, longitude: 2})
	load(t, s, origin{}, rec{member: "a", offset: 3, tombstone: true})
	load(t, s, origin{}, rec{member: "a", offset: 1, longitude: 1})
	e.wants(t, e.config.Key, map[string]float64{"b": 2})
	load(t, s, origin{}, rec{member: "a", offset: 4, longitude: 4})
	e.wants(t, e.config.Key, map[string]float64{"a": 4, "b": 2})
}
