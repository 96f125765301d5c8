package dynamodb

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	jsonserde "github.com/millrace/millrace/serde/json"
)

// A bed is an empty table with the text key id, of the double or of DynamoDB Local.
type bed struct {
	config Config
	read   func(testing.TB) map[string]attributes
}

func (e bed) open(t testing.TB, change ...func(*Config)) *Sink {
	t.Helper()
	c := e.config
	for _, f := range change {
		f(&c)
	}
	return open(t, c)
}

// items are those that no marker stands for, in simple terms, without the key and guards.
func (e bed) items(t testing.TB) map[string]map[string]string {
	t.Helper()
	return plainItems(e.read(t), e.config.Guard)
}

func (e bed) wants(t testing.TB, want map[string]map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, e.items(t)); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
}

// A rec is a record.
type rec struct {
	key       string
	value     string // JSON; "" is a tombstone
	offset    int64
	index     int32
	timestamp int64
}

type origin struct {
	topic     byte
	partition int32
}

func batch(t testing.TB, from origin, recs ...rec) *connector.Batch {
	t.Helper()
	records := make([]connector.Record, len(recs))
	for i, r := range recs {
		records[i] = connector.Record{RawKey: []byte(r.key), Offset: r.offset, Timestamp: r.timestamp, Index: r.index}
		if r.value != "" {
			records[i].RawValue = []byte(r.value)
		}
	}
	b := connector.NewBatch(connector.Source{
		Partition: connector.Partition{Topic: "trips", ID: from.partition},
		TopicID:   [16]byte{15: from.topic},
	}, records, nil)
	values, err := jsonserde.New(jsonserde.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	b.Decode(t.Context(), serde.StringDecoder{}, values)
	return b
}

// try loads records, and returns what was said of each.
func try(t testing.TB, s *Sink, from origin, recs ...rec) ([]error, error) {
	t.Helper()
	b := batch(t, from, recs...)
	err := s.Load(t.Context(), b)
	errs := make([]error, b.Len())
	for i := range errs {
		errs[i] = b.Err(i)
	}
	return errs, err
}

// load must write the records.
func load(t testing.TB, s *Sink, from origin, recs ...rec) {
	t.Helper()
	errs, err := try(t, s, from, recs...)
	if err = errors.Join(append(errs, err)...); err != nil {
		t.Fatal(err)
	}
}

// behaviours are what the sink does to a table.
var behaviours = map[string]func(*testing.T, bed){
	"last of a key":             testLastOfKey,
	"deletions":                 testDeletions,
	"delete_when":               testDeleteWhen,
	"newest":                    testNewest,
	"newest in any order":       testNewestInAnyOrder,
	"newest by version":         testNewestByVersion,
	"foreign guard":             testForeignGuard,
	"item without a guard":      testUnguarded,
	"deleted stays deleted":     testDeletedStaysDeleted,
	"what a marker leaves":      testMarker,
	"update":                    testUpdate,
	"updates of one batch":      testUpdatesOfBatch,
	"update after a deletion":   testUpdateAfterDeletion,
	"sums count once":           testSums,
	"sums of several sources":   testSumsOfSources,
	"sums beside newer values":  testSumsBesideNewer,
	"sets grow":                 testSets,
	"refused by DynamoDB":       testRefused,
	"bad records":               testBadRecords,
	"names that need escapes":   testNames,
	"random replays and faults": testReplays,
}

func TestBehaviour(t *testing.T) {
	for name, test := range behaviours {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			test(t, bed{config(d.URL), func(testing.TB) map[string]attributes {
				d.mu.Lock()
				defer d.mu.Unlock()
				return maps.Clone(d.items)
			}})
		})
	}
}

type plain = map[string]map[string]string

