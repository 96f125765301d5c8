package redisgeo

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/serde"
	jsonserde "github.com/millrace/millrace/serde/json"
)

// A bed is a Redis that behaviour is tested on: miniredis, or a real one.
type bed struct {
	config Config
	client redis.UniversalClient
}

func (e bed) open(t testing.TB, change ...func(*Config)) *Sink {
	t.Helper()
	c := e.config
	for _, f := range change {
		f(&c)
	}
	return open(t, c)
}

// at is the longitude of each member of a set.
func (e bed) at(t testing.TB, key string) map[string]float64 {
	t.Helper()
	members, err := e.client.ZRange(t.Context(), key, 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	if len(members) == 0 {
		return out
	}
	positions, err := e.client.GeoPos(t.Context(), key, members...).Result()
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range members {
		out[m] = round(positions[i].Longitude)
	}
	return out
}

// round undoes the rounding of a geohash of 52 bits.
func round(degrees float64) float64 {
	return math.Round(degrees*1000) / 1000
}

func (e bed) wants(t testing.TB, key string, want map[string]float64) {
	t.Helper()
	if got := e.at(t, key); !maps.Equal(got, want) {
		t.Errorf("%s holds %v, want %v", key, got, want)
	}
}

// A rec is a record with a longitude.
type rec struct {
	member    string
	longitude float64
	offset    int64
	timestamp int64
	index     int32
	tombstone bool
	value     string // instead of a longitude
}

type origin struct {
	topic     byte
	partition int32
}

func batch(t testing.TB, from origin, recs ...rec) *connector.Batch {
	t.Helper()
	records := make([]connector.Record, len(recs))
	for i, r := range recs {
		records[i] = connector.Record{RawKey: []byte(r.member), Offset: r.offset, Timestamp: r.timestamp, Index: r.index}
		switch {
		case r.tombstone:
		case r.value != "":
			records[i].RawValue = []byte(r.value)
		default:
			records[i].RawValue = fmt.Appendf(nil, `{"lng":%g,"lat":1,"seq":%d}`, r.longitude, r.timestamp)
		}
	}
	b := connector.NewBatch(connector.Source{
		Partition: connector.Partition{Topic: "cars", ID: from.partition},
		TopicID:   [16]byte{15: from.topic},
	}, records, nil)
	values, err := jsonserde.New(jsonserde.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	b.Decode(t.Context(), serde.StringDecoder{}, values)
	return b
}

// load must write the records.
func load(t testing.TB, s *Sink, from origin, recs ...rec) {
	t.Helper()
	b := batch(t, from, recs...)
	if err := s.Load(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for i := range b.Len() {
		if err := b.Err(i); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
	}
}

// behaviours are what the sink does to a Redis. Each has a key of its own, so that they can share one.
var behaviours = map[string]func(*testing.T, bed){
	"numbers":               testNumbers,
	"last of a member":      testLastOfMember,
	"tombstones":            testTombstones,
	"newest":                testNewest,
	"newest by version":     testNewestByVersion,
	"newest in any order":   testNewestInAnyOrder,
	"removed stays removed": testRemovedStaysRemoved,
	"silent members":        testSilentMembers,
	"silent markers":        testSilentMarkers,
	"silent sets":           testSilentSets,
	"sweep":                 testSweep,
	"sets by field":         testSetsByField,
	"many sets":             testManySets,
	"wrong type":            testWrongType,
	"unknown script":        testUnknownScript,
	"companions":            testCompanions,
}

func TestBehaviour(t *testing.T) {
	for name, test := range behaviours {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t, "GEOADD", "ZREM", "EVAL", "EVALSHA")
			client := redis.NewClient(&redis.Options{Addr: d.Addr(), Protocol: 2})
			t.Cleanup(func() { client.Close() })
			test(t, bed{config(d.Addr(), key(t)), client})
		})
	}
}

// key is a set of the test's own.
func key(t testing.TB) func(*Config) {
	return func(c *Config) { c.Key = strings.ReplaceAll(t.Name(), "/", ":") }
}

