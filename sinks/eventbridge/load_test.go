package eventbridge

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/connectortest"
	"github.com/millrace/millrace/serde"
	jsonserde "github.com/millrace/millrace/serde/json"
)

type R = connectortest.R

// records makes one per key, with its place as its value.
func records(keys ...string) []R {
	rs := make([]R, len(keys))
	for i, k := range keys {
		rs[i] = R{Key: k, Value: fmt.Sprintf(`{"n":%d}`, i)}
	}
	return rs
}

func keys(n int) []string {
	ks := make([]string, n)
	for i := range ks {
		ks[i] = fmt.Sprint("k", i)
	}
	return ks
}

// text is a record whose event is about n bytes larger than that of a small one.
func text(key string, n int) R {
	return R{Key: key, Value: fmt.Sprintf(`{"text":%q}`, strings.Repeat("x", n))}
}

// load must not fail as a whole.
func load(t testing.TB, s *Sink, rs ...R) *connector.Batch {
	t.Helper()
	b := connectortest.Batch(t, "t", 0, rs...)
	if err := s.Load(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return b
}

// failed lists the records that are marked.
func failed(b *connector.Batch) (is []int) {
	for i := range b.Len() {
		if b.Err(i) != nil {
			is = append(is, i)
		}
	}
	return is
}

// offsets lists those of the events that were taken, in order.
func (d *double) offsets(t testing.TB) (out []int) {
	t.Helper()
	for _, e := range d.events() {
		var detail struct{ Offset int }
		if err := json.Unmarshal([]byte(*e.Detail), &detail); err != nil {
			t.Fatal(err)
		}
		out = append(out, detail.Offset)
	}
	return out
}

func equal[T comparable](t testing.TB, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// TestRequests: how a Load is cut, by entries, bytes and keys.
func TestRequests(t *testing.T) {
	for name, tc := range map[string]struct {
		records []R
		change  func(*Config)
		entries []int // of each request
		order   []int // offsets; nil: as they are
	}{
		"ten entries":      {records: records(keys(25)...), entries: []int{10, 10, 5}},
		"one of each key":  {records: records("a", "a", "b", "a", "c"), entries: []int{3, 1, 1}, order: []int{0, 2, 4, 1, 3}},
		"no key":           {records: []R{{NullKey: true, Value: "{}"}, {NullKey: true, Value: "{}"}}, entries: []int{2}},
		"empty key":        {records: []R{{Value: "{}"}, {Value: "{}"}}, entries: []int{1, 1}},
		"without order":    {records: records("a", "a", "b", "a", "c"), change: func(c *Config) { c.Order = orderNone }, entries: []int{5}},
		"a request's size": {records: []R{text("a", 400<<10), text("b", 400<<10), text("c", 400<<10), text("d", 100)}, entries: []int{2, 2}},
		"each its own": {
			records: []R{text("a", 600<<10), text("b", 600<<10), text("c", 600<<10)}, entries: []int{1, 1, 1},
		},
		"no room, and one of a key": {
			records: []R{text("a", 600<<10), text("a", 1), text("b", 600<<10), text("b", 1), text("c", 1)}, entries: []int{1, 3, 1}, order: []int{0, 2, 1, 4, 3},
		},
		"small requests": {
			records: []R{text("a", 1000), text("b", 1000), text("c", 1000), text("d", 1000)},
			change:  func(c *Config) { c.MaxRequest = 3 << 10 }, entries: []int{2, 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			var changes []func(*Config)
			if tc.change != nil {
				changes = append(changes, tc.change)
			}
			s := d.open(t, changes...)
			d.limit = s.maxRequest // more is refused, in one by one requests
			b := load(t, s, tc.records...)
			equal(t, "failed", failed(b), nil)
			equal(t, "entries", d.entries, tc.entries)
			if tc.order == nil {
				for i := range tc.records {
					tc.order = append(tc.order, i)
				}
			}
			equal(t, "order", d.offsets(t), tc.order)
		})
	}
}

// TestSizeAtTheLimit: requests are filled to the last byte, and not beyond.
func TestSizeAtTheLimit(t *testing.T) {
	d := newDouble(t)
	load(t, d.open(t), text("a", 0), text("b", 0))
	one := d.taken[0].size()
	for extra, want := range map[int][]int{-1: {1, 1}, 0: {2}} {
		d := newDouble(t)
		d.limit = 2*(one+1000) + extra
		b := load(t, d.open(t, func(c *Config) { c.MaxRequest = connector.Bytes(d.limit) }), text("a", 1000), text("b", 1000))
		equal(t, "failed", failed(b), nil)
		equal(t, fmt.Sprintf("entries at %d more than the limit", -extra), d.entries, want)
	}
}

// TestFailedEntries: only what failed is marked, and what follows it with its key.
func TestFailedEntries(t *testing.T) {
	d := newDouble(t)
	s := d.open(t)
	codes := map[string]string{"a": "ThrottlingException", "c": "MalformedDetail", "d": "NotAuthorizedForSourceException", "e": "InternalFailure"}
	d.fault = func(_ int, e *sent) *says {
		var detail struct{ Key string }
		_ = json.Unmarshal([]byte(*e.Detail), &detail)
		if code := codes[detail.Key]; code != "" {
			return &says{code: code, message: "because"}
		}
		return nil
	}
	b := load(t, s, records("a", "b", "c", "d", "e", "a", "b", "c", "a")...)
	equal(t, "failed", failed(b), []int{0, 2, 3, 4, 5, 7, 8})
	equal(t, "sent", d.offsets(t), []int{1, 6})
	equal(t, "entries", d.entries, []int{5, 2}) // a waits, c doesn't: its first will never be sent
	for i, want := range map[int]string{
		0: "retryable: PutEvents on event bus orders: ThrottlingException: because (AWS limits the requests of the account)",
		2: "permanent: PutEvents on event bus orders: MalformedDetail: because (EventBridge doesn't take the detail for a JSON object)",
		3: "systemic: PutEvents on event bus orders: NotAuthorizedForSourceException: because (the policy of the bus, or of the credentials, doesn't allow this source: look at events:source)",
		5: "retryable: waits for an earlier record of its key: PutEvents on event bus orders: ThrottlingException: because (AWS limits the requests of the account)",
		8: "retryable: waits for an earlier record of its key: PutEvents on event bus orders: ThrottlingException: because (AWS limits the requests of the account)",
	} {
		if got := fmt.Sprintf("%v: %v", connector.ClassOf(b.Err(i)), b.Err(i)); got != want {
			t.Errorf("record %d:\n%s, want\n%s", i, got, want)
		}
	}
}

// TestRequestFails: what a failed request leaves undone.
func TestRequestFails(t *testing.T) {
	throttled := &says{400, "ThrottlingException", "Rate exceeded"}
	t.Run("the first", func(t *testing.T) {
		d := newDouble(t)
		s := d.open(t)
		d.next = throttled
		b := connectortest.Batch(t, "t", 0, records(keys(25)...)...)
		err := s.Load(t.Context(), b)
		if connector.ClassOf(err) != connector.Retryable || err == nil || !strings.Contains(err.Error(), "Rate exceeded") {
			t.Errorf("got %v", err)
		}
		equal(t, "failed", failed(b), nil)
		equal(t, "entries", d.entries, []int{10})
	})
	t.Run("the second", func(t *testing.T) {
		d := newDouble(t)
		s := d.open(t)
		d.fault = func(n int, _ *sent) *says {
			if n == 9 {
				d.next = throttled
			}
			return nil
		}
		b := load(t, s, append(records(keys(15)...), text("x", 900<<10), text("y", 900<<10), text("z", 1))...)
		equal(t, "failed", failed(b), []int{10, 11, 12, 13, 14, 15, 16, 17})
		equal(t, "entries", d.entries, []int{10, 6})
		for _, i := range failed(b) {
			if connector.ClassOf(b.Err(i)) != connector.Retryable {
				t.Errorf("record %d: %v", i, b.Err(i))
			}
		}
	})
}

// TestRefusedTogether: a request is refused for one of its entries, and that one alone fails for ever.
func TestRefusedTogether(t *testing.T) {
	for name, said := range map[string]says{
		"size":          {400, "ValidationException", "Total size of the entries in the request is over the limit."},
		"length":        {400, "ValidationException", "1 validation error detected: Value at 'entries.3.member.detailType' failed to satisfy constraint"},
		"413":           {413, "", ""},
		"serialization": {400, "SerializationException", "null"},
		"its own code":  {400, "InvalidArgument", "no"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			s := d.open(t)
			d.refuses = func(es []sent) *says {
				for _, e := range es {
					if strings.Contains(*e.Detail, "bad") {
						return &said
					}
				}
				return nil
			}
			rs := records(keys(12)...)
			rs[3].Value = `{"bad":1}`
			b := load(t, s, rs...)
			equal(t, "failed", failed(b), []int{3})
			if connector.ClassOf(b.Err(3)) != connector.Permanent {
				t.Errorf("class of %v", b.Err(3))
			}
			equal(t, "entries", d.entries, []int{10, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2})
			equal(t, "sent", d.offsets(t), []int{0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11})
		})
	}
}

// TestRefusedForTheConfiguration: what isn't said against entries never sends records to the dead letter.
func TestRefusedForTheConfiguration(t *testing.T) {
	for _, said := range []says{
		{400, "ValidationException", "EndpointId x.veo is not valid"},
		{400, "ValidationException", "Value at 'entries.1.member.eventBusName' failed to satisfy constraint"},
		{400, "ValidationException", ""},
		{400, "UnknownOperationException", ""},
		{403, "", ""},
		{400, "SomethingNewException", "entries"},
	} {
		d := newDouble(t)
		s := d.open(t)
		d.next = &said
		b := connectortest.Batch(t, "t", 0, records(keys(3)...)...)
		if err := s.Load(t.Context(), b); connector.ClassOf(err) != connector.Systemic || len(failed(b)) > 0 {
			t.Errorf("%v: %v of class %v, failed %v", said, err, connector.ClassOf(err), failed(b))
		}
		equal(t, "entries", d.entries, []int{3})
	}
}

// TestBadInput: what can never be an event fails alone, and says why.
func TestBadInput(t *testing.T) {
	const good = `{"type":"t","source":"s"}`
	long := strings.Repeat("x", 2<<20)
	values := []string{
		good, `{"type":"t"`, `[1]`, `{"type":"t","source":"s","text":"` + long + `"}`, `{"type":"","source":"s"}`, `{"type":"t","source":"aws.x"}`,
		`{"source":"s"}`, good, good,
	}
	wants := map[int]string{
		1: "", // the decoder's
		2: "source: ",
		3: "max_request is 1048576",
		4: "detail_type: is empty",
		5: `source: is "aws.x" for this record`,
		6: "detail_type: ",
		7: "NaN",
	}
	rs := make([]R, len(values))
	for i, v := range values {
		rs[i] = R{Key: fmt.Sprint(i), Value: v}
	}
	decoder, err := jsonserde.New(jsonserde.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	for _, detail := range []string{detailRecord, detailValue} {
		d := newDouble(t)
		change := func(c *Config) {
			c.Source, c.DetailType.Text, c.Detail = "{value.source}", "{value.type}", detail
		}
		b := connectortest.Raw("t", 0, rs...)
		b.Decode(t.Context(), serde.StringDecoder{}, decoder)
		nan := b.Tape().Object([]string{"type", "source", "x"}, []serde.Value{b.Tape().String("t"), b.Tape().String("s"), b.Tape().Float64(math.NaN())})
		b.At(7).Value = nan
		if err := d.open(t, change).Load(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		equal(t, "failed", failed(b), []int{1, 2, 3, 4, 5, 6, 7})
		for i, want := range wants {
			if err := b.Err(i); connector.ClassOf(err) != connector.Permanent || err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("detail: %s, record %d: %v, want %q", detail, i, err, want)
			}
		}
		if n := len(d.events()); n != 2 {
			t.Errorf("detail: %s: %d events", detail, n)
		}

		dry := connectortest.Raw("t", 0, rs...)
		dry.Decode(t.Context(), serde.StringDecoder{}, decoder)
		dry.At(7).Value = nan
		l, err := d.config(change).DryRun()
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Load(t.Context(), dry); err != nil {
			t.Fatal(err)
		}
		equal(t, "failed in a dry run", failed(dry), []int{1, 2, 3, 4, 5, 6, 7})
	}
}

// TestContextEnds: a Load that is under way returns, and nothing is lost or refused for ever.
func TestContextEnds(t *testing.T) {
	d := newDouble(t)
	s := d.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	d.fault = func(n int, _ *sent) *says {
		if n == 9 {
			cancel() // while the first request is answered
		}
		return nil
	}
	b := connectortest.Batch(t, "t", 0, records(keys(30)...)...)
	err := s.Load(ctx, b)
	for i := 10; i < 30; i++ {
		if e := b.Err(i); err == nil && (e == nil || connector.ClassOf(e) != connector.Retryable) {
			t.Fatalf("record %d: %v", i, e)
		}
	}
	if connector.ClassOf(err) != connector.Retryable {
		t.Error(err)
	}
}