func testLastOfKey(t *testing.T, e bed) {
	for _, write := range []string{writeFast, writeNewest} {
		s := e.open(t, deleting, func(c *Config) { c.Write = write })
		from := origin{topic: 1}
		if write == writeNewest {
			from.topic = 2
		}
		load(t, s, from,
			rec{key: "a", value: `{"n":1}`, offset: 1}, rec{key: "b", value: `{"n":2}`, offset: 2}, rec{key: "a", value: `{"n":3}`, offset: 3},
			rec{key: "c", value: `{"n":4}`, offset: 4}, rec{key: "c", offset: 5},
			rec{key: "d", offset: 6}, rec{key: "d", value: `{"n":7}`, offset: 7}, rec{key: "a", value: `{"n":8}`, offset: 8},
			rec{key: "e", value: `{"n":9}`, offset: 9}, rec{key: "e", value: `{"n":10}`, offset: 9, index: 1},
			rec{key: "f", value: `{"n":12}`, offset: 12}, rec{key: "f", value: `{"n":11}`, offset: 11},
			rec{key: "g", value: `{"n":14}`, offset: 13, index: 12}, rec{key: "g", value: `{"n":13}`, offset: 13, index: 9},
		)
		e.wants(t, plain{"a": {"n": "8"}, "b": {"n": "2"}, "d": {"n": "7"}, "e": {"n": "10"}, "f": {"n": "12"}, "g": {"n": "14"}})
	}
}

func testDeletions(t *testing.T, e bed) {
	s := e.open(t, deleting)
	load(t, s, origin{}, rec{key: "a", value: `{"n":1}`}, rec{key: "b", value: `{"n":2}`, offset: 1})
	load(t, s, origin{}, rec{key: "a", offset: 2}, rec{key: "never", offset: 3})
	e.wants(t, plain{"b": {"n": "2"}})
	if items := e.read(t); len(items) != 1 {
		t.Errorf("fast deletions left %v", items)
	}
	ignoring := e.open(t, func(c *Config) { c.OnTombstone = tombstoneIgnore })
	load(t, ignoring, origin{}, rec{key: "b", offset: 4})
	e.wants(t, plain{"b": {"n": "2"}})
	failing := e.open(t)
	errs, err := try(t, failing, origin{}, rec{key: "b", offset: 4}, rec{key: "c", value: `{"n":3}`, offset: 5})
	if err != nil || connector.ClassOf(errs[0]) != connector.Permanent || !strings.Contains(errs[0].Error(), "tombstone") || errs[1] != nil {
		t.Errorf("got %v, %v", errs, err)
	}
	e.wants(t, plain{"b": {"n": "2"}, "c": {"n": "3"}})
}

// testDeleteWhen: a condition comes before on_tombstone, which counts where the condition can't say anything.
func testDeleteWhen(t *testing.T, e bed) {
	s := e.open(t, func(c *Config) {
		c.DeleteWhen, c.Item, c.OnTombstone = `value.op == "d"`, "value.after", tombstoneIgnore
	})
	load(t, s, origin{},
		rec{key: "a", value: `{"op":"c","after":{"n":1}}`}, rec{key: "b", value: `{"op":"c","after":{"n":1}}`, offset: 1},
		rec{key: "a", value: `{"op":"d","after":null}`, offset: 2}, rec{key: "a", offset: 3}, rec{key: "b", offset: 4})
	e.wants(t, plain{"b": {"n": "1"}})
	errs, err := try(t, s, origin{}, rec{key: "b", value: `{"op":1}`, offset: 5}, rec{key: "b", value: `{}`, offset: 6})
	if err != nil || connector.ClassOf(errs[0]) != connector.Permanent || connector.ClassOf(errs[1]) != connector.Permanent {
		t.Errorf("got %v, %v", errs, err)
	}
	nulls := e.open(t, func(c *Config) { c.DeleteWhen = `value == nil` })
	load(t, nulls, origin{}, rec{key: "b", offset: 7})
	e.wants(t, plain{})
}