func newest(c *Config)     { c.Write = writeNewest }
func removing(c *Config)   { c.OnTombstone = tombstoneRemove }
func expiring(c *Config)   { c.Expire = connector.Duration(time.Hour) }
func byVersion(c *Config)  { c.Version = "value.seq" }
func fromValues(c *Config) { c.Member = "value.name" }

// testNumbers: what a JSON number may look like, Redis takes.
func testNumbers(t *testing.T, e bed) {
	s := e.open(t)
	want := map[string]float64{}
	for text, degrees := range map[string]float64{
		"0": 0, "-0": 0, "0.0": 0, "1e-400": 0, "-1e-999": 0, "-180": -180, "12": 12, "1.25e1": 12.5, "1.25E+1": 12.5, "125e-1": 12.5,
		"12.5000000000000000000000000000000000000000000000000000001": 12.5, "-0.0125E3": -12.5, "179.999": 179.999,
		"12." + strings.Repeat("0", 1000): 12, "5e-324": 0, "1e-5": 0,
	} {
		if len(text) > 30 {
			want[text[:30]] = degrees
			load(t, s, origin{}, rec{member: text[:30], value: `{"lng":` + text + `,"lat":85.05112878}`})
			continue
		}
		want[text] = degrees
		load(t, s, origin{}, rec{member: text, value: `{"lng":` + text + `,"lat":-85.05112878}`})
	}
	e.wants(t, e.config.Key, want)
}

func testLastOfMember(t *testing.T, e bed) {
	for name, change := range map[string]func(*Config){"fast": func(*Config) {}, "newest": newest, "expiring": expiring} {
		k := e.config.Key + name
		s := e.open(t, removing, change, func(c *Config) { c.Key = k })
		load(t, s, origin{},
			rec{member: "a", longitude: 1, offset: 1}, rec{member: "b", longitude: 2, offset: 2}, rec{member: "a", longitude: 3, offset: 3},
			rec{member: "c", longitude: 4, offset: 4}, rec{member: "c", tombstone: true, offset: 5},
			rec{member: "d", tombstone: true, offset: 6}, rec{member: "d", longitude: 7, offset: 7}, rec{member: "a", longitude: 8, offset: 8},
			rec{member: "e", longitude: 9, offset: 9}, rec{member: "e", longitude: 10, offset: 9, index: 1},
		)
		e.wants(t, k, map[string]float64{"a": 8, "b": 2, "d": 7, "e": 10})
	}
}

