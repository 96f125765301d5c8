package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// callLatency is how long after it came in a request is answered.
	callLatency = 10 * time.Millisecond
	// callsInFlight is how many requests each program has under way.
	callsInFlight = 32
	// callsChecked is how many requests of a program are parsed; of the others the items are counted by their names.
	callsChecked = 100

	tableName  = "bench"
	tableKey   = "trip_id"
	busName    = "bench"
	callRegion = "us-east-1"
	callKey    = "bench" // access key and secret key
)

// Operations that carry items, by what X-Amz-Target ends with.
const (
	opBatchWrite = "BatchWriteItem"
	opPut        = "PutItem"
	opEvents     = "PutEvents"
)

// Most items of a request, by the services' limits.
const (
	batchWriteItems = 25
	eventEntries    = 10
)

// A callStub answers like DynamoDB and EventBridge, as far as a sink asks, after callLatency. It keeps nothing and checks no signatures; what
// is no such request, has too many items or two of one key is refused as they do. It runs in the process of bench, whose CPU time isn't measured.
type callStub struct {
	server *http.Server
	url    string

	mu sync.Mutex
	u  callUsage
}

// A callUsage is what a program asked of a callStub.
type callUsage struct {
	requests    map[string]int64 // by operation
	items       int64
	underWay    int
	most        int // under way at a time
	first, last time.Time
}

func newCallStub() (*callStub, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the stub of DynamoDB and EventBridge: %w", err)
	}
	s := &callStub{url: "http://" + l.Addr().String(), u: callUsage{requests: map[string]int64{}}}
	s.server = &http.Server{Handler: s}
	go func() { _ = s.server.Serve(l) }() // it ends with close
	return s, nil
}

func (s *callStub) close() { _ = s.server.Close() }

func (s *callStub) usage() callUsage {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.u
	u.requests = maps.Clone(u.requests)
	return u
}

func (s *callStub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	arrived := time.Now()
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	body := make([]byte, max(0, r.ContentLength))
	if _, err := io.ReadFull(r.Body, body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	nth := s.begin(operation, arrived)
	n, err := itemsOf(operation, body, nth <= callsChecked)
	timer := time.NewTimer(callLatency - time.Since(arrived))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
	if err != nil {
		s.end(0)
		answerCall(w, http.StatusBadRequest, `{"__type":"com.amazon.coral.validate#ValidationException","message":`+strconv.Quote(err.Error())+`}`)
		return
	}
	s.end(n)
	answerCall(w, http.StatusOK, reply(operation, n))
}

// begin counts a request and says the how manieth of its operation it is.
func (s *callStub) begin(operation string, at time.Time) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.u.requests[operation]++
	s.u.underWay++
	s.u.most = max(s.u.most, s.u.underWay)
	if carries(operation) && s.u.first.IsZero() {
		s.u.first = at
	}
	return s.u.requests[operation]
}

func (s *callStub) end(items int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.u.underWay--
	if items > 0 {
		s.u.items += int64(items)
		s.u.last = time.Now()
	}
}

func carries(operation string) bool {
	return operation == opBatchWrite || operation == opPut || operation == opEvents
}

// itemsOf counts the items of a request. The names that it counts don't occur in trips, and inside of a detail their quotes are escaped.
func itemsOf(operation string, body []byte, parse bool) (n int, err error) {
	most := 1
	switch operation {
	case opBatchWrite:
		n, most = bytes.Count(body, []byte(`"PutRequest":`)), batchWriteItems
	case opEvents:
		n, most = bytes.Count(body, []byte(`"Detail":`)), eventEntries
	case opPut:
		n = bytes.Count(body, []byte(`"Item":`))
	case "DescribeTable", "DescribeTimeToLive", "DescribeEventBus":
		return 0, nil
	default:
		return 0, fmt.Errorf("the operation %q isn't known", operation)
	}
	if n == 0 || n > most {
		return 0, fmt.Errorf("%d items in a request of %s, which takes 1 to %d", n, operation, most)
	}
	if !parse {
		return n, nil
	}
	found, err := parseCall(operation, body)
	if err == nil && found != n {
		err = fmt.Errorf("%d items by their names, %d by parsing", n, found)
	}
	return n, err
}

// A callBody is a request of any of the three operations.
type callBody struct {
	RequestItems map[string][]struct{ PutRequest struct{ Item callItem } }
	TableName    string
	Item         callItem
	Entries      []struct{ Source, DetailType, Detail, EventBusName string }
}

type callItem map[string]map[string]json.RawMessage

// tripFields is how many fields a trip has. No program may save itself some of them.
const tripFields = 11

func parseCall(operation string, body []byte) (n int, err error) {
	var c callBody
	if err := json.Unmarshal(body, &c); err != nil {
		return 0, err
	}
	keys := map[string]bool{}
	put := func(table string, i callItem) {
		key := string(i[tableKey]["S"])
		switch {
		case table != tableName:
			err = fmt.Errorf("there is no table %q", table)
		case key == "" || len(i) < tripFields:
			err = fmt.Errorf("an item has the key %q and %d attributes", key, len(i))
		case keys[key]:
			err = errors.New("provided list of item keys contains duplicates")
		}
		keys[key] = true
	}
	if operation == opPut {
		put(c.TableName, c.Item)
	}
	for table, requests := range c.RequestItems {
		for i := range requests {
			put(table, requests[i].PutRequest.Item)
		}
	}
	for i := range c.Entries {
		e := &c.Entries[i]
		var detail struct {
			Topic string                     `json:"topic"`
			Value map[string]json.RawMessage `json:"value"`
		}
		if bad := json.Unmarshal([]byte(e.Detail), &detail); bad != nil {
			return 0, bad
		}
		if e.Source == "" || e.DetailType == "" || e.EventBusName == "" || detail.Topic == "" || len(detail.Value) != tripFields {
			err = fmt.Errorf("an entry isn't one of a trip: %+v", *e)
		}
	}
	return len(keys) + len(c.Entries), err
}

// reply is what the service answers when all went well.
func reply(operation string, n int) string {
	switch operation {
	case opBatchWrite:
		return `{"UnprocessedItems":{}}`
	case opEvents:
		entries := strings.Repeat(`,{"EventId":"7bf73129-1428-4cd3-a780-95db273d1602"}`, n)
		return `{"FailedEntryCount":0,"Entries":[` + entries[1:] + `]}`
	case "DescribeTable":
		return `{"Table":{"TableName":"` + tableName + `","TableStatus":"ACTIVE","TableArn":"arn:aws:dynamodb:` + callRegion + `:123456789012:table/` + tableName + `",` +
			`"AttributeDefinitions":[{"AttributeName":"` + tableKey + `","AttributeType":"S"}],"KeySchema":[{"AttributeName":"` + tableKey + `","KeyType":"HASH"}]}}`
	case "DescribeTimeToLive":
		return `{"TimeToLiveDescription":{"TimeToLiveStatus":"DISABLED"}}`
	case "DescribeEventBus":
		return `{"Name":"` + busName + `","Arn":"arn:aws:events:` + callRegion + `:123456789012:event-bus/` + busName + `"}`
	}
	return `{}`
}

func answerCall(w http.ResponseWriter, status int, body string) {
	h := w.Header()
	h.Set("Content-Type", "application/x-amz-json-1.0")
	h.Set("X-Amzn-Requestid", "7bf73129-1428-4cd3-a780-95db273d1602")
	h.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(body))), 10)) // DynamoDB's, which its clients check
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // fails only where nobody waits for it
}
