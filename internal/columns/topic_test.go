package columns

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/serde"
)

// A memory is a Store. It answers fail, once, where that is set.
type memory struct {
	mu    sync.Mutex
	kept  map[string][]byte
	fail  error
	blind bool // it can't tell whether a key is taken
}

func (m *memory) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if body, ok := m.kept[key]; ok {
		return body, nil
	}
	return nil, chain.ErrMissing
}

func (m *memory) Put(_ context.Context, key string, body []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail; err != nil {
		m.fail = nil
		return err
	}
	if m.blind {
		return errors.ErrUnsupported
	}
	if _, ok := m.kept[key]; ok {
		return chain.ErrExists
	}
	if m.kept == nil {
		m.kept = make(map[string][]byte)
	}
	m.kept[key] = body
	return nil
}

func resolver(t *testing.T, c Config, o Options) *Resolver {
	t.Helper()
	r, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func batch(t *testing.T, values ...string) *connector.Batch {
	t.Helper()
	rs := make([]connectortest.R, len(values))
	for i, v := range values {
		rs[i].Value = v
	}
	return connectortest.Batch(t, "clicks", 0, rs...)
}

// of are the columns of a value's row, as "name type, ...", and their group.
func of(t *testing.T, topic *Topic, b *connector.Batch, i int) (columns *table.Schema, group string) {
	t.Helper()
	columns, group, err := topic.Of(b.At(i))
	if err != nil {
		t.Fatal(err)
	}
	return columns, group
}

func names(s *table.Schema) string {
	var all []string
	for _, f := range s.Fields {
		all = append(all, f.Name+" "+f.Type.Kind.String())
	}
	return strings.Join(all, ", ")
}

// TestInferred: two processes look at different first values. They write with the same columns: those of who was first.
func TestInferred(t *testing.T) {
	store := &memory{}
	c := DefaultConfig()
	c.Sample = 3
	first, second := resolver(t, c, Options{Store: store}).Topic("clicks", "k"), resolver(t, c, Options{Store: store}).Topic("clicks", "k")
	learn := func(topic *Topic, want bool, values ...string) {
		t.Helper()
		wait, err := topic.Learn(t.Context(), batch(t, values...))
		if err != nil || (wait == 0) != want {
			t.Fatalf("wait %s, %v; want known %v", wait, err, want)
		}
	}
	learn(second, false, `{"a":"x"}`)
	learn(first, false, `{"a":1}`, `{"a":2.5}`)
	learn(first, true, `{"b":[true]}`)
	learn(second, true, `{"a":"y"}`, `{"c":1}`)
	for _, topic := range []*Topic{first, second, resolver(t, c, Options{Store: store}).Topic("clicks", "k")} {
		learn(topic, true, `{"a":1}`)
		columns, group := of(t, topic, batch(t, `{"a":1}`), 0)
		if names(columns) != "a float64, b list" || columns.Rest != "_rest" || group != "" {
			t.Errorf("%s, rest %q, group %q", names(columns), columns.Rest, group)
		}
	}
	if a, _ := of(t, first, batch(t, `{"a":1}`), 0); a != first.plain.Load().rows.Load() {
		t.Error("other columns for each row")
	}
}

// TestInferredAfterAWhile: a slow topic doesn't wait for its sample, nor does a range that has to be committed.
func TestInferredAfterAWhile(t *testing.T) {
	topic := resolver(t, DefaultConfig(), Options{Store: &memory{}}).Topic("clicks", "k")
	now := time.Unix(1000, 0)
	topic.now = func() time.Time { return now }
	for _, step := range []struct {
		after, wait time.Duration
	}{{0, 10 * time.Second}, {9 * time.Second, time.Second}, {time.Second, 0}} {
		now = now.Add(step.after)
		if wait, err := topic.Learn(t.Context(), batch(t, `{"a":1}`)); err != nil || wait != step.wait {
			t.Errorf("after %s: %s, %v", step.after, wait, err)
		}
	}
	topic = resolver(t, DefaultConfig(), Options{Store: &memory{}}).Topic("clicks", "k")
	if err := topic.Settle(t.Context()); err != nil || topic.plain.Load() != nil {
		t.Errorf("settled without a sample: %v", err)
	}
	if wait, err := topic.Learn(t.Context(), batch(t, `{"a":1}`)); wait == 0 || err != nil {
		t.Errorf("%s, %v", wait, err)
	}
	if err := topic.Settle(t.Context()); err != nil || names(topic.plain.Load().values) != "a int64" {
		t.Errorf("%v", err)
	}
}

// TestKeepFails: columns that couldn't be kept aren't used.
func TestKeepFails(t *testing.T) {
	store := &memory{fail: connector.Retryable.Errorf("no answer")}
	c := DefaultConfig()
	c.Sample = 1
	topic := resolver(t, c, Options{Store: store}).Topic("clicks", "k")
	if _, err := topic.Learn(t.Context(), batch(t, `{"a":1}`)); err == nil || connector.ClassOf(err) != connector.Retryable || topic.plain.Load() != nil {
		t.Errorf("%v", err)
	}
	if wait, err := topic.Learn(t.Context(), batch(t, `{"a":1}`)); wait > 0 || err != nil {
		t.Errorf("%s, %v", wait, err)
	}
	store.kept["k"] = []byte("{")
	other := resolver(t, c, Options{Store: store}).Topic("clicks", "k")
	if _, err := other.Learn(t.Context(), batch(t, `{"a":1}`)); connector.ClassOf(err) != connector.Fatal || !strings.Contains(err.Error(), "from k") {
		t.Errorf("%v", err)
	}
	blind := resolver(t, c, Options{Store: &memory{blind: true}}).Topic("clicks", "k")
	if wait, err := blind.Learn(t.Context(), batch(t, `{"a":1}`)); wait > 0 || err != nil {
		t.Errorf("%s, %v", wait, err)
	}
}

func version(n int64, fields string) *serde.Schema {
	return &serde.Schema{Format: serde.Avro, Name: "Click", Version: n, Text: `{"type":"record","name":"Click","fields":[` + fields + `]}`}
}

const (
	fieldA    = `{"name":"a","type":"int"}`
	fieldLong = `{"name":"a","type":"long"}`
	fieldText = `{"name":"a","type":"string"}`
	fieldB    = `{"name":"b","type":"string","default":"x"}`
)

// TestVersions: versions that alternate share columns, which change once for each new version; one that doesn't fit has its own.
func TestVersions(t *testing.T) {
	one, two, odd := version(1, fieldA), version(2, fieldLong+","+fieldB), version(3, fieldText)
	topic := resolver(t, DefaultConfig(), Options{Store: &memory{}}).Topic("clicks", "k")
	b := batch(t, `{}`, `{}`, `{}`)
	for i, s := range []*serde.Schema{one, two, odd} {
		b.At(i).Value.SetSchema(s)
	}
	first, group := of(t, topic, b, 0)
	if names(first) != "a int32" || group != "1" {
		t.Errorf("%s, group %q", names(first), group)
	}
	merged, group := of(t, topic, b, 1)
	if names(merged) != "a int64, b string" || group != "1" {
		t.Errorf("%s, group %q", names(merged), group)
	}
	for range 3 { // they alternate
		for i := range 2 {
			if columns, _ := of(t, topic, b, i); columns != merged {
				t.Errorf("version %d has %s", i+1, names(columns))
			}
		}
	}
	if columns, group := of(t, topic, b, 2); names(columns) != "a string" || group != "2" {
		t.Errorf("%s, group %q", names(columns), group)
	}
	c := DefaultConfig()
	c.Compatibility = string(table.None)
	apart := resolver(t, c, Options{Store: &memory{}}).Topic("clicks", "k")
	var groups []string
	for i := range 3 {
		_, group := of(t, apart, b, i)
		groups = append(groups, group)
	}
	if !slices.Equal(groups, []string{"1", "2", "3"}) {
		t.Errorf("%q", groups)
	}
}

// TestVersionsOfABatch: the first row of a batch has the columns of all versions in it, so that they don't end each other's files.
func TestVersionsOfABatch(t *testing.T) {
	topic := resolver(t, DefaultConfig(), Options{Store: &memory{}}).Topic("clicks", "k")
	b := batch(t, `{}`, `{}`, `{}`)
	for i, s := range []*serde.Schema{version(1, fieldA), version(2, fieldLong), version(3, fieldLong+","+fieldB)} {
		b.At(i).Value.SetSchema(s)
	}
	if wait, err := topic.Learn(t.Context(), b); wait > 0 || err != nil {
		t.Fatalf("%s, %v", wait, err)
	}
	for i := range 3 {
		if columns, group := of(t, topic, b, i); names(columns) != "a int64, b string" || group != "1" {
			t.Errorf("row %d: %s, group %q", i, names(columns), group)
		}
	}
}

// TestSetColumns: what is set counts, whatever values were written with.
func TestSetColumns(t *testing.T) {
	c := DefaultConfig()
	c.Columns, c.Rest = version(1, fieldA).Text, "others"
	topic := resolver(t, c, Options{}).Topic("clicks", "k")
	b := batch(t, `{}`, `{"z":1}`)
	b.At(0).Value.SetSchema(version(9, fieldText))
	if wait, err := topic.Learn(t.Context(), b); wait > 0 || err != nil {
		t.Errorf("%s, %v", wait, err)
	}
	for i := range 2 {
		if columns, group := of(t, topic, b, i); names(columns) != "a int32" || columns.Rest != "others" || group != "" {
			t.Errorf("%s, rest %q, group %q", names(columns), columns.Rest, group)
		}
	}
}

// TestColumnsOfCatalog: the table's columns count, and are asked for once.
func TestColumnsOfCatalog(t *testing.T) {
	c, asked := DefaultConfig(), 0
	c.From, c.Rest = "catalog", "none"
	topic := resolver(t, c, Options{Catalog: func(_ context.Context, name string) (*table.Schema, error) {
		if asked++; asked == 1 {
			return nil, connector.Retryable.Errorf("no answer about %s", name)
		}
		return &table.Schema{Name: name, Fields: []table.Field{{Name: "d", Type: table.Type{Kind: table.Date}}}}, nil
	}}).Topic("clicks", "k")
	b := batch(t, `{"d":"2026-01-31"}`)
	if _, err := topic.Learn(t.Context(), b); connector.ClassOf(err) != connector.Retryable {
		t.Errorf("%v", err)
	}
	for range 2 {
		if wait, err := topic.Learn(t.Context(), b); wait > 0 || err != nil {
			t.Errorf("%s, %v", wait, err)
		}
	}
	if columns, _ := of(t, topic, b, 0); names(columns) != "d date" || columns.Rest != "" || asked != 2 {
		t.Errorf("%s, rest %q, asked %d times", names(columns), columns.Rest, asked)
	}
}

// TestNoColumns: what is no object has a row only where rows are more than values.
func TestNoColumns(t *testing.T) {
	bare := resolver(t, DefaultConfig(), Options{Store: &memory{}}).Topic("clicks", "k")
	wrap := func(values *table.Schema, _ *connector.Record) *table.Schema {
		s := &table.Schema{Fields: []table.Field{{Name: "offset", Type: table.Type{Kind: table.Int64}}}}
		if values != nil {
			s.Fields = append(s.Fields, table.Field{Name: "value", Type: table.Type{Kind: table.Struct, Fields: values.Fields}})
		}
		return s
	}
	wrapped := resolver(t, DefaultConfig(), Options{Store: &memory{}, Wrap: wrap}).Topic("clicks", "k")
	b := batch(t, `null`, `"x"`, `{}`, `null`)
	b.At(2).Value.SetSchema(version(1, fieldA))
	if wait, err := bare.Learn(t.Context(), b); wait > 0 || err != nil {
		t.Fatalf("%s, %v", wait, err)
	}
	var groups []string
	for i := range 4 {
		if _, _, err := bare.Of(b.At(i)); (err == nil) != (i == 2) {
			t.Errorf("row %d: %v", i, err)
		}
		_, group := of(t, wrapped, b, i)
		groups = append(groups, group)
	}
	if !slices.Equal(groups, []string{"null", "string", "1", "1"}) {
		t.Errorf("%q", groups)
	}
	if columns, _ := of(t, wrapped, b, 3); names(columns) != "offset int64, value struct" {
		t.Errorf("%s", names(columns))
	}
}

// TestBadSchema: a schema that gives no columns is said of each of its values.
func TestBadSchema(t *testing.T) {
	topic := resolver(t, DefaultConfig(), Options{Store: &memory{}}).Topic("clicks", "k")
	b := batch(t, `{}`)
	b.At(0).Value.SetSchema(&serde.Schema{Format: serde.Avro, Name: "Click", Version: 7, ID: "ab", Text: `{"type":"array","items":"int"}`})
	for range 2 {
		if _, _, err := topic.Of(b.At(0)); err == nil || !strings.Contains(err.Error(), `schema "Click", version 7`) {
			t.Errorf("%v", err)
		}
	}
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"":                         func(*Config) {},
		"from is":                  func(c *Config) { c.From = "hive" },
		"columns can't be set":     func(c *Config) { c.From, c.Columns = "catalog", "{}" },
		"columns: ":                func(c *Config) { c.Columns = "{}" },
		"message is for":           func(c *Config) { c.Message = "a.B" },
		"compatibility: ":          func(c *Config) { c.Compatibility = "sideways" },
		"sample is -1":             func(c *Config) { c.Sample = -1 },
		"wait is -1":               func(c *Config) { c.Wait = -1 },
		"sample is 1000000; it mu": func(c *Config) { c.Sample = 1_000_000 },
	} {
		c := DefaultConfig()
		change(&c)
		if err := c.Validate(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
