package dynamodb

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/sinks/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An attributes is an item as DynamoDB's JSON has it.
type attributes map[string]any

// A call is a request to write.
type call struct {
	operation string
	body      map[string]any
}

// A double is a table in memory, as strict as the sink needs it: it evaluates the expressions that come, and refuses what it doesn't know.
type double struct {
	*httptest.Server
	describe string // answer of DescribeTable; "" is a table with the text key id

	mu       sync.Mutex
	changed  *sync.Cond // of now
	items    map[string]attributes
	calls    []call
	refuse   func(call) (status int, answer string) // "" lets the call be done
	skip     func(key string) bool                  // items of a BatchWriteItem to give back
	lose     bool                                   // the next call is done, and its answer lost
	stalled  chan struct{}
	now, top int // calls under way, and the most at a time
}

func newDouble(t testing.TB) *double {
	d := &double{items: map[string]attributes{}}
	d.changed = sync.NewCond(&d.mu)
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

// config writes sinktest's records to the double, or to another endpoint.
func config(endpoint string, change ...func(*Config)) Config {
	c := DefaultConfig()
	c.Region, c.AccessKey, c.SecretKey = "eu-west-1", secret.New("millrace"), secret.New("hunter2")
	c.Endpoint, c.Table = endpoint, "trips"
	c.Key, c.Item = []Attribute{{"id", "key"}}, "value"
	for _, f := range change {
		f(&c)
	}
	return c
}

func open(t testing.TB, c Config) *Sink {
	t.Helper()
	s, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func newest(c *Config)   { c.Write = writeNewest }
func deleting(c *Config) { c.OnTombstone = tombstoneDelete }

const table = `{"Table":{"TableStatus":"ACTIVE","KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}]}}`

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := call{operation: strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810.")}
	if err := json.NewDecoder(r.Body).Decode(&c.body); err != nil {
		d.answer(w, http.StatusBadRequest, fault("SerializationException", err.Error()))
		return
	}
	if c.operation == opDescribe {
		if d.describe == "" {
			d.answer(w, http.StatusOK, table)
		} else if strings.Contains(d.describe, "__type") {
			d.answer(w, http.StatusBadRequest, d.describe)
		} else {
			d.answer(w, http.StatusOK, d.describe)
		}
		return
	}
	status, answer, drop := d.serve(c)
	if drop {
		panic(http.ErrAbortHandler)
	}
	d.answer(w, status, answer)
}

func (d *double) answer(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

func fault(code, message string) string {
	text, _ := json.Marshal(map[string]string{"__type": "com.amazonaws.dynamodb.v20120810#" + code, "message": message})
	return string(text)
}

// serve does a call, while others are under way too.
func (d *double) serve(c call) (status int, answer string, drop bool) {
	d.mu.Lock()
	d.calls = append(d.calls, c)
	d.now++
	d.top = max(d.top, d.now)
	d.changed.Broadcast()
	stalled, refuse := d.stalled, d.refuse
	d.mu.Unlock()
	if stalled != nil {
		<-stalled
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now--
	if refuse != nil {
		if status, answer := refuse(c); answer != "" {
			return status, answer, false
		}
	}
	answer, code := d.do(c)
	drop, d.lose = d.lose, false
	if code != "" {
		return http.StatusBadRequest, answer, drop
	}
	return http.StatusOK, answer, drop
}

func (d *double) do(c call) (answer, code string) {
	refused := func(code, message string) (string, string) { return fault(code, message), code }
	var err error
	switch c.operation {
	case opBatch:
		answer, err = d.batch(c.body)
		if err != nil {
			return refused(codeValidation, err.Error())
		}
		return answer, ""
	case opPut, opUpdate:
	default:
		return refused("UnknownOperationException", c.operation)
	}
	x := expressionOf(c.body)
	key, err := keyOf(c.body["Item"], c.body["Key"])
	if err != nil {
		return refused(codeValidation, err.Error())
	}
	ok, err := x.holds(d.items[key])
	if err != nil {
		return refused(codeValidation, "Invalid ConditionExpression: "+err.Error())
	}
	after := attributes{}
	if c.operation == opPut {
		maps.Copy(after, c.body["Item"].(map[string]any))
	} else {
		maps.Copy(after, d.items[key])
		maps.Copy(after, c.body["Key"].(map[string]any))
		if err = x.update(after); err == nil && x.text != "" {
			err = fmt.Errorf("there is more: %s", x.text)
		}
	}
	if err == nil {
		err = x.unused()
	}
	if err != nil {
		return refused(codeValidation, err.Error())
	}
	if !ok {
		old := map[string]any{"__type": codeCondition, "message": "The conditional request failed"}
		if c.body["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD" {
			old["Item"] = d.items[key]
		}
		text, _ := json.Marshal(old)
		return string(text), codeCondition
	}
	d.items[key] = after
	return "{}", ""
}

// keyOf is the text of the key id in whichever of both is there.
func keyOf(item, key any) (string, error) {
	if item == nil {
		item = key
	}
	all, _ := item.(map[string]any)
	id, _ := all["id"].(map[string]any)
	text, ok := id["S"].(string)
	if !ok || text == "" {
		return "", fmt.Errorf("One or more parameter values were invalid: Missing the key id in the item")
	}
	return text, nil
}

func (d *double) batch(body map[string]any) (string, error) {
	requests, _ := body["RequestItems"].(map[string]any)["trips"].([]any)
	if len(requests) == 0 || len(requests) > 25 {
		return "", fmt.Errorf("Too many items requested for the BatchWriteItem call: %d", len(requests))
	}
	seen := map[string]bool{}
	after, back := maps.Clone(d.items), []any{}
	for _, r := range requests {
		put, _ := r.(map[string]any)["PutRequest"].(map[string]any)
		remove, _ := r.(map[string]any)["DeleteRequest"].(map[string]any)
		key, err := keyOf(put["Item"], remove["Key"])
		if err != nil {
			return "", err
		}
		if seen[key] {
			return "", fmt.Errorf("Provided list of item keys contains duplicates")
		}
		seen[key] = true
		switch {
		case d.skip != nil && d.skip(key):
			back = append(back, r)
		case put != nil:
			after[key] = put["Item"].(map[string]any)
		default:
			delete(after, key)
		}
	}
	d.items = after
	left := map[string]any{}
	if len(back) > 0 {
		left["trips"] = back
	}
	text, err := json.Marshal(map[string]any{"UnprocessedItems": left})
	return string(text), err
}

// set changes what the double does, while calls may be under way.
func (d *double) set(f func(d *double)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(d)
}

func (d *double) sent() []call {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls)
}

// once refuses the next call only.
func (d *double) once(status int, answer string) {
	d.set(func(d *double) {
		d.refuse = func(call) (int, string) {
			d.refuse = nil
			return status, answer
		}
	})
}

// plain is an item in simple terms: texts, numbers as texts, lists of them. Markers aren't items.
func (d *double) plain(guard string) map[string]map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return plainItems(d.items, guard)
}

func plainItems(items map[string]attributes, guard string) map[string]map[string]string {
	out := map[string]map[string]string{}
	for key, item := range items {
		if g, ok := item[guard].(map[string]any); ok {
			if _, marker := g["M"].(map[string]any)["deleted"]; marker {
				continue
			}
		}
		out[key] = map[string]string{}
		for name, v := range item {
			if name != "id" && name != guard && !strings.HasPrefix(name, guard+":") {
				out[key][name] = plainValue(v)
			}
		}
	}
	return out
}

func plainValue(v any) string {
	for _, value := range v.(map[string]any) {
		if text, ok := value.(string); ok {
			return text
		}
		text, _ := json.Marshal(value)
		return string(text)
	}
	return ""
}

// destination shows a sink's writes to the conformance suite.
func (d *double) destination(t testing.TB, s *Sink) sinktest.Destination {
	return sinktest.Destination{
		Loader:   s,
		Read:     func() ([]sinktest.Delivery, error) { return deliveries(t, d.plain(s.guardName())) },
		Requests: func() int { return len(d.sent()) },
		Fail: func(c connector.Class) bool {
			if c == connector.Retryable {
				d.once(http.StatusInternalServerError, fault("InternalServerError", "The request processing has failed"))
			} else {
				d.once(http.StatusBadRequest, fault("AccessDeniedException", "User: u is not authorized to perform: dynamodb:PutItem"))
			}
			return true
		},
		LoseReply: func() { d.set(func(d *double) { d.lose = true }) },
		Stall: func() func() {
			stalled := make(chan struct{})
			d.set(func(d *double) { d.stalled = stalled })
			return sync.OnceFunc(func() {
				d.set(func(d *double) { d.stalled = nil })
				close(stalled)
			})
		},
	}
}

func (s *Sink) guardName() string {
	if s.guard == nil {
		return ""
	}
	return s.guard.attribute
}

// deliveries are what items of sinktest's records hold.
func deliveries(t testing.TB, items map[string]map[string]string) ([]sinktest.Delivery, error) {
	var ds []sinktest.Delivery
	for key, item := range items {
		value := fmt.Sprintf(`{"key":%q,"seq":%s,"note":%q}`, item["key"], item["seq"], item["note"])
		one, err := sinktest.Parse([]byte(value))
		if err != nil {
			return nil, err
		}
		if one.Key != key {
			t.Errorf("the item of %q is a record of %q", key, one.Key)
		}
		ds = append(ds, one)
	}
	return ds, nil
}

func clock(s *Sink, seconds int64) { s.now = func() time.Time { return time.Unix(seconds, 0) } }
