//go:build testbed

package dynamodb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/awsjson"
	"github.com/millrace/millrace/sinks/sinktest"
	"github.com/millrace/millrace/testbed"
)

// A local is DynamoDB Local with a table of the test's own.
type local struct {
	client *awsjson.Client
	table  string
}

const oneTextKey = `"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]`

func newLocal(t testing.TB, schema string) (local, Config) {
	t.Helper()
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, t.Name())
	c := config(testbed.DynamoDBLocal(t).Endpoint, func(c *Config) { c.Table = name })
	client, err := awsjson.Connect(t.Context(), service(), c.Config, awsjson.Options{Endpoint: c.Endpoint, Place: "table " + name})
	if err != nil {
		t.Fatal(err)
	}
	l := local{client, name}
	if _, err := l.client.Call(t.Context(), "DeleteTable", fmt.Appendf(nil, `{"TableName":%q}`, name), nil); err != nil && awsjson.Refusal(err).Code != codeNoTable {
		t.Fatal(err)
	}
	l.call(t, "CreateTable", fmt.Sprintf(`{"TableName":%q,"BillingMode":"PAY_PER_REQUEST",%s}`, name, schema))
	t.Cleanup(func() {
		if _, err := client.Call(context.Background(), "DeleteTable", fmt.Appendf(nil, `{"TableName":%q}`, name), nil); err != nil {
			t.Error(err)
		}
		client.Close()
	})
	return l, c
}

func (l local) call(t testing.TB, operation, body string) []byte {
	t.Helper()
	answer, err := l.client.Call(t.Context(), operation, []byte(body), nil)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// scan is the table, by the key id.
func (l local) scan(t testing.TB) map[string]attributes {
	t.Helper()
	items := map[string]attributes{}
	start := ""
	for {
		var page struct {
			Items            []attributes
			LastEvaluatedKey json.RawMessage
		}
		if err := json.Unmarshal(l.call(t, "Scan", fmt.Sprintf(`{"TableName":%q,"ConsistentRead":true%s}`, l.table, start)), &page); err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			items[plainValue(item["id"])] = item
		}
		if page.LastEvaluatedKey == nil {
			return items
		}
		start = `,"ExclusiveStartKey":` + string(page.LastEvaluatedKey)
	}
}

// TestRealBehaviour: DynamoDB does what the double does.
func TestRealBehaviour(t *testing.T) {
	for name, test := range behaviours {
		t.Run(name, func(t *testing.T) {
			l, c := newLocal(t, oneTextKey)
			test(t, bed{c, l.scan})
		})
	}
}

func TestRealLoader(t *testing.T) {
	for _, write := range []string{writeFast, writeNewest} {
		t.Run(write, func(t *testing.T) {
			sinktest.RunLoader(t, sinktest.LoaderHarness{
				Keyed: true,
				Open: func(t testing.TB) sinktest.Destination {
					l, c := newLocal(t, oneTextKey)
					c.Write = write
					s := open(t, c)
					return sinktest.Destination{Loader: s, Read: func() ([]sinktest.Delivery, error) {
						return deliveries(t, plainItems(l.scan(t), s.guardName()))
					}}
				},
				Bad: badRecords,
			})
		})
	}
}

// TestRealRace: many writers of the same records at a time, each from everywhere, end as one.
func TestRealRace(t *testing.T) {
	l, c := newLocal(t, oneTextKey)
	newest(&c)
	sums := c
	summing(&sums)
	sums.Key = []Attribute{{"id", `"sum of " + key`}}
	const writers, records, names = 6, 120, 3
	var writing sync.WaitGroup
	for w := range writers {
		items, counts := open(t, c), open(t, sums)
		writing.Go(func() {
			for at := 0; at < records; at += 10 {
				var recs []rec
				for n := at - min(at, 10*w); n < at+10; n++ {
					recs = append(recs, rec{key: fmt.Sprint("k", n%names), value: fmt.Sprintf(`{"n":%d}`, n), offset: int64(n), timestamp: int64(n)})
				}
				load(t, items, origin{}, recs...)
				load(t, counts, origin{}, recs...)
			}
		})
	}
	writing.Wait()
	want := plain{}
	for k := range names {
		sum := 0
		for n := k; n < records; n += names {
			sum += n
		}
		want[fmt.Sprint("k", k)] = map[string]string{"n": fmt.Sprint(records - names + k)}
		want[fmt.Sprint("sum of k", k)] = map[string]string{"sum": fmt.Sprint(sum)}
	}
	bed{c, l.scan}.wants(t, want)
}

