package dynamodb

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
)

func updating(c *Config) {
	c.Write, c.Item = writeNewest, ""
	c.Update.Set = []Attribute{{"n", "value.n"}, {"m", "value.m"}}
	c.Update.Remove = []string{"gone"}
}

func summing(c *Config) {
	c.Write, c.Item = writeNewest, ""
	c.Update.Add = []Attribute{{"sum", "value.n"}}
}

func testUpdate(t *testing.T, e bed) {
	load(t, e.open(t), origin{}, rec{key: "a", value: `{"n":1,"other":"x","gone":1}`})
	s := e.open(t, updating)
	load(t, s, origin{}, rec{key: "a", value: `{"n":2,"m":"y"}`, offset: 5, timestamp: 5}, rec{key: "new", value: `{"m":null}`, offset: 6, timestamp: 6})
	e.wants(t, plain{"a": {"n": "2", "m": "y", "other": "x"}, "new": {"m": "true"}})
	load(t, s, origin{}, rec{key: "a", value: `{"n":1,"m":"x"}`, offset: 4, timestamp: 9}, rec{key: "a", value: `{"n":1,"m":"x"}`, offset: 5, timestamp: 9})
	load(t, s, origin{partition: 1}, rec{key: "a", value: `{"n":1,"m":"x"}`, offset: 9, timestamp: 4})
	e.wants(t, plain{"a": {"n": "2", "m": "y", "other": "x"}, "new": {"m": "true"}})
	load(t, s, origin{partition: 1}, rec{key: "a", value: `{"n":3}`, offset: 10, timestamp: 6}, rec{key: "bare", value: `{}`, offset: 11})
	e.wants(t, plain{"a": {"n": "3", "m": "y", "other": "x"}, "new": {"m": "true"}, "bare": {}})
}

// testUpdatesOfBatch: what a later record of a batch doesn't set, an earlier one still sets.
func testUpdatesOfBatch(t *testing.T, e bed) {
	s := e.open(t, updating, deleting)
	load(t, s, origin{},
		rec{key: "a", value: `{"n":1}`, offset: 1}, rec{key: "a", value: `{"m":2}`, offset: 2}, rec{key: "a", value: `{"n":3}`, offset: 3},
		rec{key: "b", value: `{"n":1}`, offset: 4}, rec{key: "b", value: `{"n":2,"m":2}`, offset: 5}, rec{key: "b", value: `{"n":6}`, offset: 6},
		rec{key: "c", value: `{"n":1,"m":1}`, offset: 7}, rec{key: "c", offset: 8}, rec{key: "c", value: `{"n":9}`, offset: 9},
		rec{key: "d", value: `{"n":1}`, offset: 10}, rec{key: "d", offset: 11},
	)
	e.wants(t, plain{"a": {"n": "3", "m": "2"}, "b": {"n": "6", "m": "2"}, "c": {"n": "9"}})
}

// testUpdateAfterDeletion: an item that comes back doesn't expire with the marker, and has nothing of what was deleted.
func testUpdateAfterDeletion(t *testing.T, e bed) {
	load(t, e.open(t), origin{}, rec{key: "a", value: `{"n":1,"other":"x"}`}, rec{key: "b", value: `{"n":1,"other":"x"}`})
	s := e.open(t, updating, deleting, expiring)
	load(t, s, origin{}, rec{key: "a", offset: 1})
	load(t, s, origin{}, rec{key: "a", value: `{"n":2,"m":2}`, offset: 2}, rec{key: "b", offset: 3}, rec{key: "b", value: `{"n":4,"m":4}`, offset: 4})
	e.wants(t, plain{"a": {"n": "2", "m": "2"}, "b": {"n": "4", "m": "4"}})
	if text := fmt.Sprint(e.read(t)); strings.Contains(text, "deleted") || strings.Contains(text, "until") {
		t.Errorf("the items that came back are %s", text)
	}
	after := e.open(t, updating, deleting, expiring, func(c *Config) { c.TTL.After = 60e9 })
	load(t, after, origin{}, rec{key: "a", value: `{"n":3}`, offset: 5, timestamp: 5000})
	e.wants(t, plain{"a": {"n": "3", "m": "2", "until": "65"}, "b": {"n": "4", "m": "4"}})
}