func testNewest(t *testing.T, e bed) {
	s := e.open(t, newest)
	for _, offset := range []int64{5, 4, 5, 6, 3, 6, 10, 9} {
		load(t, s, origin{}, rec{key: "a", value: fmt.Sprintf(`{"n":%d}`, offset), offset: offset, timestamp: 100 - offset})
	}
	e.wants(t, plain{"a": {"n": "10"}}) // by offset within a partition, whatever the timestamps
	load(t, s, origin{}, rec{key: "a", value: `{"n":11}`, offset: 10, index: 10}, rec{key: "a", value: `{"n":12}`, offset: 10, index: 9})
	load(t, s, origin{}, rec{key: "a", value: `{"n":13}`, offset: 10, index: 2})
	e.wants(t, plain{"a": {"n": "11"}})

	// Added partitions: the key is at lower offsets elsewhere. What the first partition's late writer does, and a replay, changes nothing.
	load(t, s, origin{partition: 1}, rec{key: "a", value: `{"n":20}`, offset: 1, timestamp: 200})
	e.wants(t, plain{"a": {"n": "20"}})
	for offset := range int64(12) {
		load(t, s, origin{}, rec{key: "a", value: `{"n":0}`, offset: offset, timestamp: 100 + offset})
	}
	e.wants(t, plain{"a": {"n": "20"}})

	// A topic of the same name that was created again.
	load(t, s, origin{topic: 9}, rec{key: "a", value: `{"n":30}`, timestamp: 300})
	load(t, s, origin{partition: 1}, rec{key: "a", value: `{"n":21}`, offset: 2, timestamp: 201}, rec{key: "b", value: `{"n":1}`, offset: 3})
	e.wants(t, plain{"a": {"n": "30"}, "b": {"n": "1"}})
}

// testNewestInAnyOrder: whatever the order of arrival, and however often records come, the item ends the same.
func testNewestInAnyOrder(t *testing.T, e bed) {
	s := e.open(t, newest, deleting)
	type arrival struct {
		from origin
		rec  rec
	}
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		key := strconv.Itoa(round)
		var all []arrival
		for partition := range int32(3) {
			for offset := range int64(4) {
				// Timestamps grow within a partition, and are equal across partitions now and then.
				r := rec{key: key, offset: offset + 7, timestamp: 10*offset + int64(random.IntN(3))}
				if r.value = fmt.Sprintf(`{"n":"%d/%d"}`, partition, offset); offset == 3 && random.IntN(2) == 0 {
					r.value = ""
				}
				all = append(all, arrival{origin{1, partition}, r})
			}
		}
		newest := slices.MaxFunc(all, func(a, b arrival) int {
			switch x, y := a.rec, b.rec; {
			case a.from == b.from:
				return int(x.offset - y.offset)
			case x.timestamp != y.timestamp:
				return int(x.timestamp - y.timestamp)
			}
			return int(a.from.partition - b.from.partition)
		})
		for range 2 {
			random.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
			for _, a := range all {
				load(t, s, a.from, a.rec)
			}
			got := e.items(t)[key]["n"]
			want := ""
			if newest.rec.value != "" {
				want = fmt.Sprintf("%d/%d", newest.from.partition, newest.rec.offset-7)
			}
			if got != want {
				t.Fatalf("round %d ended with %q, want %q", round, got, want)
			}
		}
	}
}

func testNewestByVersion(t *testing.T, e bed) {
	s := e.open(t, newest, func(c *Config) { c.Version = "value.v" })
	load(t, s, origin{partition: 1}, rec{key: "a", value: `{"v":7}`, timestamp: 1})
	load(t, s, origin{partition: 0}, rec{key: "a", value: `{"v":6}`, timestamp: 2})
	load(t, s, origin{partition: 2}, rec{key: "a", value: `{"v":-8}`, timestamp: 2})
	e.wants(t, plain{"a": {"v": "7"}})
	load(t, s, origin{partition: 0}, rec{key: "a", value: `{"v":10}`, timestamp: 0})
	e.wants(t, plain{"a": {"v": "10"}})
	errs, err := try(t, s, origin{}, rec{key: "b", value: `{"v":"x"}`}, rec{key: "b", value: `{}`}, rec{key: "b", value: `{"v":1.5}`}, rec{key: "b", value: `{"v":null}`})
	for i, want := range []string{"of kind string", "is missing", "of kind", "is null"} {
		if err != nil || errs[i] == nil || connector.ClassOf(errs[i]) != connector.Permanent || !strings.Contains(errs[i].Error(), want) || !strings.Contains(errs[i].Error(), "version (value.v)") {
			t.Errorf("record %d: %v, %v; want %q", i, errs[i], err, want)
		}
	}
}