func testTombstones(t *testing.T, e bed) {
	fail, ignore, remove := e.open(t), e.open(t, func(c *Config) { c.OnTombstone = tombstoneIgnore }), e.open(t, removing)
	load(t, fail, origin{}, rec{member: "a", longitude: 1}, rec{member: "b", longitude: 2})
	load(t, ignore, origin{}, rec{member: "a", tombstone: true})
	e.wants(t, e.config.Key, map[string]float64{"a": 1, "b": 2})

	b := batch(t, origin{}, rec{member: "a", tombstone: true}, rec{member: "c", longitude: 3})
	if err := fail.Load(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := b.Err(0); connector.ClassOf(err) != connector.Permanent || !strings.Contains(err.Error(), "on_tombstone") {
		t.Errorf("a tombstone fails with %v, want a permanent error that names on_tombstone", err)
	}
	load(t, remove, origin{}, rec{member: "a", tombstone: true}, rec{member: "never there", tombstone: true})
	e.wants(t, e.config.Key, map[string]float64{"b": 2, "c": 3})
}

// silence makes members look as if nothing had been heard of them for two hours.
func (e bed) silence(t testing.TB, members ...string) {
	t.Helper()
	for _, m := range members {
		z := redis.Z{Score: float64(time.Now().Add(-2 * time.Hour).UnixMilli()), Member: m}
		if err := e.client.ZAdd(t.Context(), companion(e.config.Key, seenSuffix), z).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func testSilentMembers(t *testing.T, e bed) {
	s := e.open(t, expiring)
	load(t, s, origin{}, rec{member: "a", longitude: 1}, rec{member: "b", longitude: 2}, rec{member: "c", longitude: 3})
	e.silence(t, "a", "b")
	load(t, s, origin{}, rec{member: "b", longitude: 4})
	e.wants(t, e.config.Key, map[string]float64{"b": 4, "c": 3})
	if n := e.client.ZCard(t.Context(), companion(e.config.Key, seenSuffix)).Val(); n != 2 {
		t.Errorf("%d members are remembered as seen, want 2", n)
	}
}

// testSilentMarkers: the versions of silent members go with them, those of removed ones too.
func testSilentMarkers(t *testing.T, e bed) {
	s := e.open(t, expiring, newest, removing)
	load(t, s, origin{}, rec{member: "a", offset: 1, longitude: 1}, rec{member: "b", offset: 2, longitude: 2}, rec{member: "c", offset: 3, longitude: 3})
	load(t, s, origin{}, rec{member: "b", offset: 4, tombstone: true})
	e.silence(t, "a", "b")
	load(t, s, origin{}, rec{member: "c", offset: 5, longitude: 5}, rec{member: "b", offset: 1, longitude: 1})
	e.wants(t, e.config.Key, map[string]float64{"c": 5})
	versions := e.client.HGetAll(t.Context(), companion(e.config.Key, versionsSuffix)).Val()
	if want := map[string]string{"c": strings.Repeat("0", 32) + "-0-5-0 0"}; !maps.Equal(versions, want) {
		t.Errorf("the versions are %v, want %v", versions, want)
	}
	// A record that is too old to be written doesn't count as a sign of life.
	e.silence(t, "c")
	load(t, s, origin{}, rec{member: "c", offset: 2, longitude: 2})
	e.wants(t, e.config.Key, map[string]float64{})
}

// testSilentSets: a set that nobody writes to disappears, whoever forgot it.
func testSilentSets(t *testing.T, e bed) {
	s := e.open(t, expiring, newest)
	load(t, s, origin{}, rec{member: "a", longitude: 1})
	for _, k := range []string{e.config.Key, companion(e.config.Key, versionsSuffix), companion(e.config.Key, seenSuffix)} {
		if ttl := e.client.PTTL(t.Context(), k).Val(); ttl < 50*time.Minute || ttl > time.Hour {
			t.Errorf("%s lives for %v, want an hour", k, ttl)
		}
	}
}

func testSweep(t *testing.T, e bed) {
	s := e.open(t, expiring)
	const n = 3*sweptPerCall + 20
	recs := make([]rec, n)
	members := make([]redis.Z, n)
	for i := range recs {
		recs[i] = rec{member: fmt.Sprintf("car-%d", i), longitude: 1, offset: int64(i)}
		members[i] = redis.Z{Score: 1, Member: recs[i].member}
	}
	load(t, s, origin{}, recs...)
	load(t, s, origin{}, rec{member: "awake", longitude: 7})
	if err := e.client.ZAdd(t.Context(), companion(e.config.Key, seenSuffix), members...).Err(); err != nil {
		t.Fatal(err)
	}
	if known := s.sweeper.known(); !slices.Equal(known, []string{e.config.Key}) {
		t.Errorf("the sweeper knows %v", known)
	}
	load(t, s, origin{}, rec{member: "awake", longitude: 8})
	if got := len(e.at(t, e.config.Key)); got != n+1-sweptPerCall {
		t.Errorf("a Load left %d members, want %d: its share of the work is %d", got, n+1-sweptPerCall, sweptPerCall)
	}
	s.sweep(t.Context(), e.config.Key)
	e.wants(t, e.config.Key, map[string]float64{"awake": 8})
}

func testSetsByField(t *testing.T, e bed) {
	k := e.config.Key
	for name, change := range map[string]func(*Config){"fast": func(*Config) {}, "newest": newest} {
		s := e.open(t, fromValues, change, func(c *Config) { c.Key = k + name + "{{{value.city}}}" })
		load(t, s, origin{},
			rec{offset: 1, value: `{"name":"a","city":"oslo","lng":1,"lat":1}`},
			rec{offset: 2, value: `{"name":"b","city":"lima","lng":2,"lat":1}`},
			rec{offset: 3, value: `{"name":"a","city":"lima","lng":3,"lat":1}`},
			rec{offset: 4, value: `{"name":7,"city":"oslo","lng":4,"lat":1}`},
		)
		e.wants(t, k+name+"{oslo}", map[string]float64{"a": 1, "7": 4})
		e.wants(t, k+name+"{lima}", map[string]float64{"a": 3, "b": 2})
		b := batch(t, origin{}, rec{value: `{"name":"a","lng":1,"lat":1}`},
			rec{value: `{"name":"a","city":"` + strings.Repeat("x", 2000) + `","lng":1,"lat":1}`},
			rec{value: `{"name":"a","city":"x}:millrace:seen","lng":1,"lat":1}`},
			rec{offset: 9, value: `{"name":"z","city":"oslo","lng":9,"lat":1}`})
		if err := s.Load(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			if err := b.Err(i); connector.ClassOf(err) != connector.Permanent {
				t.Errorf("record %d fails with %v, want a permanent error", i, err)
			}
		}
		if err := b.Err(3); err != nil {
			t.Error(err)
		}
	}
}

// testManySets: members of the same name in different sets are different members.
func testManySets(t *testing.T, e bed) {
	k := e.config.Key
	for name, change := range map[string]func(*Config){"fast": func(*Config) {}, "newest": newest} {
		s := e.open(t, fromValues, change, func(c *Config) { c.Key = k + name + "{value.city}" })
		const cities, members = 100, 7
		var recs []rec
		for i := range 3 * cities * members {
			recs = append(recs, rec{offset: int64(i), value: fmt.Sprintf(`{"name":"m%d","city":"c%d","lng":%d,"lat":1}`,
				i%members, i/members%cities, i/members%cities-i%members)})
		}
		load(t, s, origin{}, recs...)
		for c := range cities {
			want := map[string]float64{}
			for m := range members {
				want[fmt.Sprintf("m%d", m)] = float64(c - m)
			}
			e.wants(t, fmt.Sprintf("%s%sc%d", k, name, c), want)
		}
	}
}

// testWrongType: a key with something else in it stops the records that want it, and no others.
func testWrongType(t *testing.T, e bed) {
	k := e.config.Key
	if err := e.client.Set(t.Context(), k+"text", "hello", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){"fast": func(*Config) {}, "newest": newest} {
		s := e.open(t, fromValues, change, func(c *Config) { c.Key = k + "{value.city}" })
		b := batch(t, origin{}, rec{value: `{"name":"a","city":"text","lng":1,"lat":1}`}, rec{value: `{"name":"b","city":"` + name + `","lng":2,"lat":1}`})
		if err := s.Load(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if err := b.Err(0); connector.ClassOf(err) != connector.Systemic || !strings.Contains(err.Error(), k+"text") || !strings.Contains(err.Error(), "something else") {
			t.Errorf("the record fails with %v, want a systemic error that names the key", err)
		}
		if err := b.Err(1); err != nil {
			t.Error(err)
		}
		e.wants(t, k+name, map[string]float64{"b": 2})
		if err := s.Load(t.Context(), batch(t, origin{}, rec{value: `{"name":"a","city":"text","lng":1,"lat":1}`})); connector.ClassOf(err) != connector.Systemic {
			t.Errorf("Load fails with %v, want a systemic error", err)
		}
	}
}

// testUnknownScript: a node that has started again has forgotten the script.
func testUnknownScript(t *testing.T, e bed) {
	s := e.open(t, newest)
	load(t, s, origin{}, rec{member: "a", offset: 1, longitude: 1})
	flush := func(ctx context.Context, c *redis.Client) error { return c.ScriptFlush(ctx).Err() }
	var err error
	if cluster, ok := e.client.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(t.Context(), flush)
	} else {
		err = flush(t.Context(), e.client.(*redis.Client))
	}
	if err != nil {
		t.Fatal(err)
	}
	load(t, s, origin{}, rec{member: "a", offset: 2, longitude: 2}, rec{member: "b", offset: 3, longitude: 3})
	e.wants(t, e.config.Key, map[string]float64{"a": 2, "b": 3})
}

// testCompanions: for any key that the sink takes, the companions are where Redis lets a script use them.
func testCompanions(t *testing.T, e bed) {
	for _, k := range []string{"plain", "{tag}rest", "rest{tag}", "{a}{b}", "a{b", "{", "{{x}}", "a{}{b}", "{}", "}", "a}b", "ключ"} {
		k = e.config.Key + k
		s, err := config("localhost:1", newest).compile()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.checkKey([]byte(k)); err != nil {
			if tagged(k) || !strings.Contains(k, "}") {
				t.Errorf("%s is refused: %v", k, err)
			}
			continue
		}
		escaped := strings.NewReplacer("{", "{{", "}", "}}").Replace(k)
		load(t, e.open(t, newest, expiring, func(c *Config) { c.Key = escaped }), origin{}, rec{member: "a", longitude: 1})
		e.wants(t, k, map[string]float64{"a": 1})
	}
}

// hashed is what of a key a cluster hashes, as the specification has it.
func hashed(key string) string {
	from := strings.IndexByte(key, '{')
	if from < 0 {
		return key
	}
	n := strings.IndexByte(key[from+1:], '}')
	if n <= 0 {
		return key
	}
	return key[from+1 : from+1+n]
}

func FuzzCompanion(f *testing.F) {
	for _, k := range []string{"cars#gps", "{a}b", "a{}b", "}{", "{", "a}b{c}"} {
		f.Add(k)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if !taggable(key) {
			return
		}
		if k := companion(key, seenSuffix); hashed(k) != hashed(key) {
			t.Errorf("%q hashes %q, its companion %q hashes %q", key, hashed(key), k, hashed(k))
		}
	})
}

// FuzzLoad writes whatever JSON comes: it is delivered, or fails as the record's own error.
func FuzzLoad(f *testing.F) {
	d := newDouble(f)
	fast := open(f, config(d.Addr()))
	guarded := open(f, config(d.Addr(), newest, removing, func(c *Config) { c.Key, c.Member, c.Version = "cars#{value.name}", "value.name", "value.lat" }))
	f.Add([]byte("a"), []byte(`{"lng":1,"lat":2,"name":"x"}`))
	f.Add([]byte{}, []byte(`{"lng":1e400,"lat":-1e-400,"name":7}`))
	f.Add([]byte("a\xff"), []byte(`{"lng":"1","lat":null,"name":"}{"}`))
	f.Add([]byte("a"), []byte(`[]`))
	values, err := jsonserde.New(jsonserde.DefaultConfig())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		for _, s := range []*Sink{fast, guarded} {
			b := connector.NewBatch(connector.Source{}, []connector.Record{{RawKey: bytes.Clone(key), RawValue: bytes.Clone(value)}}, nil)
			b.Decode(t.Context(), serde.StringDecoder{}, values)
			if b.Err(0) != nil {
				return
			}
			s.Key(b, 0)
			if err := s.Load(t.Context(), b); err != nil {
				t.Errorf("Load of key %q, value %s: %v", key, value, err)
			}
			if err := b.Err(0); err != nil && connector.ClassOf(err) != connector.Permanent {
				t.Errorf("key %q, value %s: %v", key, value, err)
			}
		}
	})
}

func TestKeyIsOfSetAndMember(t *testing.T) {
	d := newDouble(t)
	s := open(t, config(d.Addr(), fromValues, func(c *Config) { c.Key = "cars#{value.city}" }))
	b := batch(t, origin{},
		rec{offset: 1, value: `{"name":"a","city":"x"}`}, rec{offset: 2, value: `{"name":"a","city":"y"}`}, rec{offset: 3, value: `{"name":"a","city":"x","n":1}`},
		rec{offset: 3, index: 1, value: `{"name":"ax","city":""}`}, rec{offset: 4, value: `{"name":"b"}`}, rec{offset: 5, value: `{"city":"x"}`})
	var keys []uint64
	for i := range b.Records() {
		k, ok := s.Key(b, i)
		if ok != (i < 4) {
			t.Errorf("record %d has a key: %v", i, ok)
		}
		keys = append(keys, k)
	}
	if keys[0] != keys[2] {
		t.Error("two records of a member have different keys")
	}
	distinct := slices.Compact(slices.SortedFunc(slices.Values(keys[:4]), cmp.Compare))
	if len(distinct) != 3 {
		t.Errorf("%d keys for three members of sets", len(distinct))
	}
}