func testSums(t *testing.T, e bed) {
	s := e.open(t, summing)
	var all []rec
	sum := 0
	for i := range 40 {
		sum += i
		all = append(all, rec{key: "a", value: fmt.Sprintf(`{"n":%d}`, i), offset: int64(100 + i/2), index: int32(i % 2)})
	}
	load(t, s, origin{}, all[:10]...)
	load(t, s, origin{}, all[:10]...)
	load(t, s, origin{}, all[5:25]...)
	load(t, s, origin{}, all...)
	load(t, s, origin{}, rec{key: "a", value: `{}`, offset: 200}, rec{key: "b", value: `{"n":-1.5}`, offset: 201})
	want := fmt.Sprint(sum)
	e.wants(t, plain{"a": {"sum": want}, "b": {"sum": "-1.5"}})
	if item := e.read(t)["a"]; item["_millrace"] != nil || item["_millrace:00000000000000000000000000000000-0"] == nil {
		t.Errorf("the item is %v", item)
	}
	errs, err := try(t, s, origin{}, rec{key: "c", value: `{"n":"x"}`, offset: 300}, rec{key: "c", value: `{"n":null}`, offset: 301}, rec{key: "c", value: `{"n":2}`, offset: 302})
	if err != nil || connector.ClassOf(errs[0]) != connector.Permanent || connector.ClassOf(errs[1]) != connector.Permanent || errs[2] != nil {
		t.Errorf("got %v, %v", errs, err)
	}
	e.wants(t, plain{"a": {"sum": want}, "b": {"sum": "-1.5"}, "c": {"sum": "2"}})
}

// testSumsOfSources: each partition counts for itself, also of a topic that was created again, and whatever writer comes late.
func testSumsOfSources(t *testing.T, e bed) {
	writer, zombie := e.open(t, summing), e.open(t, summing)
	random := rand.New(rand.NewPCG(3, 4))
	sum := 0
	for _, from := range []origin{{1, 0}, {1, 1}, {1, 10}, {2, 0}} {
		var all []rec
		for offset := range int64(30) {
			sum++
			all = append(all, rec{key: "a", value: `{"n":1}`, offset: offset})
		}
		// The zombie follows behind, and starts anew from anywhere.
		for at := range all {
			load(t, writer, from, all[at])
			if back := random.IntN(at + 1); random.IntN(3) == 0 {
				load(t, zombie, from, all[back:at+1]...)
			}
		}
	}
	e.wants(t, plain{"a": {"sum": fmt.Sprint(sum)}})
}

// testSumsBesideNewer: a record that is older than what the item holds still counts, and sets nothing.
func testSumsBesideNewer(t *testing.T, e bed) {
	s := e.open(t, summing, func(c *Config) { c.Update.Set = []Attribute{{"last", "value.n"}} })
	load(t, s, origin{partition: 1}, rec{key: "a", value: `{"n":1}`, timestamp: 100})
	for range 2 {
		load(t, s, origin{partition: 0}, rec{key: "a", value: `{"n":20}`, timestamp: 50}, rec{key: "a", value: `{"n":300}`, offset: 1, timestamp: 60})
		e.wants(t, plain{"a": {"last": "1", "sum": "321"}})
	}
	load(t, s, origin{partition: 0}, rec{key: "a", value: `{"n":4000}`, offset: 2, timestamp: 101}, rec{key: "a", value: `{}`, offset: 3, timestamp: 102})
	load(t, s, origin{partition: 1}, rec{key: "a", value: `{"n":1}`, timestamp: 100}, rec{key: "a", value: `{"n":50000}`, offset: 1, timestamp: 101})
	e.wants(t, plain{"a": {"last": "4000", "sum": "54321"}})
}

func testSets(t *testing.T, e bed) {
	s := e.open(t, func(c *Config) {
		c.Write, c.Item, c.Sets = writeNewest, "", []string{"tags"}
		c.Update.Add = []Attribute{{"tags", "value.tags"}, {"n", "value.n"}}
	})
	load(t, s, origin{}, rec{key: "a", value: `{"tags":["x"],"n":1}`}, rec{key: "a", value: `{"tags":["x"],"n":1}`, offset: 1}, rec{key: "a", value: `{"n":1}`, offset: 2})
	e.wants(t, plain{"a": {"tags": `["x"]`, "n": "3"}})
}

// testRefused: what DynamoDB refuses of one record, it takes of its neighbours; and of the same key, what comes after it.
func testRefused(t *testing.T, e bed) {
	load(t, e.open(t), origin{}, rec{key: "text", value: `{"sum":"x"}`})
	s := e.open(t, summing)
	errs, err := try(t, s, origin{}, rec{key: "a", value: `{"n":1}`}, rec{key: "text", value: `{"n":1}`, offset: 1}, rec{key: "b", value: `{"n":1}`, offset: 2})
	if err != nil || errs[0] != nil || errs[2] != nil || connector.ClassOf(errs[1]) != connector.Permanent || errs[1] == nil {
		t.Errorf("got %v, %v", errs, err)
	}
	e.wants(t, plain{"a": {"sum": "1"}, "b": {"sum": "1"}, "text": {"sum": "x"}})
}