// testForeignGuard: an attribute that has the guard's name and isn't one doesn't keep records out.
func testForeignGuard(t *testing.T, e bed) {
	load(t, e.open(t), origin{}, rec{key: "a", value: `{"n":1,"_millrace":"mine"}`}, rec{key: "b", value: `{"n":1,"_millrace":{"x":1}}`})
	load(t, e.open(t, newest), origin{}, rec{key: "a", value: `{"n":2}`}, rec{key: "b", value: `{"n":2}`})
	e.wants(t, plain{"a": {"n": "2"}, "b": {"n": "2"}})
}

func testUnguarded(t *testing.T, e bed) {
	load(t, e.open(t), origin{}, rec{key: "a", value: `{"n":1,"m":1}`, offset: 100, timestamp: 100}, rec{key: "b", value: `{"n":1,"m":1}`})
	load(t, e.open(t, newest), origin{}, rec{key: "a", value: `{"n":2}`})
	load(t, e.open(t, updating), origin{}, rec{key: "b", value: `{"n":2}`})
	e.wants(t, plain{"a": {"n": "2"}, "b": {"n": "2", "m": "1"}})
}

func testDeletedStaysDeleted(t *testing.T, e bed) {
	s := e.open(t, newest, deleting)
	load(t, s, origin{}, rec{key: "a", value: `{"n":1}`, offset: 1, timestamp: 10})
	load(t, s, origin{}, rec{key: "a", offset: 3, timestamp: 30})
	load(t, s, origin{}, rec{key: "a", value: `{"n":2}`, offset: 2, timestamp: 20})
	load(t, s, origin{partition: 1}, rec{key: "a", value: `{"n":3}`, offset: 9, timestamp: 29})
	e.wants(t, plain{})
	load(t, s, origin{}, rec{key: "a", value: `{"n":4}`, offset: 4, timestamp: 40})
	e.wants(t, plain{"a": {"n": "4"}})
}

func expiring(c *Config) {
	c.TTL.Attribute, c.KeepDeleted = "until", connector.Duration(time.Hour)
}

func testMarker(t *testing.T, e bed) {
	s := e.open(t, newest, deleting, expiring)
	clock(s, 1_000_000)
	load(t, s, origin{1, 2}, rec{key: "a", value: `{"n":1}`, offset: 1, timestamp: 10}, rec{key: "a", offset: 3, index: 4, timestamp: 30})
	want := attributes{
		"id":    map[string]any{"S": "a"},
		"until": map[string]any{"N": "1003600"},
		"_millrace": map[string]any{"M": map[string]any{
			"source": map[string]any{"S": "00000000000000000000000000000001-2"}, "position": map[string]any{"N": "3.0000000004"},
			"version": map[string]any{"N": "30"}, "deleted": map[string]any{"BOOL": true},
		}},
	}
	if diff := cmp.Diff(want, e.read(t)["a"]); diff != "" {
		t.Errorf("marker (-want +got):\n%s", diff)
	}
	load(t, s, origin{1, 2}, rec{key: "a", value: `{"n":2}`, offset: 4, timestamp: 40})
	if item := e.read(t)["a"]; item["until"] != nil || fmt.Sprint(item["_millrace"]) == "" || strings.Contains(fmt.Sprint(item), "deleted") {
		t.Errorf("the item that came back is %v", item)
	}
}