// TestRealBorders: what the sink takes, DynamoDB takes too, and what it refuses is refused there as well.
func TestRealBorders(t *testing.T) {
	const both = `"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"},{"AttributeName":"s","AttributeType":"S"}],` +
		`"KeySchema":[{"AttributeName":"id","KeyType":"HASH"},{"AttributeName":"s","KeyType":"RANGE"}]`
	l, c := newLocal(t, both)
	c.Key = []Attribute{{"id", "value.id"}, {"s", "value.s"}}
	c.Item = "value"
	newest(&c)
	strict := open(t, c)
	for name, tc := range map[string]struct {
		id, s string
		rest  string // members of value
		raw   string // the same in DynamoDB's JSON
		good  bool
	}{
		"partition key of 2,048 bytes": {strings.Repeat("k", 2048), "s", ``, ``, true},
		"partition key of 2,049 bytes": {strings.Repeat("k", 2049), "s", ``, ``, false},
		"sort key of 1,024 bytes":      {"sort", strings.Repeat("k", 1024), ``, ``, true},
		"sort key of 1,025 bytes":      {"sort", strings.Repeat("k", 1025), ``, ``, false},
		"empty key":                    {"", "s", ``, ``, false},
		"38 digits":                    {"digits", "38", `,"n":` + strings.Repeat("9", 38), `,"n":{"N":"` + strings.Repeat("9", 38) + `"}`, true},
		"39 digits":                    {"digits", "39", `,"n":` + strings.Repeat("9", 39), `,"n":{"N":"` + strings.Repeat("9", 39) + `"}`, false},
		"31 maps":                      {"maps", "31", `,"m":` + nestedIn(31, `{"x":`, `}`), `,"m":` + nestedIn(31, `{"M":{"x":`, `}}`), true},
		"32 maps":                      {"maps", "32", `,"m":` + nestedIn(32, `{"x":`, `}`), `,"m":` + nestedIn(32, `{"M":{"x":`, `}}`), false},
	} {
		t.Run(name, func(t *testing.T) {
			value := fmt.Sprintf(`{"id":%q,"s":%q%s}`, tc.id, tc.s, tc.rest)
			errs, err := try(t, strict, origin{}, rec{key: "x", value: value})
			if err != nil || (errs[0] == nil) != tc.good || !tc.good && connector.ClassOf(errs[0]) != connector.Permanent {
				t.Errorf("the sink says %v, %v", errs[0], err)
			}
			raw := strings.NewReplacer(`1}`, `{"N":"1"}}`).Replace(tc.raw)
			put := fmt.Sprintf(`{"TableName":%q,"Item":{"id":{"S":%q},"s":{"S":%q}%s}}`, l.table, tc.id, tc.s, raw)
			_, err = l.client.Call(t.Context(), opPut, []byte(put), nil)
			if (err == nil) != tc.good {
				t.Errorf("DynamoDB says %.300v", err)
			}
			if a := awsjson.Refusal(err); err != nil && (a == nil || a.Code != codeValidation) {
				t.Errorf("DynamoDB says %v", err)
			}
		})
	}
}

func nestedIn(levels int, open, closed string) string {
	return strings.Repeat(open, levels) + "1" + strings.Repeat(closed, levels)
}

// TestRealSize: an item of 400 KB is written, one of a byte more isn't sent, and DynamoDB would have refused it.
func TestRealSize(t *testing.T) {
	l, c := newLocal(t, oneTextKey)
	for _, write := range []string{writeFast, writeNewest} {
		t.Run(write, func(t *testing.T) {
			c.Write = write
			s := open(t, c)
			from := rec{key: "large", offset: 12345, index: 67, timestamp: 1_700_000_000_123}
			fits := func(n int) bool {
				r := from
				r.value = `{"t":"` + strings.Repeat("x", n) + `"}`
				errs, err := try(t, s, origin{7, 11}, r)
				if err = errors.Join(append(errs, err)...); err != nil && awsjson.Refusal(err) != nil {
					t.Errorf("%d bytes: the sink took what DynamoDB refuses: %v", n, err)
				}
				from.offset++
				return err == nil
			}
			low, high := 1, maxItemSize
			for high-low > 1 {
				if mid := (low + high) / 2; fits(mid) {
					low = mid
				} else {
					high = mid
				}
			}
			// The item that didn't fit, as it would have been sent.
			item := l.scan(t)["large"]
			item["t"] = map[string]any{"S": strings.Repeat("x", low+1)}
			text, err := json.Marshal(map[string]any{"TableName": l.table, "Item": item})
			if err != nil {
				t.Fatal(err)
			}
			_, err = l.client.Call(t.Context(), opPut, text, nil)
			if a := awsjson.Refusal(err); a == nil || a.Code != codeValidation || a.Status != http.StatusBadRequest {
				t.Errorf("DynamoDB takes %d bytes more than the sink: %v", 1, err)
			}
		})
	}
}

// TestRealStart: the table is looked at before anything is read.
func TestRealStart(t *testing.T) {
	_, c := newLocal(t, oneTextKey)
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no table":       {func(c *Config) { c.Table = "nobody" }, "there is no nobody in Region eu-west-1 at http://"},
		"other key":      {func(c *Config) { c.Key[0].Name = "trip" }, `primary key has the attribute "id" of type S`},
		"too much a key": {func(c *Config) { c.Key = append(c.Key, Attribute{"n", "value.n"}) }, `"n" doesn't belong`},
	} {
		t.Run(name, func(t *testing.T) {
			c := c
			c.Key = append([]Attribute(nil), c.Key...)
			tc.change(&c)
			_, err := c.Open(t.Context())
			if err == nil || connector.ClassOf(err) != connector.Systemic || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