func testBadRecords(t *testing.T, e bed) {
	deep := strings.Repeat(`{"x":`, 40) + "1" + strings.Repeat("}", 40)
	for _, change := range []func(*Config){func(*Config) {}, newest} {
		s := e.open(t, change)
		recs := []rec{{key: "a", value: `{"n":1}`}}
		for _, bad := range []rec{
			{key: "", value: `{"n":1}`}, {key: strings.Repeat("k", 2049), value: `{"n":1}`}, {key: "b", value: `[]`}, {key: "b", value: `null`},
			{key: "b", value: `{"n":` + strings.Repeat("1", 39) + `}`}, {key: "b", value: `{"n":1e126}`}, {key: "b", value: deep},
			{key: "b", value: `{"n":"` + strings.Repeat("x", 2<<20) + `"}`},
		} {
			bad.offset = int64(len(recs))
			recs = append(recs, bad)
		}
		recs = append(recs, rec{key: "c", value: `{"n":2}`, offset: 100})
		errs, err := try(t, s, origin{}, recs...)
		for i := range recs {
			good := i == 0 || i == len(recs)-1
			if err != nil || good != (errs[i] == nil) || !good && connector.ClassOf(errs[i]) != connector.Permanent {
				t.Errorf("record %d: %v, %v", i, errs[i], err)
			}
		}
		e.wants(t, plain{"a": {"n": "1"}, "c": {"n": "2"}})
	}
}

// testNames: names are data, not part of an expression.
func testNames(t *testing.T, e bed) {
	const odd = `a"b\c.d #1 ä`
	s := e.open(t, func(c *Config) {
		c.Write, c.Item, c.Guard = writeNewest, "", odd+" guard"
		c.Update = Update{Set: []Attribute{{odd, "value.n"}, {"size", "value.n"}}, Remove: []string{odd + "2"}, Add: []Attribute{{odd + "3", "value.n"}}}
		c.TTL = TTL{Attribute: odd + "4", After: 1e9}
	})
	load(t, s, origin{}, rec{key: "a", value: `{"n":1}`, timestamp: 2000}, rec{key: "a", value: `{"n":1}`, offset: 1, timestamp: 3000})
	load(t, s, origin{partition: 1}, rec{key: "a", value: `{"n":5}`, timestamp: 1000})
	item := e.read(t)["a"]
	for name, want := range map[string]string{odd: "1", "size": "1", odd + "3": "7", odd + "4": "4"} {
		if v, ok := item[name]; !ok || plainValue(v) != want {
			t.Errorf("%s is %v, want %s", name, v, want)
		}
	}
	put := e.open(t, newest, deleting, func(c *Config) { c.Guard, c.TTL.Attribute = odd+" guard", odd+"4" })
	load(t, put, origin{}, rec{key: "b", value: `{"n":1}`}, rec{key: "a", offset: 2, timestamp: 4000})
	if item := e.read(t)["a"]; item[odd] != nil || item[odd+"4"] == nil {
		t.Errorf("the marker is %v", item)
	}
}

// testReplays writes from several partitions, each replaying from random places, and compares with what each key's newest record says.
func testReplays(t *testing.T, e bed) {
	items, sums := e.open(t, newest, deleting), e.open(t, summing, func(c *Config) { c.Key = []Attribute{{"id", `"sum of " + key`}} })
	random := rand.New(rand.NewPCG(5, 6))
	type last struct {
		timestamp int64
		from      origin
		value     string
	}
	newest, total := map[string]last{}, map[string]int{}
	clock := int64(0)
	// The topic gets partitions, then is created again.
	for phase, from := range [][]origin{{{1, 0}, {1, 1}}, {{1, 0}, {1, 1}, {1, 2}, {1, 3}}, {{2, 0}, {2, 1}}} {
		logs := map[origin][]rec{}
		for n := range 200 {
			clock++
			key := fmt.Sprint("k", random.IntN(15))
			o := from[int(key[len(key)-1])%len(from)]
			r := rec{key: key, value: fmt.Sprintf(`{"n":%d}`, n), offset: int64(1000*phase + len(logs[o])), timestamp: clock}
			if random.IntN(10) == 0 {
				r.value = ""
			} else {
				total["sum of "+key] += n
			}
			logs[o] = append(logs[o], r)
			newest[key] = last{clock, o, r.value}
		}
		for o, log := range logs {
			for at := 0; at < len(log); {
				to := min(len(log), at+1+random.IntN(25))
				load(t, items, o, log[at:to]...)
				var counted []rec
				for _, r := range log[at:to] {
					if r.value != "" {
						counted = append(counted, r)
					}
				}
				if len(counted) > 0 {
					load(t, sums, o, counted...)
				}
				if random.IntN(4) == 0 {
					at = random.IntN(at + 1)
				} else {
					at = to
				}
			}
		}
	}
	want := plain{}
	for key, l := range newest {
		if l.value != "" {
			want[key] = map[string]string{"n": strings.Trim(l.value, `{"n:}`)}
		}
	}
	for key, n := range total {
		want[key] = map[string]string{"sum": fmt.Sprint(n)}
	}
	e.wants(t, want)
}
