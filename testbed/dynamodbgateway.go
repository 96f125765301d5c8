package testbed

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A DynamoDBGateway stands before DynamoDB Local and does to writes what DynamoDB may do to them: it refuses them, leaves a part of a batch
// undone, loses the answer of what it did, and does it later. Other calls, and the answers to them, pass. It is safe for many goroutines.
type DynamoDBGateway struct {
	Endpoint string // http://127.0.0.1:15123

	upstream string
	client   *http.Client
	late     time.Duration
	held     sync.WaitGroup // requests that are sent later

	mu     sync.Mutex
	share  float64
	random *rand.Rand
	counts DynamoDBFaults
	kept   []dynamoRequest // conditional writes, for Replay
	writes int             // conditional ones so far
}

// A dynamoRequest is a request that can be sent any time.
type dynamoRequest struct {
	header http.Header
	body   []byte
}

// mostKept bounds what a gateway keeps for Replay: a sample of all conditional writes, each as likely as the others.
const mostKept = 1000

// DynamoDBFaultOptions say what a DynamoDBGateway does. The zero value is no fault at all.
type DynamoDBFaultOptions struct {
	Share float64       // of the writing requests that a fault happens to, from 0 (none) to 1 (all)
	Seed  uint64        // of the choice, which depends on the order of the requests too
	Late  time.Duration // how long a conditional write is held back at most, before it is sent after all; 0: none is
}

// DynamoDBFaults is what a DynamoDBGateway has done.
type DynamoDBFaults struct {
	Requests    int // that write, those that nothing happened to too
	Unprocessed int // batches of which a part was left out
	Items       int // that were left out of them
	Throttled   int // requests refused with ProvisionedThroughputExceededException or ThrottlingException
	Failed      int // requests refused with InternalServerError
	Dropped     int // requests that were done, but the connection was closed instead of an answer
	Late        int // conditional writes whose connection was closed at once, and that were sent later
	LateRefused int // those of them whose condition didn't hold any more
}

// Sum is the number of requests that a fault happened to.
func (f DynamoDBFaults) Sum() int { return f.Unprocessed + f.Throttled + f.Failed + f.Dropped + f.Late }

func (f DynamoDBFaults) String() string {
	return fmt.Sprintf("%d of %d requests (%d partly unprocessed, %d items; %d throttled, %d failed, %d answers dropped, %d applied late, of which %d refused by their condition)",
		f.Sum(), f.Requests, f.Unprocessed, f.Items, f.Throttled, f.Failed, f.Dropped, f.Late, f.LateRefused)
}

// StartDynamoDBGateway starts a gateway before an endpoint. It ends with the test.
func StartDynamoDBGateway(t testing.TB, upstream string, o DynamoDBFaultOptions) *DynamoDBGateway {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	g := &DynamoDBGateway{
		upstream: upstream, client: &http.Client{Transport: transport}, late: o.Late,
		share: o.Share, random: rand.New(rand.NewPCG(o.Seed, 1)),
	}
	server := httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(func() {
		server.Close()
		g.held.Wait()
		transport.CloseIdleConnections()
	})
	g.Endpoint = server.URL
	return g
}

// Set changes the share of requests that a fault happens to.
func (g *DynamoDBGateway) Set(share float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.share = share
}

// Replay sends a sample of the conditional writes so far again, in a random order, as a writer does that was away for long. It returns how
// many it sent, and how many of them were refused by their condition.
func (g *DynamoDBGateway) Replay(ctx context.Context) (sent, refused int, err error) {
	g.mu.Lock()
	kept := g.kept
	g.kept, g.writes = nil, 0
	g.random.Shuffle(len(kept), func(i, j int) { kept[i], kept[j] = kept[j], kept[i] })
	g.mu.Unlock()
	for _, r := range kept {
		answer, err := g.forward(ctx, r)
		if err != nil {
			return sent, refused, err
		}
		sent++
		if answer.conditionFailed() {
			refused++
		}
	}
	return sent, refused, nil
}

// Settle waits until nothing is held back any more. Nobody writes meanwhile.
func (g *DynamoDBGateway) Settle() { g.held.Wait() }

// Faults is what was done so far.
func (g *DynamoDBGateway) Faults() DynamoDBFaults {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counts
}

// A dynamoFault is what happens to a request.
type dynamoFault int

const (
	noFault dynamoFault = iota
	unprocessedFault
	provisionedFault
	throttlingFault
	failedFault
	droppedFault
	lateFault
)

func (g *DynamoDBGateway) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the client is gone
	}
	request := dynamoRequest{header: http.Header{}, body: body}
	for _, name := range []string{"Authorization", "Content-Type", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Target"} {
		request.header.Set(name, r.Header.Get(name))
	}
	ctx := context.WithoutCancel(r.Context()) // what was sent is done, even where the client is gone
	switch fault := g.draw(request); fault {
	case noFault:
		g.answer(ctx, w, request)
	case unprocessedFault:
		g.answerPartly(ctx, w, request)
	case provisionedFault:
		refuseDynamo(w, http.StatusBadRequest, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
			"The level of configured provisioned throughput for the table was exceeded.")
	case throttlingFault:
		refuseDynamo(w, http.StatusBadRequest, "com.amazon.coral.availability#ThrottlingException", "Rate of requests exceeds the allowed throughput.")
	case failedFault:
		refuseDynamo(w, http.StatusInternalServerError, "com.amazonaws.dynamodb.v20120810#InternalServerError", "The request processing has failed")
	case droppedFault:
		_, _ = g.forward(ctx, request) // nobody hears of it
		panic(http.ErrAbortHandler)
	case lateFault:
		g.hold(ctx, request)
		panic(http.ErrAbortHandler)
	}
}

// draw counts a request and says what happens to it.
func (g *DynamoDBGateway) draw(r dynamoRequest) dynamoFault {
	_, operation, _ := strings.Cut(r.header.Get("X-Amz-Target"), ".") // DynamoDB_20120810.PutItem
	conditional := bytes.Contains(r.body, []byte(`"ConditionExpression"`))
	faults := []dynamoFault{provisionedFault, throttlingFault, failedFault, droppedFault}
	switch operation {
	case "BatchWriteItem":
		faults = append(faults, unprocessedFault, unprocessedFault, unprocessedFault)
	case "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems":
		if g.late > 0 && conditional {
			faults = append(faults, lateFault, lateFault)
		}
	default:
		return noFault
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counts.Requests++
	if conditional {
		g.keep(r)
	}
	if g.random.Float64() >= g.share {
		return noFault
	}
	fault := faults[g.random.IntN(len(faults))]
	switch fault {
	case provisionedFault, throttlingFault:
		g.counts.Throttled++
	case failedFault:
		g.counts.Failed++
	case droppedFault:
		g.counts.Dropped++
	case lateFault:
		g.counts.Late++
	}
	return fault
}

// keep takes a conditional write into the sample. The mutex is held.
func (g *DynamoDBGateway) keep(r dynamoRequest) {
	g.writes++
	if len(g.kept) < mostKept {
		g.kept = append(g.kept, r)
	} else if i := g.random.IntN(g.writes); i < mostKept {
		g.kept[i] = r
	}
}

// A dynamoAnswer is an answer of DynamoDB Local.
type dynamoAnswer struct {
	status int
	header http.Header
	body   []byte
}

func (a *dynamoAnswer) conditionFailed() bool {
	return a.status == http.StatusBadRequest && bytes.Contains(a.body, []byte("ConditionalCheckFailed"))
}

// forward sends a request to the upstream.
func (g *DynamoDBGateway) forward(ctx context.Context, r dynamoRequest) (*dynamoAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, g.upstream, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	request.Header = r.header.Clone()
	response, err := g.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer := &dynamoAnswer{status: response.StatusCode, header: response.Header}
	answer.body, err = io.ReadAll(response.Body)
	return answer, err
}

// answer passes a request and its answer. The client sees a broken connection where the upstream's breaks.
func (g *DynamoDBGateway) answer(ctx context.Context, w http.ResponseWriter, r dynamoRequest) {
	answer, err := g.forward(ctx, r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	answer.write(w)
}

func (a *dynamoAnswer) write(w http.ResponseWriter) {
	for _, name := range []string{"Content-Type", "X-Amzn-Requestid"} {
		w.Header().Set(name, a.header.Get(name))
	}
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(a.body)), 10))
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client may be gone
}

// A dynamoBatch is a BatchWriteItem; the rest of it is nothing that writes.
type dynamoBatch struct {
	RequestItems map[string][]json.RawMessage `json:"RequestItems"`
}

// answerPartly passes a part of a batch, and answers with the rest as unprocessed.
func (g *DynamoDBGateway) answerPartly(ctx context.Context, w http.ResponseWriter, r dynamoRequest) {
	var batch dynamoBatch
	if err := json.Unmarshal(r.body, &batch); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	done, left, n := g.split(batch)
	if len(done.RequestItems) == 0 { // of which DynamoDB says that the request was refused
		refuseDynamo(w, http.StatusBadRequest, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
			"The level of configured provisioned throughput for the table was exceeded.")
		g.count(func(f *DynamoDBFaults) { f.Throttled++ })
		return
	}
	text, err := json.Marshal(done)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer, err := g.forward(ctx, dynamoRequest{r.header, text})
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if answer.status == http.StatusOK {
		if answer.body, err = withUnprocessed(answer.body, left); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	g.count(func(f *DynamoDBFaults) { f.Unprocessed++; f.Items += n })
	answer.write(w)
}

func (g *DynamoDBGateway) count(add func(*DynamoDBFaults)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	add(&g.counts)
}

// split leaves out n items of a batch, at least one and, where it has more, not all.
func (g *DynamoDBGateway) split(batch dynamoBatch) (done, left dynamoBatch, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := 0
	for _, items := range batch.RequestItems {
		all += len(items)
	}
	n = 1 + g.random.IntN(max(1, all-1))
	leaves := g.random.Perm(all)[:n]
	out := make(map[int]bool, n)
	for _, i := range leaves {
		out[i] = true
	}
	done.RequestItems, left.RequestItems = map[string][]json.RawMessage{}, map[string][]json.RawMessage{}
	i := 0
	for table, items := range batch.RequestItems {
		for _, item := range items {
			to := done.RequestItems
			if out[i] {
				to = left.RequestItems
			}
			to[table] = append(to[table], item)
			i++
		}
	}
	return done, left, n
}

// withUnprocessed is an answer to a batch with more items that were left out.
func withUnprocessed(body []byte, left dynamoBatch) ([]byte, error) {
	var answer map[string]json.RawMessage
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("read the answer to a batch: %w", err)
	}
	var already map[string][]json.RawMessage
	if text, ok := answer["UnprocessedItems"]; ok {
		if err := json.Unmarshal(text, &already); err != nil {
			return nil, fmt.Errorf("read the answer to a batch: %w", err)
		}
	}
	for table, items := range already {
		left.RequestItems[table] = append(left.RequestItems[table], items...)
	}
	text, err := json.Marshal(left.RequestItems)
	if err != nil {
		return nil, err
	}
	answer["UnprocessedItems"] = text
	return json.Marshal(answer)
}

// hold sends a request later.
func (g *DynamoDBGateway) hold(ctx context.Context, r dynamoRequest) {
	g.mu.Lock()
	wait := g.late/4 + time.Duration(g.random.Int64N(int64(g.late)*3/4+1))
	g.mu.Unlock()
	g.held.Go(func() {
		time.Sleep(wait)
		if answer, err := g.forward(ctx, r); err == nil && answer.conditionFailed() {
			g.count(func(f *DynamoDBFaults) { f.LateRefused++ })
		}
	})
}

// refuseDynamo answers an error as DynamoDB does.
func refuseDynamo(w http.ResponseWriter, status int, code, message string) {
	(&dynamoAnswer{status, http.Header{
		"Content-Type": {"application/x-amz-json-1.0"}, "X-Amzn-Requestid": {"00000000-0000-0000-0000-000000000000"},
	}, fmt.Appendf(nil, `{"__type":%q,"message":%q}`, code, message)}).write(w)
}
